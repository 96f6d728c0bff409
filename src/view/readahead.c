/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A piece is one range of the file that was asked of the server: ahead of a
 * stream, or just what a read lacks. Pieces ahead are listed, so that reads
 * find them; a read falls into parts, each in one piece, and is answered when
 * all of them are there.
 *
 * Which reads follow one another. `run` is the last stretch of reads that
 * touch each other, in whatever order they came; when it has become long
 * enough, the stream begins at its end. From then on `edge` is the furthest
 * byte asked for. A read near the edge belongs to the stream. Another one is a
 * stray; a few in a row end the stream.
 *
 * The window says how far beyond the edge is fetched. It begins with one
 * piece and is doubled when a read had to wait for a piece: so it grows to what
 * bandwidth and round trip need, and not further for a slow reader.
 *
 * A listed piece is dropped when all of its bytes were handed out, when the
 * stream has left it behind, and when it failed: then the next read asks the
 * server again, and only who asks sees an error. One that ended early says
 * where the file ends, but not for long: files grow.
 */
#include "view/readahead.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/blob.h"
#include "base/clock.h"

#define PIECE ((uint64_t)VOLUME_RANGE)

/* The last piece goes on to a multiple of this: the kernel asks whole pages. */
#define PAGE UINT64_C(4096)

/* How long a piece may tell where the file ends. */
#define END_HOLDS_NS (1 * NS_PER_S)

/* How far behind the edge a read still belongs to the stream: the kernel's
 * read-ahead may overtake itself by that much. */
#define BEHIND (2 * PIECE)

/* Strays in a row that end a stream. */
#define STRAYS_MAX 4

/* Reads that make a run a stream; fewer do at the start of the file. */
#define RUN_LENGTH       3
#define RUN_LENGTH_START 2

struct readahead_piece {
	struct readahead_fetch fetch; /* first: a fetch is its piece */
	struct readahead *readahead;
	TAILQ_ENTRY(readahead_piece) link; /* while listed, by offset */
	LIST_HEAD(, readahead_part) waiting;
	uint64_t offset;
	size_t len;
	unsigned references; /* of the list, of the fetch, of parts */
	bool ahead;          /* counts in the pool */
	bool listed;
	bool ready;    /* the fetch has ended */
	bool waited;   /* a read came before it was ready */
	size_t served; /* bytes handed out */
	int64_t ready_ns;
};

TAILQ_HEAD(piece_list, readahead_piece);
STAILQ_HEAD(fetch_list, readahead_fetch);

struct readahead {
	struct readahead_setup setup; /* constant but for size */
	pthread_mutex_t lock; /* guards all below, setup.size, the pieces and
				 the parts; a leaf in the lock order */
	struct piece_list pieces; /* the listed ones, in order */
	uint64_t ahead_bytes;     /* of this file in the pool */
	bool streaming;
	uint64_t edge;   /* the furthest byte asked for, when streaming */
	uint64_t next;   /* where the next piece ahead begins */
	uint64_t window; /* bytes beyond the edge; 0: none */
	uint64_t run_start, run_end;
	unsigned run_reads; /* that it is made of; 0: there is none */
	unsigned strays;
};

/* --- Pieces --------------------------------------------------------------- */

static struct readahead_piece *piece_new(struct readahead *ra, uint64_t offset,
					 size_t len)
{
	struct readahead_piece *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->readahead = ra;
	p->offset = offset;
	p->len = len;
	p->references = 1; /* the fetch's */
	p->fetch.user = ra->setup.user;
	p->fetch.read.offset = offset;
	p->fetch.read.len = len;
	LIST_INIT(&p->waiting);
	return p;
}

/* The lock is held; what is to be freed outside of it is little. */
static void piece_drop(struct readahead_piece *p)
{
	struct readahead *ra = p->readahead;

	if (--p->references > 0)
		return;
	if (p->ahead) {
		ra->ahead_bytes -= p->len;
		atomic_fetch_sub(&ra->setup.pool->bytes, p->len);
	}
	blob_unref(p->fetch.read.ret_blob);
	free(p);
}

static void piece_unlist(struct readahead_piece *p)
{
	if (!p->listed)
		return;
	p->listed = false;
	TAILQ_REMOVE(&p->readahead->pieces, p, link);
	piece_drop(p);
}

static void unlist_all(struct readahead *ra)
{
	struct readahead_piece *p, *next;

	for (p = TAILQ_FIRST(&ra->pieces); p; p = next) {
		next = TAILQ_NEXT(p, link);
		piece_unlist(p);
	}
}

/* A piece to be fetched ahead, listed; NULL when the bounds forbid it. */
static struct readahead_piece *piece_ahead(struct readahead *ra,
					   uint64_t offset, size_t len)
{
	struct readahead_pool *pool = ra->setup.pool;
	struct readahead_piece *p, *before;

	if (atomic_fetch_add(&pool->bytes, len) + len > READAHEAD_VIEW_MAX ||
	    !(p = piece_new(ra, offset, len))) {
		atomic_fetch_sub(&pool->bytes, len);
		return NULL;
	}
	p->ahead = true;
	ra->ahead_bytes += len;
	p->listed = true;
	p->references++;
	TAILQ_FOREACH_REVERSE(before, &ra->pieces, piece_list, link)
	{
		if (before->offset < offset)
			break;
	}
	if (before)
		TAILQ_INSERT_AFTER(&ra->pieces, before, p, link);
	else
		TAILQ_INSERT_HEAD(&ra->pieces, p, link);
	return p;
}

/* The listed piece that holds byte `offset`, or the first one behind it. */
static struct readahead_piece *piece_at(struct readahead *ra, uint64_t offset)
{
	struct readahead_piece *p;

	TAILQ_FOREACH(p, &ra->pieces, link) {
		if (offset < p->offset + p->len)
			return p;
	}
	return NULL;
}

/* --- The stream ----------------------------------------------------------- */

static void stream_end(struct readahead *ra)
{
	unlist_all(ra);
	if (ra->streaming)
		atomic_fetch_sub(&ra->setup.pool->streams, 1);
	ra->streaming = false;
	ra->window = 0;
	ra->strays = 0;
}

/* The run becomes the stream; pieces that it touches stay. */
static void stream_begin(struct readahead *ra)
{
	struct readahead_piece *p, *next;

	if (!ra->streaming)
		atomic_fetch_add(&ra->setup.pool->streams, 1);
	ra->streaming = true;
	ra->edge = ra->run_end;
	ra->next = ra->run_end;
	ra->window = PIECE;
	ra->run_reads = 0;
	ra->strays = 0;
	for (p = TAILQ_FIRST(&ra->pieces); p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->offset > ra->next || p->offset + p->len < ra->run_start)
			piece_unlist(p);
		else if (p->offset + p->len > ra->next)
			ra->next = p->offset + p->len;
	}
}

/* Puts a read to the run, or begins another one. True: it is a stream now. */
static bool run_add(struct readahead *ra, uint64_t offset, uint64_t end)
{
	if (ra->run_reads > 0 && offset == ra->run_end) {
		ra->run_end = end;
		ra->run_reads++;
	} else if (ra->run_reads > 0 && end == ra->run_start) {
		ra->run_start = offset;
		ra->run_reads++;
	} else {
		ra->run_start = offset;
		ra->run_end = end;
		ra->run_reads = 1;
	}
	return ra->run_reads >=
	       (ra->run_start == 0 ? RUN_LENGTH_START : RUN_LENGTH);
}

static bool in_stream(const struct readahead *ra, uint64_t offset)
{
	return ra->streaming && offset + BEHIND >= ra->edge &&
	       (offset <= ra->edge || offset < ra->next);
}

/* What a read tells of those to come. */
static void note_read(struct readahead *ra, uint64_t offset, uint64_t end)
{
	struct readahead_piece *p, *next;

	if (!in_stream(ra, offset)) {
		p = piece_at(ra, offset);
		if (run_add(ra, offset, end))
			stream_begin(ra);
		else if (!(p && offset >= p->offset) &&
			 ++ra->strays >= STRAYS_MAX)
			stream_end(ra);
		return;
	}
	ra->strays = 0;
	if (end > ra->edge)
		ra->edge = end;
	if (ra->next < ra->edge)
		ra->next = ra->edge;
	for (p = TAILQ_FIRST(&ra->pieces); p; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->offset + p->len + BEHIND <= ra->edge)
			piece_unlist(p);
	}
}

/* The end of what is worth asking for. */
static uint64_t file_end(const struct readahead *ra)
{
	return (ra->setup.size + PAGE - 1) / PAGE * PAGE;
}

/* How much this file may have ahead: streams share what there is. */
static uint64_t ahead_limit(const struct readahead *ra)
{
	unsigned streams = atomic_load(&ra->setup.pool->streams);
	uint64_t share = READAHEAD_VIEW_MAX / (streams > 0 ? streams : 1);

	if (share < PIECE)
		share = PIECE;
	return share < READAHEAD_FILE_MAX ? share : READAHEAD_FILE_MAX;
}

/*
 * Lists pieces until the window is full, each up to the next multiple of a
 * piece's length, and adds their fetches to `start`.
 */
static void fill_window(struct readahead *ra, struct fetch_list *start)
{
	uint64_t limit = ahead_limit(ra);

	while (ra->streaming && ra->next < file_end(ra) &&
	       ra->next - ra->edge < ra->window) {
		uint64_t end = (ra->next / PIECE + 1) * PIECE;
		struct readahead_piece *p;

		if (end > file_end(ra))
			end = file_end(ra);
		if (ra->ahead_bytes + (end - ra->next) > limit)
			return;
		p = piece_ahead(ra, ra->next, (size_t)(end - ra->next));
		if (!p)
			return;
		ra->next = end;
		STAILQ_INSERT_TAIL(start, &p->fetch, link);
	}
}

/* --- Reads ---------------------------------------------------------------- */

/* One more part of `r`, `len` bytes of `p`; takes a reference. */
static void add_part(struct readahead_read *r, struct readahead_piece *p,
		     uint64_t offset, size_t len)
{
	struct readahead_part *part = &r->part[r->parts++];
	struct readahead *ra = r->readahead;

	*part = (struct readahead_part){
	    .read = r,
	    .piece = p,
	    .from = (size_t)(offset - p->offset),
	    .len = len,
	};
	p->references++;
	if (!p->ready) {
		LIST_INSERT_HEAD(&p->waiting, part, link);
		r->pending++;
		if (p->listed && !p->waited) {
			p->waited = true;
			if (ra->window < READAHEAD_FILE_MAX)
				ra->window *= 2;
		}
	}
	p->served += len;
	if (p->served >= p->len)
		piece_unlist(p);
}

/* Is a read up to `end` told by `p` that the file ends, and too late? */
static bool is_stale(const struct readahead_piece *p, uint64_t end)
{
	return p->ready && end > p->offset + p->fetch.read.ret_len &&
	       p->fetch.read.ret_len < p->len &&
	       clock_now_ns() - p->ready_ns > END_HOLDS_NS;
}

/* Finds or makes the pieces that `r` falls into; new ones go to `start`. */
static int find_parts(struct readahead *ra, struct readahead_read *r,
		      struct fetch_list *start)
{
	uint64_t at = r->offset, end = r->offset + r->len;

	while (at < end) {
		struct readahead_piece *p = piece_at(ra, at);
		uint64_t to = end;

		if (r->parts == READAHEAD_PARTS)
			return -EINVAL;
		if (p && is_stale(p, end)) {
			piece_unlist(p);
			continue;
		}
		if (p && p->offset <= at) {
			if (to > p->offset + p->len)
				to = p->offset + p->len;
			add_part(r, p, at, (size_t)(to - at));
			at = to;
			continue;
		}
		if (p && to > p->offset)
			to = p->offset;
		if (to - at > PIECE)
			to = at + PIECE;
		p = piece_new(ra, at, (size_t)(to - at));
		if (!p)
			return -ENOMEM;
		add_part(r, p, at, p->len);
		STAILQ_INSERT_TAIL(start, &p->fetch, link);
		at = to;
	}
	return 0;
}

/* All pieces are there: what the parts hold, up to the end of the file. */
static void read_end(struct readahead_read *r)
{
	for (size_t i = 0; i < r->parts && !r->result; i++) {
		const struct readahead_part *part = &r->part[i];
		const struct volume_read *got = &part->piece->fetch.read;
		size_t len = part->len;

		r->result = got->result;
		if (r->result)
			break;
		if (part->from + len > got->ret_len)
			len = got->ret_len > part->from
				  ? got->ret_len - part->from
				  : 0;
		if (len > 0)
			r->iov[r->count++] = (struct iovec){
			    .iov_base = (void *)(got->ret_data + part->from),
			    .iov_len = len,
			};
		if (len < part->len)
			break;
	}
	r->done(r);
}

static void start_all(struct readahead *ra, struct fetch_list *start)
{
	struct readahead_fetch *f;

	while ((f = STAILQ_FIRST(start))) {
		STAILQ_REMOVE_HEAD(start, link);
		ra->setup.fetch(f);
	}
}

void readahead_read(struct readahead *ra, struct readahead_read *r)
{
	struct fetch_list start = STAILQ_HEAD_INITIALIZER(start);
	bool ended;

	r->readahead = ra;
	r->result = 0;
	r->count = 0;
	r->parts = 0;
	r->pending = 1;
	pthread_mutex_lock(&ra->lock);
	note_read(ra, r->offset, r->offset + r->len);
	r->result = find_parts(ra, r, &start);
	fill_window(ra, &start);
	pthread_mutex_unlock(&ra->lock);

	start_all(ra, &start);

	pthread_mutex_lock(&ra->lock);
	ended = --r->pending == 0;
	pthread_mutex_unlock(&ra->lock);
	if (ended)
		read_end(r);
}

void readahead_read_done(struct readahead_read *r)
{
	struct readahead *ra = r->readahead;

	pthread_mutex_lock(&ra->lock);
	for (size_t i = 0; i < r->parts; i++)
		piece_drop(r->part[i].piece);
	pthread_mutex_unlock(&ra->lock);
	r->parts = 0;
	r->count = 0;
}

/* A listed piece has ended: nothing is read ahead of an error, or of the end
 * of the file. */
static void piece_ended(struct readahead *ra, struct readahead_piece *p)
{
	const struct volume_read *got = &p->fetch.read;

	if (got->result) {
		piece_unlist(p);
		stream_end(ra);
	} else if (got->ret_len < p->len &&
		   ra->setup.size > p->offset + got->ret_len) {
		ra->setup.size = p->offset + got->ret_len;
	}
}

void readahead_fetched(struct readahead_fetch *f)
{
	struct readahead_piece *p = (struct readahead_piece *)f;
	struct readahead *ra = p->readahead;
	STAILQ_HEAD(, readahead_read) ended = STAILQ_HEAD_INITIALIZER(ended);
	struct readahead_part *part;
	struct readahead_read *r;

	pthread_mutex_lock(&ra->lock);
	p->ready = true;
	p->ready_ns = clock_now_ns();
	while ((part = LIST_FIRST(&p->waiting))) {
		LIST_REMOVE(part, link);
		if (--part->read->pending == 0)
			STAILQ_INSERT_TAIL(&ended, part->read, link);
	}
	if (p->listed)
		piece_ended(ra, p);
	piece_drop(p);
	pthread_mutex_unlock(&ra->lock);

	while ((r = STAILQ_FIRST(&ended))) {
		STAILQ_REMOVE_HEAD(&ended, link);
		read_end(r);
	}
}

/* --- Life ----------------------------------------------------------------- */

void readahead_begin(struct readahead *ra)
{
	struct fetch_list start = STAILQ_HEAD_INITIALIZER(start);
	struct readahead_piece *p;

	if (ra->setup.size == 0 || ra->setup.size > READAHEAD_WHOLE_MAX)
		return;
	pthread_mutex_lock(&ra->lock);
	p = piece_ahead(ra, 0, (size_t)file_end(ra));
	if (p)
		STAILQ_INSERT_TAIL(&start, &p->fetch, link);
	pthread_mutex_unlock(&ra->lock);
	start_all(ra, &start);
}

int readahead_new(const struct readahead_setup *setup, struct readahead **ret)
{
	struct readahead *ra = calloc(1, sizeof(*ra));

	if (!ra)
		return -ENOMEM;
	ra->setup = *setup;
	pthread_mutex_init(&ra->lock, NULL);
	TAILQ_INIT(&ra->pieces);
	*ret = ra;
	return 0;
}

struct readahead *readahead_free(struct readahead *ra)
{
	if (ra) {
		stream_end(ra);
		pthread_mutex_destroy(&ra->lock);
	}
	free(ra);
	return NULL;
}
