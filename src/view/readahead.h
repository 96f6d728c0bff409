/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * readahead - what an open file reads before it is asked for.
 *
 * Reads that follow one another make a stream: pieces of up to 1 MiB are
 * fetched ahead of it, several at a time, and reads are answered from them
 * without a copy. Random reads are fetched as they are, nothing more. The
 * kernel reads ahead by itself, so what comes here comes out of order and at
 * the same time.
 *
 * What is fetched ahead is bounded for each file and for all files of a view.
 * It knows no file system: a fetch is a callback (view/file.c).
 *
 * Thread rule: readahead_read() and the ends of fetches from any thread; the
 * rest while nothing is under way.
 */
#ifndef VIEW_READAHEAD_H
#define VIEW_READAHEAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "volume/volume.h"

/* Bounds on what is fetched ahead, bytes. */
#define READAHEAD_FILE_MAX (UINT64_C(16) * VOLUME_RANGE)
#define READAHEAD_VIEW_MAX (UINT64_C(64) * VOLUME_RANGE)

/* A file of up to this size is fetched whole when it is opened. */
#define READAHEAD_WHOLE_MAX VOLUME_WHOLE_MAX

/* Into how many parts a read may fall: a bound for what is aligned badly. */
#define READAHEAD_PARTS 8

struct readahead;
struct readahead_piece;

/* What the files of a view share; begins as zeros. */
struct readahead_pool {
	_Atomic uint64_t bytes;   /* fetched ahead, or on their way */
	_Atomic unsigned streams; /* files that are read ahead of */
};

/* A range that is asked of the server. */
struct readahead_fetch {
	struct volume_read read; /* offset and len are set; handle and file are
				    the fetcher's, results its answer */
	struct volume_call call; /* the fetcher's to use, as is link */
	STAILQ_ENTRY(readahead_fetch) link;
	void *user; /* that of the read-ahead */
};

struct readahead_setup {
	uint64_t size; /* of the file, as far as known */
	struct readahead_pool *pool;
	/*
	 * Begins to fetch; readahead_fetched() is called once, from any
	 * thread, perhaps before it returns. Called without a lock.
	 */
	void (*fetch)(struct readahead_fetch *f);
	void *user;
};

/* One read of a user, answered by `done`: from any thread, perhaps before
 * readahead_read() returns. */
struct readahead_read {
	uint64_t offset;
	size_t len;
	void (*done)(struct readahead_read *r);

	int result; /* 0, or a negative errno */
	size_t count;
	struct iovec iov[READAHEAD_PARTS]; /* `len` bytes in all, fewer only
					      at the end of the file */

	/* Private. */
	STAILQ_ENTRY(readahead_read) link; /* while its end is told */
	struct readahead *readahead;
	size_t parts;
	size_t pending; /* parts whose piece is not there yet, and 1 while
			   they are still being put together */
	struct readahead_part {
		LIST_ENTRY(readahead_part) link; /* while it waits */
		struct readahead_read *read;
		struct readahead_piece *piece; /* held */
		size_t from; /* where in the piece it begins */
		size_t len;
	} part[READAHEAD_PARTS];
};

int readahead_new(const struct readahead_setup *setup, struct readahead **ret);

/* Nothing is on its way any more, and all reads were let go of. */
struct readahead *readahead_free(struct readahead *ra);

/* The file was opened to be read from its start: fetches it if it is small. */
void readahead_begin(struct readahead *ra);

/* Takes offset, len and done from `r`; the struct stays until it is let go
 * of with readahead_read_done(), after done() was called. */
void readahead_read(struct readahead *ra, struct readahead_read *r);

/* The bytes of `r` were used. */
void readahead_read_done(struct readahead_read *r);

/* `f` has ended; its blob is taken over. */
void readahead_fetched(struct readahead_fetch *f);

#endif
