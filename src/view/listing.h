/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * listing - open directories of the view: opendir, readdir, readdirplus and
 * releasedir, which core.h names.
 *
 * An open directory is a snapshot (view/lister.h) that begins to be made when
 * it is opened; opening waits for nothing. A position in it is the number of
 * an entry, so telldir(3) and seekdir(3) hold for as long as it is open;
 * rewinddir(3) makes a new snapshot.
 *
 * Thread rule: listings_new() and listings_free() from one thread, when no
 * operation is under way.
 */
#ifndef VIEW_LISTING_H
#define VIEW_LISTING_H

struct listings;
struct view;

/* What the open directories of a view share. */
int listings_new(struct view *v, struct listings **ret);

/*
 * Ends open directories that the kernel did not release: who waits for entries
 * gets EIO. No more operations come. Calls may be in flight, of volumes that
 * are cancelled; the view's requests, health and nodes are freed after this.
 */
struct listings *listings_free(struct listings *all);

#endif
