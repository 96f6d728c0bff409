// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * verdict - what a reply means for the call, its slot and its session.
 *
 * The rules, in the order in which they are tried:
 *
 *   results	SEQUENCE	compound	verdict
 *   0		-		too large	REFUSED -E2BIG
 *   0		-		DELAY		DELAY
 *   0		-		else		REFUSED -EPROTO
 *   1		error		same		by the error; slot not advanced
 *   1, 2	OK		RETRY_UNCACHED	UNCACHED; advanced
 *   1, 2	OK		too large	REFUSED -E2BIG; advanced
 *   1..n	OK		error		ANSWERED; advanced
 *   n		OK		OK		ANSWERED; advanced
 *
 * Whatever fits none of them is NONSENSE. "Too large" is REQ_TOO_BIG,
 * TOO_MANY_OPS or RESOURCE. A SEQUENCE that failed leaves its slot as it was
 * (18.46.3); so does a compound that was turned away before SEQUENCE was
 * looked at: ganesha does that with one of over 100 operations.
 */
#include "nfs/verdict.h"

#include <errno.h>
#include <string.h>

#include "nfs/status.h"

static bool is_too_large(uint32_t status)
{
	return status == NFS4ERR_REQ_TOO_BIG ||
	       status == NFS4ERR_TOO_MANY_OPS || status == NFS4ERR_RESOURCE;
}

static struct verdict refused(int error)
{
	return (struct verdict){.kind = VERDICT_REFUSED, .error = error};
}

static struct verdict plain(enum verdict_kind kind)
{
	return (struct verdict){.kind = kind};
}

/* SEQUENCE, or the compound before it, failed with `status`. */
static struct verdict not_sequenced(uint32_t status)
{
	if (is_too_large(status))
		return refused(-E2BIG);
	switch (status) {
	case NFS4ERR_DELAY:
	case NFS4ERR_GRACE:
		return plain(VERDICT_DELAY);
	case NFS4ERR_BADSESSION:
	case NFS4ERR_DEADSESSION:
	case NFS4ERR_BADSLOT:
	case NFS4ERR_BAD_HIGH_SLOT:
	case NFS4ERR_SEQ_MISORDERED:
	case NFS4ERR_SEQ_FALSE_RETRY:
	case NFS4ERR_CONN_NOT_BOUND_TO_SESSION:
	case NFS4ERR_STALE_CLIENTID:
	case NFS4ERR_EXPIRED:
		return plain(VERDICT_SESSION);
	case NFS4ERR_RETRY_UNCACHED_REP:
		/* The request was executed, so its slot was advanced then. */
		return (struct verdict){.kind = VERDICT_UNCACHED,
					.advance = true};
	case NFS4ERR_REP_TOO_BIG:
	case NFS4ERR_REP_TOO_BIG_TO_CACHE:
		return refused(-EMSGSIZE);
	default:
		return refused(-EPROTO);
	}
}

/* SEQUENCE went well; `in` stands behind its result. */
static struct verdict sequenced(struct xdr_in *in, uint32_t status,
				uint32_t count,
				const struct verdict_question *q)
{
	struct verdict v = {.kind = VERDICT_ANSWERED, .advance = true};

	if (count <= 2 && status == NFS4ERR_RETRY_UNCACHED_REP) {
		v.kind = VERDICT_UNCACHED;
	} else if (count <= 2 && is_too_large(status)) {
		v.kind = VERDICT_REFUSED;
		v.error = -E2BIG;
	} else if (status == NFS4_OK ? count != q->ops : count < 2) {
		/* All went well but results are missing, or something failed
		 * and nothing says what. */
		return plain(VERDICT_NONSENSE);
	}
	v.reply = (struct reply){
	    .in = *in,
	    .left = count - 1,
	    .status = status,
	};
	return v;
}

struct verdict verdict_of(struct xdr_in *in, const struct verdict_question *q)
{
	struct sequence s;
	struct verdict v;
	uint32_t status, count, sequence_status;

	if (session_get_compound(in, &status, &count) < 0 || count > q->ops)
		return plain(VERDICT_NONSENSE);
	if (count == 0)
		return status == NFS4_OK ? plain(VERDICT_NONSENSE)
					 : not_sequenced(status);
	if (session_get_result(in, OP_SEQUENCE, &sequence_status) < 0)
		return plain(VERDICT_NONSENSE);
	if (sequence_status != NFS4_OK)
		return count == 1 && status == sequence_status
			   ? not_sequenced(status)
			   : plain(VERDICT_NONSENSE);
	if (session_get_sequence(in, &s) < 0 ||
	    memcmp(s.session_id, q->session->id, sizeof(s.session_id)) != 0 ||
	    s.slot != q->slot || s.number != q->number)
		return plain(VERDICT_NONSENSE);
	v = sequenced(in, status, count, q);
	if (v.kind != VERDICT_NONSENSE) {
		v.sequenced = true;
		v.sequence = s;
	}
	return v;
}

struct verdict verdict_of_refusal(int error)
{
	/* SYSTEM_ERR: mostly memory, which comes back. */
	if (error == -EAGAIN)
		return plain(VERDICT_DELAY);
	return refused(-EPROTO);
}
