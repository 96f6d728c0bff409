/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The spill's keys are two numbers, high byte first: that of the directory,
 * and that of a name in it, from 1. Under name 0 is the directory itself; it
 * is put last, when its listings have ended well, so names without it are of
 * a directory that does not count.
 *
 * Removing from a directory changes its times. It becomes the root of a pass
 * of its own, in which nothing is visited: the finisher sets its attributes
 * and records it.
 */
#include "sync/prune.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/finish.h"
#include "sync/join.h"
#include "sync/prune_internal.h"
#include "sync/reason.h"
#include "sync/scanner.h"
#include "sync/spill.h"

/* Directories that may wait for their attributes at a time. */
#define REVISITS_MAX 256

struct key {
	uint64_t directory; /* both big-endian */
	uint64_t name;
};

static struct key make_key(uint64_t directory, uint64_t name)
{
	return (struct key){htobe64(directory), htobe64(name)};
}

/* A name as it is spilled; behind it come the handle and the name. */
struct packed_name {
	struct attr attr;
	uint32_t handle_len; /* UINT32_MAX: none */
	bool obstacle;
};

/* A directory; behind it come both handles and the path. */
struct packed_directory {
	uint64_t id;
	uint64_t parent_id;
	uint32_t handle_len[SIDES];
	bool recorded;
};

int prune_new(struct engine *e, struct prune **ret)
{
	struct prune *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = spill_new(e->spill_directory, &p->spill);
	if (r < 0) {
		free(p);
		return r;
	}
	p->engine = e;
	pthread_mutex_init(&p->lock, NULL);
	*ret = p;
	return 0;
}

struct prune *prune_free(struct prune *p)
{
	if (p) {
		spill_free(p->spill);
		pthread_mutex_destroy(&p->lock);
	}
	free(p);
	return NULL;
}

/* --- What is noted ------------------------------------------------------- */

static void put(struct prune *p, struct key key, const void *value, size_t len)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = spill_put(p->spill, &key, sizeof(key), value, len);
	pthread_mutex_unlock(&p->lock);
	if (r < 0)
		engine_stop(p->engine, r, SIDES);
}

static void note(struct scanner *s, const char *name, const struct attr *attr,
		 const struct handle *handle, bool obstacle)
{
	struct prune *p = s->engine->prune;
	struct packed_name packed = {.attr = *attr,
				     .handle_len =
					 handle ? handle->len : UINT32_MAX,
				     .obstacle = obstacle};
	size_t handle_len = handle ? handle->len : 0;
	size_t name_len = strlen(name);
	size_t len = sizeof(packed) + handle_len + name_len;
	CLEANUP_FREE uint8_t *value = malloc(len);

	if (!value) {
		engine_stop(s->engine, -ENOMEM, SIDES);
		return;
	}
	memcpy(value, &packed, sizeof(packed));
	if (handle_len > 0)
		memcpy(value + sizeof(packed), handle->data, handle_len);
	memcpy(value + sizeof(packed) + handle_len, name, name_len);
	if (s->pruned == 0) {
		pthread_mutex_lock(&p->lock);
		s->prune_number = ++p->directories;
		pthread_mutex_unlock(&p->lock);
	}
	put(p, make_key(s->prune_number, ++s->pruned), value, len);
}

/* Is what is in the scanner's directory its business? A second visit, or one
 * for a part of it, does not see it all. */
static bool concerns(const struct scanner *s)
{
	const struct dirnode *d = s->dir;

	return s->engine->prune && !d->again && !d->only && !d->only_failed &&
	       !d->shallow && !d->fresh && d->handle[DESTINATION];
}

void prune_note_obstacle(struct scanner *s, const char *name,
			 const struct attr *attr, const struct handle *handle)
{
	if (concerns(s))
		note(s, name, attr, handle, true);
}

static void confirm(struct scanner *s)
{
	struct prune *p = s->engine->prune;
	const struct dirnode *d = s->dir;
	const struct handle *h[SIDES] = {d->handle[SOURCE],
					 d->handle[DESTINATION]};
	struct packed_directory packed = {
	    .id = d->id,
	    .parent_id = d->parent_id,
	    .handle_len = {h[SOURCE]->len, h[DESTINATION]->len},
	    .recorded = true};
	CLEANUP_FREE char *path = dirnode_path(d, NULL);
	size_t len = sizeof(packed) + h[SOURCE]->len + h[DESTINATION]->len;
	CLEANUP_FREE uint8_t *value = path ? malloc(len + strlen(path)) : NULL;
	uint8_t *end = value;

	if (!value) {
		engine_stop(s->engine, -ENOMEM, SIDES);
		return;
	}
	end = mempcpy(end, &packed, sizeof(packed));
	for (int side = 0; side < SIDES; side++)
		end = mempcpy(end, h[side]->data, h[side]->len);
	memcpy(end, path, strlen(path));
	put(p, make_key(s->prune_number, 0), value, len + strlen(path));
	pthread_mutex_lock(&p->lock);
	p->noted += s->pruned;
	pthread_mutex_unlock(&p->lock);
}

void prune_note(struct scanner *s)
{
	int r;

	if (!concerns(s))
		return;
	for (;;) {
		CLEANUP_FREE char *name = NULL;
		CLEANUP_FREE struct handle *handle = NULL;
		struct attr attr;

		r = join_take_next(s->join, &name, &attr, &handle);
		if (r <= 0)
			break;
		if (scan_allows(s, name, attr.type))
			note(s, name, &attr, handle, false);
	}
	if (r < 0)
		engine_stop(s->engine, r, SIDES);
	if (s->pruned > 0)
		confirm(s);
}

/* --- Reading it back ----------------------------------------------------- */

/* The directory that comes next, as the root of a pass. */
static int unpack_directory(const uint8_t *value, size_t len,
			    struct dirnode **ret)
{
	struct packed_directory packed;
	struct handle *handle[SIDES];
	const char *name, *slash;
	struct dirnode *d;
	char *path;

	memcpy(&packed, value, sizeof(packed));
	value += sizeof(packed);
	len -= sizeof(packed);
	for (int side = 0; side < SIDES; side++) {
		handle[side] = handle_new(value, packed.handle_len[side]);
		value += packed.handle_len[side];
		len -= packed.handle_len[side];
	}
	path = strndup((const char *)value, len);
	slash = path ? strrchr(path, '/') : NULL;
	name = slash ? slash + 1 : path;
	d = path && handle[SOURCE] && handle[DESTINATION]
		? dirnode_new(NULL, name, handle[SOURCE], handle[DESTINATION])
		: NULL;
	if (!d) {
		free(handle[SOURCE]);
		free(handle[DESTINATION]);
		free(path);
		return -ENOMEM;
	}
	d->path = path;
	d->id = packed.id;
	d->parent_id = packed.parent_id;
	d->recorded = packed.recorded && *name;
	d->shallow = true;
	d->again = true;
	*ret = d;
	return 0;
}

static int unpack_name(const uint8_t *value, size_t len, struct prune_name *ret)
{
	struct packed_name packed;
	size_t handle_len;

	memcpy(&packed, value, sizeof(packed));
	value += sizeof(packed);
	len -= sizeof(packed);
	handle_len = packed.handle_len == UINT32_MAX ? 0 : packed.handle_len;
	*ret = (struct prune_name){.attr = packed.attr,
				   .obstacle = packed.obstacle};
	ret->name = strndup((const char *)value + handle_len, len - handle_len);
	if (packed.handle_len != UINT32_MAX)
		ret->handle = handle_new(value, handle_len);
	if (ret->name && (ret->handle || packed.handle_len == UINT32_MAX))
		return 0;
	free(ret->name);
	free(ret->handle);
	return -ENOMEM;
}

static void names_done(struct prune_name *names, size_t count)
{
	for (size_t k = 0; k < count; k++) {
		free(names[k].name);
		free(names[k].handle);
		free(names[k].path);
	}
}

/* Calls for each batch of names of each directory that counts, and at the
 * directory's end. */
struct visitor {
	int (*names)(struct prune *p, struct dirnode *d,
		     struct prune_name *names, size_t count);
	int (*end)(struct prune *p, struct dirnode *d); /* takes d over */
};

/* The next pair behind `key`: 1, 0 at the end. */
static int next(struct prune *p, struct key *key, uint8_t **ret_value,
		size_t *ret_len)
{
	CLEANUP_FREE void *found = NULL;
	size_t key_len;
	int r = spill_next(p->spill, key, sizeof(*key), &found, &key_len,
			   (void **)ret_value, ret_len);

	if (r > 0)
		memcpy(key, found, sizeof(*key));
	return r;
}

struct visit {
	struct prune *prune;
	const struct visitor *visitor;
	struct dirnode *dir; /* NULL: none that counts */
	struct prune_name names[PRUNE_BATCH];
	size_t count;
};

static int visit_names(struct visit *v)
{
	int r = 0;

	if (v->count > 0 && v->dir)
		r = v->visitor->names(v->prune, v->dir, v->names, v->count);
	names_done(v->names, v->count);
	v->count = 0;
	return r;
}

static int visit_end(struct visit *v)
{
	int r = visit_names(v);

	if (v->dir && r == 0)
		return v->visitor->end(v->prune, steal(v->dir));
	v->dir = dirnode_free(v->dir);
	return r;
}

static int visit_one(struct visit *v, const struct key *key,
		     const uint8_t *value, size_t len, uint64_t *directory)
{
	int r = 0;

	if (key->directory != *directory) {
		*directory = key->directory;
		r = visit_end(v);
	}
	if (r == 0 && key->name == 0)
		return unpack_directory(value, len, &v->dir);
	if (r < 0 || !v->dir)
		return r;
	r = unpack_name(value, len, &v->names[v->count]);
	if (r == 0 && ++v->count == PRUNE_BATCH)
		r = visit_names(v);
	return r;
}

/* 0, or a negative errno; -ECANCELED: it is to end. */
static int visit_all(struct prune *p, const struct visitor *visitor)
{
	CLEANUP_FREE struct visit *v = calloc(1, sizeof(*v));
	struct key key = {0};
	uint64_t directory = 0;
	int r = v ? 0 : -ENOMEM;

	if (v) {
		v->prune = p;
		v->visitor = visitor;
	}
	while (r == 0) {
		CLEANUP_FREE uint8_t *value = NULL;
		size_t len;

		gate_pass(&p->engine->gate);
		r = engine_is_stopping(p->engine) ? -ECANCELED
						  : next(p, &key, &value, &len);
		if (r <= 0)
			break;
		r = visit_one(v, &key, value, len, &directory);
	}
	if (!v)
		return r;
	if (r == 0)
		return visit_end(v);
	names_done(v->names, v->count);
	/* What was done in it so far has changed its times. */
	if (v->dir && !engine_is_stopping(p->engine))
		visitor->end(p, steal(v->dir));
	dirnode_free(v->dir);
	return r;
}

/* --- Whether ------------------------------------------------------------- */

void prune_print(const char *path)
{
	CLEANUP_FREE char *text = escape_name(path);

	printf("%-9s %s  # only on the destination\n", "remove", text ?: "?");
}

/* One name and all below it, counted or printed. */
static int look_at(struct prune *p, struct dirnode *d, struct prune_name *n,
		   enum prune_mode mode)
{
	CLEANUP_FREE char *path = dirnode_path(d, n->name);
	int r = path ? 0 : -ENOMEM;

	if (r < 0 || !prune_may(p, path, &n->attr))
		return r;
	if (mode == PRUNE_COUNT)
		p->counted++;
	else
		prune_print(path);
	if (n->attr.type == ENTRY_DIRECTORY && n->handle)
		r = prune_tree(p, n->handle, path, mode);
	return r < 0 ? r : 0;
}

static int count_names(struct prune *p, struct dirnode *d,
		       struct prune_name *names, size_t count)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < count; k++)
		r = look_at(p, d, &names[k], PRUNE_COUNT);
	return r;
}

static int print_names(struct prune *p, struct dirnode *d,
		       struct prune_name *names, size_t count)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < count; k++)
		r = look_at(p, d, &names[k], PRUNE_PRINT);
	return r;
}

static int forget(struct prune *p, struct dirnode *d)
{
	(void)p;
	dirnode_free(d);
	return 0;
}

/* How many --max-delete lets go, of `all` entries of the destination. */
static uint64_t allowed(const struct sync_options *o, uint64_t all)
{
	switch (o->max_delete_unit) {
	case LIMIT_ENTRIES:
		return o->max_delete;
	case LIMIT_PERCENT:
		return (uint64_t)((unsigned __int128)all * o->max_delete / 100);
	case LIMIT_NONE:
		break;
	}
	return UINT64_MAX;
}

static void refuse(struct prune *p)
{
	const struct sync_options *o = &p->engine->options;

	p->refused = true;
	engine_count(p->engine, COUNT_DELETE_REFUSED,
		     o->max_delete_unit == LIMIT_NONE ? p->noted : p->counted);
	if (o->max_delete_unit == LIMIT_NONE) {
		log_error("the source is empty: nothing is removed from the "
			  "destination. If that is meant, say so with "
			  "--max-delete=100%%");
		return;
	}
	log_error("%" PRIu64 " entries are only on the destination, more than "
		  "--max-delete=%" PRIu64 "%s lets go: none is removed",
		  p->counted, o->max_delete,
		  o->max_delete_unit == LIMIT_PERCENT ? "%" : "");
}

/*
 * Whether what was noted may be removed. An empty source is mostly one that is
 * not mounted, or the wrong one: that has to be meant.
 */
static bool is_allowed(struct prune *p)
{
	static const struct visitor counting = {count_names, forget};
	struct engine *e = p->engine;
	const struct sync_options *o = &e->options;
	uint64_t all;
	int r;

	p->limit = UINT64_MAX;
	if (o->max_delete_unit == LIMIT_NONE) {
		if (counters_get(&e->counters, COUNT_LISTED) > 0 ||
		    e->scope != SCOPE_ALL)
			return true;
		refuse(p);
		return false;
	}
	r = visit_all(p, &counting);
	if (r < 0) {
		if (r != -ECANCELED)
			engine_stop(e, r, SIDES);
		return false;
	}
	all = counters_get(&e->counters, COUNT_LISTED_DESTINATION) + p->below;
	p->limit = allowed(o, all);
	if (p->counted <= p->limit)
		return true;
	refuse(p);
	return false;
}

/* --- Doing it ------------------------------------------------------------ */

bool prune_may(struct prune *p, const char *path, const struct attr *attr)
{
	struct engine *e = p->engine;
	const struct attr *root = &e->root_attr[DESTINATION];
	CLEANUP_FREE char *text = NULL;

	if (!scan_allows_path(e, path, attr->type == ENTRY_DIRECTORY))
		return false;
	if (attr->fsid_major == root->fsid_major &&
	    attr->fsid_minor == root->fsid_minor)
		return true;
	text = escape_name(path);
	log_warning("destination %s: another file system: it is kept",
		    text ?: "?");
	return false;
}

bool prune_take(struct prune *p)
{
	if (p->taken < p->limit) {
		p->taken++;
		return true;
	}
	if (!p->refused)
		log_error("entries have appeared on the destination that it "
			  "alone has: removing ends, it would be more than "
			  "--max-delete lets go");
	p->refused = true;
	return false;
}

void prune_gone(struct prune *p, const char *path, bool directory,
		const struct attr *attr)
{
	engine_count(p->engine,
		     directory ? COUNT_DELETED_DIRECTORIES : COUNT_DELETED, 1);
	report_add(
	    p->engine->report, REPORT_DELETED,
	    &(struct report_entry){.path = path ?: "?", .destination = attr});
}

void prune_fail(struct prune *p, const char *path, int error)
{
	CLEANUP_FREE char *text = escape_name(path);
	struct log_fields fields = {.action = "failed", .side = "destination"};
	char room[REASON_ROOM];

	p->failed++;
	engine_count(p->engine, COUNT_FAILED, 1);
	engine_count(p->engine, COUNT_DELETE_FAILED, 1);
	fields.error = reason_text(error, PHASE_WRITE, room);
	fields.path = text ?: "?";
	log_about(LOG_ERROR, &fields, "destination %s: it is not removed: %s",
		  fields.path, fields.error);
	report_add(p->engine->report, REPORT_DELETED,
		   &(struct report_entry){
		       .path = path, .error = error, .phase = PHASE_WRITE});
}

static int remove_names(struct prune *p, struct dirnode *d,
			struct prune_name *names, size_t count)
{
	prune_names(p, d, names, count);
	return p->refused || engine_is_stopping(p->engine) ? -ECANCELED : 0;
}

/* The attributes that the directory is to have, and has. */
static int get_attr(struct engine *e, struct dirnode *d)
{
	for (int side = 0; side < SIDES; side++) {
		struct volume_getattr item = {.handle = d->handle[side]};

		volume_run(e->volume[side], VOLUME_GETATTR, &item, 1);
		if (item.result < 0) {
			engine_stops_for(e, item.result, (enum side)side);
			return item.result;
		}
		d->attr[side] = item.ret_attr;
	}
	return 0;
}

static int revisit(struct prune *p, struct dirnode *d)
{
	struct engine *e = p->engine;

	if (!atomic_load(&d->touched) || get_attr(e, d) < 0) {
		dirnode_free(d);
		return 0;
	}
	d->only = strdup("");
	if (!d->only) {
		dirnode_free(d);
		return -ENOMEM;
	}
	engine_push_root(e, d);
	if (++p->revisits % REVISITS_MAX == 0)
		finish_wait(e);
	return 0;
}

void prune_run(struct engine *e)
{
	static const struct visitor removing = {remove_names, revisit};
	static const struct visitor printing = {print_names, forget};
	struct prune *p = e->prune;
	int r = 0;

	if (p->noted == 0)
		return;
	atomic_store(&e->phase, ENGINE_PRUNING);
	if (is_allowed(p))
		r = visit_all(p, e->options.dry_run ? &printing : &removing);
	else
		engine_count(e, COUNT_KEPT, p->noted);
	if (r < 0 && r != -ECANCELED)
		engine_stop(e, r, SIDES);
	finish_wait(e);
}

bool prune_made_way(const struct prune *p)
{
	return p->made_way > 0;
}

bool prune_is_refused(const struct prune *p)
{
	return p->refused;
}

uint64_t prune_get_failed(const struct prune *p)
{
	return p->failed;
}
