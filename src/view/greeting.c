/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Unless told that look-ups and listings of one directory may be under way at
 * the same time, the kernel sends them one after the other: then one name that
 * waits for a lost side would hold up all others of its directory, .sync in
 * the root among them. libfuse has a capability for that, but before 3.17 does
 * not pass it on; this is for those.
 *
 * libfuse writes its answer where it reads requests from. So during the first
 * request another file takes the place of that descriptor: a pipe, out of
 * which the answer is taken, completed, and given to the kernel.
 */
#include "view/greeting.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* More than any answer has; less than a pipe holds. */
#define REPLY_SIZE 1024

static int get_errno(void)
{
	return errno ? -errno : -EIO;
}

/* Does the kernel ask, and know of the flag? */
static bool is_offered(const struct fuse_buf *request)
{
	const struct fuse_in_header *header = request->mem;
	const struct fuse_init_in *in = (const void *)(header + 1);

	return request->size >= sizeof(*header) +
				    offsetof(struct fuse_init_in, flags) +
				    sizeof(in->flags) &&
	       header->opcode == FUSE_INIT &&
	       (in->flags & FUSE_PARALLEL_DIROPS);
}

/* Adds the flag to an answer that is no refusal. */
static void complete(void *reply, size_t size)
{
	struct fuse_out_header *header = reply;
	struct fuse_init_out *out = (void *)(header + 1);

	if (size >= sizeof(*header) + offsetof(struct fuse_init_out, flags) +
			sizeof(out->flags) &&
	    header->error == 0)
		out->flags |= FUSE_PARALLEL_DIROPS;
}

/* Lets libfuse answer into `fd`, which takes the place of the device. */
static int answer_into(struct fuse_session *session,
		       const struct fuse_buf *request, int fd)
{
	int number = fuse_session_fd(session);
	CLEANUP_CLOSE int device = fcntl(number, F_DUPFD_CLOEXEC, 0);

	if (device < 0 || dup3(fd, number, O_CLOEXEC) < 0)
		return get_errno();
	fuse_session_process_buf(session, request);
	return dup3(device, number, O_CLOEXEC) < 0 ? get_errno() : 0;
}

static int answer(struct fuse_session *session, const struct fuse_buf *request)
{
	_Alignas(uint64_t) char reply[REPLY_SIZE];
	CLEANUP_CLOSE int from = -1;
	CLEANUP_CLOSE int to = -1;
	int ends[2], r;
	ssize_t size;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return get_errno();
	from = ends[0];
	to = ends[1];
	r = answer_into(session, request, to);
	if (r < 0)
		return r;
	size = read(from, reply, sizeof(reply));
	if (size < 0)
		return get_errno();
	complete(reply, (size_t)size);
	return write(fuse_session_fd(session), reply, (size_t)size) < 0
		   ? get_errno()
		   : 0;
}

int greeting_exchange(struct fuse_session *session)
{
	struct fuse_buf request = {0};
	int r;

	do {
		r = fuse_session_receive_buf(session, &request);
	} while (r == -EINTR || r == -EAGAIN);
	if (r > 0 && is_offered(&request)) {
		r = answer(session, &request);
	} else if (r > 0) {
		fuse_session_process_buf(session, &request);
		r = 0;
	} else if (r == 0) {
		r = -ENODEV;
	}
	free(request.mem);
	return r;
}
