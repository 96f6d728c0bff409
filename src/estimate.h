/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * estimate - what a tree is made of, counted entry by entry in bounded memory,
 * and how long its copy may take.
 *
 * Thread rule: estimate_add() from any thread; the rest when nothing is added
 * any more.
 */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct attr;
struct estimate;
struct jsonout;

/* What a run would do, and what a sample of it has shown. */
struct estimate_work {
	uint64_t files; /* to be copied or compared */
	uint64_t bytes; /* of them */
	uint64_t failed;
	int64_t scan_ns;       /* how long listing all of it took */
	bool sampled;          /* then: */
	uint64_t sample_files; /* copied as a sample */
	uint64_t sample_bytes;
	int64_t sample_ns;
};

/* NULL when out of memory. */
struct estimate *estimate_new(void);
struct estimate *estimate_free(struct estimate *e);

/* One entry; engine_setup.seen. */
void estimate_add(void *estimate, const struct attr *attr, unsigned depth);

/*
 * How long the work may take, from its sample: as if each file took the same
 * time, and as if each byte did; what is expected lies between. False: there is
 * no sample, or it tells nothing.
 */
struct estimate_time {
	int64_t least_ns, expected_ns, most_ns;
};
bool estimate_time(const struct estimate_work *w, struct estimate_time *ret);

/* For people, and the keys of an object that is begun. */
void estimate_print(const struct estimate *e, const struct estimate_work *w,
		    FILE *out);
void estimate_json(const struct estimate *e, const struct estimate_work *w,
		   struct jsonout *j);

#endif
