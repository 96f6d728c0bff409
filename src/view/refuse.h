/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * refuse - the operations that would change something: the view is read-only,
 * so each answers EROFS, as the kernel does for a file system mounted so.
 *
 * What the kernel looks at before it asks us is said as for any writable file
 * system: EEXIST, ENOENT, EACCES come first.
 * Thread rule: any thread.
 */
#ifndef VIEW_REFUSE_H
#define VIEW_REFUSE_H

#define FUSE_USE_VERSION 312

#include <fuse3/fuse_lowlevel.h>

/* Enters them into the table of operations; setattr, open and write are the
 * caller's, since .sync/control has them. */
void refuse_fill(struct fuse_lowlevel_ops *ops);

#endif
