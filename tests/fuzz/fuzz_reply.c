/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzzer: replies to compounds, operation by operation.
 *
 * The first byte says how many results the reply claims; each further byte up
 * to a zero says which operation is read next; what remains is the reply.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "nfs/compound.h"
#include "nfs/fattr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_plain(struct reply *r, unsigned op)
{
	static int (*const readers[])(struct reply *) = {
	    reply_putfh,  reply_putrootfh, reply_savefh, reply_restorefh,
	    reply_lookup, reply_setattr,   reply_create, reply_verify,
	    reply_link,   reply_remove,    reply_rename, reply_close,
	};

	return readers[op % ARRAY_SIZE(readers)](r);
}

static int read_entries(struct reply *r)
{
	struct dirent4 d;
	uint64_t verifier;
	bool eof = false;
	int error = reply_readdir(r, &verifier);

	if (error)
		return error;
	while ((error = reply_dirent(r, &d, &eof)) > 0) {
		size_t len = strlen(d.name);

		if (len == 0 || len > 255 || strchr(d.name, '/'))
			abort();
		if (!d.attr_result != !!d.handle)
			abort();
		free(d.name);
		free(d.handle);
	}
	return error;
}

/* The bytes that a reader gave must lie in the reply. */
static void check_data(const struct reply *r, const uint8_t *data, size_t len)
{
	if (len > 0 &&
	    (data < r->in.data || data + len > r->in.data + r->in.len))
		abort();
}

static int read_values(struct reply *r, unsigned op)
{
	struct handle *handle = NULL;
	struct server_limits limits;
	struct server_space space;
	const uint8_t *data = NULL;
	struct stateid stateid;
	char *target = NULL;
	uint64_t verifier;
	struct attr attr;
	uint32_t count;
	size_t len = 0;
	bool flag;
	int error;

	switch (op % 11) {
	case 0:
		error = reply_getfh(r, &handle);
		break;
	case 1:
		error = reply_getattr(r, &attr, NULL);
		break;
	case 2:
		error = reply_getattr(r, &attr, &handle);
		break;
	case 3:
		error = reply_limits(r, &limits);
		break;
	case 4:
		error = reply_space(r, &space);
		break;
	case 5:
		error = reply_open(r, &stateid);
		break;
	case 6:
		error = reply_read(r, &data, &len, &flag);
		check_data(r, data, len);
		break;
	case 7:
		error = reply_write(r, &count, &flag, &verifier);
		break;
	case 8:
		error = reply_commit(r, &verifier);
		break;
	case 9:
		error = reply_readlink(r, &target);
		break;
	default:
		error = read_entries(r);
	}
	free(target);
	free(handle);
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply r = {0};
	const uint8_t *ops, *end;

	if (size < 2)
		return 0;
	r.left = data[0];
	ops = data + 1;
	end = memchr(ops, 0, size - 1);
	if (!end)
		return 0;
	xdr_in_init(&r.in, end + 1, size - (size_t)(end + 1 - data));
	for (; ops < end; ops++) {
		unsigned left = r.left;
		int error =
		    *ops < 128 ? read_plain(&r, *ops) : read_values(&r, *ops);

		if (error > 0 || r.left > left || r.in.pos > r.in.len)
			abort();
		if (error && reply_has_next(&r) && error != -ENOMEM)
			abort();
	}
	return 0;
}
