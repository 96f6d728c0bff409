/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * health - whether a side answers, told from the view's own calls: a side is
 * down when a call waits for longer than HEALTH_LIMIT_NS and nothing was
 * answered since it was sent. One thread, the timer, looks four times a
 * second; it also ends requests whose time is over (-o soft).
 *
 * Thread rule: any thread.
 */
#ifndef VIEW_HEALTH_H
#define VIEW_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "sync/side.h"

#define HEALTH_LIMIT_NS (1 * NS_PER_S)

struct health;
struct view;
struct volume_call;

int health_new(struct view *v, struct health **ret);
struct health *health_free(struct health *h);

/* volume_start() with bookkeeping; call->done is called as ever. */
void health_start(struct health *h, enum side side, struct volume_call *call);

bool health_is_down(struct health *h, enum side side);

#endif
