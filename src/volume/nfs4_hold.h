/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nfs4_hold - files held open for reading, so that they stay readable when
 * their last name is gone.
 *
 * All opens of a file by one owner are one state on the server (RFC 8881
 * section 9.9), and one CLOSE ends it for all. A hold is that state, shared by
 * whoever has the file open: the last one closes it.
 *
 * Nobody waits, so an OPEN may be under way while the last one who had the file
 * open closes it. Whichever comes first, the state must be the opener's in the
 * end. The CLOSE has the seqid of the last OPEN that was answered, and is
 * refused as old when another OPEN was executed before it (8.2.2); but
 * nfs-ganesha, doing both at once, now and then ends the state it has just
 * given. So an opener who was overtaken by a CLOSE opens once more:
 * hold_look() before the OPEN, hold_is_overtaken() behind it.
 *
 * A hold is lost when the client id changed (the server restarted, a lease ran
 * out) or when the server refused its stateid; it then only waits to be
 * dropped, and its file is read without one.
 *
 * Thread rule: all functions from any thread.
 *
 * Only volume/nfs4*.c include this.
 */
#ifndef VOLUME_NFS4_HOLD_H
#define VOLUME_NFS4_HOLD_H

#include <stdbool.h>
#include <stdint.h>

struct handle;
struct hold;
struct hold_table;
struct stateid;

struct hold_table *hold_table_new(void);
/* Every hold has been dropped. */
struct hold_table *hold_table_free(struct hold_table *t);

/* A hold of `handle`, not in force yet; NULL: out of memory. */
struct hold *hold_new(const struct handle *handle);
struct hold *hold_free(struct hold *h); /* one that never was in force */

/*
 * The server answered an OPEN with `stateid` while the client had
 * `generation`. Puts `h` into force, or frees it for one that is the same
 * state; the caller has a reference to what is returned.
 */
struct hold *hold_enter(struct hold_table *t, struct hold *h,
			const struct stateid *stateid, uint32_t generation);

/* The stateid to read with; false when the hold is lost. */
bool hold_get(const struct hold *h, uint32_t generation, struct stateid *ret);

/* The server does not take its stateid any more. */
void hold_lose(struct hold *h);

/*
 * Gives a reference back. True: it was the last one, and a CLOSE with `ret` is
 * to be sent; hold_closed() when that has ended.
 */
bool hold_drop(struct hold_table *t, struct hold *h, uint32_t generation,
	       struct stateid *ret);
void hold_closed(struct hold_table *t, const struct handle *handle);

/* Was a CLOSE of `handle` under way at any time since hold_look()? It may say
 * so of another file's. */
uint64_t hold_look(struct hold_table *t, const struct handle *handle);
bool hold_is_overtaken(struct hold_table *t, const struct handle *handle,
		       uint64_t look);

#endif
