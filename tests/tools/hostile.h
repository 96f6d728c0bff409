/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a hostile server could say in a reply that is well formed: more data
 * than were asked for, names that lead elsewhere. Not thread-safe.
 */
#ifndef TOOLS_HOSTILE_H
#define TOOLS_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;

/* The name that goes by a word (`dotdot`, `climb`, ..); NULL: none does. */
const char *hostile_name(const char *word, size_t *ret_len);

/*
 * Gives an entry of a listing this name: the first one for which `hits` says
 * so. The reply is one to READDIR or READDIRPLUS of NFSv3 if `procedure` says
 * so, else one to a COMPOUND.
 */
void hostile_listing(struct record **record, int procedure,
		     bool (*hits)(void *user), void *user, const char *name,
		     size_t len);

/* Makes the data of a READ, the result number `index` of a COMPOUND or that of
 * NFSv3, `count` bytes long. */
void hostile_read(struct record **record, bool nfs3, uint32_t index,
		  uint32_t count);

#endif
