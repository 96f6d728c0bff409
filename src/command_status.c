/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `efsbridge status`: of one task, again and again with --watch, or of all in
 * a line each. */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/human.h"
#include "base/log.h"
#include "options.h"
#include "standing.h"
#include "target.h"

#define ERROR_SIZE 1024

/* To the top left corner, and away with what is there. */
#define CLEAR_SCREEN "\033[H\033[J"

/* How the task stands; `ret_text` (may be NULL) is its JSON, heap. */
static int stand(const struct target *t, struct standing *ret, char **ret_text)
{
	CLEANUP_FREE char *text = NULL;
	char error[ERROR_SIZE];
	int r;

	if (t->mounted) {
		r = standing_load(t->mount.mountpoint, t->mount.sync_directory,
				  "status.json", &text);
		if (r == 0)
			r = standing_parse(text, ret);
		snprintf(error, sizeof(error), "%s/%s/status.json: %s",
			 t->mount.mountpoint, t->mount.sync_directory,
			 strerror(-r));
	} else {
		r = standing_from_manifest(t->directory, t->held, ret, error,
					   sizeof(error));
		if (r == 0 && t->name)
			ret->task = strdup(t->name);
		text = r == 0 ? standing_json(ret) : NULL;
	}
	if (r < 0)
		log_error("%s", error);
	else if (ret_text)
		*ret_text = steal(text);
	return r;
}

/* A status.json is many lines and ends with one. */
static void print_json(const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len > 0 && text[len - 1] == '\n')
		fputs(text, stdout);
	else
		puts(text ?: "{}");
}

static int show(const struct target *t, const struct options *o)
{
	CLEANUP_FREE char *text = NULL;
	struct standing s;
	int r = stand(t, &s, &text);

	if (r < 0)
		return r;
	if (o->json)
		print_json(text);
	else
		standing_print(&s);
	standing_done(&s);
	fflush(stdout);
	return 0;
}

/* --- All tasks ------------------------------------------------------------ */

struct listing {
	const struct options *options;
	unsigned count;
	bool as_lines;
};

static void print_line(const struct target *t, const struct standing *s)
{
	const struct snapshot *n = &s->snapshot;
	char size[HUMAN_SIZE];

	printf("%-30s %-8s ", t->name, snapshot_state_name(n->state));
	if (n->execution)
		printf(
		    "execution %" PRIu64 " %s, %" PRIu64 " files, %s, %" PRIu64
		    " failed",
		    n->execution, s->status ?: "RUNNING",
		    n->counter[COUNT_TRANSFERRED],
		    human_bytes((double)n->counter[COUNT_BYTES_WRITTEN], size),
		    n->counter[COUNT_FAILED]);
	else
		printf("never run");
	if (t->mounted)
		printf(", on %s", t->mount.mountpoint);
	putchar('\n');
}

/* One that cannot be read does not hide the others. */
static int list_one(const struct target *t, void *user)
{
	struct listing *l = user;
	CLEANUP_FREE char *text = NULL;
	struct standing s;

	l->count++;
	if (!l->as_lines || stand(t, &s, &text) < 0)
		return 0;
	if (l->options->json)
		print_json(text);
	else
		print_line(t, &s);
	standing_done(&s);
	return 0;
}

static int show_only(const struct target *t, void *user)
{
	const struct listing *l = user;

	return show(t, l->options);
}

/* The only one in full, several in a line each. */
static int show_all(const struct options *o)
{
	struct listing l = {.options = o};
	int r = target_each(list_one, &l);

	if (r < 0)
		return r;
	if (l.count == 1)
		return target_each(show_only, &l);
	if (l.count == 0 && !o->json)
		puts("no task");
	l.as_lines = true;
	return target_each(list_one, &l);
}

/* --- The command ---------------------------------------------------------- */

static int show_once(const struct options *o)
{
	struct target t;
	int r = target_find(o, &t);

	if (r == -ENOENT)
		return show_all(o);
	if (r < 0)
		return r;
	r = show(&t, o);
	target_done(&t);
	return r;
}

/* Until interrupted, or until the task cannot be asked any more. */
static int watch(const struct options *o)
{
	bool screen = !o->json && isatty(STDOUT_FILENO);
	int r;

	for (bool first = true;; first = false) {
		if (screen)
			fputs(CLEAR_SCREEN, stdout);
		else if (!first && !o->json)
			putchar('\n');
		r = show_once(o);
		if (r < 0)
			return first ? r : -ENOTCONN;
		if (fflush(stdout) != 0)
			return 0; /* main() tells */
		sleep(1);
	}
}

enum exit_status command_status(const struct options *o)
{
	int r = o->watch ? watch(o) : show_once(o);

	if (r == 0)
		return EXIT_DONE;
	return r == -ENOTCONN || r == -EIO ? EXIT_UNREACHABLE : EXIT_USAGE;
}
