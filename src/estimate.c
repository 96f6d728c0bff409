/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All counts lie in tables of fixed size under one lock, which is held for a
 * few additions. Owners are counted one by one as long as there are not more
 * than OWNERS_MAX of them, which no system of users has; those beyond are
 * counted together.
 */
#include "estimate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/human.h"
#include "base/jsonout.h"
#include "nfs/attr.h"

#define KIB        UINT64_C(1024)
#define DAY_S      INT64_C(86400)
#define DEPTHS     32 /* deeper ones are counted together */
#define OWNERS_MAX 4096
#define OWNERS_TOP 10
#define SLOTS      (2 * OWNERS_MAX) /* of the owners' hash, a power of two */
#define BAR        20

/* Up to `limit`; the last one of a table has none. */
struct band {
	const char *label;
	uint64_t limit;
};

static const struct band size_bands[] = {
    {"empty", 0},
    {"up to 4 KiB", 4 * KIB},
    {"up to 64 KiB", 64 * KIB},
    {"up to 1 MiB", KIB *KIB},
    {"up to 16 MiB", 16 * KIB *KIB},
    {"up to 256 MiB", 256 * KIB *KIB},
    {"up to 4 GiB", 4 * KIB *KIB *KIB},
    {"up to 64 GiB", 64 * KIB *KIB *KIB},
    {"more", UINT64_MAX},
};

/* Seconds since the last modification. */
static const struct band age_bands[] = {
    {"up to a day", DAY_S},        {"up to a week", 7 * DAY_S},
    {"up to 30 days", 30 * DAY_S}, {"up to 90 days", 90 * DAY_S},
    {"up to a year", 365 * DAY_S}, {"up to 3 years", 3 * 365 * DAY_S},
    {"older", UINT64_MAX},
};

static const struct {
	const char *label, *key;
} types[] = {
    [ENTRY_NONE] = {"unknown", "Unknown"},
    [ENTRY_FILE] = {"files", "Files"},
    [ENTRY_DIRECTORY] = {"directories", "Directories"},
    [ENTRY_SYMLINK] = {"symbolic links", "SymbolicLinks"},
    [ENTRY_FIFO] = {"FIFOs", "Fifos"},
    [ENTRY_SOCKET] = {"sockets", "Sockets"},
    [ENTRY_BLOCK] = {"block devices", "BlockDevices"},
    [ENTRY_CHAR] = {"character devices", "CharacterDevices"},
};

struct tally {
	uint64_t count;
	uint64_t bytes;
};

struct owner {
	uint32_t uid;
	struct tally tally; /* count 0: the slot is free */
};

struct estimate {
	int64_t now_ns; /* wall clock, when it began */

	pthread_mutex_t lock; /* guards all below */
	struct tally all;     /* bytes: of files */
	uint64_t type[ARRAY_SIZE(types)];
	struct tally size[ARRAY_SIZE(size_bands)]; /* of files */
	struct tally age[ARRAY_SIZE(age_bands)];   /* likewise */
	uint64_t depth[DEPTHS + 1];                /* by level, 0: unused */
	uint64_t deeper;
	struct owner owners[SLOTS]; /* open addressing */
	unsigned owner_count;
	struct tally other_owners;
};

struct estimate *estimate_new(void)
{
	struct estimate *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	pthread_mutex_init(&e->lock, NULL);
	e->now_ns = clock_wall_ns();
	return e;
}

struct estimate *estimate_free(struct estimate *e)
{
	if (e)
		pthread_mutex_destroy(&e->lock);
	free(e);
	return NULL;
}

/* --- Counting ------------------------------------------------------------- */

static void add(struct tally *t, uint64_t bytes)
{
	t->count++;
	t->bytes += bytes;
}

static size_t find_band(const struct band *bands, size_t count, uint64_t value)
{
	size_t i = 0;

	while (i + 1 < count && value > bands[i].limit)
		i++;
	return i;
}

static struct tally *find_owner(struct estimate *e, uint32_t uid)
{
	/* Fibonacci hashing: uids come in rows. */
	size_t i = (uid * UINT32_C(2654435769)) % SLOTS;

	while (e->owners[i].tally.count > 0 && e->owners[i].uid != uid)
		i = (i + 1) % SLOTS;
	if (e->owners[i].tally.count > 0)
		return &e->owners[i].tally;
	if (e->owner_count == OWNERS_MAX)
		return &e->other_owners;
	e->owner_count++;
	e->owners[i].uid = uid;
	return &e->owners[i].tally;
}

/* Seconds; what lies in the future is as young as can be. */
static uint64_t age_of(const struct estimate *e, const struct attr *attr)
{
	return attr->mtime_ns >= e->now_ns
		   ? 0
		   : ((uint64_t)e->now_ns - (uint64_t)attr->mtime_ns) /
			 NS_PER_S;
}

void estimate_add(void *estimate, const struct attr *attr, unsigned depth)
{
	struct estimate *e = estimate;
	uint64_t bytes = attr->type == ENTRY_FILE ? attr->size : 0;

	pthread_mutex_lock(&e->lock);
	add(&e->all, bytes);
	e->type[attr->type]++;
	if (attr->type == ENTRY_FILE) {
		add(&e->size[find_band(size_bands, ARRAY_SIZE(size_bands),
				       bytes)],
		    bytes);
		add(&e->age[find_band(age_bands, ARRAY_SIZE(age_bands),
				      age_of(e, attr))],
		    bytes);
	}
	if (depth <= DEPTHS)
		e->depth[depth]++;
	else
		e->deeper++;
	add(find_owner(e, attr->uid), bytes);
	pthread_mutex_unlock(&e->lock);
}

/* --- Time ----------------------------------------------------------------- */

bool estimate_time(const struct estimate_work *w, struct estimate_time *ret)
{
	double by_files, by_bytes, scan = (double)w->scan_ns;

	if (!w->sampled || w->sample_files == 0)
		return false;
	by_files =
	    (double)w->sample_ns * (double)w->files / (double)w->sample_files;
	by_bytes = w->sample_bytes == 0
		       ? by_files
		       : (double)w->sample_ns * (double)w->bytes /
			     (double)w->sample_bytes;
	/* All has to be listed in any case. */
	by_files = by_files < scan ? scan : by_files;
	by_bytes = by_bytes < scan ? scan : by_bytes;
	if (by_files > (double)INT64_MAX / 4 ||
	    by_bytes > (double)INT64_MAX / 4)
		return false;
	*ret = (struct estimate_time){
	    .least_ns = (int64_t)(by_files < by_bytes ? by_files : by_bytes),
	    .expected_ns = (int64_t)((by_files + by_bytes) / 2),
	    .most_ns = (int64_t)(by_files < by_bytes ? by_bytes : by_files),
	};
	return true;
}

/* --- Owners --------------------------------------------------------------- */

/* The one with more bytes first, then the one with more entries. */
static int compare_owners(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	if (x->tally.bytes != y->tally.bytes)
		return x->tally.bytes < y->tally.bytes ? 1 : -1;
	if (x->tally.count != y->tally.count)
		return x->tally.count < y->tally.count ? 1 : -1;
	return x->uid < y->uid ? -1 : x->uid > y->uid;
}

/* Those at the top into `top`; returns how many. The rest is added up. */
static size_t rank_owners(const struct estimate *e,
			  struct owner top[OWNERS_TOP], struct tally *rest)
{
	CLEANUP_FREE struct owner *all = calloc(OWNERS_MAX, sizeof(*all));
	size_t count = 0, shown;

	*rest = e->other_owners;
	for (size_t i = 0; all && i < SLOTS; i++)
		if (e->owners[i].tally.count > 0)
			all[count++] = e->owners[i];
	if (count > 0)
		qsort(all, count, sizeof(*all), compare_owners);
	shown = count < OWNERS_TOP ? count : OWNERS_TOP;
	for (size_t i = 0; i < count; i++) {
		if (i < shown) {
			top[i] = all[i];
			continue;
		}
		rest->count += all[i].tally.count;
		rest->bytes += all[i].tally.bytes;
	}
	return shown;
}

/* --- For people ----------------------------------------------------------- */

/* One line of a histogram. */
static void print_bar(FILE *out, const char *label, uint64_t count,
		      uint64_t whole, const char *more)
{
	char text[HUMAN_SIZE], bar[BAR + 1];
	size_t n = whole ? (size_t)(count * (double)BAR / (double)whole) : 0;

	if (count > 0 && n == 0)
		n = 1;
	memset(bar, '#', n);
	bar[n] = '\0';
	fprintf(out, "  %-18s %15s  %12s  %s\n", label,
		human_count(count, text), more, bar);
}

static void print_bands(FILE *out, const char *title, const struct band *bands,
			const struct tally *tallies, size_t count)
{
	char bytes[HUMAN_SIZE];
	uint64_t whole = 0;

	for (size_t i = 0; i < count; i++)
		whole += tallies[i].count;
	fprintf(out, "\n%s\n", title);
	for (size_t i = 0; i < count; i++)
		print_bar(out, bands[i].label, tallies[i].count, whole,
			  human_bytes((double)tallies[i].bytes, bytes));
}

static void print_depths(const struct estimate *e, FILE *out)
{
	char label[HUMAN_SIZE];

	fprintf(out, "\nDepth of entries\n");
	for (unsigned i = 1; i <= DEPTHS; i++) {
		if (e->depth[i] == 0)
			continue;
		snprintf(label, sizeof(label), "level %u", i);
		print_bar(out, label, e->depth[i], e->all.count, "");
	}
	if (e->deeper > 0)
		print_bar(out, "deeper", e->deeper, e->all.count, "");
}

static void print_owners(const struct estimate *e, FILE *out)
{
	struct owner top[OWNERS_TOP];
	struct tally rest;
	size_t count = rank_owners(e, top, &rest);
	char label[HUMAN_SIZE], bytes[HUMAN_SIZE];

	fprintf(out, "\nOwners, by bytes\n");
	for (size_t i = 0; i < count; i++) {
		snprintf(label, sizeof(label), "user %u", top[i].uid);
		print_bar(out, label, top[i].tally.count, e->all.count,
			  human_bytes((double)top[i].tally.bytes, bytes));
	}
	if (rest.count > 0)
		print_bar(out, "all others", rest.count, e->all.count,
			  human_bytes((double)rest.bytes, bytes));
}

static void print_work(const struct estimate_work *w, FILE *out)
{
	char files[HUMAN_SIZE], bytes[HUMAN_SIZE], took[HUMAN_SIZE];
	char least[HUMAN_SIZE], most[HUMAN_SIZE];
	struct estimate_time t;

	fprintf(out, "\nTo do         %s files, %s; listing all took %s\n",
		human_count(w->files, files),
		human_bytes((double)w->bytes, bytes),
		human_duration(w->scan_ns, took));
	if (w->failed > 0)
		fprintf(out, "Not listed    %s entries or directories failed\n",
			human_count(w->failed, files));
	if (w->sampled)
		fprintf(out, "Sample        %s files, %s in %s\n",
			human_count(w->sample_files, files),
			human_bytes((double)w->sample_bytes, bytes),
			human_duration(w->sample_ns, took));
	if (estimate_time(w, &t))
		fprintf(out, "Time          %s expected, from %s to %s\n",
			human_duration(t.expected_ns, took),
			human_duration(t.least_ns, least),
			human_duration(t.most_ns, most));
}

void estimate_print(const struct estimate *e, const struct estimate_work *w,
		    FILE *out)
{
	char count[HUMAN_SIZE], bytes[HUMAN_SIZE];

	fprintf(out, "Seen          %s entries, %s\n",
		human_count(e->all.count, count),
		human_bytes((double)e->all.bytes, bytes));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (e->type[i] > 0)
			print_bar(out, types[i].label, e->type[i], e->all.count,
				  "");
	print_bands(out, "Size of files", size_bands, e->size,
		    ARRAY_SIZE(size_bands));
	print_bands(out, "Age of files, since they were modified", age_bands,
		    e->age, ARRAY_SIZE(age_bands));
	print_depths(e, out);
	print_owners(e, out);
	print_work(w, out);
}

/* --- For programs --------------------------------------------------------- */

static void json_bands(struct jsonout *j, const char *key,
		       const struct band *bands, const char *limit_key,
		       const struct tally *tallies, size_t count)
{
	jsonout_begin_array(j, key);
	for (size_t i = 0; i < count; i++) {
		jsonout_begin_object(j, NULL);
		if (bands[i].limit == UINT64_MAX)
			jsonout_null(j, limit_key);
		else
			jsonout_uint(j, limit_key, bands[i].limit);
		jsonout_uint(j, "Files", tallies[i].count);
		jsonout_uint(j, "Bytes", tallies[i].bytes);
		jsonout_end_object(j);
	}
	jsonout_end_array(j);
}

static void json_depths(const struct estimate *e, struct jsonout *j)
{
	jsonout_begin_array(j, "Depths");
	for (unsigned i = 1; i <= DEPTHS; i++) {
		if (e->depth[i] == 0)
			continue;
		jsonout_begin_object(j, NULL);
		jsonout_uint(j, "Depth", i);
		jsonout_uint(j, "Entries", e->depth[i]);
		jsonout_end_object(j);
	}
	jsonout_end_array(j);
	jsonout_uint(j, "EntriesDeeper", e->deeper);
}

static void json_owners(const struct estimate *e, struct jsonout *j)
{
	struct owner top[OWNERS_TOP];
	struct tally rest;
	size_t count = rank_owners(e, top, &rest);

	jsonout_begin_array(j, "Owners");
	for (size_t i = 0; i < count; i++) {
		jsonout_begin_object(j, NULL);
		jsonout_uint(j, "Uid", top[i].uid);
		jsonout_uint(j, "Entries", top[i].tally.count);
		jsonout_uint(j, "Bytes", top[i].tally.bytes);
		jsonout_end_object(j);
	}
	jsonout_end_array(j);
	jsonout_begin_object(j, "OtherOwners");
	jsonout_uint(j, "Entries", rest.count);
	jsonout_uint(j, "Bytes", rest.bytes);
	jsonout_end_object(j);
}

static void json_work(const struct estimate_work *w, struct jsonout *j)
{
	struct estimate_time t;

	jsonout_uint(j, "EstimatedFilesToTransfer", w->files);
	jsonout_uint(j, "EstimatedBytesToTransfer", w->bytes);
	jsonout_uint(j, "FilesFailed", w->failed);
	jsonout_uint(j, "ScanDuration", (uint64_t)(w->scan_ns / NS_PER_MS));
	if (w->sampled) {
		jsonout_begin_object(j, "Sample");
		jsonout_uint(j, "Files", w->sample_files);
		jsonout_uint(j, "Bytes", w->sample_bytes);
		jsonout_uint(j, "Duration",
			     (uint64_t)(w->sample_ns / NS_PER_MS));
		jsonout_end_object(j);
	}
	if (!estimate_time(w, &t))
		return;
	jsonout_uint(j, "ExpectedDuration",
		     (uint64_t)(t.expected_ns / NS_PER_MS));
	jsonout_uint(j, "LeastDuration", (uint64_t)(t.least_ns / NS_PER_MS));
	jsonout_uint(j, "MostDuration", (uint64_t)(t.most_ns / NS_PER_MS));
}

void estimate_json(const struct estimate *e, const struct estimate_work *w,
		   struct jsonout *j)
{
	jsonout_uint(j, "EntriesListedAtSource", e->all.count);
	jsonout_uint(j, "Bytes", e->all.bytes);
	jsonout_begin_object(j, "Types");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (e->type[i] > 0)
			jsonout_uint(j, types[i].key, e->type[i]);
	jsonout_end_object(j);
	json_bands(j, "Sizes", size_bands, "BytesUpTo", e->size,
		   ARRAY_SIZE(size_bands));
	json_bands(j, "Ages", age_bands, "SecondsUpTo", e->age,
		   ARRAY_SIZE(age_bands));
	json_depths(e, j);
	json_owners(e, j);
	json_work(w, j);
}
