/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * withdraw - takes back what the manifest claims of an entry before the
 * destination is changed, so that no row is false even if the program is
 * killed between the two.
 *
 * First note everything that is about to change, then commit once, then
 * change it:
 *
 *	struct withdraw w = {.engine = e};
 *	withdraw_item(&w, i); ...
 *	r = withdraw_commit(&w);
 *
 * Changing anything in a directory changes the directory's times: its row is
 * withdrawn with the entry's. Setting attributes of a hard link changes all
 * its names: their rows go too.
 *
 * Thread rule: a struct withdraw belongs to one thread.
 */
#ifndef SYNC_WITHDRAW_H
#define SYNC_WITHDRAW_H

#include <stdbool.h>
#include <stddef.h>

struct dirnode;
struct engine;
struct item;

struct withdraw {
	struct engine *engine;
	struct dirnode *directory; /* the last one noted; others are noted again
				      next time, which is harmless */
	bool needed; /* something was queued and must be committed */
	int error;
};

/* The item's name is about to get another object (or be removed). */
void withdraw_item(struct withdraw *w, const struct item *i);

/* The item's object is about to get other attributes. */
void withdraw_object(struct withdraw *w, const struct item *i);

/* A name without an item. */
void withdraw_name(struct withdraw *w, struct dirnode *d, const char *name);

/* A name with all that may be below it; what is recorded there is forgotten. */
void withdraw_tree(struct withdraw *w, struct dirnode *d, const char *name);

/* Something in `d` is about to change. Marks it as touched. */
void withdraw_directory(struct withdraw *w, struct dirnode *d);

/* Waits until the rows are gone: 0 or the manifest's error, which also stops
 * the run. */
int withdraw_commit(struct withdraw *w);

#endif
