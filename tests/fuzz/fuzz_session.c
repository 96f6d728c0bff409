/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Fuzzer: results of the operations that make and use a session.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "nfs/session.h"
#include "nfs/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_setup(const uint8_t *data, size_t size)
{
	struct exchange_id e;
	struct session s;
	struct xdr_in in;
	uint32_t status, count;

	xdr_in_init(&in, data, size);
	if (session_get_compound(&in, &status, &count) == 0 &&
	    session_get_result(&in, OP_EXCHANGE_ID, &status) == 0)
		(void)session_get_exchange_id(&in, &e);

	xdr_in_init(&in, data, size);
	if (session_get_compound(&in, &status, &count) == 0 &&
	    session_get_result(&in, OP_CREATE_SESSION, &status) == 0 &&
	    session_get_create(&in, &s, &count) == 0 &&
	    (s.slots < 1 || s.slots > SESSION_SLOTS ||
	     s.max_response > SESSION_BYTES || s.max_ops > SESSION_OPS))
		abort();
}

static void read_sequence(const uint8_t *data, size_t size)
{
	static const struct session session;
	const struct verdict_question q = {&session, 0, 1, 16};
	struct xdr_in in;
	struct verdict v;

	xdr_in_init(&in, data, size);
	v = verdict_of(&in, &q);
	if (v.kind == VERDICT_ANSWERED &&
	    (v.reply.left < 1 || v.reply.left > 15))
		abort();
	if (v.kind == VERDICT_REFUSED && v.error >= 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_setup(data, size);
	read_sequence(data, size);
	return 0;
}
