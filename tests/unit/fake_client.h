/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_client - nfs/client.h with a small NFSv4.1 server behind it, in memory
 * and in the caller's thread, that does what a test tells it to.
 *
 * It serves one directory, the root. It executes compounds as RFC 8881 says:
 * in order, up to the first operation that fails. A test may let any
 * operation fail, refuse whole compounds, lose replies, and make the server
 * poorer than a real one (short reads and writes, no VERIFY, no anonymous
 * stateids, forgotten opens).
 *
 * A test program that uses it must not pull in nfs/client.o.
 * Thread rule: one thread.
 */
#ifndef TESTS_UNIT_FAKE_CLIENT_H
#define TESTS_UNIT_FAKE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nfs/client.h"

#define FAKE_FILES 64
#ifndef FAKE_BYTES
#	define FAKE_BYTES (1024 * 1024)
#endif

struct fake_file {
	char name[256]; /* "" for a free place */
	uint32_t id;
	enum entry_type type;
	uint32_t mode;
	uint32_t uid;
	int64_t mtime_ns;
	uint32_t nlink_extra; /* LINKs made to it, by other names */
	size_t size;
	uint8_t *data; /* FAKE_BYTES of it */
};

struct fake_client {
	struct client_limits limits;
	struct fake_file files[FAKE_FILES];
	uint32_t next_id;
	uint32_t generation;
	uint64_t verifier;

	/* What a test looks at. */
	unsigned calls;   /* compounds executed or refused */
	unsigned ops;     /* operations executed, failed ones included */
	unsigned max_ops; /* the most in one compound */
	unsigned delayed; /* calls sent with a delay */
	unsigned opens;   /* opens that nobody closed yet */

	/* What a test sets. */
	/* The status for the `n`th operation (from 0), or 0 to execute it. */
	uint32_t (*fail_op)(struct fake_client *s, uint32_t op, unsigned n);
	/* The result of a whole call, or 0 to execute it. */
	int (*refuse_call)(struct fake_client *s, const struct compound *c);
	/* Changes an answered call's reply, or makes it fail: result is set
	 * and the reply's blob dropped. NULL: all is told as it is. */
	void (*spoil)(struct fake_client *s, struct call *call);
	size_t write_max; /* bytes that one WRITE takes; 0: all */
	size_t read_max;  /* bytes that one READ gives; 0: all */
	unsigned ops_max; /* RESOURCE on the operation behind as many; 0 */
	bool no_anonymous;
	bool no_verify;
	bool lose_reply;   /* once: execute, forget the reply, execute again */
	bool forget_opens; /* once, before the next READ or WRITE */
	bool cut_nonsense; /* replies end early without an error */
};

extern struct fake_client fake;

/* As new: empty, friendly, with the limits of a common server. */
void fake_reset(void);

/* The file under `name`, or NULL. */
struct fake_file *fake_find(const char *name);

/* Makes a file with `len` bytes. */
struct fake_file *fake_make(const char *name, const void *data, size_t len);

#endif
