/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A volume call becomes a v4_call: an array of works, one or more for each
 * item, carried by one batch. When the batch is done, the works are merged
 * back into the items and the call ends. Nothing waits in between, so start
 * is the only form this backend supplies.
 *
 * Items that need nothing sent (a bad name, a close that is not the last one)
 * have no work.
 */
#include "volume/nfs4.h"

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
#include "volume/efs.h"
#include "volume/location.h"
#include "volume/nfs4_hold.h"

/* Supplementary groups that AUTH_SYS carries (RFC 5531 appendix A). */
#define GIDS_MAX 16

/* As many as the relay of the EFS mount helper opens. */
#define EFS_CONNS 5

/* Calls in flight worth having: what keeps a near server busy, and what fills
 * a line to one this far away. */
#define DEPTH_NEAR   16
#define DEPTH_FAR    128
#define DEPTH_FAR_NS (70 * NS_PER_MS)

/* Four compounds for each sleep: a thread costs more to wake than they do to
 * encode. */
#define WHOLE_CALLS 4

/* Operations of a small file written whole, and what its directory costs. */
#define WHOLE_OPS     7
#define WHOLE_DIR_OPS 2

struct v4_call {
	struct v4 *v;
	struct volume_call *call;
	const struct v4_verb *verb;
	size_t count; /* works */
	uint8_t works[] __attribute__((aligned(16)));
};

static const struct v4_verb *const verbs[VOLUME_VERBS] = {
    [VOLUME_LIST] = &v4_list_verb,
    [VOLUME_LOOKUP] = &v4_lookup_verb,
    [VOLUME_GETATTR] = &v4_getattr_verb,
    [VOLUME_READLINK] = &v4_readlink_verb,
    [VOLUME_READ_WHOLE] = &v4_read_whole_verb,
    [VOLUME_WRITE_WHOLE] = &v4_write_whole_verb,
    [VOLUME_MAKE] = &v4_make_verb,
    [VOLUME_LINK] = &v4_link_verb,
    [VOLUME_SETATTR] = &v4_setattr_verb,
    [VOLUME_REMOVE] = &v4_remove_verb,
    [VOLUME_RENAME] = &v4_rename_verb,
    [VOLUME_READ] = &v4_read_verb,
    [VOLUME_OPEN] = &v4_open_verb,
    [VOLUME_WRITE] = &v4_write_verb,
    [VOLUME_COMMIT] = &v4_commit_verb,
    [VOLUME_CLOSE] = &v4_close_verb,
    [VOLUME_STATFS] = &v4_statfs_verb,
};

/* --- What the verbs share ------------------------------------------------- */

static size_t room_for_data(size_t bytes, size_t around, size_t most)
{
	size_t room = bytes > around ? bytes - around : 1;

	/* Whole blocks, as long as there is a choice. */
	if (room > 4096)
		room -= room % 4096;
	return room < most ? room : most;
}

size_t v4_read_room(const struct v4 *v)
{
	return room_for_data(batch_get_room(v->memory).response_bytes,
			     6 * V4_OP_BYTES + 2 * V4_ATTR_BYTES, v->read_max);
}

size_t v4_write_room(const struct v4 *v)
{
	return room_for_data(batch_get_room(v->memory).request_bytes,
			     8 * V4_OP_BYTES + 4 * V4_NAME_BYTES, v->write_max);
}

bool v4_same_dir(const struct handle *a, const struct handle *b)
{
	return a == b || handle_equal(a, b);
}

void v4_set_handle(struct handle **slot, struct handle *handle)
{
	free(*slot);
	*slot = handle;
}

int v4_get_dir(struct reply *r, bool shared)
{
	int error;

	if (shared)
		return 0;
	error = reply_putfh(r);
	return error ? error : reply_savefh(r);
}

/* What of a reply's errors has no meaning at the waist. */
static int to_waist(int result)
{
	switch (result) {
	case -E2BIG:
	case -EMSGSIZE:
	case -ENODATA:
	case -EBADF:
		return -EIO;
	default:
		return result;
	}
}

static int *result_of(const struct v4_work *work)
{
	return (int *)((char *)work->item + work->verb->result_at);
}

void v4_finish(void *item, int result)
{
	struct v4_work *work = item;

	work->error = to_waist(result);
}

/* --- Calls ---------------------------------------------------------------- */

static struct v4_work *work_at(struct v4_call *c, size_t i)
{
	return (struct v4_work *)(c->works + i * c->verb->kind.item_size);
}

static void *item_of(struct volume_call *call, size_t i)
{
	return (char *)call->items + i * verbs[call->verb]->item_size;
}

/*
 * The works of an item lie together; the next item's begin at the return
 * value. The item's result is the first error of its works, and an item that
 * failed returns nothing else.
 */
static size_t end_item(struct v4_call *c, size_t first)
{
	struct v4_work *work = work_at(c, first);
	void *item = work->item;
	int result = 0;
	size_t i;

	for (i = first; i < c->count && work_at(c, i)->item == item; i++)
		if (!result)
			result = work_at(c, i)->error;
	*result_of(work) = result;
	if (c->verb->merge)
		c->verb->merge(work, (unsigned)(i - first));
	if (*result_of(work))
		volume_items_done(c->call->verb, item, 1);
	return i;
}

static void call_done(void *user)
{
	struct v4_call *c = user;
	struct volume_call *call = c->call;
	size_t i = 0;

	while (i < c->count)
		i = end_item(c, i);
	if (c->verb->done)
		for (i = 0; i < c->count; i++)
			c->verb->done(work_at(c, i));
	free(c);
	call->done(call);
}

static unsigned parts_of(const struct v4 *v, const struct v4_verb *verb,
			 const void *item)
{
	unsigned parts = verb->parts ? verb->parts(v, item) : 1;

	return parts > 0 ? parts : 1;
}

/* Adds the works of `item`, or sets its result if it is refused. */
static void add_item(struct v4_call *c, void *item, size_t items)
{
	unsigned parts = parts_of(c->v, c->verb, item);
	size_t size = c->verb->kind.item_size;
	int error = 0;

	for (unsigned part = 0; part < parts && !error; part++) {
		struct v4_work *work = work_at(c, c->count + part);

		memset(work, 0, size);
		work->v = c->v;
		work->verb = c->verb;
		work->item = item;
		work->part = part;
		if (c->verb->init)
			error = c->verb->init(work, parts, items);
	}
	if (error)
		*(int *)((char *)item + c->verb->result_at) =
		    error == V4_DONE ? 0 : error;
	else
		c->count += parts;
}

/* No memory even to begin. A file is freed by its close in any case. */
static void refuse(struct volume_call *call)
{
	volume_fail(call->verb, call->items, call->count, -ENOMEM);
	for (size_t i = 0; call->verb == VOLUME_CLOSE && i < call->count; i++)
		v4_close_verb.done(&(struct v4_work){.item = item_of(call, i)});
	call->done(call);
}

static void v4_start(struct volume *volume, struct volume_call *call)
{
	struct v4 *v = (struct v4 *)volume;
	const struct v4_verb *verb = verbs[call->verb];
	struct v4_call *c;
	size_t works = 0;

	for (size_t i = 0; i < call->count; i++)
		works += parts_of(v, verb, item_of(call, i));
	c = malloc(sizeof(*c) + works * verb->kind.item_size);
	if (!c) {
		refuse(call);
		return;
	}
	*c = (struct v4_call){.v = v, .call = call, .verb = verb};
	for (size_t i = 0; i < call->count; i++)
		add_item(c, item_of(call, i), call->count);
	assert(c->count <= works);
	if (batch_start(v->memory, &verb->kind, c->works, c->count, call_done,
			c)) {
		for (size_t i = 0; i < c->count; i++)
			v4_finish(work_at(c, i), -ENOMEM);
		call_done(c);
	}
}

/* --- One work, waited for ------------------------------------------------- */

static void wake(void *user)
{
	waiter_wake(user);
}

int v4_run_one(struct v4 *v, const struct batch_kind *kind, void *item)
{
	struct waiter w;
	struct v4_work *work = item;

	waiter_init(&w);
	if (batch_start(v->memory, kind, item, 1, wake, &w))
		return -ENOMEM;
	waiter_wait(&w);
	return work->error;
}

/* --- Life ----------------------------------------------------------------- */

static void v4_free(struct volume *volume)
{
	struct v4 *v = (struct v4 *)volume;

	if (!v)
		return;
	client_free(v->client);
	efs_free(v->efs);
	batch_memory_free(v->memory);
	hold_table_free(v->holds);
	free(v->root);
	free(v->location);
	free(v);
}

static void v4_cancel(struct volume *volume)
{
	client_cancel(((struct v4 *)volume)->client);
}

static uint64_t v4_get_requests(const struct volume *volume)
{
	return client_get_requests(((const struct v4 *)volume)->client);
}

static int64_t v4_get_silent_ns(const struct volume *volume)
{
	return client_get_silent_ns(((const struct v4 *)volume)->client);
}

static void v4_set_patience(struct volume *volume, int64_t ns)
{
	client_set_patience(((struct v4 *)volume)->client, ns);
}

static const struct volume_backend backend = {
    .name = "nfs4",
    .start = v4_start,
    .cancel = v4_cancel,
    .get_silent_ns = v4_get_silent_ns,
    .set_patience = v4_set_patience,
    .get_requests = v4_get_requests,
    .free = v4_free,
};

/*
 * Connects as the location says. Without a uid there, requests are made in
 * the name of this process, with its groups; with one, in that user's name
 * and with no groups but the one given.
 */
static int connect_to(struct v4 *v, const struct location *l, char *error,
		      size_t error_size)
{
	gid_t groups[NGROUPS_MAX];
	uint32_t gids[GIDS_MAX];
	struct client_options options = {
	    .port = l->port,
	    .conns = l->conns,
	    .conns_most = l->file_system ? EFS_CONNS : 0,
	    .slots = l->depth,
	    .deadline_s = l->deadline_s,
	    .uid = l->uid >= 0 ? (uint32_t)l->uid : geteuid(),
	    .gid = l->gid >= 0 ? (uint32_t)l->gid : getegid(),
	    .gids = gids,
	};

	int r = efs_new(l, &v->efs, error, error_size);

	if (r < 0)
		return r;
	options.host = efs_get_hosts(v->efs);
	options.tls = efs_get_tls(v->efs);
	if (l->uid < 0) {
		int count = getgroups(ARRAY_SIZE(groups), groups);

		for (int i = 0; i < count && i < GIDS_MAX; i++)
			gids[options.gid_count++] = groups[i];
	}
	r = client_open(&options, &v->client, error, error_size);
	if (r == -EHOSTUNREACH && l->file_system && !l->mount_targets) {
		size_t len = strlen(error);

		snprintf(
		    error + len, error_size - len,
		    "; outside of its VPC the name is not known: give the "
		    "address of a mount target there, mounttarget=ADDRESS");
	}
	return r;
}

/* The server's limits, from its root: what is not told stays unlimited. */
static void learn_limits(struct v4 *v)
{
	struct server_limits limits = {0};
	struct compound *c = compound_new();
	struct call call = {.compound = c};
	int error;

	if (!c)
		return;
	compound_putfh(c, v->root);
	compound_getattr(c, FATTR_LIMITS);
	error = client_run(v->client, &call);
	if (!error) {
		if (!reply_putfh(&call.reply))
			reply_limits(&call.reply, &limits);
		blob_unref(call.reply.blob);
	}
	compound_free(c);
	v->name_max = limits.name_max < VOLUME_NAME_MAX ? limits.name_max
							: VOLUME_NAME_MAX;
	/* The least that POSIX allows is what servers say that do not know. */
	if (limits.link_max > _POSIX_LINK_MAX)
		v->link_max = limits.link_max;
	if (limits.read_max >= 1024 && limits.read_max < SIZE_MAX)
		v->read_max = limits.read_max;
	if (limits.write_max >= 1024 && limits.write_max < SIZE_MAX)
		v->write_max = limits.write_max;
}

static unsigned depth_for(int64_t rtt_ns, unsigned slots)
{
	int64_t depth =
	    DEPTH_NEAR + rtt_ns * (DEPTH_FAR - DEPTH_NEAR) / DEPTH_FAR_NS;

	if (depth > DEPTH_FAR)
		depth = DEPTH_FAR;
	if (depth > slots)
		depth = slots;
	return depth > 0 ? (unsigned)depth : 1;
}

/* `batch`: of the location. */
static void fill_info(struct v4 *v, unsigned batch)
{
	struct volume_info *info = &v->volume.info;
	struct batch_item_cost room = batch_get_room(v->memory);

	v->read_part = v4_read_room(v);
	v->write_part = v4_write_room(v);
	info->location = v->location;
	info->protocol = "NFSv4.1";
	info->root = v->root;
	info->rtt_ns = client_get_rtt_ns(v->client);
	info->keeps_open = true;
	info->depth =
	    depth_for(info->rtt_ns, client_get_limits(v->client).slots);
	info->whole_calls =
	    info->depth < WHOLE_CALLS ? info->depth : WHOLE_CALLS;
	/* What fits into one compound for writing; reading takes less. */
	info->whole_items = room.ops > WHOLE_OPS + WHOLE_DIR_OPS
				? (room.ops - WHOLE_DIR_OPS) / WHOLE_OPS
				: 1;
	if (batch > 0 && info->whole_items > batch)
		info->whole_items = batch;
}

int v4_open(const struct location *location, struct volume **ret, char *error,
	    size_t error_size)
{
	struct v4 *v = calloc(1, sizeof(*v));
	int result = -ENOMEM;

	snprintf(error, error_size, "%s: out of memory", location->text);
	if (!v)
		return -ENOMEM;
	v->volume.backend = &backend;
	v->read_max = SIZE_MAX;
	v->write_max = SIZE_MAX;
	v->location = strdup(location->text);
	v->holds = hold_table_new();
	if (v->location && v->holds)
		result = connect_to(v, location, error, error_size);
	if (!result) {
		v->memory = batch_memory_new(v->client, location->deadline_s);
		result = v->memory ? 0 : -ENOMEM;
	}
	if (!result)
		batch_memory_set_items(v->memory, location->batch);
	if (!result)
		result =
		    v4_resolve(v, location->path, &v->root,
			       &v->volume.info.root_attr, error, error_size);
	if (result) {
		v4_free(&v->volume);
		return result;
	}
	learn_limits(v);
	/* Meanwhile they were opened. */
	client_settle(v->client);
	fill_info(v, location->batch);
	*ret = &v->volume;
	return 0;
}
