/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct workers {
	pthread_mutex_t lock; /* guards what follows, but the threads */
	pthread_cond_t changed;
	STAILQ_HEAD(, work) queue;
	unsigned busy; /* threads that do something, which may add work */
	bool closing;
	unsigned count;
	pthread_t thread[];
};

/* The next piece of work; NULL at the end. The lock is held. */
static struct work *take(struct workers *w)
{
	struct work *work;

	while (!(work = STAILQ_FIRST(&w->queue))) {
		if (w->closing && w->busy == 0)
			return NULL;
		pthread_cond_wait(&w->changed, &w->lock);
	}
	STAILQ_REMOVE_HEAD(&w->queue, link);
	return work;
}

static void *workers_main(void *arg)
{
	struct workers *w = arg;
	struct work *work;

	pthread_mutex_lock(&w->lock);
	while ((work = take(w))) {
		w->busy++;
		pthread_mutex_unlock(&w->lock);
		work->run(work);
		pthread_mutex_lock(&w->lock);
		w->busy--;
		if (w->closing)
			pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

int workers_new(unsigned count, const char *name, struct workers **ret)
{
	struct workers *w = calloc(1, sizeof(*w) + count * sizeof(pthread_t));
	int r = 0;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	STAILQ_INIT(&w->queue);
	for (; w->count < count; w->count++) {
		r = pthread_create(&w->thread[w->count], NULL, workers_main, w);
		if (r > 0)
			break;
		pthread_setname_np(w->thread[w->count], name);
	}
	/* Fewer will do, but one. */
	if (w->count == 0) {
		workers_free(w);
		return -r;
	}
	*ret = w;
	return 0;
}

struct workers *workers_free(struct workers *w)
{
	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->count; i++)
		pthread_join(w->thread[i], NULL);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}

void workers_add(struct workers *w, struct work *work)
{
	pthread_mutex_lock(&w->lock);
	STAILQ_INSERT_TAIL(&w->queue, work, link);
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}
