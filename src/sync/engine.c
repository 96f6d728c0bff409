/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One execution: start the threads, put the root on the stack, wait until it
 * is finished; then visit the directories with failed entries once more; end.
 *
 * Ending early: whoever meets an error that concerns the whole run calls
 * engine_stop(). From then on scanners drop directories, lanes abandon items,
 * the finisher only frees; everything drains through the same paths as in a
 * run that ends well, and the threads are joined in the order in which they
 * feed each other. What was abandoned has no record, so the next run sees to
 * it.
 */
#include "sync/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/finish.h"
#include "sync/lane.h"
#include "sync/metadata.h"
#include "sync/path.h"
#include "sync/prune.h"
#include "sync/retry.h"
#include "sync/scan.h"
#include "sync/silence.h"
#include "sync/state.h"
#include "sync/summary.h"
#include "sync/throttle.h"
#include "sync/verify.h"

/* Bytes of small files' data in memory at once, over all lanes. */
#define BUDGET_BYTES (48 * 1024 * 1024)

/* Batches that wait between scanners and lanes. */
#define QUEUE_MAX 128

/* Large files at once. What they have in flight is at most twice RANGES_MAX of
 * ranges.h in MiB: 128 MiB. (A file that outgrew its batch, or leads a group
 * whose leader failed, is carried by the lane that has it, beside these.) */
#define LARGE_LANES 4

/* How long to wait before a third try, and at most before a further one. */
#define RETRY_FIRST_NS NS_PER_S
#define RETRY_MAX_NS   (30 * NS_PER_S)

/* Entries of which the source is said to have none, one by one. */
#define MISSING_SAID_MAX 100

#define SCANNERS_MIN 2
#define SCANNERS_MAX 12

/* As many as either side has a use for. */
static unsigned work_calls(const struct engine *e)
{
	unsigned there = volume_get_info(e->volume[DESTINATION])->whole_calls;
	unsigned here = volume_get_info(e->volume[SOURCE])->whole_calls;

	return (here > there ? here : there) ?: 1;
}

int engine_new(const struct engine_setup *setup, struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	const struct sync_options *o = setup->options;
	pthread_condattr_t monotonic;
	int r;

	if (!e)
		return -ENOMEM;
	for (int side = 0; side < SIDES; side++) {
		e->volume[side] = setup->volume[side];
		e->requests_before[side] =
		    volume_get_requests(setup->volume[side]);
		e->location[side] = setup->location[side];
	}
	e->manifest = setup->manifest;
	/* Here, since others read them while the engine runs. */
	e->started_ns = clock_now_ns();
	e->started_wall_ns = clock_wall_ns();
	e->spill_directory = setup->spill_directory;
	e->task = setup->task ?: "task";
	e->options = *o;
	atomic_init(&e->jobs, o->jobs);
	e->preserve = (o->no_owner ? 0 : ATTR_SET_OWNER) |
		      (o->no_mode ? 0 : ATTR_SET_MODE) |
		      (o->no_times ? 0 : ATTR_SET_MTIME);
	e->verify_only = setup->verify_only;
	e->sum_trees = setup->sum_trees;
	if (setup->knows) {
		e->preserve = setup->knows->preserve;
		e->denied = setup->knows->denied;
		e->link_times_denied = setup->knows->link_times_denied;
	}
	e->scope = setup->scope;
	e->path = setup->path;
	e->filelist = setup->filelist;
	e->seen = setup->seen;
	e->seen_user = setup->seen_user;
	if (e->scope == SCOPE_PATH && !*e->path)
		e->scope = SCOPE_ALL;
	gate_init(&e->gate);
	transfers_init(&e->transfers);
	pthread_mutex_init(&e->lanes_lock, NULL);
	tempname_init(&e->tempname, setup->location[SOURCE],
		      setup->location[DESTINATION]);
	TAILQ_INIT(&e->finish_list);
	pthread_mutex_init(&e->finish_lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->finish_changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	atomic_init(&e->stop_side, SIDES);
	e->work_calls = work_calls(e);
	e->call_items =
	    volume_get_info(e->volume[DESTINATION])->whole_items ?: 1;
	e->work = queue_new(QUEUE_MAX);
	e->large = queue_new(QUEUE_MAX);
	e->budget = budget_new(BUDGET_BYTES);
	e->throttle = throttle_new();
	r = e->work && e->large && e->budget && e->throttle ? 0 : -ENOMEM;
	if (r == 0)
		r = dirstack_new(e->spill_directory, &e->stack);
	if (r == 0)
		r = links_new(e->spill_directory, &e->links);
	if (r == 0 && o->deleted == DELETED_REMOVE && !e->verify_only &&
	    e->scope != SCOPE_RETRY)
		r = prune_new(e, &e->prune);
	if (r < 0) {
		engine_free(e);
		return r;
	}
	throttle_set_bandwidth(e->throttle, &o->bandwidth);
	throttle_set_iops(e->throttle, o->iops);
	*ret = e;
	return 0;
}

struct engine *engine_free(struct engine *e)
{
	if (!e)
		return NULL;
	report_free(e->report);
	dirstack_free(e->stack);
	queue_free(e->work);
	queue_free(e->large);
	budget_free(e->budget);
	throttle_free(e->throttle);
	links_free(e->links);
	prune_free(e->prune);
	free(e->partials);
	pthread_cond_destroy(&e->finish_changed);
	pthread_mutex_destroy(&e->finish_lock);
	pthread_mutex_destroy(&e->lanes_lock);
	transfers_done(&e->transfers);
	gate_done(&e->gate);
	free(e);
	return NULL;
}

/* The run is stopping: whoever waits for something looks again. */
static void wake_waiters(struct engine *e)
{
	gate_release(&e->gate);
	throttle_release(e->throttle);
	pthread_mutex_lock(&e->finish_lock);
	pthread_cond_broadcast(&e->finish_changed);
	pthread_mutex_unlock(&e->finish_lock);
}

void engine_stop(struct engine *e, int error, enum side side)
{
	int none = 0;

	if (atomic_compare_exchange_strong(&e->stop_error, &none, error))
		atomic_store(&e->stop_side, (int)side);
	wake_waiters(e);
}

void engine_count_failure(struct engine *e)
{
	uint64_t stop = e->options.error_stop;

	engine_count(e, COUNT_FAILED, 1);
	if (stop && counters_get(&e->counters, COUNT_FAILED) >= stop)
		engine_stop(e, -ETOOMANYREFS, SIDES);
}

bool engine_stops_for(struct engine *e, int error, enum side side)
{
	switch (error) {
	case -ECANCELED:
		if (!engine_is_stopping(e))
			engine_stop(e, error, side);
		return true;
	case -ENOTCONN:
	case -ETIMEDOUT:
		engine_stop(e, error, side);
		return true;
	case -ENOMEM:
		engine_stop(e, error, SIDES);
		return true;
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
		if (side == DESTINATION)
			engine_stop(e, error, side);
		return side == DESTINATION;
	default:
		return false;
	}
}

void engine_cancel(struct engine *e)
{
	if (atomic_exchange(&e->cancelled, true))
		for (int side = 0; side < SIDES; side++)
			volume_cancel(e->volume[side]);
	wake_waiters(e);
}

/* As many as somebody said, or else what suits the round trip. */
static unsigned lane_count(const struct engine *e)
{
	unsigned depth = volume_get_info(e->volume[DESTINATION])->depth;
	unsigned other = volume_get_info(e->volume[SOURCE])->depth;
	unsigned jobs = atomic_load(&e->jobs);

	if (jobs)
		return jobs;
	if (other > depth)
		depth = other;
	/* Each has that many calls in flight. */
	depth /= e->work_calls;
	return depth < 4                 ? 4
	       : depth > ENGINE_JOBS_MAX ? ENGINE_JOBS_MAX
					 : depth;
}

void engine_pause(struct engine *e, bool pause)
{
	gate_set_paused(&e->gate, pause);
}

/* How many of them for large files. */
static unsigned large_count(unsigned lanes)
{
	return lanes < LARGE_LANES ? lanes : LARGE_LANES;
}

int engine_set_jobs(struct engine *e, unsigned jobs)
{
	unsigned had = jobs;

	if (jobs < 1 || jobs > ENGINE_JOBS_MAX)
		return -EINVAL;
	pthread_mutex_lock(&e->lanes_lock);
	if (e->lanes) {
		had = lane_set_count(e->lanes, jobs);
		lane_set_count(e->large_lanes, large_count(had));
	}
	atomic_store(&e->jobs, had);
	pthread_mutex_unlock(&e->lanes_lock);
	return had < jobs ? -EAGAIN : 0;
}

int engine_adopt(struct engine *e, const struct sync_options *o)
{
	throttle_set_bandwidth(e->throttle, &o->bandwidth);
	throttle_set_iops(e->throttle, o->iops);
	return o->jobs ? engine_set_jobs(e, o->jobs) : 0;
}

uint64_t engine_get_bandwidth(const struct engine *e)
{
	return throttle_get_bandwidth(e->throttle);
}

uint64_t engine_get_iops(const struct engine *e)
{
	return throttle_get_iops(e->throttle);
}

unsigned engine_get_jobs(const struct engine *e)
{
	return lane_count(e);
}

void engine_each_transfer(struct engine *e,
			  void (*each)(const struct engine_transfer *t,
				       void *user),
			  void *user)
{
	transfers_each(&e->transfers, each, user);
}

int engine_get_stop(const struct engine *e, enum side *ret_side)
{
	*ret_side = (enum side)atomic_load(&e->stop_side);
	return atomic_load(&e->stop_error);
}

const struct counters *engine_get_counters(const struct engine *e)
{
	return &e->counters;
}

enum engine_phase engine_get_phase(const struct engine *e)
{
	return atomic_load(&e->phase);
}

bool engine_is_scanned(const struct engine *e)
{
	return atomic_load(&e->phase) != ENGINE_STARTING &&
	       atomic_load(&e->scanning) == 0;
}

int64_t engine_get_elapsed_ns(const struct engine *e)
{
	return clock_now_ns() - e->started_ns;
}

int64_t engine_get_silent_ns(const struct engine *e, enum side side)
{
	return atomic_load(&e->silent_ns[side]);
}

uint64_t engine_get_execution(const struct engine *e)
{
	return e->execution;
}

uint32_t engine_get_denied(const struct engine *e, bool *ret_link_times)
{
	*ret_link_times = e->link_times_denied;
	return e->denied;
}

const char *engine_get_tree(const struct engine *e, enum side side,
			    uint64_t *ret_entries, char text[DIGEST_TEXT])
{
	*ret_entries = atomic_load(&e->sum[side].entries);
	return treesum_text(&e->sum[side], text);
}

char *engine_get_summary(const struct engine *e, enum engine_status status)
{
	return summary_json(e, status);
}

/* Temporary files of large files that an earlier run may go on with. */
static int note_partial(const char *path, const struct manifest_partial *p,
			void *user)
{
	struct engine *e = user;
	char(*grown)[TEMPNAME_SIZE] =
	    reallocarray(e->partials, e->partial_count + 1, TEMPNAME_SIZE);

	(void)path;
	if (!grown)
		return -ENOMEM;
	e->partials = grown;
	if (strlen(p->temp_name) < TEMPNAME_SIZE)
		strcpy(e->partials[e->partial_count++], p->temp_name);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int load_partials(struct engine *e)
{
	struct manifest_reader *reader = manifest_reader_new(e->manifest);
	int r;

	if (!reader)
		return -ENOMEM;
	r = manifest_each_partial(reader, note_partial, e);
	manifest_reader_free(reader);
	if (e->partial_count > 0)
		qsort(e->partials, e->partial_count, TEMPNAME_SIZE,
		      compare_names);
	return r;
}

/* The attributes of both roots as they are now. */
static int get_roots(struct engine *e)
{
	for (int side = 0; side < SIDES; side++) {
		struct volume_getattr item = {
		    .handle = volume_get_info(e->volume[side])->root};

		volume_run(e->volume[side], VOLUME_GETATTR, &item, 1);
		if (item.result < 0) {
			engine_stop(e, item.result, (enum side)side);
			return item.result;
		}
		e->root_attr[side] = item.ret_attr;
	}
	return 0;
}

/*
 * Whether the roots are those of the run before. Where a side is not mounted
 * there is mostly an empty directory: as a source it would be taken for one
 * from which all was deleted, as a destination it would be filled. Device
 * numbers change whenever something is mounted, so inode numbers tell.
 */
static int check_roots(struct engine *e)
{
	struct manifest_reader *reader = manifest_reader_new(e->manifest);
	uint64_t now[SIDES], before[SIDES];
	int found;

	if (!reader)
		return -ENOMEM;
	found = manifest_get_roots(reader, before);
	manifest_reader_free(reader);
	if (found < 0)
		return found;
	for (int side = 0; side < SIDES; side++) {
		now[side] = e->root_attr[side].fileid;
		if (found == 1 && now[side] != before[side] &&
		    !e->options.new_root) {
			engine_stop(e, -EREMCHG, (enum side)side);
			return -EREMCHG;
		}
	}
	if (e->options.dry_run ||
	    (found == 1 && now[SOURCE] == before[SOURCE] &&
	     now[DESTINATION] == before[DESTINATION]))
		return 0;
	return manifest_put_roots(e->manifest, now);
}

void engine_push_root(struct engine *e, struct dirnode *d)
{
	pthread_mutex_lock(&e->finish_lock);
	e->roots++;
	pthread_mutex_unlock(&e->finish_lock);
	atomic_fetch_add(&e->scanning, 1);
	dirstack_push(e->stack, d);
}

void engine_say_missing(struct engine *e, const char *path)
{
	uint64_t before = atomic_fetch_add(&e->missing, 1);
	CLEANUP_FREE char *text = escape_name(path);
	const struct log_fields fields = {.path = text ? text : "?",
					  .action = "failed",
					  .side = "source",
					  .error = "there is no such entry"};

	if (before < MISSING_SAID_MAX)
		log_about(LOG_ERROR, &fields,
			  "source %s: there is no such entry: nothing was done "
			  "for it",
			  fields.path);
	else if (before == MISSING_SAID_MAX)
		log_error("and more that the source does not have: they are "
			  "counted as failed");
	engine_count(e, COUNT_FAILED, 1);
	report_add(e->report, REPORT_TRANSFERRED,
		   &(struct report_entry){
		       .path = path, .error = -ENOENT, .phase = PHASE_LIST});
}

/* What of the root is visited, see dirnode.only. Asked first, so that no
 * directories are made on the way to nothing. */
static char *root_only(struct engine *e)
{
	if (path_exists(e, SOURCE, e->path) != 0)
		return strdup(e->path);
	engine_say_missing(e, e->path);
	return strdup("");
}

/* `again`: the run has walked the tree before. */
static int push_root(struct engine *e, bool again)
{
	struct handle *handle[SIDES];
	struct dirnode *root;

	for (int side = 0; side < SIDES; side++)
		handle[side] =
		    handle_dup(volume_get_info(e->volume[side])->root);
	root = handle[SOURCE] && handle[DESTINATION]
		   ? dirnode_new(NULL, "", handle[SOURCE], handle[DESTINATION])
		   : NULL;
	if (!root) {
		free(handle[SOURCE]);
		free(handle[DESTINATION]);
		engine_stop(e, -ENOMEM, SIDES);
		return -ENOMEM;
	}
	root->again = again;
	root->id = MANIFEST_ROOT;
	root->parent_id = MANIFEST_ROOT;
	root->attr[SOURCE] = e->root_attr[SOURCE];
	root->attr[DESTINATION] = e->root_attr[DESTINATION];
	if (e->scope == SCOPE_PATH) {
		root->only = root_only(e);
		if (!root->only) {
			dirnode_free(root);
			engine_stop(e, -ENOMEM, SIDES);
			return -ENOMEM;
		}
	}
	/* The probe has changed its times. */
	atomic_store(&root->touched, true);
	engine_push_root(e, root);
	return 0;
}

static unsigned scanner_count(unsigned lanes)
{
	unsigned n = lanes / 8;

	return n < SCANNERS_MIN   ? SCANNERS_MIN
	       : n > SCANNERS_MAX ? SCANNERS_MAX
				  : n;
}

/* Further tries of what failed: the first at once, the others after a while,
 * in which what stood against it may go away. */
static void try_again(struct engine *e)
{
	unsigned tries = e->options.tries ?: SYNC_TRIES;
	int64_t pause_ns = 0;

	for (unsigned n = 1; n < tries; n++) {
		if (counters_get(&e->counters, COUNT_FAILED) == 0 ||
		    engine_is_stopping(e))
			break;
		atomic_store(&e->phase, ENGINE_RETRYING);
		finish_rest(e, pause_ns);
		retry_failed(e);
		finish_wait(e);
		pause_ns = pause_ns ? 2 * pause_ns : RETRY_FIRST_NS;
		if (pause_ns > RETRY_MAX_NS)
			pause_ns = RETRY_MAX_NS;
	}
}

/*
 * Whether what vanished from the source has done so one by one, or because the
 * source itself is gone: its server has lost what it exports, or somebody has
 * removed it. A root that was removed is still open in a local directory.
 */
static void check_vanished(struct engine *e)
{
	struct volume_getattr item = {
	    .handle = volume_get_info(e->volume[SOURCE])->root};

	if (engine_is_stopping(e) ||
	    counters_get(&e->counters, COUNT_VANISHED) == 0)
		return;
	volume_run(e->volume[SOURCE], VOLUME_GETATTR, &item, 1);
	if (item.result == 0 && item.ret_attr.nlink == 0 &&
	    e->root_attr[SOURCE].nlink > 0)
		item.result = -ESTALE;
	if (item.result < 0)
		engine_stop(e, item.result, SOURCE);
}

/* The comparison of both trees. Records that were put are read by it. */
static void compare_trees(struct engine *e)
{
	int r = manifest_flush(e->manifest);

	if (r < 0) {
		engine_stop(e, r, SIDES);
		return;
	}
	atomic_store(&e->phase, ENGINE_COMPARING);
	atomic_store(&e->comparing, true);
	if (e->scope == SCOPE_ALL)
		verify_root(e);
	if (push_root(e, !e->verify_only) == 0)
		finish_wait(e);
	check_vanished(e);
}

/* What stood in the way of something, and failed because of it, does so no
 * more; a try counts failures anew. */
static void remove_deleted(struct engine *e)
{
	prune_run(e);
	if (engine_is_stopping(e) || !prune_made_way(e->prune))
		return;
	atomic_store(&e->phase, ENGINE_RETRYING);
	retry_failed(e);
	finish_wait(e);
	engine_count(e, COUNT_FAILED, prune_get_failed(e->prune));
}

static void copy_tree(struct engine *e)
{
	atomic_store(&e->phase, ENGINE_RUNNING);
	if (e->scope == SCOPE_RETRY) {
		retry_recorded(e);
	} else if (push_root(e, false) < 0) {
		return;
	}
	finish_wait(e);
	if (!engine_is_stopping(e) && !e->options.dry_run)
		try_again(e);
	check_vanished(e);
	if (!engine_is_stopping(e) && e->prune)
		remove_deleted(e);
	if (e->options.dry_run)
		return;
	if (!engine_is_stopping(e) && e->scope == SCOPE_RETRY)
		retry_forget_gone(e);
	/* A list leaves those of other files for another run. */
	if (!engine_is_stopping(e) && e->scope == SCOPE_ALL && !e->filelist)
		retry_sweep_partials(e);
}

static void run_passes(struct engine *e)
{
	if (!e->verify_only)
		copy_tree(e);
	if (engine_is_stopping(e) || e->options.dry_run || e->missing)
		return;
	if (e->verify_only ||
	    (e->options.verify == VERIFY_ALL && e->scope != SCOPE_RETRY))
		compare_trees(e);
}

/* Lanes of both kinds; from here on engine_set_jobs() concerns them. */
static int start_lanes(struct engine *e, struct lanes **ret,
		       struct lanes **ret_large)
{
	unsigned count;
	int r;

	pthread_mutex_lock(&e->lanes_lock);
	count = lane_count(e);
	r = lane_start(e, e->work, count, ENGINE_JOBS_MAX, ret);
	if (r == 0)
		r = lane_start(e, e->large, large_count(count), LARGE_LANES,
			       ret_large);
	if (r == 0) {
		e->lanes = *ret;
		e->large_lanes = *ret_large;
	}
	pthread_mutex_unlock(&e->lanes_lock);
	return r;
}

/* No more of them: they are about to be joined. */
static void keep_lanes(struct engine *e)
{
	pthread_mutex_lock(&e->lanes_lock);
	e->lanes = NULL;
	e->large_lanes = NULL;
	pthread_mutex_unlock(&e->lanes_lock);
}

/* The threads of a run: 0, or a negative errno when they cannot be had. */
static int run_threads(struct engine *e)
{
	struct scanners *scanners = NULL;
	struct lanes *lanes = NULL, *large = NULL;
	pthread_t finisher;
	int r;

	r = finish_start(e, &finisher);
	if (r < 0)
		return r;
	r = start_lanes(e, &lanes, &large);
	if (r == 0)
		r = scan_start(e, scanner_count(lane_count(e)), &scanners);
	if (r == 0)
		run_passes(e);
	atomic_store(&e->phase, ENGINE_ENDING);
	keep_lanes(e);
	gate_release(&e->gate);
	dirstack_close(e->stack);
	scan_join(scanners);
	queue_close(e->work);
	queue_close(e->large);
	lane_join(lanes);
	lane_join(large);
	finish_join(e, finisher);
	return r;
}

/* A run without its report is better than none. */
static void begin_report(struct engine *e)
{
	CLEANUP_FREE char *directory = NULL;
	char error[REPORT_ERROR];

	directory = report_directory(&e->options.report, e->spill_directory);
	if (!directory)
		log_error("out of memory: there will be no report");
	else if (report_new(&e->options.report, directory, e->task,
			    e->execution, &e->report, error, sizeof(error)) < 0)
		log_error("%s", error);
}

static int prepare(struct engine *e)
{
	struct manifest_execution x = {0};
	int r;

	r = load_partials(e);
	if (r == 0 && !e->options.dry_run) {
		r = manifest_begin(e->manifest, &x);
		e->execution = x.id;
		if (r == 0)
			begin_report(e);
	}
	if (r < 0) {
		engine_stop(e, r, SIDES);
		return r;
	}
	gate_pass(&e->gate);
	r = get_roots(e);
	if (r == 0)
		r = check_roots(e);
	if (r == 0 && !e->options.dry_run && !e->verify_only) {
		r = metadata_probe(e);
		if (r < 0)
			engine_stop(e, r, DESTINATION);
	}
	return r;
}

static void end_report(struct engine *e, const char *summary)
{
	char error[REPORT_ERROR];

	if (report_end(e->report, summary, error, sizeof(error)) < 0)
		log_error("%s", error);
}

static enum engine_status judge(struct engine *e)
{
	int error = atomic_load(&e->stop_error);

	if (atomic_load(&e->cancelled))
		return ENGINE_CANCELLED;
	if (error == -ENOTCONN || error == -ETIMEDOUT)
		return ENGINE_LOST;
	if (error == -ETIME)
		return ENGINE_TIME_UP;
	if (error)
		return ENGINE_STOPPED;
	if (counters_get(&e->counters, COUNT_FAILED) ||
	    counters_get(&e->counters, COUNT_MISMATCHED))
		return ENGINE_FAILURES;
	if (e->prune && prune_is_refused(e->prune))
		return ENGINE_LIMITED;
	return ENGINE_SUCCESS;
}

enum engine_status engine_run(struct engine *e)
{
	enum engine_status status;
	struct manifest_execution x;
	struct silence *silence;
	int r;

	throttle_attach(e->throttle, e->volume);
	silence = silence_start(e);
	r = prepare(e);
	if (r == 0)
		r = run_threads(e);
	silence_end(silence);
	throttle_detach(e->volume);
	if (r < 0)
		engine_stop(e, r, SIDES);
	if (e->execution && manifest_flush(e->manifest) == 0)
		retry_report_failed(e);
	status = judge(e);
	if (e->execution) {
		x = (struct manifest_execution){
		    .id = e->execution,
		    .started_ns = e->started_wall_ns,
		    .ended_ns = clock_wall_ns(),
		    .status = summary_status(status)};
		x.summary = summary_json(e, status);
		end_report(e, x.summary);
		r = manifest_end(e->manifest, &x);
		free((char *)x.summary);
		if (r < 0) {
			engine_stop(e, r, SIDES);
			status = judge(e);
		}
	}
	return status;
}
