/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * LIST: READDIRPLUS, and LOOKUPs of the entries that came without attributes
 * or handle, some at a time:
 *
 *	PAGE --> the page is whole, or FILL: up to FILL_WINDOW LOOKUPs at once
 *
 * A server that refuses READDIRPLUS is asked by READDIR from then on, which
 * makes every entry one of those. An entry that is gone by the time of its
 * LOOKUP is left out; one that fails otherwise keeps the error.
 *
 * NFS3ERR_TOOSMALL: not one entry fits; the page is doubled. NFS3ERR_BAD_COOKIE
 * with a verifier: it changed, yet the cookie may still be good, and it is
 * tried once with none, which servers that need none accept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/libnfs_v3.h"

/* Bytes of a page: asked for by itself, at the least, and at the most, which
 * is what libnfs takes for one answer, with room for its head. */
#define PAGE_USUAL (128 * 1024)
#define PAGE_SHARE (1024 * 1024) /* of all items of a call together */
#define PAGE_MIN   32768
#define PAGE_FLOOR 4096
#define PAGE_MAX   (1024 * 1024 - 4096)

/* Bytes of a READDIRPLUS entry that READDIR's count does not have: the names
 * alone are counted by dircount. */
#define NAMES_SHARE 4

#define ENTRIES_FIRST 64
#define FILL_WINDOW   32

struct list_work;

/* A LOOKUP of one entry. */
struct fill {
	struct ln_request request; /* first */
	struct list_work *work;
	size_t entry;
};

struct list_work {
	struct ln_work head;
	uint64_t cookie; /* where the page begins */
	uint64_t verifier;
	uint64_t last; /* the cookie that the page ends with */
	size_t max_bytes;
	size_t room;        /* places in the entries */
	bool plus;          /* READDIRPLUS */
	bool no_verifier;   /* the server did not know it any more */
	size_t next;        /* the next entry to look at */
	size_t under_way;   /* LOOKUPs */
	int failure;        /* of one of them, the page's result */
	struct fill *fills; /* FILL_WINDOW of them */
};

static int list_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct list_work *work = (struct list_work *)head;
	struct volume_list *item = head->item;
	size_t bytes = item->max_bytes;

	(void)parts;
	item->ret_entries = NULL;
	item->ret_count = 0;
	work->cookie = item->cookie;
	work->verifier = item->verifier;
	if (bytes == 0) {
		bytes = PAGE_SHARE / items;
		bytes = bytes < PAGE_USUAL ? bytes : PAGE_USUAL;
		bytes = bytes > PAGE_MIN ? bytes : PAGE_MIN;
	}
	if (bytes < PAGE_FLOOR)
		bytes = PAGE_FLOOR;
	work->max_bytes = bytes < PAGE_MAX ? bytes : PAGE_MAX;
	work->plus = !atomic_load(&head->v->no_readdirplus);
	head->request.bytes = work->max_bytes;
	return 0;
}

static bool list_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct list_work *work = (struct list_work *)head;
	const struct volume_list *item = head->item;
	uint64_t verifier = work->no_verifier ? 0 : work->verifier;
	struct READDIRPLUS3args plus = {.dir = v3_fh(item->dir)};
	struct READDIR3args plain = {.dir = plus.dir};

	if (work->plus) {
		plus.cookie = work->cookie;
		memcpy(plus.cookieverf, &verifier, sizeof(plus.cookieverf));
		plus.dircount = (uint32_t)(work->max_bytes / NAMES_SHARE);
		plus.maxcount = (uint32_t)work->max_bytes;
		return SHIM_CALL3(readdirplus, rpc, ln_answered, &plus, head);
	}
	plain.cookie = work->cookie;
	memcpy(plain.cookieverf, &verifier, sizeof(plain.cookieverf));
	plain.count = (uint32_t)work->max_bytes;
	return SHIM_CALL3(readdir, rpc, ln_answered, &plain, head);
}

/* --- A page --------------------------------------------------------------- */

/* A new entry at the end, with its name; NULL: out of memory. */
static struct volume_entry *add_entry(struct list_work *work, const char *name,
				      uint64_t cookie)
{
	struct volume_list *list = work->head.item;
	struct volume_entry *e;

	if (list->ret_count == work->room) {
		size_t more = work->room ? 2 * work->room : ENTRIES_FIRST;
		struct volume_entry *entries =
		    reallocarray(list->ret_entries, more, sizeof(*entries));

		if (!entries)
			return NULL;
		list->ret_entries = entries;
		work->room = more;
	}
	e = &list->ret_entries[list->ret_count];
	*e = (struct volume_entry){.cookie = cookie, .name = strdup(name)};
	if (!e->name)
		return NULL;
	list->ret_count++;
	return e;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/*
 * `*last` is the cookie of the last entry, also of one left out. libnfs puts
 * entries where there is room, aligned or not: each is copied to be read.
 */
static int take_plus(struct list_work *work, const void *at, uint64_t *last)
{
	struct entryplus3 from;

	for (; at; at = from.nextentry) {
		struct volume_entry *e;
		int error;

		memcpy(&from, at, sizeof(from));
		*last = from.cookie;
		if (from.name && is_dot(from.name))
			continue;
		if (volume_check_name(from.name))
			return -EPROTO;
		e = add_entry(work, from.name, from.cookie);
		if (!e)
			return -ENOMEM;
		if (!v3_get_post(&from.name_attributes, &e->attr))
			continue;
		error = v3_get_post_handle(&from.name_handle, &e->handle);
		if (error < 0)
			return error;
	}
	return 0;
}

static int take_plain(struct list_work *work, const void *at, uint64_t *last)
{
	struct entry3 from;

	for (; at; at = from.nextentry) {
		memcpy(&from, at, sizeof(from));
		*last = from.cookie;
		if (from.name && is_dot(from.name))
			continue;
		if (volume_check_name(from.name))
			return -EPROTO;
		if (!add_entry(work, from.name, from.cookie))
			return -ENOMEM;
	}
	return 0;
}

static int get_page(struct list_work *work, const void *data, uint64_t *last)
{
	const struct READDIRPLUS3res *plus = data;
	const struct READDIR3res *plain = data;
	struct volume_list *list = work->head.item;

	if (work->plus) {
		const struct READDIRPLUS3resok *ok =
		    &plus->READDIRPLUS3res_u.resok;

		memcpy(&list->ret_verifier, ok->cookieverf,
		       sizeof(list->ret_verifier));
		list->ret_eof = ok->reply.eof;
		return take_plus(work, ok->reply.entries, last);
	}
	memcpy(&list->ret_verifier, plain->READDIR3res_u.resok.cookieverf,
	       sizeof(list->ret_verifier));
	list->ret_eof = plain->READDIR3res_u.resok.reply.eof;
	return take_plain(work, plain->READDIR3res_u.resok.reply.entries, last);
}

/* What an error of the listing leads to. */
static int page_failed(struct list_work *work, int status)
{
	switch (status) {
	case NFS3ERR_NOTSUPP:
		if (!work->plus)
			break;
		atomic_store(&work->head.v->no_readdirplus, true);
		work->plus = false;
		return LN_NEXT;
	case NFS3ERR_TOOSMALL:
		if (work->max_bytes == PAGE_MAX)
			break;
		work->max_bytes *= 2;
		if (work->max_bytes > PAGE_MAX)
			work->max_bytes = PAGE_MAX;
		work->head.request.bytes = work->max_bytes;
		return LN_NEXT;
	case NFS3ERR_BAD_COOKIE:
	case NFS3ERR_NOT_SYNC:
		if (work->verifier == 0 || work->no_verifier)
			return -EIO;
		work->no_verifier = true;
		return LN_NEXT;
	}
	return v3_error(status);
}

/* --- Entries that came bare ----------------------------------------------- */

static bool is_bare(const struct volume_entry *e)
{
	return !e->handle && !e->attr_result;
}

/* Takes out the entries that turned out to be gone. */
static void drop_gone(struct volume_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->ret_count; i++) {
		struct volume_entry *e = &list->ret_entries[i];

		if (e->attr_result == -ENOENT)
			free(e->name);
		else
			list->ret_entries[kept++] = *e;
	}
	list->ret_count = kept;
}

/* The next entry without attributes; false: there is none. */
static bool next_bare(struct list_work *work, size_t *ret)
{
	const struct volume_list *list = work->head.item;

	while (work->next < list->ret_count) {
		*ret = work->next++;
		if (is_bare(&list->ret_entries[*ret]))
			return true;
	}
	return false;
}

static bool fill_send(struct ln_request *r, struct rpc_context *rpc)
{
	struct fill *f = (struct fill *)r;
	const struct volume_list *list = f->work->head.item;
	const struct volume_entry *e = &list->ret_entries[f->entry];
	struct LOOKUP3args args = {.what = v3_where(list->dir, e->name)};
	struct GETATTR3args attr = {0};

	/* A server that adds no attributes is asked for them. */
	if (e->handle) {
		attr.object = v3_fh(e->handle);
		return SHIM_CALL3(getattr, rpc, ln_answered, &attr, r);
	}
	return SHIM_CALL3(lookup, rpc, ln_answered, &args, r);
}

/* Takes the answer; LN_NEXT: the handle alone came. */
static int fill_take(struct volume_entry *e, const void *data)
{
	bool has_attr = false;
	int error;

	if (!data)
		return -EPROTO;
	if (e->handle)
		return v3_get_getattr(data, &e->attr);
	error = v3_get_lookup(data, &e->handle, &e->attr, &has_attr);
	return error || has_attr ? error : LN_NEXT;
}

/* An error of the connection is the page's, one of the server the entry's. */
static void fill_end(struct list_work *work, struct volume_entry *e, int error)
{
	if (!error)
		return;
	if (error == -ENOTCONN || error == -ECANCELED || error == -ENOMEM)
		work->failure = error;
	free(e->handle);
	e->handle = NULL;
	e->attr_result = error;
}

/*
 * The page is whole, when `last` is the cookie of its last entry, also of one
 * left out. One that brings one no further would be asked for for ever; one of
 * which nothing is left, of "." and ".." alone, is gone past here.
 */
static int page_end(struct list_work *work)
{
	struct volume_list *list = work->head.item;

	free(work->fills);
	work->fills = NULL;
	work->next = 0;
	drop_gone(list);
	if (work->failure || list->ret_eof)
		return work->failure;
	if (work->last == work->cookie || work->last == list->cookie)
		return -EPROTO;
	if (list->ret_count > 0) {
		/* What was left out behind it is not asked for again. */
		list->ret_entries[list->ret_count - 1].cookie = work->last;
		return 0;
	}
	work->cookie = work->last;
	work->verifier = list->ret_verifier;
	return LN_NEXT;
}

/* The last of the requests for one page is over. */
static void fills_end(struct list_work *work)
{
	struct ln_request *page = &work->head.request;
	int result = page_end(work);

	if (result == LN_NEXT)
		ln_conn_submit(page->conn, page);
	else
		ln_work_end(&work->head, result);
}

static void fill_done(struct ln_request *r, int error, void *data)
{
	struct fill *f = (struct fill *)r;
	struct list_work *work = f->work;
	struct volume_list *list = work->head.item;
	struct volume_entry *e = &list->ret_entries[f->entry];

	if (!error)
		error = fill_take(e, data);
	if (error != LN_NEXT) {
		fill_end(work, e, error);
		if (work->failure || !next_bare(work, &f->entry)) {
			if (--work->under_way == 0)
				fills_end(work);
			return;
		}
	}
	ln_conn_submit(r->conn, r);
}

/* Asks for what is missing; LN_WAIT while that is under way. */
static int fill_page(struct list_work *work)
{
	struct ln_conn *conn = work->head.request.conn;
	size_t count = 0, entry;

	while (count < FILL_WINDOW && next_bare(work, &entry)) {
		if (!work->fills)
			work->fills = calloc(FILL_WINDOW, sizeof(*work->fills));
		if (!work->fills)
			return -ENOMEM;
		work->fills[count].request.send = fill_send;
		work->fills[count].request.done = fill_done;
		work->fills[count].work = work;
		work->fills[count++].entry = entry;
	}
	if (count == 0)
		return page_end(work);
	/* One more is counted until all are submitted: they may fail at
	 * once. */
	work->under_way = count + 1;
	for (size_t i = 0; i < count; i++)
		ln_conn_submit(conn, &work->fills[i].request);
	return --work->under_way > 0 ? LN_WAIT : page_end(work);
}

static int list_reply(struct ln_work *head, void *data)
{
	struct list_work *work = (struct list_work *)head;
	int status, error;

	memcpy(&status, data, sizeof(status));
	if (status)
		return page_failed(work, status);
	work->last = work->cookie;
	error = get_page(work, data, &work->last);
	return error ? error : fill_page(work);
}

static void list_done(struct ln_work *head)
{
	free(((struct list_work *)head)->fills);
}

const struct ln_verb v3_list_verb = {
    LN_VERB(list, list_work, volume_list),
    .init = list_init,
    .done = list_done,
};
