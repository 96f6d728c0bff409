/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notify - the kernel's caches follow the engine: when the manifest has
 * committed a row of a path that the kernel knows, its attributes are
 * invalidated, so that they are asked for again from where the file is now.
 *
 * The manifest's writer only queues; a thread of its own tells the kernel,
 * because that can wait for an inode on its way out, and so for our own
 * answers. Queue and memory are bounded: what does not fit is left to the
 * attribute timeout.
 *
 * Thread rule: any thread.
 */
#ifndef VIEW_NOTIFY_H
#define VIEW_NOTIFY_H

#include <stdint.h>

struct notify;
struct view;

/* Begins to watch the manifest; v->session is there already. */
int notify_new(struct view *v, struct notify **ret);

/* Nothing is told to the kernel any more: before the session ends. */
void notify_end(struct notify *n);

/* Nobody resolves anything any more. */
struct notify *notify_free(struct notify *n);

/* Directory node `id` has this id in the manifest: its rows concern its
 * children. Called by whoever finds it out, view_manifest_id(). */
void notify_know(struct notify *n, uint64_t manifest_id, uint64_t node_id);

#endif
