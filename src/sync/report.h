/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report - what became of each entry of an execution, as files of JSON in the
 * layout and with the names of DataSync's task reports (reference: AWS DataSync
 * User Guide, "Monitoring with task reports"):
 *
 *   DIR/Summary-Reports/TASK/EXEC/EXEC.summary-v1.json
 *   DIR/Detailed-Reports/TASK/EXEC/EXEC.files-transferred-v1-00001-ID.json
 *                                  .files-verified-  -skipped-  -deleted-
 *
 * EXEC is "exec-" and 17 hexadecimal digits of the execution's number. Lists
 * are written as the run goes on, never held in memory, and cut into parts of
 * REPORT_PART_ENTRIES; a part has its name once it is whole.
 *
 * Thread rule: report_wants() and report_add() from any thread, the rest from
 * one.
 */
#ifndef SYNC_REPORT_H
#define SYNC_REPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "nfs/attr.h"
#include "sync/manifest.h"

struct dirnode;
struct report;

#define REPORT_PART_ENTRIES 100000

enum report_output {
	REPORT_NONE,
	REPORT_SUMMARY,  /* the counters */
	REPORT_STANDARD, /* and the lists */
};

/* Which entries a list has. */
enum report_level {
	REPORT_USUAL, /* errors; of one kind: as those of the others */
	REPORT_ERRORS,
	REPORT_ALL,
};

enum report_kind {
	REPORT_TRANSFERRED,
	REPORT_VERIFIED,
	REPORT_SKIPPED,
	REPORT_DELETED,
	REPORT_KINDS,
};

/* All zero: no report. */
struct report_options {
	enum report_output output;
	enum report_level level;
	enum report_level kind[REPORT_KINDS];
	char *to; /* a directory, or s3://bucket/prefix; NULL: below the state
		     directory */
};

/* Does this kind of report list entries that went well? */
static inline enum report_level report_level_of(const struct report_options *o,
						enum report_kind kind)
{
	return o->kind[kind] != REPORT_USUAL ? o->kind[kind] : o->level;
}

#define REPORT_ERROR 512

/* Where the files are written: `to` if that is a directory, else in the state
 * directory. Heap, the caller's; NULL when out of memory. */
char *report_directory(const struct report_options *options,
		       const char *state_directory);

struct report_entry {
	const struct dirnode *dir; /* with `name`, or ..*/
	const char *name;          /* NULL: the directory itself */
	const char *path;          /* .. from the root, without it */
	const struct attr *source; /* NULL: not known */
	const struct attr *destination;
	const struct digest *digest; /* of its content; NULL: none */
	bool overwrite;              /* there was something before */
	bool metadata;               /* attributes alone were set */
	int error;                   /* 0: it went well; else as in a row */
	enum entry_phase phase;
	const char *reason; /* of a skip */
};

/*
 * Makes the directories; `directory`, and where the lists are written, are
 * copied. 0 with NULL in `ret` when nothing is wanted; or a negative errno with
 * a sentence.
 */
int report_new(const struct report_options *options, const char *directory,
	       const char *task, uint64_t execution, struct report **ret,
	       char *error, size_t error_size);

/* Is there anything to be said of such an entry? `r` may be NULL. */
bool report_wants(const struct report *r, enum report_kind kind, bool failed);

/* Adds it, if it is wanted, and logs what went well as a LOG_ENTRY. `r` may be
 * NULL. What goes wrong shows in report_end(). */
void report_add(struct report *r, enum report_kind kind,
		const struct report_entry *entry);

/* Ends the lists and writes the summary, `result` being a JSON object. 0 or
 * the first error there was, with a sentence. `r` may be NULL. */
int report_end(struct report *r, const char *result, char *error,
	       size_t error_size);

/* Without report_end() the parts that are not whole stay behind with names that
 * end in ".part". */
struct report *report_free(struct report *r);

/*
 * Uploads what lies in the state directory's reports to `to`, if that is in S3,
 * and removes what has arrived: also what earlier runs could not deliver. What
 * goes wrong is logged, and what has not arrived stays. Ends early when
 * `*cancel` is set. May take its time.
 */
void report_deliver(const struct report_options *options,
		    const char *state_directory, const atomic_bool *cancel);

/* "exec-.." of an execution's number. */
#define REPORT_EXECUTION 24
const char *report_execution(uint64_t execution, char ret[REPORT_EXECUTION]);

/* "Transferred", .. */
const char *report_kind_name(enum report_kind kind);

#endif
