/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scanner - what the modules of one scanner share. Only scan*.c and adopt.c
 * include it.
 *
 * Thread rule: a scanner belongs to its thread.
 */
#ifndef SYNC_SCANNER_H
#define SYNC_SCANNER_H

#include <pthread.h>

#include "sync/item.h"
#include "sync/join.h"
#include "sync/manifest.h"
#include "sync/state.h"

struct subdirectory;

/* Directories listed in one request. */
#define SCAN_GROUP 8

struct scanner {
	struct engine *engine;
	pthread_t thread;
	struct manifest_reader *reader;
	struct join *join; /* the destination's listing of this directory */
	struct work *open[WORK_KINDS]; /* being filled; NULL: none */
	/* The directory at hand. */
	struct dirnode *dir;
	char *path; /* its path, as filters have it; NULL: nobody asks */
	size_t path_len;
	size_t path_room;
	uint64_t prune_number; /* see prune.c */
	uint64_t pruned;       /* names noted in it */
	int number;            /* it is that one of its group */
	bool listed;           /* its pages are of names on a list */
	bool met; /* the one entry that is wanted of it, dir->only */
	struct subdirectory *subs; /* of the page at hand */
	size_t sub_count;
	size_t sub_room;
	/* Of each directory of the group, with a list: the last name that a
	 * side was asked for. */
	char after[SCAN_GROUP][SIDES][VOLUME_NAME_MAX + 1];
	char **stale; /* temporary names to be swept */
	size_t stale_count;
};

/* Plans one entry of the source and hands it on; takes what it needs out of
 * `entry`. Subdirectories are collected until `entry` is NULL, the end of the
 * page, and then go to scan_enter(). */
void scan_entry(struct scanner *s, struct volume_entry *entry);

/* Instead of listing: the pages of a directory of which one entry is wanted,
 * with that entry, where there is one. No destination: see scan_group(). */
void scan_look_up(struct scanner *s, const struct dirnode *d,
		  struct volume_list *source, struct volume_list *destination);

/* Is it visited for what a list names? Then it is not listed. */
bool scan_is_listed(const struct engine *e, const struct dirnode *d);

/* Instead of listing: the first pages of the directories of a group for which
 * that is so, both sides at the same time, and a further page of the directory
 * at hand. */
void scan_listed_pages(struct scanner *s, struct dirnode **nodes, int count,
		       struct volume_list *source,
		       struct volume_list *destination);
int scan_listed_next(struct scanner *s, enum side side,
		     struct volume_list *page);

/* Is the entry of such a page there, and wanted? Says what is missing. */
bool scan_listed_is_wanted(struct scanner *s, const struct volume_entry *entry);

/* Is the entry what the directory is visited for? 1, 0, or negative errno. */
int scan_is_wanted(struct scanner *s, const struct volume_entry *entry);

/* Notes the path of the directory at hand, for the filter. 0 or -ENOMEM. */
int scan_note_path(struct scanner *s);

/* Does the filter let the entry of the directory at hand through? */
bool scan_allows(const struct scanner *s, const char *name,
		 enum entry_type type);

/* The same of a path from the root, in whatever directory. */
bool scan_allows_path(const struct engine *e, const char *path, bool directory);

/* May it let anything in the directory through? Otherwise the directory is
 * not listed. */
bool scan_enters(const struct engine *e, const struct dirnode *d);

/* All that was wanted of the directory at hand has been planned: says so when
 * that was one entry and there is none. */
void scan_look_back(struct scanner *s);

/* Puts a planned item into the work of its kind, and hands that out when it
 * is full. */
void scan_add_work(struct scanner *s, struct item *i, enum work_kind kind);

/* Hands out all work that is being filled. */
void scan_flush(struct scanner *s);

/* A subdirectory on the source, met while listing: what to do about it. */
struct subdirectory {
	struct volume_entry *entry; /* of the source's page */
	bool exists;                /* as a directory on the destination */
	bool conflict;              /* as something else */
	struct attr attr; /* of the destination, when something is there */
	struct handle *handle;
	enum entry_state old_state;
	enum entry_phase old_phase; /* in which it failed */
};

/* Makes those that are missing on the destination and puts them on the stack
 * to be scanned; takes handles out of entries and `subs`. */
void scan_enter(struct scanner *s, struct subdirectory *subs, size_t count);

/* Says in a dry run that a directory would be made, and why. */
void scan_print_directory(const struct scanner *s, const char *name,
			  enum plan_reason reason);

/* The directory at hand could not be listed: the finisher records it, behind
 * all that may take the directory's row back. */
void scan_fail_directory(struct scanner *s, struct dirnode *d, int error,
			 enum side side);

#endif
