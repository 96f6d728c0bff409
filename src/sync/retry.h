/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * retry - what happens after the tree was walked once: a second try for what
 * failed, removal of large files' leftovers that nobody will go on with, and
 * the report of what stays failed.
 *
 * Thread rule: the engine's thread.
 */
#ifndef SYNC_RETRY_H
#define SYNC_RETRY_H

struct engine;

/*
 * Puts every directory that has failed entries on the stack again. Planning
 * leaves alone what is done by now, so only the failed entries are tried.
 */
void retry_failed(struct engine *e);

/* Puts every directory on the stack that has failed entries of whatever
 * execution: what SCOPE_RETRY begins with. */
void retry_recorded(struct engine *e);

/* What SCOPE_RETRY ends with: failures of earlier executions that are still on
 * record. They are dropped where the source has no such entry any more, else
 * they count as failed. */
void retry_forget_gone(struct engine *e);

/* Temporary files of large files whose source is gone: removed, with their
 * records. */
void retry_sweep_partials(struct engine *e);

/* Logs the entries that failed, each with its reason, up to a bound. */
void retry_report_failed(struct engine *e);

#endif
