/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A volume call becomes an ln_call: an array of works, one or more for each
 * item, all submitted at once, spread over the connections. Whoever ends the
 * last of them merges them back into the items and ends the call. Nothing
 * waits in between, so start is the only form this backend supplies.
 *
 * Items that need nothing sent (a bad name, a close) have no work.
 */
#include "volume/libnfs.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/waiter.h"
#include "nfs/backoff.h"
#include "nfs/status.h"
#include "volume/libnfs_probe.h"
#include "volume/libnfs_v40.h"
#include "volume/location.h"

/* Round trips from which on more connections are of use. */
#define RTT_NEAR_NS (2 * NS_PER_MS)
#define RTT_FAR_NS  (20 * NS_PER_MS)

/* Requests in flight on a side: what keeps a near server busy, and what fills
 * a line to one this far away. */
#define DEPTH_NEAR   32
#define DEPTH_FAR    128
#define DEPTH_FAR_NS (20 * NS_PER_MS)

/* Small files worth having in one call, and calls in flight. A file is read,
 * written and verified in turn, and not all of that on this side: so twice as
 * many are under way as the window takes. */
#define WHOLE_ITEMS     16
#define CALLS_MIN       16
#define CALLS_OF(depth) (2 * (depth) / WHOLE_ITEMS)

struct ln_call {
	struct ln *v;
	struct volume_call *call;
	const struct ln_verb *verb;
	size_t count;          /* works */
	atomic_size_t pending; /* works not ended, and one for the submitter */
	uint8_t works[] __attribute__((aligned(16)));
};

/* --- Works ---------------------------------------------------------------- */

static struct ln_work *work_at(struct ln_call *c, size_t i)
{
	return (struct ln_work *)(c->works + i * c->verb->work_size);
}

static int *result_of(const struct ln_work *work)
{
	return (int *)((char *)work->item + work->verb->result_at);
}

/*
 * The works of an item lie together; the next item's begin at the return
 * value. The item's result is the first error of its works, and an item that
 * failed returns nothing else.
 */
static size_t end_item(struct ln_call *c, size_t first)
{
	struct ln_work *work = work_at(c, first);
	void *item = work->item;
	int result = 0;
	size_t i;

	for (i = first; i < c->count && work_at(c, i)->item == item; i++)
		if (!result)
			result = work_at(c, i)->error;
	*result_of(work) = result;
	if (c->verb->merge)
		c->verb->merge(work, (unsigned)(i - first));
	/* ln_run() has items that the waist knows nothing of. */
	if (*result_of(work) && c->call->verb < VOLUME_VERBS)
		volume_items_done(c->call->verb, item, 1);
	return i;
}

/* Somebody is done with the call; the last one ends it. */
static void drop_call(struct ln_call *c)
{
	struct volume_call *call = c->call;
	size_t i = 0;

	if (atomic_fetch_sub(&c->pending, 1) > 1)
		return;
	while (i < c->count)
		i = end_item(c, i);
	if (c->verb->done)
		for (i = 0; i < c->count; i++)
			c->verb->done(work_at(c, i));
	free(c);
	call->done(call);
}

void ln_work_end(struct ln_work *work, int result)
{
	work->error = result;
	drop_call(work->call);
}

static bool work_send(struct ln_request *r, struct rpc_context *rpc)
{
	struct ln_work *work = (struct ln_work *)r;

	return work->verb->send(work, rpc);
}

static void work_done(struct ln_request *r, int error, void *data)
{
	struct ln_work *work = (struct ln_work *)r;
	int result = error;

	if (!result)
		result = data ? work->verb->reply(work, data) : -EPROTO;
	if (result == LN_NEXT)
		ln_conn_submit(r->conn, r);
	else if (result != LN_WAIT)
		ln_work_end(work, result);
}

/* --- Calls ---------------------------------------------------------------- */

/* The idlest connection; those that gave the server up come last. */
static struct ln_conn *choose_conn(struct ln *v)
{
	unsigned first = atomic_fetch_add(&v->next_conn, 1) % v->conn_count;
	struct ln_conn *best = v->conns[first];

	for (unsigned i = 1; i < v->conn_count; i++) {
		struct ln_conn *c = v->conns[(first + i) % v->conn_count];

		if (ln_conn_is_down(c))
			continue;
		if (ln_conn_is_down(best) ||
		    ln_conn_get_load(c) < ln_conn_get_load(best))
			best = c;
	}
	return best;
}

static unsigned parts_of(const struct ln *v, const struct ln_verb *verb,
			 const void *item)
{
	unsigned parts = verb->parts ? verb->parts(v, item) : 1;

	return parts > 0 ? parts : 1;
}

/* Adds the works of `item`, or sets its result if it is refused. */
static void add_item(struct ln_call *c, void *item, size_t items)
{
	unsigned parts = parts_of(c->v, c->verb, item);
	int error = 0;

	for (unsigned part = 0; part < parts && !error; part++) {
		struct ln_work *work = work_at(c, c->count + part);

		memset(work, 0, c->verb->work_size);
		work->request.send = work_send;
		work->request.done = work_done;
		work->v = c->v;
		work->verb = c->verb;
		work->call = c;
		work->item = item;
		work->part = part;
		if (c->verb->init)
			error = c->verb->init(work, parts, items);
	}
	if (error)
		*(int *)((char *)item + c->verb->result_at) =
		    error == LN_DONE ? 0 : error;
	else
		c->count += parts;
}

/* No memory even to begin, or a verb that this server is not asked for. */
static void refuse(const struct ln_verb *verb, struct volume_call *call,
		   int result)
{
	struct volume_close *files = call->items;

	volume_fail(call->verb, call->items, call->count, result);
	/* A file is freed by its close in any case. */
	for (size_t i = 0; call->verb == VOLUME_CLOSE && i < call->count; i++)
		verb->init(&(struct ln_work){.item = &files[i]}, 1, 1);
	call->done(call);
}

static void start_call(struct ln *v, const struct ln_verb *verb,
		       struct volume_call *call)
{
	char *item = call->items;
	struct ln_call *c;
	size_t works = 0;

	for (size_t i = 0; i < call->count; i++)
		works += parts_of(v, verb, item + i * verb->item_size);
	c = malloc(sizeof(*c) + works * verb->work_size);
	if (!c) {
		refuse(verb, call, -ENOMEM);
		return;
	}
	*c = (struct ln_call){.v = v, .call = call, .verb = verb};
	for (size_t i = 0; i < call->count; i++)
		add_item(c, item + i * verb->item_size, call->count);
	assert(c->count <= works);
	atomic_init(&c->pending, c->count + 1);
	for (size_t i = 0; i < c->count; i++)
		ln_conn_submit(choose_conn(v), &work_at(c, i)->request);
	drop_call(c);
}

static void start(struct volume *volume, struct volume_call *call)
{
	struct ln *v = (struct ln *)volume;
	const struct ln_verb *verb = v->verbs[call->verb];

	if (verb)
		start_call(v, verb, call);
	else
		refuse(verb, call, -EROFS);
}

/* --- One item, waited for ------------------------------------------------- */

static void wake(struct volume_call *call)
{
	waiter_wake(call->user);
}

int ln_run(struct ln *v, const struct ln_verb *verb, void *item)
{
	struct waiter w;
	struct volume_call call = {
	    .verb = VOLUME_VERBS, /* none of the waist's */
	    .items = item,
	    .count = 1,
	    .done = wake,
	    .user = &w,
	};

	waiter_init(&w);
	start_call(v, verb, &call);
	waiter_wait(&w);
	return *(int *)((char *)item + verb->result_at);
}

/* --- Life ----------------------------------------------------------------- */

static void free_ln(struct volume *volume)
{
	struct ln *v = (struct ln *)volume;

	for (unsigned i = 0; i < v->conn_count; i++)
		ln_conn_stop(v->conns[i]);
	for (unsigned i = 0; i < v->conn_count; i++)
		ln_conn_free(v->conns[i]);
	endpoint_free(v->endpoint);
	free(v->root);
	free(v->location);
	free(v);
}

static void cancel(struct volume *volume)
{
	struct ln *v = (struct ln *)volume;

	atomic_store(&v->cancelled, true);
	for (unsigned i = 0; i < v->conn_count; i++)
		ln_conn_stop(v->conns[i]);
}

static uint64_t get_requests(const struct volume *volume)
{
	return atomic_load(&((const struct ln *)volume)->server.requests);
}

/* Of connections that wait, the one that was answered last tells. */
static int64_t get_silent_ns(const struct volume *volume)
{
	const struct ln *v = (const struct ln *)volume;
	int64_t last = 0;

	for (unsigned i = 0; i < v->conn_count; i++) {
		int64_t since = ln_conn_get_silent_ns(v->conns[i]);

		if (since > last)
			last = since;
	}
	return last;
}

/* The threads look at it once a second while anything waits. */
static void set_patience(struct volume *volume, int64_t ns)
{
	struct ln *v = (struct ln *)volume;
	int64_t deadline_ns = v->server.deadline_ns, before_ns;

	if (ns <= 0 || ns > deadline_ns)
		ns = deadline_ns;
	before_ns = atomic_exchange(&v->server.patience_ns, ns);
	for (unsigned i = 0; i < v->conn_count && before_ns < ns; i++)
		ln_conn_forgive(v->conns[i]);
}

static const struct volume_backend backend = {
    .name = "libnfs",
    .start = start,
    .cancel = cancel,
    .get_silent_ns = get_silent_ns,
    .set_patience = set_patience,
    .get_requests = get_requests,
    .free = free_ln,
};

/*
 * Without a uid in the location requests are made in the name of this process,
 * with its groups; with one, in that user's name and with no groups but the
 * one given.
 */
static void set_server(struct ln *v, const struct location *l)
{
	struct ln_server *s = &v->server;
	gid_t groups[NGROUPS_MAX];

	gethostname(s->machine, sizeof(s->machine) - 1);
	s->uid = l->uid >= 0 ? (uint32_t)l->uid : geteuid();
	s->gid = l->gid >= 0 ? (uint32_t)l->gid : getegid();
	s->deadline_ns =
	    (l->deadline_s ? l->deadline_s : DEADLINE_DEFAULT_S) * NS_PER_S;
	atomic_init(&s->patience_ns, s->deadline_ns < DEADLINE_OPENING_NS
					 ? s->deadline_ns
					 : DEADLINE_OPENING_NS);
	s->version = l->version == LOCATION_V3 ? 3 : 4;
	s->window = DEPTH_NEAR;
	if (l->uid < 0) {
		int count = getgroups(ARRAY_SIZE(groups), groups);

		for (int i = 0; i < count && i < LN_GIDS_MAX; i++)
			s->gids[s->gid_count++] = groups[i];
	}
}

static unsigned choose_conns(const struct ln *v, unsigned asked)
{
	if (asked)
		return asked < LN_CONNS_MAX ? asked : LN_CONNS_MAX;
	return v->rtt_ns < RTT_NEAR_NS ? 1 : v->rtt_ns < RTT_FAR_NS ? 2 : 4;
}

static unsigned depth_for(int64_t rtt_ns)
{
	int64_t depth =
	    DEPTH_NEAR + rtt_ns * (DEPTH_FAR - DEPTH_NEAR) / DEPTH_FAR_NS;

	return depth < DEPTH_FAR ? (unsigned)depth : DEPTH_FAR;
}

/* The connections; they connect when they are first used. */
static int add_conns(struct ln *v, unsigned count)
{
	unsigned depth = depth_for(v->rtt_ns);

	v->server.window = (depth + count - 1) / count;
	while (v->conn_count < count) {
		struct ln_conn *c = ln_conn_new(&v->server);

		if (!c)
			return v->conn_count > 0 ? 0 : -ENOMEM;
		v->conns[v->conn_count++] = c;
	}
	return 0;
}

static void fill_info(struct ln *v, enum location_version version)
{
	struct volume_info *info = &v->volume.info;
	unsigned calls = CALLS_OF(depth_for(v->rtt_ns));

	info->location = v->location;
	info->root = v->root;
	info->rtt_ns = v->rtt_ns;
	info->depth = calls > CALLS_MIN ? calls : CALLS_MIN;
	info->whole_items = WHOLE_ITEMS;
	info->whole_calls = 1;
	info->protocol = version == LOCATION_V40 ? "NFSv4.0" : "NFSv3";
	/* NFSv3 opens nothing, NFSv4.0 nothing by its handle. */
	info->keeps_open = false;
	info->short_times = version == LOCATION_V3;
}

static int open_v3(struct ln *v, const struct location *l, char *error,
		   size_t error_size)
{
	struct ln_probe probe = {
	    .location = l,
	    .server = &v->server,
	    .error = error,
	    .error_size = error_size,
	};
	CLEANUP_FREE struct handle *mounted = NULL;
	size_t reached = 0;
	int result;

	result = ln_probe_nfs(&probe, 3, &v->endpoint, &v->rtt_ns);
	v->server.endpoint = v->endpoint;
	if (!result)
		result = ln_probe_mount(&probe, &mounted, &reached);
	if (result)
		return result;
	v->verbs = v3_verbs;
	result = add_conns(v, choose_conns(v, l->conns));
	if (result)
		return result;
	result = ln_walk(v, mounted, l->path, reached, &v->root,
			 &v->volume.info.root_attr, error, error_size);
	if (!result)
		v3_learn_limits(v);
	return result;
}

/* A sentence about why the server's root is not to be had. */
static void explain_root(const struct ln *v, const struct v40_root *root,
			 char *error, size_t error_size)
{
	if (root->refused)
		snprintf(error, error_size,
			 "%s: the server refuses NFSv4.0 (%s); choose another "
			 "version with ?vers= in the location",
			 v->location, status_name(root->refused));
	else
		snprintf(error, error_size,
			 "%s: cannot look up the root of the server: %s",
			 v->location, strerror(-root->result));
}

static int open_v40(struct ln *v, const struct location *l, char *error,
		    size_t error_size)
{
	struct ln_probe probe = {
	    .location = l,
	    .server = &v->server,
	    .error = error,
	    .error_size = error_size,
	};
	struct v40_root root = {0};
	int result;

	if (l->to_write) {
		snprintf(error, error_size,
			 "%s: NFSv4.0 can only be read from: no version of "
			 "libnfs recovers the state on the server that writing "
			 "takes; choose vers=4.1 or vers=3 for a destination",
			 l->text);
		return -EROFS;
	}
	result = ln_probe_nfs(&probe, 4, &v->endpoint, &v->rtt_ns);
	if (result)
		return result;
	v->server.endpoint = v->endpoint;
	v->verbs = v40_verbs;
	result = add_conns(v, choose_conns(v, l->conns));
	if (result)
		return result;
	result = ln_run(v, &v40_root_verb, &root);
	if (result)
		explain_root(v, &root, error, error_size);
	else
		result = ln_walk(v, root.handle, l->path, 0, &v->root,
				 &v->volume.info.root_attr, error, error_size);
	free(root.handle);
	if (!result)
		v40_learn_limits(v);
	return result;
}

int ln_open(const struct location *location, struct volume **ret, char *error,
	    size_t error_size)
{
	struct ln *v = calloc(1, sizeof(*v));
	int result = -ENOMEM;

	snprintf(error, error_size, "%s: out of memory", location->text);
	if (!v)
		return -ENOMEM;
	v->volume.backend = &backend;
	v->name_max = VOLUME_NAME_MAX;
	v->read_max = VOLUME_RANGE;
	v->write_max = VOLUME_RANGE;
	v->file_max = INT64_MAX;
	v->location = strdup(location->text);
	set_server(v, location);
	if (v->location)
		result = location->version == LOCATION_V40
			     ? open_v40(v, location, error, error_size)
			     : open_v3(v, location, error, error_size);
	if (result) {
		free_ln(&v->volume);
		return result;
	}
	fill_info(v, location->version);
	*ret = &v->volume;
	return 0;
}
