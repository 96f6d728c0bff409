/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cutover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directories.h"
#include "base/human.h"
#include "base/jsonout.h"
#include "base/log.h"
#include "nfs/attr.h"
#include "sync/counters.h"
#include "sync/engine.h"
#include "sync/report.h"
#include "sync/summary.h"

enum { RUN_COPY, RUN_COMPARE, RUN_CONFIRM };

static uint64_t count(const struct engine *e, enum counter which)
{
	return counters_get(engine_get_counters(e), which);
}

/* Did the last run find anything to do? */
static bool is_idle(const struct engine *e)
{
	return count(e, COUNT_PLANNED) == 0 &&
	       count(e, COUNT_TRANSFERRED_DIRECTORIES) == 0 &&
	       count(e, COUNT_METADATA) == 0 && count(e, COUNT_DELETED) == 0 &&
	       count(e, COUNT_DELETED_DIRECTORIES) == 0 &&
	       count(e, COUNT_VANISHED) == 0;
}

static const char *find_reason(struct engine *const run[CUTOVER_RUNS],
			       bool failed, const struct cutover *c)
{
	if (!run[RUN_COMPARE])
		return "the last copy did not end well";
	if (c->differences > 0)
		return "the trees differ";
	if (failed && !run[RUN_CONFIRM])
		return "the comparison did not end well";
	if (strcmp(c->digest[SOURCE], c->digest[DESTINATION]) != 0 ||
	    c->entries[SOURCE] != c->entries[DESTINATION])
		return "the digests of the trees differ";
	if (failed)
		return "the last look at the source did not end well";
	if (!is_idle(run[RUN_CONFIRM]))
		return "the source changed while the trees were compared: stop "
		       "who writes there, and run it again";
	return NULL;
}

void cutover_judge(struct engine *const run[CUTOVER_RUNS], bool failed,
		   const char *const location[SIDES], struct cutover *ret)
{
	const struct engine *compare = run[RUN_COMPARE];

	*ret = (struct cutover){
	    .location = {location[SOURCE], location[DESTINATION]},
	    .proven_ns = clock_wall_ns(),
	};
	for (int i = 0; i < CUTOVER_RUNS; i++)
		if (run[i])
			ret->execution[i] = engine_get_execution(run[i]);
	for (int side = 0; compare && side < SIDES; side++)
		engine_get_tree(compare, (enum side)side, &ret->entries[side],
				ret->digest[side]);
	if (compare) {
		ret->bytes = count(compare, COUNT_BYTES_READ);
		ret->differences = count(compare, COUNT_MISMATCHED);
	}
	if (compare) {
		uint32_t denied =
		    engine_get_denied(compare, &ret->no_link_times);

		ret->no_owner = denied & ATTR_SET_UID;
		ret->no_group = denied & ATTR_SET_GID;
	}
	ret->reason = find_reason(run, failed, ret);
	ret->complete = !ret->reason;
}

void cutover_say(const struct cutover *c)
{
	char entries[HUMAN_SIZE], bytes[HUMAN_SIZE], time[SUMMARY_TIME];

	if (!c->complete) {
		log_error("cutover: NOT complete: %s", c->reason);
		return;
	}
	log_notice("cutover: complete: %s entries with %s, equal on both "
		   "sides in content and metadata; nothing had changed at %s",
		   human_count(c->entries[SOURCE], entries),
		   human_bytes((double)c->bytes, bytes),
		   summary_time(c->proven_ns, time));
	if (c->no_owner || c->no_group || c->no_link_times)
		log_notice("cutover: but for what the destination does not "
			   "keep:%s%s%s",
			   c->no_owner ? " owners" : "",
			   c->no_group ? " groups" : "",
			   c->no_link_times ? " times of symlinks" : "");
	log_notice("cutover: digest of either tree: %s", c->digest[SOURCE]);
}

static void put_side(struct jsonout *j, const char *key,
		     const struct cutover *c, enum side side)
{
	jsonout_begin_object(j, key);
	jsonout_string(j, "Location", c->location[side]);
	jsonout_uint(j, "Entries", c->entries[side]);
	jsonout_string(j, "TreeDigest",
		       *c->digest[side] ? c->digest[side] : NULL);
	jsonout_end_object(j);
}

char *cutover_json(const struct cutover *c)
{
	char *text = NULL, time[SUMMARY_TIME];
	size_t size;
	FILE *f = open_memstream(&text, &size);
	struct jsonout j;

	if (!f)
		return NULL;
	j = jsonout_to(f, false);
	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "Cutover",
		       c->complete ? "COMPLETE" : "NOT_COMPLETE");
	jsonout_string(&j, "Reason", c->reason);
	put_side(&j, "Source", c, SOURCE);
	put_side(&j, "Destination", c, DESTINATION);
	jsonout_uint(&j, "BytesCompared", c->bytes);
	jsonout_uint(&j, "Differences", c->differences);
	jsonout_begin_array(&j, "NotKept");
	if (c->no_owner)
		jsonout_string(&j, NULL, "Uid");
	if (c->no_group)
		jsonout_string(&j, NULL, "Gid");
	if (c->no_link_times)
		jsonout_string(&j, NULL, "SymlinkTimes");
	jsonout_end_array(&j);
	jsonout_bool(&j, "SourceUnchanged", c->complete);
	jsonout_string(&j, "Time", summary_time(c->proven_ns, time));
	jsonout_begin_array(&j, "Executions");
	for (int i = 0; i < CUTOVER_RUNS; i++)
		if (c->execution[i])
			jsonout_uint(&j, NULL, c->execution[i]);
	jsonout_end_array(&j);
	jsonout_end_object(&j);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int write_file(const char *path, const char *text)
{
	CLEANUP_FREE char *part = NULL;
	FILE *f;
	bool bad;

	if (asprintf(&part, "%s.part", path) < 0) {
		part = NULL;
		return -ENOMEM;
	}
	f = fopen(part, "we");
	if (!f)
		return -errno;
	bad = fprintf(f, "%s\n", text) < 0;
	bad = fclose(f) != 0 || bad;
	if (bad)
		return -EIO;
	return rename(part, path) < 0 ? -errno : 0;
}

int cutover_write(const struct cutover *c, const char *directory,
		  const char *task)
{
	CLEANUP_FREE char *json = cutover_json(c);
	CLEANUP_FREE char *parent = NULL;
	CLEANUP_FREE char *path = NULL;
	char exec[REPORT_EXECUTION];
	int r = json ? 0 : -ENOMEM;

	if (asprintf(&parent, "%s/Cutover-Reports/%s", directory, task) < 0)
		parent = NULL;
	if (parent && asprintf(&path, "%s/%s.json", parent,
			       report_execution(c->execution[0], exec)) < 0)
		path = NULL;
	if (!path)
		r = -ENOMEM;
	if (r == 0)
		r = directories_make(parent);
	if (r == 0)
		r = write_file(path, json);
	if (r < 0)
		log_error("%s: the report of the cutover cannot be written: %s",
			  path ? path : directory, strerror(-r));
	else
		log_notice("cutover: the report is %s", path);
	return r;
}
