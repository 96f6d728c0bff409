/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_fuse - requests of a kernel that is not there: what the view asks of
 * libfuse about one request, with the same locks, and what it was answered.
 *
 * An answer that comes twice ends the test program.
 * Thread rule: any thread.
 */
#ifndef UNIT_FAKE_FUSE_H
#define UNIT_FAKE_FUSE_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a request was answered. */
struct fake_answer {
	int error; /* as given to fuse_reply_err(): not negative */
	struct fuse_entry_param entry;
	struct stat attr;
	double timeout;
	size_t len;      /* of data, or of an extended attribute */
	char data[4096]; /* of a buffer or a link */
};

/* A request whose fuse_req_userdata() is `userdata`. */
fuse_req_t fake_req_new(void *userdata);
void fake_req_free(fuse_req_t req);

/* Ctrl-C. */
void fake_req_interrupt(fuse_req_t req);

/* Waits for the answer; it lives as long as the request. */
const struct fake_answer *fake_req_wait(fuse_req_t req);

bool fake_req_is_answered(fuse_req_t req);

/* The next fuse_reply_entry() finds that the kernel has gone away. */
void fake_req_abandon(fuse_req_t req);

#endif
