/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LIST: PUTFH, READDIR. The first pages of many directories travel in one
 * compound, so what a reply holds is divided among the items of a call; one
 * directory alone gets it all, because a large directory is a chain of
 * requests each of which waits for the one before.
 *
 * NFS4ERR_TOOSMALL: not one entry fits; the page is doubled up to the whole
 * reply. NFS4ERR_NOT_SAME: the verifier changed, yet the cookie may still be
 * good, and it is tried once with no verifier, which servers that need none
 * accept. NFS4ERR_BAD_COOKIE is the item's result (-EIO): going on is not
 * possible, and starting anew is the caller's decision, who has seen entries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/nfs4.h"

/* The least that is asked for by itself, bytes: a hundred-odd entries. */
#define PAGE_MIN 32768

/* The least that is asked for at all: room for a few of the longest names. A
 * page too small for one entry makes some servers fail in other ways than
 * NFS4ERR_TOOSMALL. */
#define PAGE_FLOOR 4096

/* Entries that there is room for at first. */
#define ENTRIES_FIRST 64

struct list_work {
	struct v4_work head;
	size_t max_bytes;
	bool no_verifier; /* the server did not know it any more */
};

/* The largest page that fits into a reply. */
static size_t page_room(const struct v4 *v)
{
	size_t room = batch_get_room(v->memory).response_bytes;

	room = room > 2 * V4_OP_BYTES ? room - 2 * V4_OP_BYTES : 1;
	return room < UINT32_MAX ? room : UINT32_MAX;
}

static int list_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct list_work *work = (struct list_work *)head;
	struct volume_list *item = head->item;
	size_t room = page_room(head->v);
	size_t bytes = item->max_bytes;

	(void)parts;
	item->ret_entries = NULL;
	item->ret_count = 0;
	if (bytes == 0) {
		bytes = room / items;
		bytes = bytes > V4_OP_BYTES ? bytes - V4_OP_BYTES : 0;
		if (bytes < PAGE_MIN)
			bytes = PAGE_MIN;
	}
	if (bytes < PAGE_FLOOR)
		bytes = PAGE_FLOOR;
	work->max_bytes = bytes < room ? bytes : room;
	return 0;
}

static struct batch_item_cost list_cost(const void *item, const void *previous)
{
	const struct list_work *work = item;

	(void)previous;
	return (struct batch_item_cost){
	    .ops = 2,
	    .request_bytes = 2 * V4_OP_BYTES,
	    .response_bytes = work->max_bytes + V4_OP_BYTES,
	};
}

static void list_encode(struct compound *c, struct client *client, void *item,
			const void *previous, bool again)
{
	struct list_work *work = item;
	const struct volume_list *list = work->head.item;
	size_t room = page_room(work->head.v);

	(void)client;
	(void)previous;
	(void)again;
	if (work->max_bytes > room)
		work->max_bytes = room;
	compound_putfh(c, list->dir);
	compound_readdir(c, list->cookie,
			 work->no_verifier ? 0 : list->verifier,
			 (uint32_t)work->max_bytes);
}

static void forget_entries(struct volume_list *list)
{
	for (size_t i = 0; i < list->ret_count; i++) {
		free(list->ret_entries[i].name);
		free(list->ret_entries[i].handle);
	}
	free(list->ret_entries);
	list->ret_entries = NULL;
	list->ret_count = 0;
}

/* One more entry; takes over what `d` holds, also on failure. */
static int add_entry(struct volume_list *list, size_t *room,
		     const struct dirent4 *d)
{
	if (list->ret_count == *room) {
		size_t more = *room ? 2 * *room : ENTRIES_FIRST;
		struct volume_entry *entries =
		    reallocarray(list->ret_entries, more, sizeof(*entries));

		if (!entries) {
			free(d->name);
			free(d->handle);
			return -ENOMEM;
		}
		list->ret_entries = entries;
		*room = more;
	}
	list->ret_entries[list->ret_count++] = (struct volume_entry){
	    .name = d->name,
	    .handle = d->handle,
	    .cookie = d->cookie,
	    .attr_result = d->attr_result,
	    .attr = d->attr,
	};
	return 0;
}

static int get_page(struct reply *r, struct volume_list *list)
{
	struct dirent4 d;
	size_t room = 0;
	bool eof = false;
	int result;

	while ((result = reply_dirent(r, &d, &eof)) > 0) {
		result = add_entry(list, &room, &d);
		if (result)
			break;
	}
	/* A page that brings one no further would be asked for for ever. */
	if (!result && !eof &&
	    (list->ret_count == 0 ||
	     list->ret_entries[list->ret_count - 1].cookie == list->cookie))
		result = -EPROTO;
	list->ret_eof = eof;
	return result;
}

/* What an error of READDIR leads to. */
static int list_failed(const struct reply *r, struct list_work *work, int error)
{
	const struct volume_list *list = work->head.item;
	size_t room = page_room(work->head.v);

	if (error == -EMSGSIZE && work->max_bytes < room) {
		work->max_bytes =
		    2 * work->max_bytes < room ? 2 * work->max_bytes : room;
		return -ERESTART;
	}
	if (reply_is_not_same(r) && list->verifier != 0 && !work->no_verifier) {
		work->no_verifier = true;
		return -ERESTART;
	}
	return error;
}

static int list_decode(struct reply *r, void *item, const void *previous,
		       bool again)
{
	struct list_work *work = item;
	struct volume_list *list = work->head.item;
	int error = reply_putfh(r);

	(void)previous;
	(void)again;
	if (error)
		return error;
	error = reply_readdir(r, &list->ret_verifier);
	if (error)
		return batch_is_passing(r) ? error
					   : list_failed(r, work, error);
	forget_entries(list);
	error = get_page(r, list);
	if (error)
		forget_entries(list);
	return error;
}

const struct v4_verb v4_list_verb = {
    V4_VERB(list, list_work, volume_list),
    .init = list_init,
};
