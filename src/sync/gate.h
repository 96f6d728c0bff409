/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate - where the threads of an execution wait, before they begin something
 * new, while it is paused.
 *
 * Thread rule: any thread. Its lock is a leaf.
 */
#ifndef SYNC_GATE_H
#define SYNC_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct gate {
	_Atomic bool paused;
	_Atomic bool released;  /* the run is ending: nobody waits any more */
	pthread_mutex_t lock;   /* held while the two above change */
	pthread_cond_t changed; /* and this tells who waits */
};

void gate_init(struct gate *g);
void gate_done(struct gate *g);

void gate_set_paused(struct gate *g, bool paused);
void gate_release(struct gate *g);

/* True while who passes has to wait. */
bool gate_is_shut(const struct gate *g);

void gate_pass(struct gate *g);

#endif
