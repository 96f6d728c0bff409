/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A sample of the source: the first directories and files that are met, until
 * there is enough of them. What of it must not be read tells of a server that
 * does not take root for root, and how long the rest takes is the throughput
 * of one reader that has a few requests under way.
 */
#include "doctor_internal.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/human.h"

/* As many directories and files are looked at, whatever their data. */
#define DIRECTORIES_MAX 64
#define FILES_MAX       512

struct sample {
	struct doctor *doctor;
	enum side side;
	struct volume *volume;
	struct handle *directories[DIRECTORIES_MAX]; /* met so far */
	unsigned met, listed;
	struct volume_read reads[DOCTOR_FLIGHT]; /* gathered */
	struct handle *owned[DOCTOR_FLIGHT];     /* their handles */
	char *names[DOCTOR_FLIGHT];
	unsigned gathered;
	unsigned files, denied, failed;
	uint64_t bytes;
	int64_t read_ns;   /* time that went into reading */
	int64_t until_ns;  /* when it is enough */
	char *denied_name; /* the first of them */
	char *failed_name;
	int failure;
};

static bool is_enough(const struct sample *s)
{
	return s->bytes >= DOCTOR_SAMPLE_BYTES || s->files >= FILES_MAX ||
	       clock_now_ns() >= s->until_ns || doctor_is_cancelled(s->doctor);
}

/* What came of one thing that was to be read; takes the name. */
static void note(struct sample *s, char *name, int error)
{
	if (error == -EACCES || error == -EPERM) {
		if (s->denied++ == 0)
			s->denied_name = steal(name);
	} else if (error < 0 && error != -ESTALE && error != -ENOENT) {
		/* Of what is gone meanwhile nothing can be said. */
		if (s->failed++ == 0) {
			s->failed_name = steal(name);
			s->failure = error;
		}
	}
	free(name);
}

/* Reads what was gathered, all at once. */
static void read_gathered(struct sample *s)
{
	int64_t before = clock_now_ns();

	if (s->gathered == 0)
		return;
	volume_run(s->volume, VOLUME_READ, s->reads, s->gathered);
	s->read_ns += clock_now_ns() - before;
	for (unsigned i = 0; i < s->gathered; i++) {
		if (s->reads[i].result == 0)
			s->bytes += s->reads[i].ret_len;
		note(s, steal(s->names[i]), s->reads[i].result);
	}
	volume_items_done(VOLUME_READ, s->reads, s->gathered);
	for (unsigned i = 0; i < s->gathered; i++)
		free(steal(s->owned[i]));
	s->gathered = 0;
}

/* The beginning of a file: small ones are read whole. */
static void gather(struct sample *s, struct volume_entry *e)
{
	uint64_t len =
	    e->attr.size < VOLUME_RANGE ? e->attr.size : VOLUME_RANGE;

	s->files++;
	s->reads[s->gathered] = (struct volume_read){
	    .handle = e->handle,
	    .len = (size_t)len,
	};
	s->owned[s->gathered] = steal(e->handle);
	s->names[s->gathered] = steal(e->name);
	if (++s->gathered == DOCTOR_FLIGHT)
		read_gathered(s);
}

static void take_entry(struct sample *s, struct volume_entry *e)
{
	if (e->attr_result < 0 || !e->handle)
		note(s, steal(e->name), e->attr_result);
	else if (e->attr.type == ENTRY_DIRECTORY && s->met < DIRECTORIES_MAX)
		s->directories[s->met++] = steal(e->handle);
	else if (e->attr.type == ENTRY_FILE && e->attr.size > 0)
		gather(s, e);
}

/* One page of a directory is enough of it. */
static void list_one(struct sample *s, const struct handle *dir)
{
	struct volume_list l = {.dir = dir};

	volume_run(s->volume, VOLUME_LIST, &l, 1);
	if (l.result < 0)
		note(s, strdup("a directory"), l.result);
	for (size_t i = 0; i < l.ret_count && !is_enough(s); i++)
		take_entry(s, &l.ret_entries[i]);
	volume_items_done(VOLUME_LIST, &l, 1);
}

static void walk(struct sample *s)
{
	list_one(s, volume_get_info(s->volume)->root);
	while (s->listed < s->met && !is_enough(s))
		list_one(s, s->directories[s->listed++]);
	if (!doctor_is_cancelled(s->doctor))
		read_gathered(s);
}

static void tell_permission(const struct sample *s)
{
	CLEANUP_FREE char *denied =
	    s->denied_name ? escape_name(s->denied_name) : NULL;
	CLEANUP_FREE char *failed =
	    s->failed_name ? escape_name(s->failed_name) : NULL;
	bool root = doctor_uid(s->doctor, s->side) == 0;

	if (s->failed)
		doctor_say(s->doctor, "read", s->side, DOCTOR_FAIL,
			   "Look at the server's log: its disk or its network "
			   "may be damaged.",
			   "%u of a sample cannot be read, first \"%s\": %s",
			   s->failed, failed ? failed : "?",
			   strerror(-s->failure));
	if (s->denied)
		doctor_say(
		    s->doctor, root ? "root-squash" : "read", s->side,
		    DOCTOR_FAIL,
		    root ? "The server takes root for somebody else: export it "
			   "with no_root_squash; on EFS allow "
			   "elasticfilesystem:ClientRootAccess, and no access "
			   "point that sets a user."
			 : "Run as root, or as who may read all of it.",
		    "%u of a sample may not be read, first \"%s\"", s->denied,
		    denied ? denied : "?");
	else if (!s->failed)
		doctor_say(
		    s->doctor, "read", s->side, DOCTOR_OK, NULL,
		    "a sample of %u files and %u directories can be read",
		    s->files, s->listed + 1);
}

static void tell_throughput(const struct sample *s)
{
	char bytes[HUMAN_SIZE], rate[HUMAN_SIZE];
	double seconds = (double)s->read_ns / (double)NS_PER_S;
	double per_second = seconds > 0 ? (double)s->bytes / seconds : 0;

	if (s->bytes == 0)
		return;
	doctor_tell(s->doctor, "throughput", s->side, DOCTOR_OK, NULL,
		    "BytesPerSecond", per_second,
		    "%s read in %.2f s, %s/s, with %d requests under way",
		    human_bytes((double)s->bytes, bytes), seconds,
		    human_bytes(per_second, rate), DOCTOR_FLIGHT);
}

void doctor_read(struct doctor *d, enum side side)
{
	struct sample s = {
	    .doctor = d,
	    .side = side,
	    .volume = d->volume[side],
	    .until_ns = clock_now_ns() + DOCTOR_SAMPLE_NS,
	};

	walk(&s);
	if (!doctor_is_cancelled(d)) {
		tell_permission(&s);
		tell_throughput(&s);
	}
	for (unsigned i = 0; i < s.gathered; i++) {
		free(s.owned[i]);
		free(s.names[i]);
	}
	for (unsigned i = 0; i < s.met; i++)
		free(s.directories[i]);
	free(s.denied_name);
	free(s.failed_name);
}
