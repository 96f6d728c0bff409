// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * NFSv4.0, what can be done without state on the server, which is to read:
 *
 *	LIST		PUTFH, READDIR
 *	LOOKUP		PUTFH dir, LOOKUP, GETATTR
 *	GETATTR		PUTFH, GETATTR
 *	READLINK	PUTFH, READLINK, GETATTR
 *	OPEN		PUTFH, GETATTR
 *	CLOSE		nothing
 *	STATFS		PUTFH root, GETATTR
 *
 * and libnfs_v40_read.c. Writing would need OPEN, and with it a client id, a
 * lease and owners with sequences, of whose loss and recovery libnfs knows
 * nothing; and the versions before 5 encode no more than 4 KiB, which is less
 * than a WRITE. Verbs that change something are thus not in the table, and
 * opening says so to whoever wants to write.
 *
 * A file opened to be read holds nothing on the server: NFSv4.0 cannot open a
 * file by its handle. It goes when its last name goes, as on NFSv3.
 *
 * All of it may be asked twice, so `again` matters nowhere.
 */
#include "volume/libnfs_v40.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/libnfs_compound.h"
#include "volume/libnfs_shim.h"

/* A page of a directory, bytes: what is asked for unless told, and the bounds.
 * libnfs takes no answer that is much larger than 1 MiB. */
#define PAGE_USUAL (256u * 1024)
#define PAGE_LEAST 4096u
#define PAGE_MOST  (1024u * 1024 - 16384)

/* Entries that there is room for at first. */
#define ENTRIES_FIRST 64

bool ln_compound_send(struct ln_compound *c, struct ln_work *work,
		      struct rpc_context *rpc)
{
	return shim_compound4(rpc, ln_answered, &c->args, work);
}

/* Begins an answer: 0 when PUTFH went well. */
static int begin(struct ln_reply *r, const void *data)
{
	ln_reply_init(r, data);
	return ln_reply_putfh(r);
}

/* --- LIST ----------------------------------------------------------------- */

struct list_work {
	struct ln_work head;
	uint32_t max_bytes;
	bool no_verifier; /* the server did not know it any more */
};

static int list_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct list_work *work = (struct list_work *)head;
	struct volume_list *item = head->item;
	size_t bytes = item->max_bytes ? item->max_bytes : PAGE_USUAL;

	(void)parts;
	(void)items;
	if (bytes < PAGE_LEAST)
		bytes = PAGE_LEAST;
	work->max_bytes = bytes < PAGE_MOST ? (uint32_t)bytes : PAGE_MOST;
	head->request.bytes = work->max_bytes;
	item->ret_entries = NULL;
	item->ret_count = 0;
	return 0;
}

static bool list_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct list_work *work = (struct list_work *)head;
	const struct volume_list *item = head->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->dir);
	ln_compound_readdir(&c, item->cookie,
			    work->no_verifier ? 0 : item->verifier,
			    work->max_bytes);
	return ln_compound_send(&c, head, rpc);
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

static int get_page(struct volume_list *list, const struct entry4 *entry)
{
	struct dirent4 d;
	size_t room = 0;
	int result;

	while ((result = ln_reply_dirent(&entry, &d)) > 0) {
		result = add_entry(list, &room, &d);
		if (result)
			break;
	}
	/* A page that brings one no further would be asked for for ever. */
	if (!result && !list->ret_eof &&
	    (list->ret_count == 0 ||
	     list->ret_entries[list->ret_count - 1].cookie == list->cookie))
		result = -EPROTO;
	return result;
}

/* What an error of READDIR leads to: a larger page, none of the verifier, or
 * nothing but itself. */
static int list_failed(const struct ln_reply *r, struct list_work *work,
		       int error)
{
	const struct volume_list *list = work->head.item;

	if (error == -EMSGSIZE && work->max_bytes < PAGE_MOST) {
		work->max_bytes = work->max_bytes < PAGE_MOST / 2
				      ? 2 * work->max_bytes
				      : PAGE_MOST;
		work->head.request.bytes = work->max_bytes;
		return LN_NEXT;
	}
	if (ln_reply_is_not_same(r) && list->verifier != 0 &&
	    !work->no_verifier) {
		work->no_verifier = true;
		return LN_NEXT;
	}
	return error;
}

static int list_reply(struct ln_work *head, void *data)
{
	struct list_work *work = (struct list_work *)head;
	struct volume_list *item = head->item;
	const struct entry4 *first;
	struct ln_reply r;
	int error = begin(&r, data);

	if (error)
		return error;
	error =
	    ln_reply_readdir(&r, &item->ret_verifier, &item->ret_eof, &first);
	return error ? list_failed(&r, work, error) : get_page(item, first);
}

static const struct ln_verb list_verb = {
    LN_VERB(list, list_work, volume_list),
    .init = list_init,
};

/* --- LOOKUP --------------------------------------------------------------- */

static int lookup_init(struct ln_work *work, unsigned parts, size_t items)
{
	struct volume_lookup *item = work->item;

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	return volume_check_name(item->name);
}

static bool lookup_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_lookup *item = work->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->dir);
	ln_compound_lookup(&c, item->name);
	ln_compound_getattr(&c, FATTR_ATTR_AND_HANDLE);
	return ln_compound_send(&c, work, rpc);
}

static int lookup_reply(struct ln_work *work, void *data)
{
	struct volume_lookup *item = work->item;
	struct ln_reply r;
	int error = begin(&r, data);

	if (!error)
		error = ln_reply_lookup(&r);
	if (!error)
		error =
		    ln_reply_getattr(&r, &item->ret_attr, &item->ret_handle);
	return error;
}

static const struct ln_verb lookup_verb = {
    LN_VERB(lookup, ln_work, volume_lookup),
    .init = lookup_init,
};

/* --- GETATTR -------------------------------------------------------------- */

static bool getattr_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_getattr *item = work->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->handle);
	ln_compound_getattr(&c, FATTR_ATTR);
	return ln_compound_send(&c, work, rpc);
}

static int getattr_reply(struct ln_work *work, void *data)
{
	struct volume_getattr *item = work->item;
	struct ln_reply r;
	int error = begin(&r, data);

	return error ? error : ln_reply_getattr(&r, &item->ret_attr, NULL);
}

static const struct ln_verb getattr_verb = {
    LN_VERB(getattr, ln_work, volume_getattr),
};

/* --- READLINK ------------------------------------------------------------- */

static int readlink_init(struct ln_work *work, unsigned parts, size_t items)
{
	struct volume_readlink *item = work->item;

	(void)parts;
	(void)items;
	item->ret_target = NULL;
	return 0;
}

static bool readlink_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_readlink *item = work->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->handle);
	ln_compound_readlink(&c);
	ln_compound_getattr(&c, FATTR_ATTR);
	return ln_compound_send(&c, work, rpc);
}

static int readlink_reply(struct ln_work *work, void *data)
{
	struct volume_readlink *item = work->item;
	struct ln_reply r;
	int error = begin(&r, data);

	if (!error)
		error = ln_reply_readlink(&r, &item->ret_target);
	if (!error)
		error = ln_reply_getattr(&r, &item->ret_attr, NULL);
	return error;
}

static const struct ln_verb readlink_verb = {
    LN_VERB(readlink, ln_work, volume_readlink),
    .init = readlink_init,
};

/* --- OPEN and CLOSE ------------------------------------------------------- */

/* Nothing but a pointer that is not NULL. */
struct v40_file {
	char nothing;
};

static int open_init(struct ln_work *work, unsigned parts, size_t items)
{
	struct volume_open *item = work->item;

	(void)parts;
	(void)items;
	item->ret_file = NULL;
	item->ret_handle = NULL;
	return item->handle ? 0 : -EROFS;
}

static bool open_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct volume_open *item = work->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->handle);
	ln_compound_getattr(&c, FATTR_ATTR);
	return ln_compound_send(&c, work, rpc);
}

static int open_reply(struct ln_work *work, void *data)
{
	struct volume_open *item = work->item;
	struct ln_reply r;
	int error = begin(&r, data);

	if (!error)
		error = ln_reply_getattr(&r, &item->ret_attr, NULL);
	if (error)
		return error;
	if (item->ret_attr.type != ENTRY_FILE)
		return item->ret_attr.type == ENTRY_DIRECTORY ? -EISDIR
							      : -EINVAL;
	item->ret_handle = handle_dup(item->handle);
	if (!item->ret_handle)
		return -ENOMEM;
	/* The last that may fail: nobody closes what was not opened. */
	item->ret_file = calloc(1, sizeof(struct v40_file));
	return item->ret_file ? 0 : -ENOMEM;
}

static const struct ln_verb open_verb = {
    LN_VERB(open, ln_work, volume_open),
    .init = open_init,
};

static int close_init(struct ln_work *work, unsigned parts, size_t items)
{
	struct volume_close *item = work->item;

	(void)parts;
	(void)items;
	free(item->file);
	item->file = NULL;
	return LN_DONE;
}

static const struct ln_verb close_verb = {
    .work_size = sizeof(struct ln_work),
    .item_size = sizeof(struct volume_close),
    .result_at = offsetof(struct volume_close, result),
    .init = close_init,
};

/* --- STATFS --------------------------------------------------------------- */

static bool statfs_send(struct ln_work *work, struct rpc_context *rpc)
{
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, work->v->root);
	ln_compound_getattr(&c, FATTR_SPACE);
	return ln_compound_send(&c, work, rpc);
}

static int statfs_reply(struct ln_work *work, void *data)
{
	struct volume_statfs *item = work->item;
	struct server_space space;
	struct ln_reply r;
	int error = begin(&r, data);

	if (!error)
		error = ln_reply_space(&r, &space);
	if (error)
		return error;
	item->ret_total_bytes = space.total_bytes;
	item->ret_free_bytes = space.free_bytes;
	item->ret_avail_bytes = space.avail_bytes;
	item->ret_total_files = space.total_files;
	item->ret_free_files = space.free_files;
	item->ret_name_max = work->v->name_max;
	item->ret_link_max = work->v->link_max;
	return 0;
}

static const struct ln_verb statfs_verb = {
    LN_VERB(statfs, ln_work, volume_statfs),
};

/* --- The root of the server ----------------------------------------------- */

static bool root_send(struct ln_work *work, struct rpc_context *rpc)
{
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putrootfh(&c);
	ln_compound_getattr(&c, FATTR_ATTR_AND_HANDLE);
	return ln_compound_send(&c, work, rpc);
}

static int root_reply(struct ln_work *work, void *data)
{
	struct v40_root *item = work->item;
	struct attr ignored;
	struct ln_reply r;
	int error;

	ln_reply_init(&r, data);
	error = ln_reply_putrootfh(&r);
	item->refused = r.failed_status;
	return error ? error : ln_reply_getattr(&r, &ignored, &item->handle);
}

const struct ln_verb v40_root_verb = {
    LN_VERB(root, ln_work, v40_root),
};

/* --- Limits --------------------------------------------------------------- */

struct limits {
	const struct handle *handle;
	int result;
	struct server_limits limits;
};

static bool limits_send(struct ln_work *work, struct rpc_context *rpc)
{
	const struct limits *item = work->item;
	struct ln_compound c;

	ln_compound_init(&c);
	ln_compound_putfh(&c, item->handle);
	ln_compound_getattr(&c, FATTR_LIMITS);
	return ln_compound_send(&c, work, rpc);
}

static int limits_reply(struct ln_work *work, void *data)
{
	struct limits *item = work->item;
	struct ln_reply r;
	int error = begin(&r, data);

	return error ? error : ln_reply_limits(&r, &item->limits);
}

static const struct ln_verb limits_verb = {
    LN_VERB(limits, ln_work, limits),
};

void v40_learn_limits(struct ln *v)
{
	struct limits item = {.handle = v->root};

	if (ln_run(v, &limits_verb, &item))
		return;
	if (item.limits.name_max > 0)
		v->name_max = item.limits.name_max;
	v->link_max = item.limits.link_max;
	/* Small enough to be nonsense: better one round trip more. */
	if (item.limits.read_max >= 512 && item.limits.read_max < v->read_max)
		v->read_max = item.limits.read_max;
}

const struct ln_verb *const v40_verbs[VOLUME_VERBS] = {
    [VOLUME_LIST] = &list_verb,
    [VOLUME_LOOKUP] = &lookup_verb,
    [VOLUME_GETATTR] = &getattr_verb,
    [VOLUME_READLINK] = &readlink_verb,
    [VOLUME_READ_WHOLE] = &v40_read_whole_verb,
    [VOLUME_READ] = &v40_read_verb,
    [VOLUME_OPEN] = &open_verb,
    [VOLUME_CLOSE] = &close_verb,
    [VOLUME_STATFS] = &statfs_verb,
};
