/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * It stands in front of the `dir` backend and hands on what no rule concerns.
 * A call that a rule concerns is handed on item by item.
 */
#include "fault_volume.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "volume/backend.h"
#include "volume/dir.h"
#include "volume/location.h"

struct rule {
	struct fault_rule say;
	uint64_t seen; /* items that it fits; guarded by the volume's lock */
};

struct fault_volume {
	struct volume volume; /* first, see backend.h */
	struct volume *inner;
	const char *path;
	uint64_t link_max;
	_Atomic uint64_t verifier; /* added to the true one */
	_Atomic uint64_t count[VOLUME_VERBS + 1];
	pthread_mutex_t lock; /* guards rule[].seen */
	struct rule rule[FAULT_RULES];
	size_t rule_count;
};

/* What items look like to a rule. */
static const struct {
	size_t size;
	size_t result;
	size_t handle; /* SIZE_MAX: none */
	size_t name;   /* likewise; else in directory `handle` */
} shapes[VOLUME_VERBS] = {
#define PLAIN(verb, type)                                             \
	[verb] = {sizeof(struct type), offsetof(struct type, result), \
		  SIZE_MAX, SIZE_MAX}
#define BY_HANDLE(verb, type, handle)                                 \
	[verb] = {sizeof(struct type), offsetof(struct type, result), \
		  offsetof(struct type, handle), SIZE_MAX}
#define BY_NAME(verb, type)                                           \
	[verb] = {sizeof(struct type), offsetof(struct type, result), \
		  offsetof(struct type, dir), offsetof(struct type, name)}
    BY_HANDLE(VOLUME_LIST, volume_list, dir),
    BY_NAME(VOLUME_LOOKUP, volume_lookup),
    BY_HANDLE(VOLUME_GETATTR, volume_getattr, handle),
    BY_HANDLE(VOLUME_READLINK, volume_readlink, handle),
    BY_HANDLE(VOLUME_READ_WHOLE, volume_read_whole, handle),
    BY_NAME(VOLUME_WRITE_WHOLE, volume_write_whole),
    BY_NAME(VOLUME_MAKE, volume_make),
    BY_NAME(VOLUME_LINK, volume_link),
    BY_HANDLE(VOLUME_SETATTR, volume_setattr, handle),
    BY_NAME(VOLUME_REMOVE, volume_remove),
    BY_NAME(VOLUME_RENAME, volume_rename),
    BY_HANDLE(VOLUME_READ, volume_read, handle),
    BY_NAME(VOLUME_OPEN, volume_open),
    PLAIN(VOLUME_WRITE, volume_write),
    PLAIN(VOLUME_COMMIT, volume_commit),
    PLAIN(VOLUME_CLOSE, volume_close),
    PLAIN(VOLUME_STATFS, volume_statfs),
};

static struct fault_volume *fault_of(struct volume *v)
{
	return (struct fault_volume *)v;
}

static void set_result(enum volume_verb verb, void *item, int result)
{
	memcpy((char *)item + shapes[verb].result, &result, sizeof(result));
}

static int get_result(enum volume_verb verb, const void *item)
{
	int result;

	memcpy(&result, (const char *)item + shapes[verb].result,
	       sizeof(result));
	return result;
}

static const struct handle *handle_of(enum volume_verb verb, const void *item)
{
	const struct handle *h;

	if (shapes[verb].handle == SIZE_MAX)
		return NULL;
	memcpy(&h, (const char *)item + shapes[verb].handle, sizeof(h));
	return h;
}

static const char *path_of(const struct handle *h)
{
	return dir_handle_of(h)->path;
}

static bool concerns(enum volume_verb verb, const void *item, const char *name)
{
	const struct handle *h = handle_of(verb, item);
	const char *own, *slash;

	if (!name)
		return true;
	if (shapes[verb].name != SIZE_MAX) {
		memcpy(&own, (const char *)item + shapes[verb].name,
		       sizeof(own));
	} else if (h) {
		own = path_of(h);
		slash = strrchr(own, '/');
		own = slash ? slash + 1 : own;
	} else {
		return false;
	}
	return !strcmp(own, name);
}

/* The rule for this item, or NULL; every rule that fits counts it. */
static const struct fault_rule *
find_rule(struct fault_volume *f, enum volume_verb verb, const void *item)
{
	const struct fault_rule *found = NULL;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->rule_count; i++) {
		struct rule *r = &f->rule[i];

		if ((r->say.verb != verb && r->say.verb != VOLUME_VERBS) ||
		    !concerns(verb, item, r->say.name))
			continue;
		r->seen++;
		if (!found && r->seen >= r->say.first &&
		    r->seen - r->say.first < r->say.times)
			found = &r->say;
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

/* --- Effects ------------------------------------------------------------- */

/* Writes into the file, behind its end to let it grow, or removes it. */
static void meddle(struct fault_volume *f, const struct handle *h,
		   enum fault_effect effect)
{
	static const char bytes[] = "meddled with";
	CLEANUP_FREE char *path = NULL;
	CLEANUP_CLOSE int fd = -1;
	static _Atomic unsigned turn;
	char text[32];

	if (!h || asprintf(&path, "%s/%s", f->path, path_of(h)) < 0)
		abort();
	if (effect == FAULT_VANISH) {
		unlink(path);
		return;
	}
	fd = open(path,
		  O_WRONLY | O_CLOEXEC | (effect == FAULT_GROW ? O_APPEND : 0));
	if (fd < 0)
		return;
	/* No two of them alike. */
	snprintf(text, sizeof(text), "%u %s", atomic_fetch_add(&turn, 1),
		 bytes);
	if (write(fd, text, strlen(text)) < 0)
		abort();
}

/* What a file's attributes are by now. */
static void look_again(struct fault_volume *f, struct volume_read_whole *r)
{
	struct volume_getattr now = {.handle = r->handle};

	volume_run(f->inner, VOLUME_GETATTR, &now, 1);
	if (now.result == 0)
		r->ret_after = now.ret_attr;
}

static void corrupt(enum volume_verb verb, void *item)
{
	const uint8_t *data = NULL;

	if (verb == VOLUME_READ_WHOLE &&
	    ((struct volume_read_whole *)item)->ret_len > 0)
		data = ((struct volume_read_whole *)item)->ret_data;
	else if (verb == VOLUME_READ &&
		 ((struct volume_read *)item)->ret_len > 0)
		data = ((struct volume_read *)item)->ret_data;
	if (data)
		*(uint8_t *)(uintptr_t)data ^= 0x10;
}

static void run_with(struct fault_volume *f, enum volume_verb verb, void *item,
		     const struct fault_rule *rule)
{
	switch (rule->effect) {
	case FAULT_FAIL:
		/* A file is closed in any case, as a backend does it. */
		if (verb == VOLUME_CLOSE)
			volume_run(f->inner, verb, item, 1);
		set_result(verb, item, rule->error);
		return;
	case FAULT_VANISH:
		meddle(f, handle_of(verb, item), FAULT_VANISH);
		break;
	case FAULT_FORGET:
		atomic_fetch_add(&f->verifier, 1000);
		break;
	case FAULT_CALL:
		rule->call(rule->user);
		break;
	default:
		break;
	}
	volume_run(f->inner, verb, item, 1);
	if (get_result(verb, item) < 0)
		return;
	switch (rule->effect) {
	case FAULT_LATE:
		if (verb == VOLUME_OPEN) {
			struct volume_close close_it = {
			    .file = ((struct volume_open *)item)->ret_file};

			volume_run(f->inner, VOLUME_CLOSE, &close_it, 1);
		}
		volume_items_done(verb, item, 1);
		set_result(verb, item, rule->error);
		break;
	case FAULT_CHANGE:
	case FAULT_GROW:
		meddle(f, handle_of(verb, item), rule->effect);
		if (verb == VOLUME_READ_WHOLE)
			look_again(f, item);
		break;
	case FAULT_CORRUPT:
		corrupt(verb, item);
		break;
	default:
		break;
	}
}

/* --- Running ------------------------------------------------------------- */

/* The link limit: true when the item was answered. */
static bool refuse_link(struct fault_volume *f, struct volume_link *item)
{
	struct volume_getattr now = {.handle = item->handle};

	volume_run(f->inner, VOLUME_GETATTR, &now, 1);
	if (now.result < 0 || now.ret_attr.nlink < f->link_max)
		return false;
	item->result = -EMLINK;
	return true;
}

static void turn_verifier(struct fault_volume *f, enum volume_verb verb,
			  void *item)
{
	uint64_t by = atomic_load(&f->verifier);

	if (verb == VOLUME_WRITE)
		((struct volume_write *)item)->ret_verifier += by;
	else if (verb == VOLUME_COMMIT)
		((struct volume_commit *)item)->ret_verifier += by;
}

static void run_one(struct fault_volume *f, enum volume_verb verb, void *item)
{
	const struct fault_rule *rule = find_rule(f, verb, item);

	atomic_fetch_add(&f->count[verb], 1);
	atomic_fetch_add(&f->count[VOLUME_VERBS], 1);
	if (rule)
		run_with(f, verb, item, rule);
	else if (verb != VOLUME_LINK || !f->link_max || !refuse_link(f, item))
		volume_run(f->inner, verb, item, 1);
	turn_verifier(f, verb, item);
}

static void run(struct volume *v, enum volume_verb verb, void *items,
		size_t count)
{
	struct fault_volume *f = fault_of(v);

	if (f->rule_count == 0 && !f->link_max) {
		atomic_fetch_add(&f->count[verb], count);
		atomic_fetch_add(&f->count[VOLUME_VERBS], count);
		volume_run(f->inner, verb, items, count);
		return;
	}
	for (size_t i = 0; i < count; i++)
		run_one(f, verb, (char *)items + i * shapes[verb].size);
}

static void cancel(struct volume *v)
{
	volume_cancel(fault_of(v)->inner);
}

static uint64_t get_requests(const struct volume *v)
{
	return volume_get_requests(((const struct fault_volume *)v)->inner);
}

static void free_fault(struct volume *v)
{
	struct fault_volume *f = fault_of(v);

	volume_free(f->inner);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct volume_backend fault_backend = {
    .name = "fault",
    .run = run,
    .cancel = cancel,
    .get_requests = get_requests,
    .free = free_fault,
};

struct volume *fault_volume_open(const char *path)
{
	struct fault_volume *f = calloc(1, sizeof(*f));
	struct location *location;
	char error[512];
	int r;

	if (!f || location_parse(path, &location, error, sizeof(error)) < 0) {
		free(f);
		return NULL;
	}
	r = volume_open_location(location, &f->inner, error, sizeof(error));
	location_free(location);
	if (r < 0) {
		free(f);
		return NULL;
	}
	f->path = path;
	f->volume.backend = &fault_backend;
	f->volume.info = *volume_get_info(f->inner);
	pthread_mutex_init(&f->lock, NULL);
	return &f->volume;
}

void fault_volume_add(struct volume *v, const struct fault_rule *rule)
{
	struct fault_volume *f = fault_of(v);

	if (f->rule_count == FAULT_RULES)
		abort();
	f->rule[f->rule_count++].say = *rule;
}

void fault_volume_limit_links(struct volume *v, uint64_t max)
{
	fault_of(v)->link_max = max;
}

uint64_t fault_volume_count(struct volume *v, enum volume_verb verb)
{
	return atomic_load(&fault_of(v)->count[verb]);
}
