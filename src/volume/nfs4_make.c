/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * MAKE: a directory, symlink, FIFO or socket.
 *
 *	CREATE	[PUTFH dir, SAVEFH,] CREATE, SETATTR*, GETATTR, RESTOREFH,
 *		[RENAME temp name]
 *	ADOPT	the same with LOOKUP instead of CREATE
 *	CLEAN	PUTFH dir, REMOVE
 *
 * CREATE could carry all attributes, but servers lose some of them (set-id
 * bits; the times, when the owner is set afterwards), so they are set behind
 * it in the same compound; only a plain mode goes with CREATE alone. What
 * exists already although it was to be made is adopted when it may be our own
 * from a request whose reply was lost. What was made and could not get its
 * attributes or its final name is removed again.
 *
 * SETATTR: see the second half.
 */
#include <errno.h>

#include "volume/nfs4.h"

/* Mode bits that CREATE does not keep everywhere: set-id and sticky. */
#define SPECIAL_BITS 07000u

#define SET_ID_BITS 06000u

/* --- Setting attributes --------------------------------------------------- */

/* Owner and mode need a SETATTR each, see nfs4.h. */
static bool needs_two(const struct attr_set *set)
{
	return (set->which & ATTR_SET_OWNER) && (set->which & ATTR_SET_MODE) &&
	       (set->mode & SET_ID_BITS);
}

unsigned v4_setattr_count(const struct attr_set *set)
{
	return set->which == 0 ? 0 : needs_two(set) ? 2 : 1;
}

void v4_setattr_encode(struct compound *c, const struct stateid *stateid,
		       const struct attr_set *set)
{
	struct attr_set first = *set;
	struct attr_set second = *set;

	if (set->which == 0)
		return;
	if (!needs_two(set)) {
		compound_setattr(c, stateid, set);
		return;
	}
	/* A new size clears set-id bits too, and all but setting them moves
	 * the times. */
	first.which &= ATTR_SET_OWNER | ATTR_SET_SIZE;
	second.which &= ATTR_SET_MODE | ATTR_SET_TIMES;
	compound_setattr(c, stateid, &first);
	compound_setattr(c, stateid, &second);
}

int v4_setattr_decode(struct reply *r, const struct attr_set *set)
{
	int error = 0;

	for (unsigned i = 0; i < v4_setattr_count(set) && !error; i++)
		error = reply_setattr(r);
	return error;
}

/* --- MAKE ----------------------------------------------------------------- */

enum make_stage {
	MAKE_CREATE,
	MAKE_ADOPT,
	MAKE_CLEAN,
};

struct make_work {
	struct v4_work head;
	struct attr_set create; /* set by CREATE */
	struct attr_set rest;   /* set behind it */
};

/* The name it is made under. */
static const char *first_name(const struct volume_make *item)
{
	return item->temp_name ? item->temp_name : item->name;
}

static int make_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct make_work *work = (struct make_work *)head;
	struct volume_make *item = head->item;
	int error = volume_check_name(item->name);

	(void)parts;
	(void)items;
	item->ret_handle = NULL;
	if (!error && item->temp_name)
		error = volume_check_name(item->temp_name);
	if (error)
		return error;
	if (item->type != ENTRY_DIRECTORY && item->type != ENTRY_SYMLINK &&
	    item->type != ENTRY_FIFO && item->type != ENTRY_SOCKET)
		return -EOPNOTSUPP;
	if ((item->type == ENTRY_DIRECTORY && item->temp_name) ||
	    (item->type == ENTRY_SYMLINK && (!item->target || !*item->target)))
		return -EINVAL;

	work->rest = item->set;
	work->rest.which &= ~ATTR_SET_SIZE;
	/* A symlink has no mode of its own, see volume.h. */
	if (item->type == ENTRY_SYMLINK) {
		work->rest.which &= ~ATTR_SET_MODE;
		return 0;
	}
	work->create.which = ATTR_SET_MODE;
	work->create.mode = item->type == ENTRY_DIRECTORY ? 0700 : 0600;
	if (work->rest.which == ATTR_SET_MODE &&
	    !(work->rest.mode & SPECIAL_BITS)) {
		work->create.mode = work->rest.mode;
		work->rest.which = 0;
	}
	return 0;
}

static bool make_shares(const struct make_work *work,
			const struct make_work *previous)
{
	const struct volume_make *item = work->head.item;
	const struct volume_make *before =
	    previous ? previous->head.item : NULL;

	return before && work->head.stage != MAKE_CLEAN &&
	       previous->head.stage != MAKE_CLEAN &&
	       v4_same_dir(item->dir, before->dir);
}

static struct batch_item_cost make_cost(const void *item, const void *previous)
{
	const struct make_work *work = item;
	const struct volume_make *make = work->head.item;
	unsigned ops = 4 + v4_setattr_count(&work->rest);
	size_t target =
	    make->type == ENTRY_SYMLINK ? strlen(make->target) + 8 : 0;

	if (!make_shares(work, previous))
		ops += 2;
	return (struct batch_item_cost){
	    .ops = ops,
	    .request_bytes = 4 * V4_OP_BYTES + 3 * V4_NAME_BYTES + target,
	    .response_bytes = 2 * V4_OP_BYTES + V4_ATTR_BYTES,
	};
}

static void make_encode(struct compound *c, struct client *client, void *item,
			const void *previous, bool again)
{
	struct make_work *work = item;
	const struct volume_make *make = work->head.item;
	const char *first = first_name(make);

	(void)client;
	(void)again;
	if (work->head.stage == MAKE_CLEAN) {
		compound_putfh(c, make->dir);
		compound_remove(c, first);
		return;
	}
	work->head.shared = make_shares(work, previous);
	if (!work->head.shared) {
		compound_putfh(c, make->dir);
		compound_savefh(c);
	}
	if (work->head.stage == MAKE_ADOPT)
		compound_lookup(c, first);
	else
		compound_create(c, make->type, first, make->target,
				&work->create);
	v4_setattr_encode(c, &stateid_anonymous, &work->rest);
	compound_getattr(c, FATTR_ATTR_AND_HANDLE);
	compound_restorefh(c);
	if (make->temp_name)
		compound_rename(c, make->temp_name, make->name);
}

static int decode_clean(struct reply *r, const struct make_work *work)
{
	int error = reply_putfh(r);

	if (!error)
		error = reply_remove(r);
	return error && batch_is_passing(r) ? error : work->head.error;
}

/* What comes behind CREATE or LOOKUP. */
static int decode_rest(struct reply *r, struct make_work *work)
{
	struct volume_make *make = work->head.item;
	struct handle *handle = NULL;
	int error;

	error = v4_setattr_decode(r, &work->rest);
	if (!error)
		error = reply_getattr(r, &make->ret_attr, &handle);
	if (!error)
		v4_set_handle(&make->ret_handle, handle);
	if (!error)
		error = reply_restorefh(r);
	if (!error && make->temp_name)
		error = reply_rename(r);
	return error;
}

static int make_decode(struct reply *r, void *item, const void *previous,
		       bool again)
{
	struct make_work *work = item;
	const struct volume_make *make = work->head.item;
	int error;

	(void)previous;
	if (work->head.stage == MAKE_CLEAN)
		return decode_clean(r, work);
	error = v4_get_dir(r, work->head.shared);
	if (!error)
		error = work->head.stage == MAKE_ADOPT ? reply_lookup(r)
						       : reply_create(r);
	if (error == -EEXIST && again && work->head.stage == MAKE_CREATE) {
		work->head.stage = MAKE_ADOPT;
		return -ERESTART;
	}
	if (error)
		return error;
	error = decode_rest(r, work);
	if (!error && make->ret_attr.type != make->type)
		return -EEXIST;
	if (!error || batch_is_passing(r))
		return error;
	/* What was adopted under its final name may be somebody else's. */
	if (work->head.stage == MAKE_ADOPT && !make->temp_name)
		return error;
	work->head.stage = MAKE_CLEAN;
	work->head.error = error;
	return -ERESTART;
}

const struct v4_verb v4_make_verb = {
    V4_VERB(make, make_work, volume_make),
    .init = make_init,
};

/* --- SETATTR -------------------------------------------------------------- */

/*
 *	SET	PUTFH, SETATTR*, GETATTR
 *	OPEN	PUTFH, OPEN, SETATTR* with the open's stateid, CLOSE, GETATTR
 *	PROBE	PUTFH, GETATTR
 *
 * Setting a size may want an open for writing (18.30.3): a server that
 * refuses the anonymous stateid gets one, from then on at once. A refusal of a
 * mode leads to PROBE: a symlink's is ignored, and what is left is set.
 */
enum setattr_stage {
	SETATTR_SET,
	SETATTR_OPEN,
	SETATTR_PROBE,
};

struct setattr_work {
	struct v4_work head;
	struct attr_set set;
};

static int setattr_init(struct v4_work *head, unsigned parts, size_t items)
{
	struct setattr_work *work = (struct setattr_work *)head;

	(void)parts;
	(void)items;
	work->set = ((struct volume_setattr *)head->item)->set;
	if ((work->set.which & ATTR_SET_SIZE) &&
	    atomic_load(&head->v->no_anonymous_write))
		head->stage = SETATTR_OPEN;
	return 0;
}

static struct batch_item_cost setattr_cost(const void *work,
					   const void *previous)
{
	(void)work;
	(void)previous;
	return (struct batch_item_cost){
	    .ops = 6,
	    .request_bytes = 6 * V4_OP_BYTES,
	    .response_bytes = 3 * V4_OP_BYTES + V4_ATTR_BYTES,
	};
}

static void setattr_encode(struct compound *c, struct client *client,
			   void *item, const void *previous, bool again)
{
	const struct setattr_work *work = item;
	const struct volume_setattr *setattr = work->head.item;

	(void)previous;
	(void)again;
	compound_putfh(c, setattr->handle);
	if (work->head.stage == SETATTR_OPEN) {
		compound_open(c, client_get_clientid(client), NULL, OPEN_HANDLE,
			      OPEN_WRITE);
		v4_setattr_encode(c, &stateid_current, &work->set);
		compound_close(c, &stateid_current);
	} else if (work->head.stage == SETATTR_SET) {
		v4_setattr_encode(c, &stateid_anonymous, &work->set);
	}
	compound_getattr(c, FATTR_ATTR);
}

/* Is the error one that a server has for the mode of a symlink? */
static bool may_be_symlink(const struct setattr_work *work, int error)
{
	return (work->set.which & ATTR_SET_MODE) &&
	       (error == -EOPNOTSUPP || error == -EINVAL || error == -EPERM ||
		error == -EACCES || error == -ELOOP || error == -EIO);
}

static int setattr_failed(struct reply *r, struct setattr_work *work, int error)
{
	if (batch_is_passing(r))
		return error;
	if (work->head.stage == SETATTR_SET && reply_refused_stateid(r) &&
	    (work->set.which & ATTR_SET_SIZE)) {
		atomic_store(&work->head.v->no_anonymous_write, true);
		work->head.stage = SETATTR_OPEN;
		return -ERESTART;
	}
	if (!may_be_symlink(work, error))
		return error;
	work->head.error = error;
	work->head.stage = SETATTR_PROBE;
	return -ERESTART;
}

static int decode_probe(struct reply *r, struct setattr_work *work)
{
	struct volume_setattr *setattr = work->head.item;
	int error = reply_putfh(r);

	if (!error)
		error = reply_getattr(r, &setattr->ret_attr, NULL);
	if (error)
		return batch_is_passing(r) ? error : work->head.error;
	if (setattr->ret_attr.type != ENTRY_SYMLINK)
		return work->head.error;
	work->set.which &= ~ATTR_SET_MODE;
	work->head.stage = SETATTR_SET;
	return work->set.which ? -ERESTART : 0;
}

static int setattr_decode(struct reply *r, void *item, const void *previous,
			  bool again)
{
	struct setattr_work *work = item;
	struct volume_setattr *setattr = work->head.item;
	bool opens = work->head.stage == SETATTR_OPEN;
	struct stateid ignored;
	int error;

	(void)previous;
	(void)again;
	if (work->head.stage == SETATTR_PROBE)
		return decode_probe(r, work);
	error = reply_putfh(r);
	if (!error && opens)
		error = reply_open(r, &ignored);
	if (error)
		return error;
	error = v4_setattr_decode(r, &work->set);
	if (error)
		return setattr_failed(r, work, error);
	if (opens)
		error = reply_close(r);
	return error ? error : reply_getattr(r, &setattr->ret_attr, NULL);
}

const struct v4_verb v4_setattr_verb = {
    V4_VERB(setattr, setattr_work, volume_setattr),
    .init = setattr_init,
};
