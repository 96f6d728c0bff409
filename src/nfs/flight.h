/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flight - the calls of one connection: those that wait and those in slots.
 *
 * Thread rule: belongs to its connection's thread.
 */
#ifndef NFS_FLIGHT_H
#define NFS_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/outbox.h"
#include "nfs/slots.h"

struct link;
struct oncrpc_auth;
struct session;

struct flight {
	struct slots slots;
	struct outbox outbox;
	struct call_list foreground, background; /* wait for a slot */
	struct call_list resting; /* the soonest first, with or without slot */
	unsigned resting_slots;   /* how many of them have one */
	uint32_t xid;             /* counts up, above the slot's bits */

	const struct session *session; /* borrowed, as the next one */
	const struct oncrpc_auth *auth;
	void (*end)(void *user, struct call *call, int result);
	void *user;
};

/* Each call that ends does so by end(user, ..), which may not call back. */
void flight_init(struct flight *f, const struct session *session,
		 const struct oncrpc_auth *auth,
		 void (*end)(void *user, struct call *call, int result),
		 void *user);
void flight_done(struct flight *f);

/* --- Calls that wait ------------------------------------------------------ */

/* Takes a call, which waits until its not_before_ns and then for a slot. */
void flight_add(struct flight *f, struct call *call);

/* Gives slots to the calls whose time has come; what is too large for the
 * session ends with -E2BIG. */
void flight_admit(struct flight *f, int64_t now_ns);

/* When the first resting call is due; INT64_MAX: none rests. */
int64_t flight_next_ns(const struct flight *f);

/* --- Calls in slots ------------------------------------------------------- */

/* Sends as much as the link takes; `*ret_sent` calls are gone in whole. */
int flight_send(struct flight *f, struct link *link, unsigned *ret_sent);

/* The slot that awaits the reply to `xid`, or NULL. */
struct slot *flight_find(struct flight *f, uint32_t xid);

/* How many replies are awaited, those of unsent calls included. */
unsigned flight_awaited(const struct flight *f);

/* Is a reply missing for longer than `limit_ns`? */
bool flight_is_overdue(struct flight *f, int64_t now_ns, int64_t limit_ns);

/* The call of the slot ends; `advance` as in slots_give(). */
void flight_end(struct flight *f, struct slot *slot, bool advance, int result);

/* The call leaves its slot and waits for another one, before all others;
 * `executed`: it may have been executed. */
void flight_retry(struct flight *f, struct slot *slot, bool advance,
		  bool executed);

/* The call stays in its slot and is sent again later. */
void flight_delay(struct flight *f, struct slot *slot, int64_t now_ns);

/* --- All calls ------------------------------------------------------------ */

/* The connection is gone: nothing is being sent any more. */
void flight_cut(struct flight *f);

/* There is a new connection: all that was in its slots goes out again. */
void flight_resend(struct flight *f);

/* The session is gone: all leave their slots. */
void flight_recall(struct flight *f);

/* All end with `result`, those in `more` too. */
void flight_end_all(struct flight *f, struct call_list *more, int result);

#endif
