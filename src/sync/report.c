/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/directories.h"
#include "base/escape.h"
#include "base/jsonout.h"
#include "base/log.h"
#include "sync/dirnode.h"
#include "sync/reason.h"

/* "2023-10-16T21:41:34.000000000Z" and room for far years. */
#define TIME_SIZE 48

/* One list: the part that is being written. */
struct list {
	pthread_mutex_t lock; /* guards the rest; a leaf */
	FILE *f;              /* NULL: no part is open */
	char *path;           /* of the part, as long as it is not whole */
	uint64_t entries;     /* in the part */
	unsigned parts;
};

struct report {
	struct report_options options; /* without `to` */
	char exec[REPORT_EXECUTION];
	char *summary; /* directories */
	char *detailed;
	struct list list[REPORT_KINDS];
	_Atomic int error; /* the first */
};

static const struct {
	const char *array, *file, *verb;
} kinds[] = {
    [REPORT_TRANSFERRED] = {"Transferred", "files-transferred", "Transfer"},
    [REPORT_VERIFIED] = {"Verified", "files-verified", "Verify"},
    [REPORT_SKIPPED] = {"Skipped", "files-skipped", "Skip"},
    [REPORT_DELETED] = {"Deleted", "files-deleted", "Delete"},
};

const char *report_kind_name(enum report_kind kind)
{
	return kinds[kind].array;
}

const char *report_execution(uint64_t execution, char ret[REPORT_EXECUTION])
{
	snprintf(ret, REPORT_EXECUTION, "exec-%017" PRIx64, execution);
	return ret;
}

static void note_error(struct report *r, int error)
{
	int none = 0;

	atomic_compare_exchange_strong(&r->error, &none, error);
}

char *report_directory(const struct report_options *options,
		       const char *state_directory)
{
	char *ret;

	if (options->to && *options->to == '/')
		return strdup(options->to);
	return asprintf(&ret, "%s/reports", state_directory) < 0 ? NULL : ret;
}

/* --- Values --------------------------------------------------------------- */

static const char *time_text(int64_t wall_ns, char ret[TIME_SIZE])
{
	struct timespec ts = clock_split_ns(wall_ns);
	struct tm tm;
	size_t n;

	gmtime_r(&ts.tv_sec, &tm);
	n = strftime(ret, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, TIME_SIZE - n, ".%09ldZ", ts.tv_nsec);
	return ret;
}

static const char *type_text(enum entry_type type)
{
	switch (type) {
	case ENTRY_FILE:
		return "Regular";
	case ENTRY_DIRECTORY:
		return "Directory";
	case ENTRY_SYMLINK:
		return "Symlink";
	case ENTRY_FIFO:
		return "Fifo";
	case ENTRY_SOCKET:
		return "Socket";
	default:
		return "Device";
	}
}

static void put_metadata(struct jsonout *j, const char *key,
			 const struct attr *a)
{
	char text[TIME_SIZE];

	if (!a || a->type == ENTRY_NONE)
		return;
	jsonout_begin_object(j, key);
	jsonout_string(j, "Type", type_text(a->type));
	if (a->type == ENTRY_FILE)
		jsonout_uint(j, "ContentSize", a->size);
	jsonout_string(j, "Mtime", time_text(a->mtime_ns, text));
	jsonout_string(j, "Atime", time_text(a->atime_ns, text));
	jsonout_uint(j, "Uid", a->uid);
	jsonout_uint(j, "Gid", a->gid);
	snprintf(text, sizeof(text), "%04o", a->mode);
	jsonout_string(j, "Mode", text);
	jsonout_end_object(j);
}

static void put_digest(struct jsonout *j, const char *key,
		       const struct digest *d)
{
	char hex[DIGEST_TEXT], text[DIGEST_TEXT + 16];

	snprintf(text, sizeof(text), "XXH3-128:%s", digest_format(d, hex));
	jsonout_string(j, key, text);
}

static bool is_utf8(const char *s)
{
	while (*s) {
		size_t n = escape_utf8_length(s);

		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

/* "TransferStatus" and the like: the verb and a word. */
static void put_of_verb(struct jsonout *j, enum report_kind kind,
			const char *word, const char *value)
{
	char key[32];

	snprintf(key, sizeof(key), "%s%s", kinds[kind].verb, word);
	jsonout_string(j, key, value);
}

static void put_failure(struct jsonout *j, const struct report_entry *e)
{
	char room[REASON_ROOM];
	const char *code = strerrorname_np(-e->error);

	if (e->error == 0)
		return;
	jsonout_string(j, "FailureReason",
		       reason_text(e->error, e->phase, room));
	jsonout_string(j, "FailureCode", code ? code : "DIFFERS");
}

/* JSON has no way for names that are no text: they are also given escaped as
 * in .sync/errors; `escaped` is NULL for all others. 0, -EIO, or -ENOMEM when
 * something is missing. */
static int put_entry(FILE *f, enum report_kind kind, const char *path,
		     const char *escaped, const struct report_entry *e)
{
	struct jsonout j = jsonout_to(f, false);
	char text[TIME_SIZE];

	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "RelativePath", path);
	if (escaped)
		jsonout_string(&j, "EscapedPath", escaped);
	put_metadata(&j, "SrcMetadata", e->source);
	if (kind == REPORT_VERIFIED && e->digest)
		put_digest(&j, "SrcChecksum", e->digest);
	if (kind == REPORT_TRANSFERRED)
		jsonout_string(&j, "Overwrite",
			       e->overwrite ? "True" : "False");
	put_metadata(&j, "DstMetadata", e->destination);
	if (kind == REPORT_VERIFIED && e->digest && e->error == 0)
		put_digest(&j, "DstChecksum", e->digest);
	put_of_verb(&j, kind, "Timestamp", time_text(clock_wall_ns(), text));
	if (kind == REPORT_TRANSFERRED)
		jsonout_string(&j, "TransferType",
			       e->metadata ? "METADATA_ONLY"
					   : "CONTENT_AND_METADATA");
	put_of_verb(&j, kind, "Status", e->error ? "FAILED" : "SUCCESS");
	if (kind == REPORT_SKIPPED)
		jsonout_string(&j, "SkipReason", e->reason);
	put_failure(&j, e);
	jsonout_end_object(&j);
	return j.failed ? -ENOMEM : ferror(f) ? -EIO : 0;
}

/* --- Parts ---------------------------------------------------------------- */

/* For nobody else: names may be secrets. NULL with errno. */
static FILE *create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;
	int error = errno;

	if (!f && fd >= 0)
		close(fd);
	errno = error;
	return f;
}

/* A random name keeps reports of several runs apart in one bucket. */
static int open_part(struct report *r, enum report_kind kind)
{
	struct list *l = &r->list[kind];
	uint64_t id[2] = {0};

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	if (asprintf(&l->path,
		     "%s/%s.%s-v1-%05u-%016" PRIx64 "%" PRIx64 ".json.part",
		     r->detailed, r->exec, kinds[kind].file, l->parts + 1,
		     id[0], id[1] & 0xf) < 0) {
		l->path = NULL;
		return -ENOMEM;
	}
	l->f = create(l->path);
	if (!l->f) {
		int error = -errno;

		free(steal(l->path));
		return error;
	}
	l->entries = 0;
	l->parts++;
	fprintf(l->f, "{\"TaskExecutionId\":\"%s\",\"%s\":[\n", r->exec,
		kinds[kind].array);
	return 0;
}

/* Takes a whole file's name from ".part" to what it is to be. */
static int publish(const char *path)
{
	CLEANUP_FREE char *final = strndup(path, strlen(path) - 5);

	if (!final)
		return -ENOMEM;
	return rename(path, final) < 0 ? -errno : 0;
}

static int close_file(FILE *f)
{
	bool bad = fflush(f) != 0 || ferror(f) || fsync(fileno(f)) < 0;
	int error = errno;

	if (fclose(f) != 0 && !bad)
		return -errno;
	return bad ? -error : 0;
}

static int close_part(struct list *l)
{
	CLEANUP_FREE char *path = steal(l->path);
	int r;

	fputs("\n]}\n", l->f);
	r = close_file(steal(l->f));
	return r < 0 ? r : publish(path);
}

bool report_wants(const struct report *r, enum report_kind kind, bool failed)
{
	return r && r->options.output == REPORT_STANDARD &&
	       (failed || report_level_of(&r->options, kind) == REPORT_ALL);
}

static int add(struct report *r, enum report_kind kind,
	       const struct report_entry *entry, const char *path)
{
	CLEANUP_FREE char *whole = NULL, *escaped = NULL;
	struct list *l = &r->list[kind];
	int n = 0;

	if (asprintf(&whole, "/%s", path) < 0) {
		whole = NULL;
		return -ENOMEM;
	}
	if (!is_utf8(whole) && !(escaped = escape_name(whole)))
		return -ENOMEM;
	if (l->f && l->entries == REPORT_PART_ENTRIES)
		n = close_part(l);
	if (n == 0 && !l->f)
		n = open_part(r, kind);
	if (n < 0)
		return n;
	if (l->entries++ > 0)
		fputs(",\n", l->f);
	return put_entry(l->f, kind, whole, escaped, entry);
}

/* Errors are logged where they happen, with their sentence. */
static void log_entry(enum report_kind kind, const struct report_entry *entry,
		      const char *path)
{
	static const char *const words[REPORT_KINDS] = {
	    [REPORT_TRANSFERRED] = "transferred",
	    [REPORT_VERIFIED] = "verified",
	    [REPORT_SKIPPED] = "skipped",
	    [REPORT_DELETED] = "deleted",
	};
	CLEANUP_FREE char *text = path ? escape_name(path) : NULL;
	struct log_fields fields = {
	    .path = !text   ? "?"
		    : *text ? text
			    : ".",
	    .action = words[kind],
	};

	if (kind == REPORT_TRANSFERRED && entry->metadata)
		fields.action = "metadata";
	log_about(LOG_ENTRY, &fields, "%s %s%s%s", fields.action, fields.path,
		  kind == REPORT_SKIPPED ? ": " : "",
		  kind == REPORT_SKIPPED && entry->reason ? entry->reason : "");
}

void report_add(struct report *r, enum report_kind kind,
		const struct report_entry *entry)
{
	CLEANUP_FREE char *made = NULL;
	const char *path = entry->path;
	bool logged = !entry->error && log_wants(LOG_ENTRY);
	bool wanted = report_wants(r, kind, entry->error != 0);
	int n = -ENOMEM;

	if (!wanted && !logged)
		return;
	if (!path)
		path = made = dirnode_path(entry->dir, entry->name);
	if (logged)
		log_entry(kind, entry, path);
	if (!wanted)
		return;
	if (path) {
		pthread_mutex_lock(&r->list[kind].lock);
		n = add(r, kind, entry, path);
		pthread_mutex_unlock(&r->list[kind].lock);
	}
	if (n < 0)
		note_error(r, n);
}

/* --- Life ----------------------------------------------------------------- */

static int set_up(struct report *r, const char *directory, const char *task)
{
	int n = 0;

	if (asprintf(&r->summary, "%s/Summary-Reports/%s/%s", directory, task,
		     r->exec) < 0)
		r->summary = NULL;
	if (asprintf(&r->detailed, "%s/Detailed-Reports/%s/%s", directory, task,
		     r->exec) < 0)
		r->detailed = NULL;
	if (!r->summary || !r->detailed)
		return -ENOMEM;
	n = directories_make(r->summary);
	if (n == 0 && r->options.output == REPORT_STANDARD)
		n = directories_make(r->detailed);
	return n;
}

int report_new(const struct report_options *options, const char *directory,
	       const char *task, uint64_t execution, struct report **ret,
	       char *error, size_t error_size)
{
	struct report *r;
	int n;

	*ret = NULL;
	if (options->output == REPORT_NONE)
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	r->options = *options;
	r->options.to = NULL;
	report_execution(execution, r->exec);
	for (int kind = 0; kind < REPORT_KINDS; kind++)
		pthread_mutex_init(&r->list[kind].lock, NULL);
	n = set_up(r, directory, task);
	if (n < 0) {
		snprintf(error, error_size, "%s: no report can be made: %s",
			 directory, strerror(-n));
		report_free(r);
		return n;
	}
	*ret = r;
	return 0;
}

static int write_summary(struct report *r, const char *result)
{
	CLEANUP_FREE char *path = NULL;
	FILE *f;
	int n;

	if (asprintf(&path, "%s/%s.summary-v1.json.part", r->summary, r->exec) <
	    0) {
		path = NULL;
		return -ENOMEM;
	}
	f = create(path);
	if (!f)
		return -errno;
	fprintf(f, "{\"TaskExecutionId\":\"%s\",\"Result\":%s}\n", r->exec,
		result);
	n = close_file(f);
	return n < 0 ? n : publish(path);
}

int report_end(struct report *r, const char *result, char *error,
	       size_t error_size)
{
	int n;

	if (!r)
		return 0;
	for (int kind = 0; kind < REPORT_KINDS; kind++) {
		n = r->list[kind].f ? close_part(&r->list[kind]) : 0;
		if (n < 0)
			note_error(r, n);
	}
	n = result ? write_summary(r, result) : -ENOMEM;
	if (n < 0)
		note_error(r, n);
	n = atomic_load(&r->error);
	if (n < 0)
		snprintf(error, error_size, "%s: the report is not whole: %s",
			 r->summary, strerror(-n));
	return n;
}

struct report *report_free(struct report *r)
{
	if (!r)
		return NULL;
	for (int kind = 0; kind < REPORT_KINDS; kind++) {
		struct list *l = &r->list[kind];

		if (l->f)
			fclose(l->f);
		free(l->path);
		pthread_mutex_destroy(&l->lock);
	}
	free(r->summary);
	free(r->detailed);
	free(r);
	return NULL;
}
