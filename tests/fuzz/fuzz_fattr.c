/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Attributes as NFSv4 and NFSv3 bring them: whatever the bytes, what is taken
 * for attributes is within the bounds that the rest relies on, and what is set
 * is read again as it was.
 *
 * The first byte says which.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "fuzz.h"
#include "nfs/fattr.h"
#include "volume/libnfs_v3.h"

static void check_attr(const struct attr *a)
{
	check(a->type <= ENTRY_CHAR && a->mode <= 07777);
}

static void read_v4(struct input *in)
{
	struct fattr f;
	struct xdr_in x;

	xdr_in_init(&x, in->data, in->left);
	while (fattr_get(&x, &f)) {
		check(x.pos <= x.len && f.error <= 0);
		check_attr(&f.attr);
		if (f.handle) {
			check(f.handle_len > 0 && f.handle_len <= 128);
			check(f.handle >= x.data);
			check(f.handle + f.handle_len <= x.data + x.pos);
		}
	}
	check(x.failed);
}

/* By libnfs's decoder, as they come to the backend. */
static void read_v3(struct input *in)
{
	CLEANUP_FREE char *copy = malloc(in->left + 1);
	struct fattr3 from;
	struct attr a;
	ZDR zdr;

	check(copy != NULL);
	memcpy(copy, in->data, in->left);
	memset(&from, 0, sizeof(from));
	zdrmem_create(&zdr, copy, (uint32_t)in->left, ZDR_DECODE);
	if (zdr_fattr3(&zdr, &from)) {
		int r = v3_get_attr(&from, &a);

		check(r == 0 || r == -EPROTO);
		if (r == 0) {
			check_attr(&a);
			check(a.type != ENTRY_NONE);
			check(clock_split_ns(a.mtime_ns).tv_sec ==
			      (time_t)from.mtime.seconds);
			check(a.change == (uint64_t)a.ctime_ns);
		}
	}
	zdr_destroy(&zdr);
}

/* SETATTR's attributes are those of GETATTR, but for the times. */
static void write_v4(struct input *in)
{
	struct attr_set set = {
	    .which = (uint32_t)input_byte(in) & 0xf,
	    .mode = (uint32_t)input_number(in, 2) & 07777,
	    .uid = (uint32_t)input_number(in, 4),
	    .gid = (uint32_t)input_number(in, 4),
	    .size = input_number(in, 8),
	};
	struct xdr_out out;
	struct xdr_in x;
	struct fattr f;

	xdr_out_init(&out);
	fattr_put_set(&out, &set);
	check(!out.failed);
	xdr_in_init(&x, out.data, out.len);
	check(fattr_get(&x, &f) && xdr_left(&x) == 0);
	check(!(set.which & ATTR_SET_MODE) || f.attr.mode == set.mode);
	check(!(set.which & ATTR_SET_UID) || f.attr.uid == set.uid);
	check(!(set.which & ATTR_SET_GID) || f.attr.gid == set.gid);
	check(!(set.which & ATTR_SET_SIZE) || f.attr.size == set.size);
	xdr_out_done(&out);
}

/* Times to the wire of both versions: never a nanosecond beyond a second, and
 * NFSv3 takes what it has numbers for. */
static void write_times(struct input *in)
{
	struct attr_set set = {
	    .which = (uint32_t)input_byte(in),
	    .mode = (uint32_t)input_number(in, 2),
	    .atime_ns = (int64_t)input_number(in, 8),
	    .mtime_ns = (int64_t)input_number(in, 8),
	};
	struct xdr_out out;

	xdr_out_init(&out);
	fattr_put_set(&out, &set);
	check(!out.failed && out.len % 4 == 0);
	xdr_out_done(&out);
	if (v3_setattr_check(&set))
		return;
	for (unsigned i = 0; i < v3_setattr_count(&set); i++) {
		struct sattr3 part = v3_setattr_part(&set, i);

		if (part.mtime.set_it == SET_TO_CLIENT_TIME)
			check(clock_join_ns(
				  part.mtime.set_mtime_u.mtime.seconds,
				  part.mtime.set_mtime_u.mtime.nseconds) ==
			      set.mtime_ns);
	}
}

static void read_owner(struct input *in)
{
	uint32_t id = fattr_parse_owner(in->data, in->left);

	for (size_t i = 0; i < in->left; i++)
		if (in->data[i] < '0' || in->data[i] > '9')
			check(id == FATTR_NOBODY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct input *) = {
	    read_v4, read_v3, write_v4, write_times, read_owner,
	};
	struct input in = {data, size};

	all[input_byte(&in) % ARRAY_SIZE(all)](&in);
	return 0;
}
