/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listed - a directory of a hostile server is listed to its end, and what the
 * waist promises of a page (volume.h) is checked of each.
 *
 * Thread rule: one thread.
 */
#ifndef TESTS_FUZZ_LISTED_H
#define TESTS_FUZZ_LISTED_H

#include <string.h>

#include "fuzz.h"
#include "volume/volume.h"

/* Pages after which a listing is left. */
#define LISTED_PAGES 64

static inline void check_entry(const struct volume_entry *e)
{
	size_t len;

	check(e->name != NULL);
	len = strlen(e->name);
	check(len >= 1 && len <= VOLUME_NAME_MAX && !strchr(e->name, '/'));
	check(strcmp(e->name, ".") && strcmp(e->name, "..") != 0);
	check(e->attr_result <= 0 && !e->attr_result == !!e->handle);
	if (e->handle)
		check(e->handle->len >= 1 && e->handle->len <= 128);
	check(e->attr.type <= ENTRY_CHAR && e->attr.mode <= 07777);
}

/* A page that goes on must bring its reader further. */
static inline void check_page(const struct volume_list *list)
{
	check(list->result <= 0);
	if (list->result)
		check(list->ret_count == 0 && !list->ret_entries);
	else if (!list->ret_eof && list->ret_count > 0)
		check(list->ret_entries[list->ret_count - 1].cookie !=
		      list->cookie);
	for (size_t i = 0; i < list->ret_count; i++)
		check_entry(&list->ret_entries[i]);
}

/* How many pages there were, the one that failed not counted. */
static inline unsigned list_all(struct volume *v)
{
	struct volume_list page = {.dir = volume_get_info(v)->root};
	unsigned pages = 0;

	for (bool over = false; !over && pages < LISTED_PAGES; pages++) {
		volume_run(v, VOLUME_LIST, &page, 1);
		check_page(&page);
		over = page.result || page.ret_eof || volume_list_next(&page);
	}
	volume_items_done(VOLUME_LIST, &page, 1);
	return pages;
}

#endif
