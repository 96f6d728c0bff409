/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reader: range n lives in slot n % window. Slots are asked for ahead of the
 * one that is wanted next; the answers come in any order, the caller gets
 * them in order.
 *
 * Writer: a slot per put, with one write item for each part of the range that
 * is not zeros. Any free slot serves. While it goes on it asks for commits, one
 * at a time: what was answered before a commit was sent is durable when that is
 * answered by the same server, which its verifier says.
 *
 * Callbacks run on a thread of the backend: they note the result under the
 * lock and wake the owner.
 */
#include "sync/ranges.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/extent.h"
#include "volume/volume.h"

/* How often more is asked for while a limit holds it up. */
#define HELD_UP_NS (20 * NS_PER_MS)

#define WINDOW_MIN 8
#define WINDOW_MAX RANGES_MAX

/* What each has at the least when many share. */
#define SHARE_MIN 4

/* So many bytes behind the last one, a commit is asked for while writing goes
 * on: the server's disk is then busy from the start, and the commit at the end
 * waits for little. */
#define EARLY_COMMIT_BYTES (32 * 1024 * 1024)

/* The most parts a range can have: each has a hole before it. */
#define PARTS_MAX (VOLUME_RANGE / EXTENT_HOLE + 1)

unsigned range_window(const struct volume *v)
{
	/* A range keeps the way busy for longer than a batch does. */
	unsigned depth = volume_get_info(v)->depth / 2;

	return depth < WINDOW_MIN   ? WINDOW_MIN
	       : depth > WINDOW_MAX ? WINDOW_MAX
				    : depth;
}

/* How many of its ranges one of those who share may have in flight now. */
static unsigned window_now(unsigned window, const struct range_share *share)
{
	unsigned users = share ? atomic_load(&share->users) : 1;
	unsigned each = RANGES_MAX / users;

	if (each < SHARE_MIN)
		each = SHARE_MIN;
	return window < each ? window : each;
}

struct read_slot {
	struct range_reader *reader;
	struct volume_call call;
	struct volume_read item;
	bool in_flight; /* guarded by the reader's lock */
	bool answered;  /* likewise: the item waits for its turn */
};

struct range_reader {
	pthread_mutex_t lock; /* guards in_flight and answered; leaf */
	pthread_cond_t changed;
	struct volume *volume;
	const struct handle *handle;
	uint64_t next_ask;  /* the offset to be asked for next */
	uint64_t next_give; /* the offset the caller gets next */
	uint64_t to;
	uint64_t limit; /* nothing that ends behind it is asked for */
	uint64_t from;
	unsigned window;
	struct range_share *share;
	bool held_up; /* could have asked for more but for a limit */
	struct read_slot slot[];
};

struct range_reader *
range_reader_new(struct volume *v, const struct handle *handle, uint64_t from,
		 uint64_t to, unsigned window, struct range_share *share)
{
	struct range_reader *r =
	    calloc(1, sizeof(*r) + window * sizeof(r->slot[0]));
	pthread_condattr_t monotonic;

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r->volume = v;
	r->handle = handle;
	r->from = r->next_ask = r->next_give = from;
	r->to = r->limit = to;
	r->window = window;
	r->share = share;
	if (share)
		atomic_fetch_add(&share->users, 1);
	for (unsigned i = 0; i < window; i++)
		r->slot[i].reader = r;
	return r;
}

static void read_done(struct volume_call *call)
{
	struct read_slot *s = call->user;
	struct range_reader *r = s->reader;

	pthread_mutex_lock(&r->lock);
	s->in_flight = false;
	s->answered = true;
	pthread_cond_signal(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static struct read_slot *read_slot_of(struct range_reader *r, uint64_t offset)
{
	return &r->slot[(offset - r->from) / VOLUME_RANGE % r->window];
}

/*
 * Asks ahead as far as the window goes, and as far as it may be without
 * waiting for a limit: what is behind the range that is wanted next would hold
 * that one up. With `wait` that one is asked for in any case.
 */
static void ask_ahead(struct range_reader *r, bool wait)
{
	uint64_t horizon =
	    r->next_give +
	    (uint64_t)window_now(r->window, r->share) * VOLUME_RANGE;

	r->held_up = false;
	while (r->next_ask < r->to && r->next_ask < horizon) {
		struct read_slot *s = read_slot_of(r, r->next_ask);
		uint64_t left = r->to - r->next_ask;
		size_t len = left < VOLUME_RANGE ? (size_t)left : VOLUME_RANGE;

		if (r->next_ask + len > r->limit)
			return;
		s->item = (struct volume_read){
		    .handle = r->handle, .offset = r->next_ask, .len = len};
		s->call = (struct volume_call){.verb = VOLUME_READ,
					       .items = &s->item,
					       .count = 1,
					       .done = read_done,
					       .user = s};
		s->in_flight = true;
		if (wait && r->next_ask == r->next_give) {
			volume_start(r->volume, &s->call);
		} else if (!volume_try_start(r->volume, &s->call)) {
			s->in_flight = false;
			r->held_up = true;
			return;
		}
		r->next_ask += s->item.len;
	}
}

static void await_answer(struct range_reader *r, struct read_slot *s)
{
	pthread_mutex_lock(&r->lock);
	while (s->in_flight)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* Waits for an answer, and not longer than until it is worth while to ask for
 * more; false: it has not come. */
static bool await_shortly(struct range_reader *r, struct read_slot *s)
{
	struct timespec until = clock_split_ns(clock_now_ns() + HELD_UP_NS);
	bool come;

	pthread_mutex_lock(&r->lock);
	if (s->in_flight)
		pthread_cond_timedwait(&r->changed, &r->lock, &until);
	come = !s->in_flight;
	pthread_mutex_unlock(&r->lock);
	return come;
}

/* Waits for the range that is wanted next. A limit lets a little more be asked
 * for every moment: over a long way it would not be reached if that waited for
 * the answer. */
static void await_next(struct range_reader *r, struct read_slot *s)
{
	while (r->held_up && !await_shortly(r, s))
		ask_ahead(r, false);
	await_answer(r, s);
}

/* The range that is wanted next has come. */
static int give(struct range_reader *r, struct read_slot *s,
		const uint8_t **ret_data, size_t *ret_len,
		struct blob **ret_blob)
{
	size_t wanted;

	if (s->item.result < 0)
		return s->item.result;
	wanted = s->item.len;
	if (s->item.ret_len != wanted)
		return -EBUSY;
	*ret_data = s->item.ret_data;
	*ret_len = wanted;
	*ret_blob = steal(s->item.ret_blob);
	s->answered = false;
	r->next_give += wanted;
	ask_ahead(r, false);
	return 1;
}

int range_reader_next(struct range_reader *r, const uint8_t **ret_data,
		      size_t *ret_len, struct blob **ret_blob)
{
	struct read_slot *s = read_slot_of(r, r->next_give);

	if (r->next_give >= r->to)
		return 0;
	ask_ahead(r, true);
	await_next(r, s);
	return give(r, s, ret_data, ret_len, ret_blob);
}

int range_reader_try(struct range_reader *r, const uint8_t **ret_data,
		     size_t *ret_len, struct blob **ret_blob)
{
	struct read_slot *s = read_slot_of(r, r->next_give);
	bool come;

	ask_ahead(r, false);
	if (r->next_give >= r->next_ask)
		return 0;
	pthread_mutex_lock(&r->lock);
	come = !s->in_flight;
	pthread_mutex_unlock(&r->lock);
	return come ? give(r, s, ret_data, ret_len, ret_blob) : 0;
}

void range_reader_limit(struct range_reader *r, uint64_t limit)
{
	r->limit = limit < r->to ? limit : r->to;
}

struct range_reader *range_reader_free(struct range_reader *r)
{
	if (!r)
		return NULL;
	for (unsigned i = 0; i < r->window; i++) {
		await_answer(r, &r->slot[i]);
		if (r->slot[i].answered)
			volume_items_done(VOLUME_READ, &r->slot[i].item, 1);
	}
	if (r->share)
		atomic_fetch_sub(&r->share->users, 1);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

struct write_slot {
	struct range_writer *writer;
	struct volume_call call;
	struct volume_write items[PARTS_MAX];
	struct blob *blob; /* a reference while in flight */
	uint64_t offset;   /* of the range */
	uint64_t end;      /* of the last part of it that is written */
	bool in_flight;    /* guarded by the writer's lock */
};

struct range_writer {
	pthread_mutex_t lock; /* guards in_flight, error and verifier; leaf */
	pthread_cond_t changed;
	struct volume *volume;
	struct volume_file *file;
	int error; /* the first one */
	bool has_verifier;
	uint64_t verifier;
	struct volume_call early_call; /* the early commit, one at a time */
	struct volume_commit early;
	bool early_in_flight; /* guarded by the lock, as the next three */
	uint64_t early_to;    /* what was answered before it was sent */
	uint64_t durable;     /* what the last commit that is answered covers */
	uint64_t length;      /* of the file, as far as writes made it */
	uint64_t put_to;      /* behind the last range put; the owner's */
	size_t uncommitted; /* bytes put since it was asked for; the owner's */
	unsigned window;
	struct range_share *share;
	struct write_slot slot[];
};

struct range_writer *range_writer_new(struct volume *v,
				      struct volume_file *file, uint64_t from,
				      unsigned window,
				      struct range_share *share)
{
	struct range_writer *w =
	    calloc(1, sizeof(*w) + window * sizeof(w->slot[0]));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	w->volume = v;
	w->file = file;
	w->durable = w->length = w->put_to = from;
	w->window = window;
	w->share = share;
	if (share)
		atomic_fetch_add(&share->users, 1);
	for (unsigned i = 0; i < window; i++)
		w->slot[i].writer = w;
	return w;
}

/* Called with the lock held. A verifier that differs from the one before
 * means that the server forgot what was not committed. */
static void note_write(struct range_writer *w, int result, uint64_t verifier)
{
	if (result == 0 && w->has_verifier && w->verifier != verifier)
		result = -EAGAIN;
	if (result < 0) {
		if (!w->error)
			w->error = result;
		return;
	}
	w->has_verifier = true;
	w->verifier = verifier;
}

static void write_done(struct volume_call *call)
{
	struct write_slot *s = call->user;
	struct range_writer *w = s->writer;

	blob_unref(steal(s->blob));
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < call->count; i++)
		note_write(w, s->items[i].result, s->items[i].ret_verifier);
	if (!w->error && s->end > w->length)
		w->length = s->end;
	s->in_flight = false;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

static void early_done(struct volume_call *call)
{
	struct range_writer *w = call->user;

	pthread_mutex_lock(&w->lock);
	note_write(w, w->early.result, w->early.ret_verifier);
	if (!w->error)
		w->durable = w->early_to;
	w->early_in_flight = false;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* Up to where all that was put is answered; the lock is held. */
static uint64_t answered_to(const struct range_writer *w)
{
	uint64_t to = w->put_to;

	for (unsigned i = 0; i < w->window; i++)
		if (w->slot[i].in_flight && w->slot[i].offset < to)
			to = w->slot[i].offset;
	return to;
}

static void commit_early(struct range_writer *w, size_t len)
{
	bool busy;

	w->uncommitted += len;
	if (w->uncommitted < EARLY_COMMIT_BYTES)
		return;
	pthread_mutex_lock(&w->lock);
	busy = w->early_in_flight;
	if (!busy)
		w->early_to = answered_to(w);
	w->early_in_flight = true;
	pthread_mutex_unlock(&w->lock);
	if (busy)
		return;
	w->uncommitted = 0;
	w->early = (struct volume_commit){.file = w->file};
	w->early_call = (struct volume_call){.verb = VOLUME_COMMIT,
					     .items = &w->early,
					     .count = 1,
					     .done = early_done,
					     .user = w};
	volume_start(w->volume, &w->early_call);
}

/* NULL while all that there may be are in flight. */
static struct write_slot *find_free(struct range_writer *w)
{
	unsigned busy = 0;
	struct write_slot *ret = NULL;

	for (unsigned i = 0; i < w->window; i++)
		if (w->slot[i].in_flight)
			busy++;
		else
			ret = &w->slot[i];
	return busy < window_now(w->window, w->share) ? ret : NULL;
}

int range_writer_put(struct range_writer *w, uint64_t offset,
		     const uint8_t *data, size_t len, struct blob *blob)
{
	struct write_slot *s;
	struct extent part;
	size_t pos = 0, n = 0;
	int error;

	pthread_mutex_lock(&w->lock);
	while (!(s = find_free(w)))
		pthread_cond_wait(&w->changed, &w->lock);
	error = w->error;
	pthread_mutex_unlock(&w->lock);
	if (error)
		return error;
	while (n < PARTS_MAX && extent_next(data, len, offset, &pos, &part))
		s->items[n++] =
		    (struct volume_write){.file = w->file,
					  .offset = offset + part.offset,
					  .data = data + part.offset,
					  .len = part.len,
					  .blob = blob};
	w->put_to = offset + len;
	if (n == 0)
		return 0;
	s->offset = offset;
	s->end = s->items[n - 1].offset + s->items[n - 1].len;
	s->blob = blob_ref(blob);
	s->in_flight = true;
	s->call = (struct volume_call){.verb = VOLUME_WRITE,
				       .items = s->items,
				       .count = n,
				       .done = write_done,
				       .user = s};
	volume_start(w->volume, &s->call);
	commit_early(w, len);
	return 0;
}

static int drain(struct range_writer *w)
{
	int error;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->window; i++)
		while (w->slot[i].in_flight)
			pthread_cond_wait(&w->changed, &w->lock);
	while (w->early_in_flight)
		pthread_cond_wait(&w->changed, &w->lock);
	error = w->error;
	pthread_mutex_unlock(&w->lock);
	return error;
}

int range_writer_commit(struct range_writer *w)
{
	struct volume_commit item = {.file = w->file};
	int r;

	r = drain(w);
	if (r < 0)
		return r;
	volume_run(w->volume, VOLUME_COMMIT, &item, 1);
	pthread_mutex_lock(&w->lock);
	note_write(w, item.result, item.ret_verifier);
	r = w->error;
	if (!r)
		w->durable = w->put_to;
	pthread_mutex_unlock(&w->lock);
	return r;
}

uint64_t range_writer_get_durable(struct range_writer *w)
{
	uint64_t durable;

	pthread_mutex_lock(&w->lock);
	durable = w->durable < w->length ? w->durable : w->length;
	pthread_mutex_unlock(&w->lock);
	return durable;
}

struct range_writer *range_writer_free(struct range_writer *w)
{
	if (!w)
		return NULL;
	drain(w);
	if (w->share)
		atomic_fetch_sub(&w->share->users, 1);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}
