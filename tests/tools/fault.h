/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One kind of fault, put between an NFS client and its server at a chosen
 * record or operation. N counts from 1; "N+" means that one and all after it.
 *
 *	cut-up:N  cut-down:N	the connection ends before the N-th record
 *	half-up:N half-down:N	.. in its middle
 *	late-up:N late-down:N	the N-th record, and what follows it, goes on
 *				FAULT_LATE_MS later
 *	uncached:N		as cut-down, and the server may keep no reply
 *	drop:N			the N-th reply is never sent
 *	xid:N			.. belongs to a call that nobody made
 *	short:N			.. ends too early
 *	garbage:N		.. claims results without number
 *	refuse:STATUS:N		the N-th COMPOUND is turned away unread: it
 *				answers STATUS, and no results
 *	error:OP:STATUS:N	the N-th operation OP answers STATUS; what
 *stands behind it is not done error3:PROCEDURE:STATUS:N  so does the N-th of
 *NFSv3 read-short:N		the N-th READ gives half of what was asked
 *	write-short:N		the N-th WRITE takes half of what it was given
 *	verifier:N		the N-th WRITE or COMMIT, in NFSv4 one that is
 *				the last of its compound, has another verifier
 *	read-long:N		the N-th READ gives more than was asked
 *	name:WORD:N		the N-th entry of all listings has another name:
 *				dot, dotdot, empty, slash (a/b), root (/x),
 *				climb (../x), far (../../../../x), nul
 *
 * STATUS and OP are names, as NOSPC and READ. An error is not made up behind
 * the server's back: the compound that reaches the server ends before the
 * operation. Not thread-safe.
 */
#ifndef TOOLS_FAULT_H
#define TOOLS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

struct fault;
struct record;

/* More than a client with a deadline of 4 s waits for a reply. */
#define FAULT_LATE_MS 2000

enum fault_verdict {
	FAULT_PASS,    /* the record, perhaps another one now, goes on */
	FAULT_ANSWER,  /* a call: the record is its reply now, and goes back */
	FAULT_LATE,    /* it goes on, later */
	FAULT_SWALLOW, /* it goes nowhere */
	FAULT_CUT,     /* nor does anything after it */
	FAULT_HALF,    /* half of it goes on, and then the same */
};

/* NULL when there is no such fault. */
struct fault *fault_new(const char *text);

/* How often it has happened. */
uint64_t fault_count(const struct fault *f);

/* How many places there were where it could have. */
uint64_t fault_places(const struct fault *f);

/* Nothing goes wrong any more. */
void fault_stop(struct fault *f);

/* A record on its way up or down, on one connection, named by any number. The
 * record may be replaced; the old one is freed then. */
enum fault_verdict fault_up(struct fault *f, uint64_t connection,
			    struct record **record);
enum fault_verdict fault_down(struct fault *f, uint64_t connection,
			      struct record **record);

/* There will be no more of this connection. */
void fault_ended(struct fault *f, uint64_t connection);

#endif
