/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Written by hand, key by key: nothing here is nested or long enough to be
 * worth a library. */
#include "sync/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "sync/filter.h"
#include "sync/state.h"

/* The counter of one kind of difference. */
#define DIFFERING(bit) (enum counter)(COUNT_DIFFERING + __builtin_ctz(bit))

static const struct summary_key keys[] = {
    {"EstimatedFilesToTransfer", COUNT_PLANNED},
    {"EstimatedBytesToTransfer", COUNT_PLANNED_BYTES},
    {"EntriesListedAtSource", COUNT_LISTED},
    {"EntriesListedAtDestination", COUNT_LISTED_DESTINATION},
    {"FoldersListed", COUNT_DIRECTORIES},
    {"FilesTransferred", COUNT_TRANSFERRED},
    {"FoldersTransferred", COUNT_TRANSFERRED_DIRECTORIES},
    {"BytesRead", COUNT_BYTES_READ},
    {"BytesTransferred", COUNT_BYTES_WRITTEN},
    {"BytesWritten", COUNT_BYTES_WRITTEN},
    {"BytesResumed", COUNT_RESUMED_BYTES},
    {"FilesVerified", COUNT_VERIFIED},
    {"FoldersVerified", COUNT_VERIFIED_DIRECTORIES},
    {"FilesMismatched", COUNT_MISMATCHED},
    {"MismatchedContent", DIFFERING(DIFFERS_CONTENT)},
    {"MismatchedSize", DIFFERING(DIFFERS_SIZE)},
    {"MismatchedTarget", DIFFERING(DIFFERS_TARGET)},
    {"MismatchedType", DIFFERING(DIFFERS_TYPE)},
    {"MismatchedMode", DIFFERING(DIFFERS_MODE)},
    {"MismatchedOwner", DIFFERING(DIFFERS_OWNER)},
    {"MismatchedTimes", DIFFERING(DIFFERS_TIMES)},
    {"MismatchedMissing", DIFFERING(DIFFERS_MISSING)},
    {"MismatchedExtra", DIFFERING(DIFFERS_EXTRA)},
    {"FilesChangedMeanwhile", COUNT_CHANGED},
    {"FilesUnchanged", COUNT_UNCHANGED},
    {"FilesLinked", COUNT_LINKED},
    {"FilesBeyondLinkLimit", COUNT_LINK_LIMIT},
    {"FilesSkipped", COUNT_SKIPPED},
    {"FilesNotOverwritten", COUNT_LEFT},
    {"EntriesFiltered", COUNT_FILTERED},
    {"FilesVanished", COUNT_VANISHED},
    {"EntriesKept", COUNT_KEPT},
    {"FilesDeleted", COUNT_DELETED},
    {"FoldersDeleted", COUNT_DELETED_DIRECTORIES},
    {"EntriesNotDeleted", COUNT_DELETE_REFUSED},
    {"FilesFailed", COUNT_FAILED},
    {"FilesFailedDelete", COUNT_DELETE_FAILED},
    {"MetadataApplied", COUNT_METADATA},
    {"MetadataSkipped", COUNT_METADATA_SKIPPED},
    {"TemporaryFilesRemoved", COUNT_SWEPT},
};

const struct summary_key *summary_get_keys(size_t *ret_count)
{
	*ret_count = ARRAY_SIZE(keys);
	return keys;
}

int summary_exit_status(enum engine_status status)
{
	switch (status) {
	case ENGINE_SUCCESS:
		return 0;
	case ENGINE_FAILURES:
	case ENGINE_STOPPED:
		break;
	case ENGINE_LOST:
		return 3;
	case ENGINE_TIME_UP:
		return 5;
	case ENGINE_LIMITED:
		return 6;
	case ENGINE_CANCELLED:
		return 130;
	}
	return 1;
}

const char *summary_time(int64_t wall_ns, char ret[SUMMARY_TIME])
{
	struct timespec ts = clock_split_ns(wall_ns);
	struct tm tm;

	gmtime_r(&ts.tv_sec, &tm);
	strftime(ret, SUMMARY_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return ret;
}

const char *summary_status(enum engine_status status)
{
	switch (status) {
	case ENGINE_SUCCESS:
		return "SUCCESS";
	case ENGINE_CANCELLED:
		return "CANCELLED";
	case ENGINE_TIME_UP:
		return "TIME_LIMIT";
	case ENGINE_FAILURES:
	case ENGINE_LIMITED:
	case ENGINE_LOST:
	case ENGINE_STOPPED:
		break;
	}
	return "ERROR";
}

static void put_string(FILE *f, const char *key, const char *value)
{
	CLEANUP_FREE char *text = escape_json(value);

	fprintf(f, "\"%s\":%s,", key, text ? text : "null");
}

/* A list of patterns as DataSync's FilterRules: one with all, or none. */
static void put_filter(FILE *f, const char *key, const struct filter *filter,
		       enum filter_list which)
{
	CLEANUP_FREE char *patterns = filter_get_text(filter, which);
	CLEANUP_FREE char *text = patterns ? escape_json(patterns) : NULL;

	fprintf(f, ",\"%s\":[", key);
	if (!text || *patterns)
		fprintf(f, "{\"FilterType\":\"SIMPLE_PATTERN\",\"Value\":%s}",
			text ? text : "null");
	fputc(']', f);
}

/* Limits are -1 where there is none, as DataSync writes it. */
static void put_limit(FILE *f, const char *key, bool limited, uint64_t n)
{
	if (limited)
		fprintf(f, ",\"%s\":%" PRIu64, key, n);
	else
		fprintf(f, ",\"%s\":-1", key);
}

/* One rate, or a timetable as it is written for --bwlimit. */
static void put_limits(FILE *f, const struct sync_options *o)
{
	const struct timetable *t = &o->bandwidth;
	CLEANUP_FREE char *text = t->count ? timetable_text(t) : NULL;

	if (t->count)
		fprintf(f, ",\"BytesPerSecond\":\"%s\"", text ?: "?");
	else
		put_limit(f, "BytesPerSecond", t->rest > 0, t->rest);
	put_limit(f, "OperationsPerSecond", o->iops > 0, o->iops);
	fprintf(f, ",\"Retries\":%u", (o->tries ?: SYNC_TRIES) - 1);
	put_limit(f, "MaxErrors", o->error_stop > 0, o->error_stop - 1);
	put_limit(f, "MaxDuration", o->duration_ns > 0,
		  (uint64_t)o->duration_ns / NS_PER_MS);
}

/* --max-delete as it is written, or null. */
static void put_max_delete(FILE *f, const struct sync_options *o)
{
	if (o->max_delete_unit == LIMIT_NONE)
		fputs("null", f);
	else
		fprintf(f, "\"%" PRIu64 "%s\"", o->max_delete,
			o->max_delete_unit == LIMIT_PERCENT ? "%" : "");
}

/* The list of files as DataSync's ManifestConfig, or null. */
static void put_list(FILE *f, const struct sync_options *o)
{
	CLEANUP_FREE char *text = NULL;

	fputs(",\"ManifestConfig\":", f);
	if (!o->files_from) {
		fputs("null", f);
		return;
	}
	text = escape_json(o->files_from);
	fprintf(f, "{\"Action\":\"TRANSFER\",\"Format\":\"%s\",\"Source\":%s}",
		o->from0 ? "NUL" : "CSV", text ? text : "null");
}

/* As DataSync's TaskReportConfig, or null. */
static void put_report(FILE *f, const struct sync_options *o)
{
	static const char *const level[] = {
	    [REPORT_USUAL] = "ERRORS_ONLY",
	    [REPORT_ERRORS] = "ERRORS_ONLY",
	    [REPORT_ALL] = "SUCCESSES_AND_ERRORS",
	};
	const struct report_options *r = &o->report;
	CLEANUP_FREE char *to = r->to ? escape_json(r->to) : NULL;

	fputs(",\"TaskReportConfig\":", f);
	if (r->output == REPORT_NONE) {
		fputs("null", f);
		return;
	}
	fprintf(f,
		"{\"OutputType\":\"%s\",\"ReportLevel\":\"%s\","
		"\"Destination\":%s,\"Overrides\":{",
		r->output == REPORT_SUMMARY ? "SUMMARY_ONLY" : "STANDARD",
		level[r->level], to ? to : "null");
	for (int kind = 0, n = 0; kind < REPORT_KINDS; kind++)
		if (r->kind[kind] != REPORT_USUAL)
			fprintf(f, "%s\"%s\":{\"ReportLevel\":\"%s\"}",
				n++ ? "," : "",
				report_kind_name((enum report_kind)kind),
				level[r->kind[kind]]);
	fputs("}}", f);
}

void summary_print_options(FILE *f, const struct sync_options *o)
{
	static const char *const verify[] = {
	    [VERIFY_TRANSFERRED] = "ONLY_FILES_TRANSFERRED",
	    [VERIFY_ALL] = "POINT_IN_TIME_CONSISTENT",
	    [VERIFY_NONE] = "NONE",
	};

	fprintf(f,
		"{\"TransferMode\":\"%s\",\"OverwriteMode\":\"%s\","
		"\"PreserveDeletedFiles\":\"%s\",\"MaxDelete\":",
		o->transfer == TRANSFER_ALL ? "ALL" : "CHANGED",
		o->overwrite == OVERWRITE_NEVER ? "NEVER" : "ALWAYS",
		o->deleted == DELETED_REMOVE ? "REMOVE" : "PRESERVE");
	put_max_delete(f, o);
	fprintf(f,
		",\"VerifyMode\":\"%s\",\"Uid\":\"%s\",\"Gid\":\"%s\","
		"\"PosixPermissions\":\"%s\",\"Mtime\":\"%s\","
		"\"Atime\":\"%s\",\"DryRun\":%s",
		verify[o->verify], o->no_owner ? "NONE" : "INT_VALUE",
		o->no_owner ? "NONE" : "INT_VALUE",
		o->no_mode ? "NONE" : "PRESERVE",
		o->no_times ? "NONE" : "PRESERVE",
		o->no_times || o->no_atime ? "NONE" : "BEST_EFFORT",
		o->dry_run ? "true" : "false");
	put_filter(f, "Includes", o->filter, FILTER_INCLUDE);
	put_filter(f, "Excludes", o->filter, FILTER_EXCLUDE);
	put_list(f, o);
	put_report(f, o);
	put_limits(f, o);
	fputc('}', f);
}

char *summary_json(const struct engine *e, enum engine_status status)
{
	int64_t elapsed_ns = engine_get_elapsed_ns(e);
	char *text = NULL, time[SUMMARY_TIME];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	fprintf(f, "{\"Execution\":%" PRIu64 ",\"Status\":\"%s\",",
		e->execution, summary_status(status));
	put_string(f, "Source", e->location[SOURCE]);
	put_string(f, "Destination", e->location[DESTINATION]);
	put_string(f, "StartTime", summary_time(e->started_wall_ns, time));
	fputs("\"Options\":", f);
	summary_print_options(f, &e->options);
	fputc(',', f);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		fprintf(f, "\"%s\":%" PRIu64 ",", keys[i].key,
			counters_get(&e->counters, keys[i].counter));
	fprintf(f,
		"\"RequestsToSource\":%" PRIu64
		",\"RequestsToDestination\":%" PRIu64
		",\"TotalDuration\":%" PRId64 "}",
		volume_get_requests(e->volume[SOURCE]) -
		    e->requests_before[SOURCE],
		volume_get_requests(e->volume[DESTINATION]) -
		    e->requests_before[DESTINATION],
		elapsed_ns / NS_PER_MS);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
