/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mount point is looked for among the tasks of this user first, since their
 * mount files tell how .sync is called there. Another user's mount, or one with
 * --state, is found by its .sync/status.json.
 */
#include "target.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "options.h"
#include "standing.h"
#include "sync/task.h"
#include "volume/location.h"

#define ERROR_SIZE 1024

/* How .sync is called unless -o syncdir= says otherwise. */
#define SYNC_DIRECTORY ".sync"

void target_done(struct target *t)
{
	free(t->name);
	free(t->directory);
	mountfile_done(&t->mount);
	*t = (struct target){0};
}

/* The task in `directory`, which is copied. */
static int look_into(const char *name, const char *directory,
		     struct target *ret)
{
	struct target t = {
	    .name = name ? strdup(name) : NULL,
	    .directory = strdup(directory),
	    .held = task_is_held(directory),
	};

	if (!t.directory || (name && !t.name)) {
		target_done(&t);
		return -ENOMEM;
	}
	t.mounted = t.held && mountfile_read(directory, &t.mount) == 0;
	*ret = t;
	return 0;
}

static bool has_manifest(const char *directory)
{
	CLEANUP_FREE char *path = NULL;

	if (asprintf(&path, "%s/manifest.db", directory) < 0) {
		path = NULL;
		return false;
	}
	return access(path, F_OK) == 0;
}

/* --- All ------------------------------------------------------------------ */

static int is_task(const struct dirent *e)
{
	return task_is_name(e->d_name);
}

static int visit(const char *all, const char *name,
		 int (*each)(const struct target *t, void *user), void *user)
{
	CLEANUP_FREE char *directory = NULL;
	struct target t;
	int r;

	if (asprintf(&directory, "%s/%s", all, name) < 0) {
		directory = NULL;
		return -ENOMEM;
	}
	if (!has_manifest(directory))
		return 0;
	r = look_into(name, directory, &t);
	if (r < 0)
		return r;
	r = each(&t, user);
	target_done(&t);
	return r;
}

int target_each(int (*each)(const struct target *t, void *user), void *user)
{
	CLEANUP_FREE char *all = NULL;
	struct dirent **entries;
	char error[ERROR_SIZE];
	int count, r;

	r = task_locate_all(&all, error, sizeof(error));
	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	count = scandir(all, &entries, is_task, alphasort);
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0) {
		r = -errno;
		log_error("%s: cannot be listed: %s; run as who runs the "
			  "tasks, or name one with --state",
			  all, strerror(-r));
		return r;
	}
	for (int i = 0; i < count; i++) {
		if (r == 0)
			r = visit(all, entries[i]->d_name, each, user);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* --- A mount point -------------------------------------------------------- */

struct search {
	const char *mountpoint; /* absolute, without symbolic links */
	struct target *ret;
};

static int is_mounted_there(const struct target *t, void *user)
{
	struct search *s = user;
	int r;

	if (!t->mounted || strcmp(t->mount.mountpoint, s->mountpoint))
		return 0;
	r = look_into(t->name, t->directory, s->ret);
	return r < 0 ? r : 1;
}

/* The state directory that the mount names, if this user may look into it. */
static char *find_directory(const char *mountpoint)
{
	CLEANUP_FREE char *text = NULL;
	const char *directory;
	json_t *o = NULL;
	char *found = NULL;

	if (standing_load(mountpoint, SYNC_DIRECTORY, "task.json", &text) == 0)
		o = json_loads(text, 0, NULL);
	directory = json_string_value(json_object_get(o, "StateDirectory"));
	if (directory && has_manifest(directory))
		found = strdup(directory);
	json_decref(o);
	return found;
}

/* One whose state lies elsewhere, or that is another user's. */
static int look_at_mount(const char *mountpoint, struct target *ret)
{
	CLEANUP_FREE char *text = NULL;
	int r = standing_load(mountpoint, SYNC_DIRECTORY, "status.json", &text);

	if (r < 0) {
		log_error("%s: neither a task nor the mount point of one: %s",
			  mountpoint, strerror(-r));
		return r == -ENOENT ? -EINVAL : r;
	}
	*ret = (struct target){
	    .directory = find_directory(mountpoint),
	    .held = true,
	    .mounted = true,
	    .mount = {.mountpoint = strdup(mountpoint),
		      .sync_directory = strdup(SYNC_DIRECTORY)},
	};
	if (ret->mount.mountpoint && ret->mount.sync_directory)
		return 0;
	target_done(ret);
	return -ENOMEM;
}

static int find_mount(const char *operand, struct target *ret)
{
	CLEANUP_FREE char *path = realpath(operand, NULL);
	struct search s = {.mountpoint = path, .ret = ret};
	CLEANUP_FREE char *all = NULL;
	char error[ERROR_SIZE];
	int r;

	if (!path) {
		r = -errno;
		log_error("%s: %s", operand, strerror(-r));
		return r == -ENOENT ? -EINVAL : r;
	}
	/* Not being allowed to look there is no reason to complain here. */
	if (task_locate_all(&all, error, sizeof(error)) == 0 &&
	    access(all, R_OK | X_OK) == 0) {
		r = target_each(is_mounted_there, &s);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return look_at_mount(path, ret);
}

/* --- The rest ------------------------------------------------------------- */

static int locate(const struct task_options *t, struct target *ret)
{
	CLEANUP_FREE char *directory = NULL;
	char name[TASK_NAME_MAX + 1], error[ERROR_SIZE];
	int r = task_locate(t, name, &directory, error, sizeof(error));

	if (r < 0) {
		log_error("%s", error);
		return r;
	}
	if (!has_manifest(directory)) {
		log_error("%s: no task has its state there: it was never run, "
			  "or by another user or with --state or --task",
			  directory);
		return -EINVAL;
	}
	/* What the name would be is no news when the place was given. */
	return look_into(t->state && !t->name ? NULL : name, directory, ret);
}

static int find_pair(const struct options *o, struct target *ret)
{
	struct location *location[SIDES] = {0};
	struct task_options t = {.state = o->state, .name = o->task};
	char error[ERROR_SIZE];
	int r = 0;

	for (int side = 0; side < SIDES && r == 0; side++) {
		r = location_parse(o->operand[side], &location[side], error,
				   sizeof(error));
		if (r < 0)
			log_error("%s: %s", side_name((enum side)side), error);
	}
	if (r == 0) {
		t.source_text = location[SOURCE]->text;
		t.destination_text = location[DESTINATION]->text;
		r = locate(&t, ret);
	}
	for (int side = 0; side < SIDES; side++)
		location_free(location[side]);
	return r;
}

/* A word that is the name of a task is one, if there is that task. */
static bool is_known_task(const char *word)
{
	CLEANUP_FREE char *all = NULL;
	CLEANUP_FREE char *directory = NULL;
	char error[ERROR_SIZE];

	if (!task_is_name(word) ||
	    task_locate_all(&all, error, sizeof(error)) < 0)
		return false;
	if (asprintf(&directory, "%s/%s", all, word) < 0) {
		directory = NULL;
		return false;
	}
	return has_manifest(directory);
}

int target_find(const struct options *o, struct target *ret)
{
	/* Not a pair, but the name must not be made of one either. */
	struct task_options t = {
	    .state = o->state,
	    .name = o->task,
	    .source_text = "",
	    .destination_text = "",
	};

	if (o->operand_count == 2)
		return find_pair(o, ret);
	if (o->operand_count == 1 && !o->state && !o->task) {
		if (!is_known_task(o->operand[0]))
			return find_mount(o->operand[0], ret);
		t.name = o->operand[0];
		return locate(&t, ret);
	}
	return o->state || o->task ? locate(&t, ret) : -ENOENT;
}
