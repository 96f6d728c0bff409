/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The engine is let loose on the whole source with a time limit, and ends
 * wherever it is: what it meets first is the sample. Its destination is a
 * volume of its own, opened at the new directory; what removes everything
 * afterwards goes through another one, which nobody cancels.
 */
#include "sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sync/engine.h"
#include "sync/manifest.h"
#include "sync/tempname.h"
#include "volume/location.h"
#include "volume/volume.h"

struct sample {
	struct sample_setup setup;
	struct sync_options options;
	char name[TEMPNAME_SIZE]; /* of the directory on the destination */
	struct handle *directory; /* it */
	struct location location; /* of it; path and text are ours */
	struct volume *volume;
	char *state; /* for the manifest */
	struct manifest *manifest;
	uint64_t files, bytes;
	int64_t took_ns;

	pthread_mutex_t lock;  /* guards the next two */
	struct engine *engine; /* while it runs */
	bool stopped;
};

int sample_new(const struct sample_setup *setup, struct sample **ret)
{
	struct sample *s = calloc(1, sizeof(*s));
	struct tempname names;

	if (!s)
		return -ENOMEM;
	s->setup = *setup;
	s->options = *setup->options;
	s->options.dry_run = false;
	s->options.deleted = DELETED_KEEP;
	s->options.error_stop = 0;
	/* Nobody wants to hear of each of its files. */
	s->options.report = (struct report_options){.output = REPORT_NONE};
	s->options.duration_ns = setup->time_ns;
	pthread_mutex_init(&s->lock, NULL);
	/* Of no task: a run that sweeps what is stale leaves it alone. */
	tempname_init(&names, "", "");
	tempname_next(&names, s->name);
	*ret = s;
	return 0;
}

struct sample *sample_free(struct sample *s)
{
	if (!s)
		return NULL;
	free(s->directory);
	free(s->location.path);
	free(s->location.text);
	free(s->state);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

/* --- Removing ------------------------------------------------------------- */

static int remove_one(struct volume *v, const struct handle *dir,
		      const char *name, bool directory)
{
	struct volume_remove r = {
	    .dir = dir, .name = name, .directory = directory};

	volume_run(v, VOLUME_REMOVE, &r, 1);
	return r.result == -ENOENT ? 0 : r.result;
}

/* The files of a page, all at once. Returns how many are gone. */
static size_t remove_files(struct volume *v, const struct handle *dir,
			   const struct volume_list *page)
{
	CLEANUP_FREE struct volume_remove *items =
	    calloc(page->ret_count + 1, sizeof(*items));
	size_t count = 0, gone = 0;

	for (size_t i = 0; items && i < page->ret_count; i++)
		if (page->ret_entries[i].attr.type != ENTRY_DIRECTORY)
			items[count++] = (struct volume_remove){
			    .dir = dir, .name = page->ret_entries[i].name};
	if (count > 0)
		volume_run(v, VOLUME_REMOVE, items, count);
	for (size_t i = 0; i < count; i++)
		gone += items[i].result == 0 || items[i].result == -ENOENT;
	return gone;
}

static int empty_directory(struct volume *v, const struct handle *dir);

static size_t remove_directories(struct volume *v, const struct handle *dir,
				 const struct volume_list *page)
{
	size_t gone = 0;

	for (size_t i = 0; i < page->ret_count; i++) {
		const struct volume_entry *e = &page->ret_entries[i];

		if (e->attr.type == ENTRY_DIRECTORY && e->handle &&
		    empty_directory(v, e->handle) == 0)
			gone += remove_one(v, dir, e->name, true) == 0;
	}
	return gone;
}

/* The permissions of the source's directory may forbid to remove what we have
 * put into its copy. */
static void allow_removing(struct volume *v, const struct handle *dir)
{
	struct volume_setattr s = {
	    .handle = dir, .set = {.which = ATTR_SET_MODE, .mode = 0700}};

	volume_run(v, VOLUME_SETATTR, &s, 1);
}

/* Page after page from the beginning, since what was removed is not listed any
 * more, until there is nothing, or nothing can be removed. Directories are as
 * deep as those of the source. */
static int empty_directory(struct volume *v, const struct handle *dir)
{
	size_t gone = 1, left;
	int r = 0;

	allow_removing(v, dir);
	do {
		struct volume_list page = {.dir = dir};

		volume_run(v, VOLUME_LIST, &page, 1);
		left = page.ret_count;
		r = page.result;
		if (r == 0 && left > 0) {
			gone = remove_files(v, dir, &page);
			gone += remove_directories(v, dir, &page);
		}
		/* A page may be empty without being the last. */
		if (r == 0 && left == 0 && !page.ret_eof)
			r = -EIO;
		volume_items_done(VOLUME_LIST, &page, 1);
	} while (r == 0 && left > 0 && gone > 0);
	return r == 0 && left > 0 ? -ENOTEMPTY : r;
}

/* The manifest and its companions: files only. */
static void remove_state(struct sample *s)
{
	CLEANUP_CLOSE int fd = -1;
	const struct dirent *e;
	DIR *d;

	if (!s->state)
		return;
	fd = open(s->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(dup(fd));
	while (d && (e = readdir(d)))
		unlinkat(fd, e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(s->state);
}

/* --- Making --------------------------------------------------------------- */

static int make_directory(struct sample *s)
{
	struct volume *v = s->setup.volume[DESTINATION];
	struct volume_make m = {
	    .dir = volume_get_info(v)->root,
	    .name = s->name,
	    .type = ENTRY_DIRECTORY,
	};

	volume_run(v, VOLUME_MAKE, &m, 1);
	s->directory = steal(m.ret_handle);
	return m.result;
}

/* The location of the directory: the destination's, one name longer. */
static int make_location(struct sample *s)
{
	const struct location *l = s->setup.location[DESTINATION];
	const char *slash = strcmp(l->path, "/") ? "/" : "";

	s->location = *l;
	s->location.text = NULL;
	if (asprintf(&s->location.path, "%s%s%s", l->path, slash, s->name) <
	    0) {
		s->location.path = NULL;
		return -ENOMEM;
	}
	s->location.text = strdup(s->location.path);
	return s->location.text ? 0 : -ENOMEM;
}

static int make_state(struct sample *s, char *error, size_t error_size)
{
	if (asprintf(&s->state, "%s/sample.XXXXXX", s->setup.directory) < 0) {
		s->state = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(s->state)) {
		int r = -errno;

		snprintf(error, error_size, "%s: %s", s->setup.directory,
			 strerror(-r));
		free(s->state);
		s->state = NULL;
		return r;
	}
	return manifest_open(s->state, s->setup.location[SOURCE]->text,
			     s->location.text, &s->manifest, error, error_size);
}

static int prepare(struct sample *s, char *error, size_t error_size)
{
	int r = make_directory(s);

	if (r < 0) {
		snprintf(error, error_size,
			 "destination: no directory can be made for the "
			 "sample: %s; see efsbridge check",
			 strerror(-r));
		return r;
	}
	r = make_location(s);
	if (r == 0)
		r = volume_open_location(&s->location, &s->volume, error,
					 error_size);
	if (r == 0)
		r = make_state(s, error, error_size);
	return r;
}

/* --- Copying -------------------------------------------------------------- */

/* From now on it can be stopped; false: it was already. */
static bool publish(struct sample *s, struct engine *e)
{
	bool go_on;

	pthread_mutex_lock(&s->lock);
	s->engine = e;
	go_on = !s->stopped;
	pthread_mutex_unlock(&s->lock);
	return go_on;
}

static int copy(struct sample *s)
{
	struct engine_setup setup = {
	    .volume = {s->setup.volume[SOURCE], s->volume},
	    .location = {s->setup.location[SOURCE]->text, s->location.text},
	    .manifest = s->manifest,
	    .spill_directory = s->state,
	    .options = &s->options,
	    .filelist = s->setup.filelist,
	};
	const struct counters *c;
	struct engine *e;
	enum side side;
	int r = engine_new(&setup, &e);

	if (r < 0)
		return r;
	/* The end may be cut off by its time, or by us; and of what has failed
	 * there are words already. */
	if (publish(s, e) && engine_run(e) == ENGINE_LOST)
		r = engine_get_stop(e, &side);
	publish(s, NULL);
	c = engine_get_counters(e);
	s->files = counters_get(c, COUNT_TRANSFERRED);
	s->bytes = counters_get(c, COUNT_BYTES_WRITTEN);
	s->took_ns = engine_get_elapsed_ns(e);
	engine_free(e);
	return r;
}

/* Making and removing the directory has changed them. */
static void restore_root(struct volume *v)
{
	const struct volume_info *info = volume_get_info(v);
	struct volume_setattr s = {
	    .handle = info->root,
	    .set = {.which = ATTR_SET_TIMES,
		    .atime_ns = info->root_attr.atime_ns,
		    .mtime_ns = info->root_attr.mtime_ns},
	};

	/* Where that is refused nothing can be done about it. */
	volume_run(v, VOLUME_SETATTR, &s, 1);
}

/* Whatever happened, nothing of it stays. */
static int clean_up(struct sample *s)
{
	struct volume *v = s->setup.volume[DESTINATION];
	int r;

	manifest_close(s->manifest);
	s->volume = volume_free(s->volume);
	remove_state(s);
	if (!s->directory)
		return 0;
	r = empty_directory(v, s->directory);
	if (r == 0)
		r = remove_one(v, volume_get_info(v)->root, s->name, true);
	restore_root(v);
	return r;
}

int sample_run(struct sample *s, char *error, size_t error_size)
{
	int r, removed;

	error[0] = '\0';
	r = prepare(s, error, error_size);
	if (r == 0)
		r = copy(s);
	removed = clean_up(s);
	if (removed < 0) {
		snprintf(error, error_size,
			 "destination: the sample %s cannot be removed: %s; "
			 "remove it by hand",
			 s->name, strerror(-removed));
		return removed;
	}
	if (r < 0 && error[0] == '\0')
		snprintf(error, error_size, "the sample was not copied: %s",
			 strerror(-r));
	return r == 0 && s->stopped ? -ECANCELED : r;
}

/* --- From outside --------------------------------------------------------- */

void sample_watch(struct sample *s)
{
	const struct counters *c;

	pthread_mutex_lock(&s->lock);
	if (s->engine) {
		c = engine_get_counters(s->engine);
		/* Once: a second time would cut off what is in flight. */
		if (counters_get(c, COUNT_BYTES_WRITTEN) >=
		    s->setup.bytes_max) {
			s->setup.bytes_max = UINT64_MAX;
			engine_cancel(s->engine);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

void sample_stop(struct sample *s)
{
	pthread_mutex_lock(&s->lock);
	s->stopped = true;
	if (s->engine)
		engine_cancel(s->engine);
	pthread_mutex_unlock(&s->lock);
}

void sample_get(const struct sample *s, uint64_t *ret_files,
		uint64_t *ret_bytes, int64_t *ret_ns)
{
	*ret_files = s->files;
	*ret_bytes = s->bytes;
	*ret_ns = s->took_ns;
}
