/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budget - a bound on the memory that file data in flight may take.
 *
 * Whoever is about to hold file data takes its size from the budget first and
 * gives it back when the data is gone. A request larger than the whole budget
 * is served when everything else has been given back, so it never waits for
 * ever. Waiters are served in order, so a large one does not starve.
 *
 * Thread rule: any thread.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stddef.h>

struct budget;

/* NULL when out of memory. */
struct budget *budget_new(size_t total_bytes);
struct budget *budget_free(struct budget *b);

/* Waits until `bytes` are free and takes them. -ECANCELED after cancel. */
int budget_take(struct budget *b, size_t bytes);
void budget_give(struct budget *b, size_t bytes);

/* Wakes all that wait and lets none wait any more. */
void budget_cancel(struct budget *b);

#endif
