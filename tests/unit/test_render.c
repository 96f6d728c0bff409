/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The texts of the .sync tree and its page, from a made-up picture with names
 * that would break what is not escaped.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "sync/engine.h"
#include "sync/summary.h"
#include "view/dashboard.h"
#include "view/picture.h"
#include "view/plot.h"
#include "view/render.h"

#define MOMENT (1795435397 * NS_PER_S) /* 2026-11-23 12:03:17 UTC */

#define HOSTILE "</script><b>\"x'&\n\t\\\x1b[2J\xff"

static char hostile[] = HOSTILE;
static char plain[] = "folder/file";

static const struct sync_options options = {.verify = VERIFY_ALL};

static struct snapshot_sample samples[] = {
    {0, 0, 0, 0},
    {1 * NS_PER_S, 10 << 20, 100, 1000},
    {2 * NS_PER_S, 30 << 20, 150, 2000},
    {4 * NS_PER_S, 30 << 20, 150, 2000},
};
static struct snapshot_transfer transfers[] = {
    {.path = plain, .files = 1, .bytes = 1000, .done_bytes = 251},
    {.path = hostile, .files = 13, .bytes = 0, .done_bytes = 0},
    {.path = plain, .files = 1, .bytes = 10, .done_bytes = 20},
};
static struct picture_error errors[] = {
    {.path = plain, .phase = PHASE_READ, .error = -EACCES},
    {.path = hostile, .phase = PHASE_WRITE, .error = -EIO},
};
static char running[] = "RUNNING", error[] = "ERROR", nothing[] = "",
	    summary[] = "{\"Execution\":2,\"FilesTransferred\":1234,"
			"\"BytesTransferred\":1048576,\"FilesFailed\":7}";
static struct picture_execution executions[] = {
    {3, MOMENT - 4 * NS_PER_S, 0, running, nothing},
    {2, MOMENT - 90 * NS_PER_S, MOMENT - 80 * NS_PER_S, error, summary},
};

/* An execution under way, the one before it failed in parts. */
static struct picture picture_running(void)
{
	struct picture p = {
	    .task = "a-task",
	    .location = {"/source/" HOSTILE, "host:/destination"},
	    .mountpoint = "/mnt",
	    .state_directory = "/state",
	    .options = options,
	    .interval_ns = 900 * NS_PER_S,
	    .snapshot = {.now_ns = MOMENT,
			 .state = SNAPSHOT_RUNNING,
			 .jobs = 8,
			 .execution = 3,
			 .phase = ENGINE_RUNNING,
			 .scanned = true,
			 .started_ns = MOMENT - 4 * NS_PER_S,
			 .elapsed_ns = 4 * NS_PER_S,
			 .requests = {11, 22},
			 .bytes_per_s = 7864320,
			 .files_per_s = 37.5,
			 .entries_per_s = 500,
			 .eta_ns = 83500 * NS_PER_MS,
			 .ended = true,
			 .ended_execution = 2,
			 .status = ENGINE_LOST,
			 .ended_ns = MOMENT - 80 * NS_PER_S,
			 .requested = 4,
			 .next_ns = MOMENT + 60 * NS_PER_S,
			 .silent_ns = {MOMENT - 3 * NS_PER_S, 0},
			 .sample_count = ARRAY_SIZE(samples),
			 .samples = samples,
			 .transfer_count = ARRAY_SIZE(transfers),
			 .transfers = transfers},
	    .error_count = ARRAY_SIZE(errors),
	    .errors = errors,
	    .errors_left_out = 1234567,
	    .execution_count = ARRAY_SIZE(executions),
	    .executions = executions,
	};

	for (unsigned i = 0; i < COUNTERS; i++)
		p.snapshot.counter[i] = 1000 + i;
	p.snapshot.counter[COUNT_PLANNED] = 600;
	p.snapshot.counter[COUNT_DONE] = 150;
	p.snapshot.counter[COUNT_PLANNED_BYTES] = 120 << 20;
	p.snapshot.counter[COUNT_DONE_BYTES] = 29 << 20;
	p.snapshot.moving_bytes = 1 << 20;
	return p;
}

/* A mount on which nothing was run yet. */
static struct picture picture_idle(void)
{
	return (struct picture){
	    .task = "a-task",
	    .location = {"/a", "/b"},
	    .mountpoint = "/mnt",
	    .state_directory = "/state",
	    .options = options,
	    .snapshot = {.now_ns = MOMENT, .eta_ns = -1},
	};
}

static char *rendered(void (*render)(FILE *f, const struct picture *p),
		      const struct picture *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	render(f, p);
	assert_false(ferror(f));
	fclose(f);
	assert_int_equal(strlen(text), size);
	return text;
}

/* --- JSON ---------------------------------------------------------------- */

static json_t *parsed(void (*render)(FILE *f, const struct picture *p),
		      const struct picture *p)
{
	CLEANUP_FREE char *text = rendered(render, p);
	json_error_t e;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &e);

	if (!root)
		fail_msg("%s in %s", e.text, text);
	assert_int_equal(text[strlen(text) - 1], '\n');
	return root;
}

static void assert_string(const json_t *o, const char *key, const char *value)
{
	const char *is = json_string_value(json_object_get(o, key));

	if (!is || strcmp(is, value) != 0)
		fail_msg("%s is %s, not %s", key, is ? is : "no string", value);
}

static void assert_integer(const json_t *o, const char *key, json_int_t value)
{
	const json_t *is = json_object_get(o, key);

	if (!json_is_integer(is) || json_integer_value(is) != value)
		fail_msg("%s is %lld, not %lld", key,
			 (long long)json_integer_value(is), (long long)value);
}

static void assert_real(const json_t *o, const char *key, double value)
{
	const json_t *is = json_object_get(o, key);

	if (!json_is_real(is) || fabs(json_real_value(is) - value) > 1e-9)
		fail_msg("%s is %f, not %f", key, json_real_value(is), value);
}

static void assert_null_value(const json_t *o, const char *key)
{
	if (!json_is_null(json_object_get(o, key)))
		fail_msg("%s is not null", key);
}

static void test_status_json_running(void **state)
{
	struct picture p = picture_running();
	json_t *o = parsed(render_status_json, &p);
	const struct summary_key *keys;
	size_t count;

	(void)state;
	assert_string(o, "Task", "a-task");
	assert_string(o, "Source",
		      "/source/</script><b>\"x'&\n\t\\\x1b[2J\xef\xbf\xbd");
	assert_string(o, "Destination", "host:/destination");
	assert_string(o, "Mountpoint", "/mnt");
	assert_string(o, "State", "RUNNING");
	assert_integer(o, "Execution", 3);
	assert_string(o, "Phase", "COPYING");
	assert_string(o, "Status", "RUNNING");
	assert_integer(o, "ExitStatus", 3);
	assert_integer(o, "EndedExecution", 2);
	assert_integer(o, "RequestedExecution", 4);
	assert_string(o, "StartTime", "2026-11-23T12:03:13Z");
	assert_null_value(o, "EndTime");
	assert_string(o, "NextTime", "2026-11-23T12:04:17Z");
	assert_string(o, "SourceSilentSince", "2026-11-23T12:03:14Z");
	assert_null_value(o, "DestinationSilentSince");
	assert_integer(o, "Elapsed", 4000);
	assert_integer(o, "Eta", 83500);
	assert_real(o, "Progress", 0.25);
	assert_true(json_is_true(json_object_get(o, "Scanned")));
	assert_integer(o, "Jobs", 8);
	assert_real(o, "BytesPerSecond", 7864320);
	assert_real(o, "FilesPerSecond", 37.5);
	assert_real(o, "EntriesPerSecond", 500);
	assert_integer(o, "RequestsToSource", 11);
	assert_integer(o, "RequestsToDestination", 22);
	keys = summary_get_keys(&count);
	for (size_t i = 0; i < count; i++)
		assert_integer(o, keys[i].key,
			       (json_int_t)p.snapshot.counter[keys[i].counter]);
	assert_int_equal(json_object_size(o), 28 + count);
	json_decref(o);
}

static void test_status_json_ended(void **state)
{
	struct picture p = picture_running();
	json_t *o;

	(void)state;
	p.snapshot.state = SNAPSHOT_PAUSED; /* stays after the end */
	p.snapshot.ended_execution = 3;
	p.snapshot.status = ENGINE_CANCELLED;
	p.snapshot.next_ns = 0;
	o = parsed(render_status_json, &p);
	assert_string(o, "State", "PAUSED");
	assert_null_value(o, "Phase");
	assert_string(o, "Status", "CANCELLED");
	assert_integer(o, "ExitStatus", 130);
	assert_string(o, "EndTime", "2026-11-23T12:01:57Z");
	assert_null_value(o, "NextTime");
	assert_null_value(o, "Eta");
	json_decref(o);
}

static void test_status_json_idle(void **state)
{
	struct picture p = picture_idle();
	json_t *o = parsed(render_status_json, &p);

	(void)state;
	assert_string(o, "State", "IDLE");
	assert_integer(o, "Execution", 0);
	assert_null_value(o, "Phase");
	assert_null_value(o, "Status");
	assert_null_value(o, "ExitStatus");
	assert_integer(o, "EndedExecution", 0);
	assert_null_value(o, "StartTime");
	assert_null_value(o, "EndTime");
	assert_null_value(o, "NextTime");
	assert_real(o, "Progress", 0);
	json_decref(o);
}

static void test_task_json(void **state)
{
	struct picture p = picture_running();
	json_t *o = parsed(render_task_json, &p);

	(void)state;
	assert_string(o, "Task", "a-task");
	assert_string(o, "StateDirectory", "/state");
	assert_integer(o, "Interval", 900000);
	assert_integer(o, "Jobs", 8);
	assert_string(json_object_get(o, "Options"), "VerifyMode",
		      "POINT_IN_TIME_CONSISTENT");
	json_decref(o);
	p.interval_ns = 0;
	o = parsed(render_task_json, &p);
	assert_null_value(o, "Interval");
	json_decref(o);
}

static void test_summary_json(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_t *o;

	(void)state;
	render_summary_json(f, &executions[1]);
	fclose(f);
	assert_int_equal(strncmp(text, summary, strlen(summary)), 0);
	assert_string_equal(text + strlen(summary), "\n");
	free(text);
	f = open_memstream(&text, &size);
	render_summary_json(f, &executions[0]);
	fclose(f);
	o = json_loads(text, 0, NULL);
	assert_integer(o, "Execution", 3);
	assert_string(o, "Status", "RUNNING");
	assert_string(o, "StartTime", "2026-11-23T12:03:13Z");
	assert_null_value(o, "EndTime");
	json_decref(o);
	free(text);
}

/* --- Text ---------------------------------------------------------------- */

static void assert_line(const char *text, const char *line)
{
	CLEANUP_FREE char *around = NULL, *all = NULL;

	assert_true(asprintf(&around, "\n%s\n", line) > 0);
	assert_true(asprintf(&all, "\n%s", text) > 0);
	if (!strstr(all, around))
		fail_msg("no line \"%s\" in:\n%s", line, text);
}

static size_t lines_of(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

static void test_status(void **state)
{
	struct picture p = picture_running();
	CLEANUP_FREE char *text = rendered(render_status, &p);

	(void)state;
	assert_line(text, "Task         a-task");
	assert_line(text, "Source       /source/</script><b>\"x'&\\n\\t\\\\"
			  "\\033[2J\\377");
	assert_line(text, "State        RUNNING, execution 3, COPYING");
	assert_line(text, "Waiting      for the source: not answering since "
			  "2026-11-23 12:03:14 UTC, still trying");
	assert_line(text, "Progress     "
			  "[##########..............................] 25.0 %");
	assert_line(text, "Files        150 of 600");
	assert_line(text, "Bytes        30.0 MiB of 120.0 MiB");
	assert_line(text, "Rates        7.5 MiB/s, 38 files/s, 500 entries/s");
	assert_line(text, "Elapsed      4.0 s");
	assert_line(text, "ETA          1:23");
	assert_line(text, "Last result  execution 2: ERROR, "
			  "2026-11-23 12:01:57 UTC");
	assert_line(text, "Next run     2026-11-23 12:04:17 UTC");
}

static void test_status_idle(void **state)
{
	struct picture p = picture_idle();
	CLEANUP_FREE char *text = rendered(render_status, &p);

	(void)state;
	assert_line(text, "State        IDLE");
	assert_line(text, "Errors       0");
	assert_line(text, "Last result  none since the mount");
	assert_line(text, "Next run     on request");
	assert_null(strstr(text, "Progress"));
}

static void test_errors(void **state)
{
	struct picture p = picture_running();
	CLEANUP_FREE char *text = rendered(render_errors, &p);
	CLEANUP_FREE char *more = NULL, *none = NULL;

	(void)state;
	assert_int_equal(lines_of(text), 3);
	assert_int_equal(strncmp(text, "read\tsource\tlisting", 12), 0);
	assert_non_null(strstr(text, "\tfolder/file\n"));
	assert_non_null(strstr(text, "\nwrite\tdestination\tinput/output"));
	assert_non_null(strstr(text, "\t</script><b>\"x'&\\n\\t\\\\\\033[2J"
				     "\\377\n"));
	assert_non_null(strstr(text, "\n# 1234567 more are left out"));
	p.errors_are_more = true;
	more = rendered(render_errors, &p);
	assert_non_null(strstr(more, "\n# at least 1234567 more are left out"));
	p = picture_idle();
	none = rendered(render_errors, &p);
	assert_string_equal(none, "");
	p.trouble = -EIO;
	free(none);
	none = rendered(render_errors, &p);
	assert_line(none, "# the manifest cannot be read: Input/output error");
}

static void test_transferring(void **state)
{
	struct picture p = picture_running();
	CLEANUP_FREE char *text = rendered(render_transferring, &p);

	(void)state;
	assert_int_equal(lines_of(text), 3);
	assert_line(text, " 25.1%\t251\t1000\tfolder/file");
	assert_line(text, "  0.0%\t0\t0\t</script><b>\"x'&\\n\\t\\\\\\033[2J"
			  "\\377\tand 12 more");
	assert_line(text, "100.0%\t20\t10\tfolder/file");
}

/* --- Metrics ------------------------------------------------------------- */

#define LABELS                                                               \
	"task=\"a-task\",source=\"/source/</script><b>\\\"x'&\\\\n\\\\t\\\\" \
	"\\\\\\\\033[2J\\\\377\",destination=\"host:/destination\""

static void test_metrics(void **state)
{
	struct picture p = picture_running();
	CLEANUP_FREE char *text = rendered(render_metrics, &p);

	(void)state;
	assert_line(text, "# TYPE efsbridge_done_files_total counter");
	assert_line(text, "efsbridge_done_files_total{" LABELS "} 150");
	assert_line(text, "efsbridge_progress_ratio{" LABELS "} 0.25");
	assert_line(text, "efsbridge_state{" LABELS ",state=\"IDLE\"} 0");
	assert_line(text, "efsbridge_state{" LABELS ",state=\"RUNNING\"} 1");
	assert_line(text, "efsbridge_requests_total{" LABELS
			  ",side=\"destination\"} 22");
	assert_line(text, "efsbridge_eta_seconds{" LABELS "} 83.5");
	assert_line(text, "efsbridge_last_exit_status{" LABELS "} 3");
	assert_line(text, "efsbridge_next_start_timestamp_seconds{" LABELS
			  "} 1795435457");
}

/* Every counter of the engine is there. */
static void test_metrics_are_complete(void **state)
{
	struct picture p = picture_running();
	CLEANUP_FREE char *text = NULL;

	(void)state;
	for (unsigned i = 0; i < COUNTERS; i++)
		p.snapshot.counter[i] = 987654000 + i;
	text = rendered(render_metrics, &p);
	for (unsigned i = 0; i < COUNTERS; i++) {
		char value[24];

		snprintf(value, sizeof(value), " %u\n", 987654000 + i);
		if (!strstr(text, value))
			fail_msg("counter %u is missing", i);
	}
}

static void test_metrics_idle(void **state)
{
	struct picture p = picture_idle();
	CLEANUP_FREE char *text = rendered(render_metrics, &p);

	(void)state;
	assert_null(strstr(text, "eta_seconds"));
	assert_null(strstr(text, "last_exit_status"));
	assert_null(strstr(text, "next_start"));
	assert_null(strstr(text, "nan"));
}

/* --- The page ------------------------------------------------------------ */

static char *page_of(const struct picture *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	assert_int_equal(dashboard_render(f, p), 0);
	fclose(f);
	return text;
}

static void test_page(void **state)
{
	static const char begin[] = "<script type=\"application/json\" "
				    "id=\"status\">";
	struct picture p = picture_running();
	CLEANUP_FREE char *page = page_of(&p);
	char *json = strstr(page, begin), *end;
	json_t *here, *there = parsed(render_status_json, &p);

	(void)state;
	assert_null(strstr(page, "{{"));
	/* Nothing hostile comes through, and nothing is loaded. */
	assert_null(strstr(page, "<b>"));
	assert_null(strchr(page, '\x1b'));
	assert_null(strchr(page, '\xff'));
	assert_null(strstr(page, "src="));
	assert_null(strstr(page, "http://"));
	assert_null(strstr(page, "https://"));
	assert_non_null(strstr(page, "content=\"2\""));
	assert_non_null(strstr(page, "id=\"percent\">25.0 %<"));
	assert_non_null(strstr(page, "id=\"state\">RUNNING<"));
	assert_non_null(strstr(page, "data-key=\"FilesFailed\" data-value="));
	assert_non_null(
	    strstr(page, "id=\"error-count\" data-value=\"1234569\""));
	assert_non_null(strstr(page, "1,234</td>"));
	/* The JSON in it is status.json. */
	assert_non_null(json);
	json += strlen(begin);
	end = strstr(json, "</script>");
	assert_non_null(end);
	assert_string_equal(end, "</script>\n</body>\n</html>\n");
	here = json_loadb(json, (size_t)(end - json), 0, NULL);
	assert_true(json_equal(here, there));
	json_decref(here);
	json_decref(there);
}

static void test_page_idle(void **state)
{
	struct picture p = picture_idle();
	CLEANUP_FREE char *page = page_of(&p);

	(void)state;
	assert_null(strstr(page, "{{"));
	assert_null(strstr(page, "nan"));
	assert_non_null(strstr(page, "Nothing was run since the mount"));
	assert_non_null(strstr(page, "No entry has failed."));
	assert_non_null(strstr(page, "data-points=\"0\""));
}

/* --- Plots --------------------------------------------------------------- */

static void test_plot_steps(void **state)
{
	(void)state;
	assert_true(plot_step(0, false) == 1);
	assert_true(plot_step(-1, false) == 1);
	assert_true(plot_step((double)NAN, true) == 1);
	assert_true(plot_step((double)INFINITY, false) == 1);
	assert_true(plot_step(3, false) == 1);
	assert_true(plot_step(4, false) == 1);
	assert_true(plot_step(4.1, false) == 2);
	assert_true(plot_step(20.5, false) == 10);
	assert_true(plot_step(1300, false) == 500);
	assert_true(plot_step(4096, true) == 1024);
	assert_true(plot_step(4097, true) == 2048);
	assert_true(plot_step(1e29, false) >= 1e29 / 4);
}

/* 8 bytes/s for a minute, then nothing: what is gathered into fewer points
 * has the same area. */
static void test_plot_points(void **state)
{
	struct snapshot_sample many[SNAPSHOT_SAMPLES + 1] = {{0}};
	struct plot p = {.id = "x",
			 .style = "y",
			 .label = "z",
			 .bytes = true,
			 .samples = many,
			 .count = ARRAY_SIZE(many)};
	CLEANUP_FREE char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
		many[i].elapsed_ns = i * NS_PER_S;
		many[i].bytes = 8 * (i < 60 ? i : 60);
	}
	plot_draw(f, &p);
	fclose(f);
	assert_non_null(strstr(text, "data-points=\"200\""));
	assert_non_null(strstr(text, "aria-label=\"z, at most 8 B/s\""));
	assert_non_null(strstr(text, ">2 B/s<"));
	assert_non_null(strstr(text, ">10:00<"));
	assert_non_null(strstr(text, "points=\"78,12.0 "));
	assert_non_null(strstr(text, " 506.0,184.0\"/>\n</svg>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_status_json_running),
	    cmocka_unit_test(test_status_json_ended),
	    cmocka_unit_test(test_status_json_idle),
	    cmocka_unit_test(test_task_json),
	    cmocka_unit_test(test_summary_json),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_status_idle),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_transferring),
	    cmocka_unit_test(test_metrics),
	    cmocka_unit_test(test_metrics_are_complete),
	    cmocka_unit_test(test_metrics_idle),
	    cmocka_unit_test(test_page),
	    cmocka_unit_test(test_page_idle),
	    cmocka_unit_test(test_plot_steps),
	    cmocka_unit_test(test_plot_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
