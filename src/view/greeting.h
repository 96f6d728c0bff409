/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * greeting - the kernel's first request, INIT, in which both sides say what
 * they can do.
 *
 * Thread rule: one call, before any other thread takes or answers requests of
 * the session.
 */
#ifndef VIEW_GREETING_H
#define VIEW_GREETING_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>

/*
 * Takes the first request of a session that is mounted, and answers it. 0; a
 * negative errno, -ENODEV when it was unmounted before.
 */
int greeting_exchange(struct fuse_session *session);

#endif
