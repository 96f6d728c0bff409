/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzzer: the bytes of a server as one stream: records, RPC replies, and what
 * they mean for a call.
 *
 * The first byte is how many bytes a read gives at the most, so that records
 * are cut in all places.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "nfs/oncrpc.h"
#include "nfs/recmark.h"
#include "nfs/verdict.h"

#define RECORD_MAX (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct blob *b, size_t len)
{
	static const struct session session;
	const struct verdict_question q = {&session, 0, 1, 3};
	struct xdr_in in;
	struct verdict v;
	uint32_t xid;

	if (len > b->size)
		abort();
	xdr_in_init(&in, b->data, len);
	if (oncrpc_get_reply(&in, &xid) < 0)
		return;
	v = verdict_of(&in, &q);
	/* What is handed on lies within the record. */
	if (v.kind == VERDICT_ANSWERED &&
	    (v.reply.in.pos > len || v.reply.left > 2 || !v.advance))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recmark r;
	struct blob *b;
	size_t at = 1, len, step;

	if (size == 0 || recmark_init(&r, RECORD_MAX) < 0)
		return 0;
	step = data[0] + 1u;
	for (;;) {
		int got = recmark_next(&r, &b, &len);
		uint8_t *room;

		if (got == 1) {
			judge(b, len);
			blob_unref(b);
			continue;
		}
		if (got < 0 || at == size)
			break;
		room = recmark_get_room(&r, &len);
		len = len < step ? len : step;
		len = len < size - at ? len : size - at;
		memcpy(room, data + at, len);
		recmark_add(&r, len);
		at += len;
	}
	recmark_done(&r);
	return 0;
}
