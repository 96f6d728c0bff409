/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs 4 and 5 encode the arguments of a call into 4 KiB, which a symlink to
 * a path of that length does not fit. Such a one is rare enough to be worth a
 * thread and a connection of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "nfs/backoff.h"
#include "volume/libnfs_exchange.h"
#include "volume/libnfs_v3.h"

#define PROGRAM 100003
#define VERSION 3
#define SYMLINK 10

/* An answer is waited for this long before the call is made again. */
#define TRY_NS (20 * NS_PER_S)

struct long_link {
	struct ln_work *work;
	const struct handle *dir;
	const char *name;
	const char *target;
	void (*done)(struct ln_work *work, int error, bool again);
};

static void put_args(const struct long_link *l, struct xdr_out *x)
{
	xdr_put_bytes(x, l->dir->data, l->dir->len);
	xdr_put_string(x, l->name);
	/* sattr3: none of mode, owner, group, size, times. */
	for (int i = 0; i < 6; i++)
		xdr_put_u32(x, 0);
	xdr_put_string(x, l->target);
}

/* One try: 1 when there is reason for another. */
static int try_once(const struct long_link *l, int *ret_error, bool *ret_sent)
{
	struct ln *v = l->work->v;
	struct ln_exchange e;
	uint32_t status;
	int error;

	ln_exchange_init(&e, PROGRAM, VERSION, SYMLINK);
	e.stop = &v->cancelled;
	put_args(l, &e.args);
	atomic_fetch_add(&v->server.requests, 1);
	error = ln_exchange_run(&e, &v->server, v->endpoint, TRY_NS);
	status = error ? 0 : xdr_get_u32(&e.results);
	if (!error && e.results.failed)
		error = -EPROTO;
	*ret_sent = e.sent;
	ln_exchange_done(&e);
	switch (error) {
	case 0:
		*ret_error = v3_error((int)status);
		return status == NFS3ERR_JUKEBOX;
	case -ECANCELED:
	case -ENOMEM:
	case -EPROTO:
	case -EPROTONOSUPPORT:
	case -EBADMSG:
	case -EACCES:
		*ret_error = error;
		return 0;
	default:
		*ret_error = -ENOTCONN;
		return 1;
	}
}

static void *link_main(void *arg)
{
	struct long_link *l = arg;
	const struct ln *v = l->work->v;
	int64_t begun_ns = clock_now_ns();
	bool again = false, sent = false;
	unsigned times = 0;
	int error;

	while (try_once(l, &error, &sent)) {
		struct timespec pause = clock_split_ns(backoff_ns(++times));

		again |= sent;
		if (clock_now_ns() - begun_ns >=
		    atomic_load(&v->server.patience_ns))
			break;
		if (pause.tv_sec > 0)
			pause = (struct timespec){.tv_sec = 1};
		nanosleep(&pause, NULL);
	}
	l->done(l->work, error, again);
	free(l);
	return NULL;
}

void v3_symlink_long(struct ln_work *work, const struct handle *dir,
		     const char *name, const char *target,
		     void (*done)(struct ln_work *work, int error, bool again))
{
	struct long_link *l = malloc(sizeof(*l));
	pthread_attr_t attr;
	pthread_t thread;
	int error = -ENOMEM;

	if (l) {
		*l = (struct long_link){work, dir, name, target, done};
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		error = -pthread_create(&thread, &attr, link_main, l);
		pthread_attr_destroy(&attr);
	}
	if (error) {
		free(l);
		done(work, error == -EAGAIN ? -ENOMEM : error, false);
	}
}
