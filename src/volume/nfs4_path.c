/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From the server's root to the directory that a location names:
 *
 *	PUTROOTFH, GETATTR, (LOOKUP, GETATTR) for each component
 *
 * up to WALK_COMPONENTS of them in one compound; a longer path goes on from
 * the handle it got to. NFSv4 servers neither follow symlinks nor junctions to
 * other servers: the attributes of each component tell what it is, and what
 * is no directory ends the walk with a sentence that names the component and
 * says what to write instead. For a symlink that takes one more request, its
 * target.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/nfs4.h"

#define WALK_COMPONENTS 40

enum walk_stage {
	WALK_DOWN,
	WALK_READLINK, /* component `next` is a symlink: where to? */
};

struct walk {
	struct v4_work head;
	char *text; /* holds the components, cut apart */
	char **components;
	size_t count;
	size_t next;           /* the first component not reached yet */
	struct handle *handle; /* how far it got; NULL: not at all */
	struct attr attr;
	char *target;         /* of the symlink met */
	bool is_object;       /* the error is what component `next` is, not
				 that it could not be asked for */
	enum entry_type type; /* of the component met that is no directory */
};

/* The components of this round. */
static size_t walk_end(const struct walk *w)
{
	return w->count - w->next > WALK_COMPONENTS ? w->next + WALK_COMPONENTS
						    : w->count;
}

static struct batch_item_cost walk_cost(const void *item, const void *previous)
{
	const struct walk *w = item;
	size_t n = walk_end(w) - w->next;

	(void)previous;
	return (struct batch_item_cost){
	    .ops = 2 + 2 * (unsigned)n,
	    .request_bytes = (n + 1) * (2 * V4_OP_BYTES + V4_NAME_BYTES),
	    .response_bytes = (n + 1) * (V4_OP_BYTES + V4_ATTR_BYTES),
	};
}

static void walk_encode(struct compound *c, struct client *client, void *item,
			const void *previous, bool again)
{
	const struct walk *w = item;

	(void)client;
	(void)previous;
	(void)again;
	if (w->handle)
		compound_putfh(c, w->handle);
	else
		compound_putrootfh(c);
	if (w->head.stage == WALK_READLINK) {
		compound_lookup(c, w->components[w->next]);
		compound_readlink(c);
		return;
	}
	compound_getattr(c, FATTR_ATTR_AND_HANDLE);
	for (size_t i = w->next; i < walk_end(w); i++) {
		compound_lookup(c, w->components[i]);
		compound_getattr(c, FATTR_ATTR_AND_HANDLE);
	}
}

static int walk_decode_readlink(struct reply *r, struct walk *w)
{
	int error = reply_putfh(r);

	if (!error)
		error = reply_lookup(r);
	if (!error) {
		free(w->target);
		w->target = NULL;
		error = reply_readlink(r, &w->target);
	}
	/* The symlink is the reason, whether its target is known or not. */
	return error && batch_is_passing(r) ? error : -ELOOP;
}

/* Takes one GETATTR's result: where the walk now is. */
static int walk_arrive(struct reply *r, struct walk *w)
{
	struct handle *handle = NULL;
	struct attr attr;
	int error = reply_getattr(r, &attr, &handle);

	if (error)
		return error;
	if (attr.type != ENTRY_DIRECTORY) {
		free(handle);
		w->is_object = true;
		w->type = attr.type;
		return -ENOTDIR;
	}
	v4_set_handle(&w->handle, handle);
	w->attr = attr;
	return 0;
}

static int walk_decode(struct reply *r, void *item, const void *previous,
		       bool again)
{
	struct walk *w = item;
	size_t end = walk_end(w);
	int error;

	(void)previous;
	(void)again;
	if (w->head.stage == WALK_READLINK)
		return walk_decode_readlink(r, w);
	error = w->handle ? reply_putfh(r) : reply_putrootfh(r);
	if (!error)
		error = walk_arrive(r, w);
	while (!error && w->next < end) {
		error = reply_lookup(r);
		if (!error)
			error = walk_arrive(r, w);
		if (!error)
			w->next++;
	}
	if (error == -ENOTDIR && w->is_object && w->type == ENTRY_SYMLINK &&
	    w->handle && w->next < w->count) {
		w->head.stage = WALK_READLINK;
		return -ERESTART;
	}
	if (error)
		return error;
	return w->next < w->count ? -ERESTART : 0;
}

static void walk_finish(void *item, int result)
{
	((struct walk *)item)->head.error = result;
}

static const struct batch_kind walk_kind = {
    .name = "walk",
    .item_size = sizeof(struct walk),
    .cost = walk_cost,
    .encode = walk_encode,
    .decode = walk_decode,
    .finish = walk_finish,
};

/* Cuts a copy of `path` at its slashes. */
static int walk_split(struct walk *w, const char *path)
{
	char *rest, *component;
	size_t most = 1;

	for (const char *p = path; *p; p++)
		most += *p == '/';
	w->text = strdup(path);
	w->components = calloc(most, sizeof(*w->components));
	if (!w->text || !w->components)
		return -ENOMEM;
	rest = w->text;
	while ((component = strsep(&rest, "/")))
		if (*component)
			w->components[w->count++] = component;
	return 0;
}

/* The path up to component `next`, that one included, as heap text. "/" when
 * not even the root was reached. */
static char *walk_reached(const struct walk *w)
{
	size_t count = w->next < w->count ? w->next + 1 : w->count;
	size_t len = 2;
	char *text, *end;

	if (!w->handle)
		count = 0;
	for (size_t i = 0; i < count; i++)
		len += strlen(w->components[i]) + 1;
	text = malloc(len);
	if (!text)
		return NULL;
	end = text;
	for (size_t i = 0; i < count; i++)
		end += sprintf(end, "/%s", w->components[i]);
	if (end == text)
		strcpy(text, "/");
	return text;
}

/* A sentence for the user about what ended the walk. */
static void walk_explain(const struct walk *w, int result, char *error,
			 size_t error_size)
{
	CLEANUP_FREE char *at = walk_reached(w);
	const char *where = w->head.v->location;
	const char *what = at ? at : "a part of the path";

	switch (result) {
	case -ENOENT:
		snprintf(error, error_size,
			 "%s: the server has no \"%s\"; make the directory "
			 "first, or correct the path",
			 where, what);
		break;
	case -ELOOP:
		snprintf(error, error_size,
			 "%s: \"%s\" is a symbolic link%s%s%s, which NFS does "
			 "not follow; write its target instead",
			 where, what, w->target ? " to \"" : "",
			 w->target ? w->target : "", w->target ? "\"" : "");
		break;
	case -EREMOTE:
		snprintf(error, error_size,
			 "%s: \"%s\" lies on another server, to which this one "
			 "refers; name that server instead",
			 where, what);
		break;
	case -ENOTDIR:
		snprintf(error, error_size,
			 "%s: \"%s\" is not a directory; a location names a "
			 "directory",
			 where, what);
		break;
	case -EACCES:
	case -EPERM:
		snprintf(error, error_size,
			 "%s: the server denies access to \"%s\"; look at its "
			 "export rules and at the user that efsbridge runs as",
			 where, what);
		break;
	default:
		snprintf(error, error_size, "%s: cannot look up \"%s\": %s",
			 where, what, strerror(-result));
	}
}

static void walk_done(struct walk *w)
{
	free(w->text);
	free(w->components);
	free(w->handle);
	free(w->target);
}

int v4_resolve(struct v4 *v, const char *path, struct handle **ret,
	       struct attr *ret_attr, char *error, size_t error_size)
{
	struct walk w = {.head.v = v};
	int result = walk_split(&w, path);

	if (!result)
		result = v4_run_one(v, &walk_kind, &w);
	if (result) {
		walk_explain(&w, result, error, error_size);
	} else {
		*ret = steal(w.handle);
		*ret_attr = w.attr;
	}
	walk_done(&w);
	return result;
}
