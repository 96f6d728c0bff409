/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * readers - manifest readers for short use by whichever thread needs one: a
 * few stay open, more are made while there is need.
 *
 * Thread rule: any thread; a reader is used by who got it until it is put.
 */
#ifndef VIEW_READERS_H
#define VIEW_READERS_H

struct manifest;
struct manifest_reader;
struct readers;

int readers_new(struct manifest *m, struct readers **ret);

/* All have been put back. */
struct readers *readers_free(struct readers *rs);

/* NULL: none to be had. */
struct manifest_reader *readers_get(struct readers *rs);
void readers_put(struct readers *rs, struct manifest_reader *r);

#endif
