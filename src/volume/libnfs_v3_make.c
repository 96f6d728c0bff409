/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MAKE:	LONG	a target too long for libnfs: LOOKUP, to see that the
 *name is free, then the call by v3_symlink_long(), then FIND
 *		MAKE	else MKDIR, SYMLINK or MKNOD, under the first name
 *		FIND	LOOKUP, if the server did not give its handle
 *		SET ..	SETATTR: owner, mode, times
 *		RENAME	if the first name is a temporary one
 *		GETATTR	after it
 * LINK:	LINK, RENAME, GETATTR likewise
 *
 * and after a failure REMOVE of the first name.
 *
 * Sent again after a lost connection: the name exists. It is taken for ours
 * when FIND meets the type that was to be made, and a link, when it is one of
 * the object. The rename finds no first name: done, when the final one is the
 * object. A REMOVE is the last thing, whatever it answers.
 *
 * SETATTR of an object of unknown type: a mode that is refused is left out
 * when the object turns out to be a symlink, which has none of its own, and a
 * size that is refused has its reason in the type.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "volume/libnfs_v3.h"

/* Bytes that libnfs has for a target: 4 KiB without header, credential and all
 * the rest of a SYMLINK. */
#define TARGET_SHORT 3072

/* No server takes more, and a request had better have an end. */
#define TARGET_MAX 65535

/* --- MAKE ----------------------------------------------------------------- */

enum make_stage {
	MAKE_MAKE,
	MAKE_LONG,
	MAKE_FIND,
	MAKE_SET,
	MAKE_RENAME,
	MAKE_CHECK, /* is it ours that lies under the final name? */
	MAKE_GETATTR,
	MAKE_REMOVE, /* after a failure */
};

struct make_work {
	struct ln_work head;
	struct handle *handle;
	struct attr_set set; /* what is to be set */
	unsigned setattr;    /* the next SETATTR */
	bool doubted;        /* it may be another's */
	int failure;         /* the result after MAKE_REMOVE */
};

static const char *first_name(const struct volume_make *item)
{
	return item->temp_name ? item->temp_name : item->name;
}

static int check_type(const struct volume_make *item)
{
	switch (item->type) {
	case ENTRY_DIRECTORY:
		return item->temp_name ? -EINVAL : 0;
	case ENTRY_SYMLINK:
		if (!item->target || !*item->target)
			return -EINVAL;
		return strlen(item->target) > TARGET_MAX ? -ENAMETOOLONG : 0;
	case ENTRY_FIFO:
	case ENTRY_SOCKET:
		return 0;
	case ENTRY_BLOCK:
	case ENTRY_CHAR:
		return -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

static int make_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct make_work *work = (struct make_work *)head;
	struct volume_make *item = head->item;
	int error;

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	if (item->set.which & ATTR_SET_SIZE)
		return -EINVAL;
	error = volume_check_name(item->name);
	if (!error)
		error = volume_check_name(first_name(item));
	if (!error)
		error = check_type(item);
	if (!error)
		error = v3_setattr_check(&item->set);
	work->set = item->set;
	if (item->type == ENTRY_SYMLINK && !error) {
		work->set.which &= ~ATTR_SET_MODE;
		if (strlen(item->target) > TARGET_SHORT)
			head->stage = MAKE_LONG;
	}
	return error;
}

static bool send_make(struct ln_work *head, struct rpc_context *rpc)
{
	const struct volume_make *item = head->item;
	struct diropargs3 where = v3_where(item->dir, first_name(item));
	struct MKDIR3args dir = {.where = where, .attributes = v3_mode(0700)};
	struct SYMLINK3args link;
	struct MKNOD3args node;

	memset(&link, 0, sizeof(link));
	memset(&node, 0, sizeof(node));
	switch (item->type) {
	case ENTRY_DIRECTORY:
		return SHIM_CALL3(mkdir, rpc, ln_answered, &dir, head);
	case ENTRY_SYMLINK:
		link.where = where;
		link.symlink.symlink_data = (char *)(uintptr_t)item->target;
		return SHIM_CALL3(symlink, rpc, ln_answered, &link, head);
	default:
		break;
	}
	node.where = where;
	if (item->type == ENTRY_FIFO) {
		node.what.type = NF3FIFO;
		node.what.mknoddata3_u.pipe_attributes = v3_mode(0600);
	} else {
		node.what.type = NF3SOCK;
		node.what.mknoddata3_u.sock_attributes = v3_mode(0600);
	}
	return SHIM_CALL3(mknod, rpc, ln_answered, &node, head);
}

static bool make_send(struct ln_work *head, struct rpc_context *rpc)
{
	struct make_work *work = (struct make_work *)head;
	const struct volume_make *item = head->item;

	switch ((enum make_stage)head->stage) {
	case MAKE_MAKE:
		return send_make(head, rpc);
	case MAKE_LONG:
	case MAKE_FIND:
		return v3_send_lookup(head, rpc, item->dir, first_name(item));
	case MAKE_SET:
		return v3_send_setattr(
		    head, rpc, work->handle,
		    v3_setattr_part(&work->set, work->setattr));
	case MAKE_RENAME:
		return v3_send_rename(head, rpc, item->dir, item->temp_name,
				      item->dir, item->name);
	case MAKE_CHECK:
		return v3_send_lookup(head, rpc, item->dir, item->name);
	case MAKE_GETATTR:
		return v3_send_getattr(head, rpc, work->handle);
	case MAKE_REMOVE:
		return v3_send_remove(head, rpc, item->dir, first_name(item),
				      item->type == ENTRY_DIRECTORY);
	}
	return false;
}

static int make_fail(struct make_work *work, int error)
{
	work->failure = error;
	work->head.stage = MAKE_REMOVE;
	return LN_NEXT;
}

/* The stage behind what is there and known. */
static int make_next(struct make_work *work)
{
	const struct volume_make *item = work->head.item;

	if (work->setattr < v3_setattr_count(&work->set))
		work->head.stage = MAKE_SET;
	else
		work->head.stage = item->temp_name ? MAKE_RENAME : MAKE_GETATTR;
	return LN_NEXT;
}

/* MKDIR, SYMLINK and MKNOD answer with the same structure. */
static int get_make(struct make_work *work, const struct MKDIR3res *res)
{
	int error = v3_error((int)res->status);

	if (error == -EEXIST && work->head.request.again) {
		work->doubted = true;
		work->head.stage = MAKE_FIND;
		return LN_NEXT;
	}
	if (error)
		return error;
	error = v3_get_post_handle(&res->MKDIR3res_u.resok.obj, &work->handle);
	if (error < 0)
		return make_fail(work, error);
	if (error > 0)
		return make_next(work);
	work->head.stage = MAKE_FIND;
	return LN_NEXT;
}

/* The long symlink is there, or not. */
static void long_made(struct ln_work *head, int error, bool again)
{
	struct make_work *work = (struct make_work *)head;

	if (error == -EEXIST && again)
		work->doubted = true;
	else if (error) {
		ln_work_end(head, error);
		return;
	}
	head->stage = MAKE_FIND;
	ln_conn_submit(head->request.conn, &head->request);
}

static int begin_long(struct make_work *work, int error)
{
	const struct volume_make *item = work->head.item;

	if (error != -ENOENT)
		return error ? error : -EEXIST;
	v3_symlink_long(&work->head, item->dir, first_name(item), item->target,
			long_made);
	return LN_WAIT;
}

static int get_find(struct make_work *work, const struct LOOKUP3res *res)
{
	const struct volume_make *item = work->head.item;
	struct attr attr;
	bool has_attr;
	int error = v3_get_lookup(res, &work->handle, &attr, &has_attr);

	if (error)
		return work->doubted ? -EEXIST : make_fail(work, error);
	if (work->doubted && (!has_attr || attr.type != item->type))
		return -EEXIST;
	return make_next(work);
}

static int make_renamed(struct make_work *work, int error)
{
	if (error == -ENOENT && work->head.request.again) {
		work->head.stage = MAKE_CHECK;
		return LN_NEXT;
	}
	if (error)
		return make_fail(work, error);
	work->head.stage = MAKE_GETATTR;
	return LN_NEXT;
}

static int get_check(struct make_work *work, const struct LOOKUP3res *res)
{
	struct handle *found = NULL;
	struct attr attr;
	bool has_attr;
	int error = v3_get_lookup(res, &found, &attr, &has_attr);

	if (!error && !handle_equal(found, work->handle))
		error = -ENOENT;
	free(found);
	work->head.stage = MAKE_GETATTR;
	return error ? error : LN_NEXT;
}

static int make_reply(struct ln_work *head, void *data)
{
	struct make_work *work = (struct make_work *)head;
	struct volume_make *item = head->item;
	int error;

	switch ((enum make_stage)head->stage) {
	case MAKE_MAKE:
		return get_make(work, data);
	case MAKE_LONG:
		return begin_long(work, v3_get_status(data));
	case MAKE_FIND:
		return get_find(work, data);
	case MAKE_SET:
		error = v3_get_status(data);
		work->setattr++;
		return error ? make_fail(work, error) : make_next(work);
	case MAKE_RENAME:
		return make_renamed(work, v3_get_status(data));
	case MAKE_CHECK:
		return get_check(work, data);
	case MAKE_GETATTR:
		error = v3_get_getattr(data, &item->ret_attr);
		if (!error) {
			item->ret_handle = work->handle;
			work->handle = NULL;
		}
		return error;
	case MAKE_REMOVE:
		break;
	}
	return work->failure;
}

static void make_done(struct ln_work *head)
{
	free(((struct make_work *)head)->handle);
}

const struct ln_verb v3_make_verb = {
    LN_VERB(make, make_work, volume_make),
    .init = make_init,
    .done = make_done,
};

/* --- LINK ----------------------------------------------------------------- */

enum link_stage {
	LINK_LINK,
	LINK_CHECK_LINK, /* is the first name one of the object's? */
	LINK_RENAME,
	LINK_CHECK_RENAME,
	LINK_GETATTR,
	LINK_LOOK,   /* what is it, that it is refused? */
	LINK_REMOVE, /* after a failure */
};

struct link_work {
	struct ln_work head;
	int failure; /* the result after LINK_LOOK or LINK_REMOVE */
};

static const char *first_link(const struct volume_link *item)
{
	return item->temp_name ? item->temp_name : item->name;
}

static int link_init(struct ln_work *head, unsigned parts, size_t items)
{
	const struct volume_link *item = head->item;
	int error = volume_check_name(item->name);

	(void)parts;
	(void)items;
	return error ? error : volume_check_name(first_link(item));
}

static bool link_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct volume_link *item = head->item;
	struct LINK3args args = {
	    .file = v3_fh(item->handle),
	    .link = v3_where(item->dir, first_link(item)),
	};

	switch ((enum link_stage)head->stage) {
	case LINK_LINK:
		return SHIM_CALL3(link, rpc, ln_answered, &args, head);
	case LINK_CHECK_LINK:
		return v3_send_lookup(head, rpc, item->dir, first_link(item));
	case LINK_RENAME:
		return v3_send_rename(head, rpc, item->dir, item->temp_name,
				      item->dir, item->name);
	case LINK_CHECK_RENAME:
		return v3_send_lookup(head, rpc, item->dir, item->name);
	case LINK_LOOK:
	case LINK_GETATTR:
		return v3_send_getattr(head, rpc, item->handle);
	case LINK_REMOVE:
		return v3_send_remove(head, rpc, item->dir, first_link(item),
				      false);
	}
	return false;
}

static int link_made(struct link_work *work)
{
	const struct volume_link *item = work->head.item;

	work->head.stage = item->temp_name ? LINK_RENAME : LINK_GETATTR;
	return LN_NEXT;
}

static int get_link(struct link_work *work, int error)
{
	if (error == -EEXIST && work->head.request.again) {
		work->head.stage = LINK_CHECK_LINK;
		return LN_NEXT;
	}
	if (error == -EOPNOTSUPP || error == -EINVAL || error == -EIO) {
		work->failure = error;
		work->head.stage = LINK_LOOK;
		return LN_NEXT;
	}
	return error ? error : link_made(work);
}

/* Servers have many words for not linking a directory. */
static int link_look(const struct link_work *work,
		     const struct GETATTR3res *res)
{
	struct attr attr;
	int error = v3_get_getattr(res, &attr);

	return !error && attr.type == ENTRY_DIRECTORY ? -EISDIR : work->failure;
}

/* Whether a name leads to the object: by handle, which a server that has
 * several of them for one object only makes too strict. */
static int check_same(const struct link_work *work,
		      const struct LOOKUP3res *res, int otherwise)
{
	const struct volume_link *item = work->head.item;
	struct handle *found = NULL;
	struct attr attr;
	bool has_attr;
	int error = v3_get_lookup(res, &found, &attr, &has_attr);

	if (!error && !handle_equal(found, item->handle))
		error = otherwise;
	free(found);
	return error;
}

static int link_renamed(struct link_work *work, int error)
{
	if (error == -ENOENT && work->head.request.again) {
		work->head.stage = LINK_CHECK_RENAME;
		return LN_NEXT;
	}
	work->failure = error;
	work->head.stage = error ? LINK_REMOVE : LINK_GETATTR;
	return LN_NEXT;
}

static int link_reply(struct ln_work *head, void *data)
{
	struct link_work *work = (struct link_work *)head;
	struct volume_link *item = head->item;
	int error;

	switch ((enum link_stage)head->stage) {
	case LINK_LINK:
		return get_link(work, v3_get_status(data));
	case LINK_CHECK_LINK:
		error = check_same(work, data, -EEXIST);
		return error ? error : link_made(work);
	case LINK_RENAME:
		return link_renamed(work, v3_get_status(data));
	case LINK_CHECK_RENAME:
		error = check_same(work, data, -ENOENT);
		head->stage = LINK_GETATTR;
		return error ? error : LN_NEXT;
	case LINK_LOOK:
		return link_look(work, data);
	case LINK_GETATTR:
		return v3_get_getattr(data, &item->ret_attr);
	case LINK_REMOVE:
		break;
	}
	return work->failure;
}

const struct ln_verb v3_link_verb = {
    LN_VERB(link, link_work, volume_link),
    .init = link_init,
};

/* --- SETATTR -------------------------------------------------------------- */

enum setattr_stage {
	SETATTR_SET,
	SETATTR_LOOK, /* what is it, that its mode or size is refused? */
	SETATTR_GETATTR,
};

struct setattr_work {
	struct ln_work head;
	struct attr_set set;
	unsigned setattr; /* the next SETATTR */
	int refusal;      /* of a mode or size */
};

static int setattr_init(struct ln_work *head, unsigned parts, size_t items)
{
	struct setattr_work *work = (struct setattr_work *)head;
	const struct volume_setattr *item = head->item;

	(void)parts;
	(void)items;
	work->set = item->set;
	if (!work->set.which)
		head->stage = SETATTR_GETATTR;
	return v3_setattr_check(&item->set);
}

static bool setattr_send(struct ln_work *head, struct rpc_context *rpc)
{
	const struct setattr_work *work = (struct setattr_work *)head;
	const struct volume_setattr *item = head->item;

	if (head->stage != SETATTR_SET)
		return v3_send_getattr(head, rpc, item->handle);
	return v3_send_setattr(head, rpc, item->handle,
			       v3_setattr_part(&work->set, work->setattr));
}

static int setattr_next(struct setattr_work *work)
{
	work->head.stage = work->setattr < v3_setattr_count(&work->set)
			       ? SETATTR_SET
			       : SETATTR_GETATTR;
	return LN_NEXT;
}

static int setattr_look(struct setattr_work *work, const void *data)
{
	struct attr attr;
	int error = v3_get_getattr(data, &attr);

	if (error)
		return work->refusal;
	if (work->set.which & ATTR_SET_SIZE && attr.type != ENTRY_FILE)
		return attr.type == ENTRY_DIRECTORY ? -EISDIR : -EINVAL;
	if (!(work->set.which & ATTR_SET_MODE) || attr.type != ENTRY_SYMLINK)
		return work->refusal;
	work->set.which &= ~ATTR_SET_MODE;
	work->setattr = 0;
	return setattr_next(work);
}

static int setattr_reply(struct ln_work *head, void *data)
{
	struct setattr_work *work = (struct setattr_work *)head;
	struct volume_setattr *item = head->item;
	int error;

	if (head->stage == SETATTR_GETATTR)
		return v3_get_getattr(data, &item->ret_attr);
	if (head->stage == SETATTR_LOOK)
		return setattr_look(work, data);
	error = v3_get_status(data);
	if (error && error != -ESTALE &&
	    work->set.which & (ATTR_SET_MODE | ATTR_SET_SIZE)) {
		work->refusal = error;
		head->stage = SETATTR_LOOK;
		return LN_NEXT;
	}
	if (error)
		return error;
	work->setattr++;
	return setattr_next(work);
}

const struct ln_verb v3_setattr_verb = {
    LN_VERB(setattr, setattr_work, volume_setattr),
    .init = setattr_init,
};
