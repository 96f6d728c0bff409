/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * summary - an execution as one JSON object, with the names of DataSync's
 * DescribeTaskExecution where it has them.
 *
 * Thread rule: any thread.
 */
#ifndef SYNC_SUMMARY_H
#define SYNC_SUMMARY_H

#include "sync/engine.h"

/* "SUCCESS", "CANCELLED" or "ERROR". */
const char *summary_status(enum engine_status status);

/* Heap, the caller's; NULL when out of memory. One line, no newline. */
char *summary_json(const struct engine *e, enum engine_status status);

#endif
