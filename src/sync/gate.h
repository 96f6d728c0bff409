/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate - where the threads of an execution wait before they begin something
 * new: while it is paused, and, for lanes, while there are more of them than
 * are wanted.
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
	_Atomic unsigned jobs;  /* lanes that may work */
	_Atomic bool released;  /* the run is ending: nobody waits any more */
	pthread_mutex_t lock;   /* held while the three above change */
	pthread_cond_t changed; /* and this tells who waits */
};

void gate_init(struct gate *g);
void gate_done(struct gate *g);

void gate_set_paused(struct gate *g, bool paused);
void gate_set_jobs(struct gate *g, unsigned jobs);
void gate_release(struct gate *g);

/* Waits while paused. */
void gate_pass(struct gate *g);

/* Waits while paused, or lane number `index`, from 0, is one too many. */
void gate_pass_lane(struct gate *g, unsigned index);

#endif
