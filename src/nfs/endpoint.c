// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * endpoint - where a server is.
 *
 * A lookup runs on a thread of its own that nobody joins: getaddrinfo(3)
 * cannot be interrupted. It holds a reference.
 */
#include "nfs/endpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* How long a lookup is good for, at least. */
#define FRESH_NS (10 * NS_PER_S)

struct endpoint {
	_Atomic unsigned references;
	char *hosts; /* one after another, each with a NUL behind it */
	unsigned host_count;
	char port[8];

	pthread_mutex_t lock; /* guards all below; a leaf */
	struct address list[ENDPOINT_MAX];
	size_t count;
	bool looking;
	int64_t looked_ns; /* when the last lookup began */
};

/* --- A list of addresses -------------------------------------------------- */

struct found {
	struct address list[ENDPOINT_MAX];
	size_t count;
};

static void add_all(struct found *found, const struct addrinfo *list,
		    unsigned host)
{
	for (; list && found->count < ENDPOINT_MAX; list = list->ai_next) {
		struct address *a = &found->list[found->count];

		if (list->ai_addrlen > sizeof(a->bytes))
			continue;
		memset(a, 0, sizeof(*a));
		memcpy(&a->bytes, list->ai_addr, list->ai_addrlen);
		a->len = list->ai_addrlen;
		a->host = host;
		found->count++;
	}
}

/* What getaddrinfo(3) says of the last host that has no address, or 0; errno
 * goes with EAI_SYSTEM. */
static int look_up(const struct endpoint *e, struct found *found,
		   const char **ret_bad)
{
	struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV,
	};
	const char *host = e->hosts;
	int bad = 0;

	found->count = 0;
	for (unsigned i = 0; i < e->host_count; i++) {
		struct addrinfo *list = NULL;
		int r = getaddrinfo(host, e->port, &hints, &list);

		if (r == 0) {
			add_all(found, list, i);
			freeaddrinfo(list);
		} else {
			bad = r;
			*ret_bad = host;
		}
		host += strlen(host) + 1;
	}
	return bad;
}

static void publish(struct endpoint *e, const struct found *found)
{
	pthread_mutex_lock(&e->lock);
	if (found && found->count > 0) {
		memcpy(e->list, found->list, sizeof(e->list));
		e->count = found->count;
	}
	e->looking = false;
	pthread_mutex_unlock(&e->lock);
}

/* --- Life ----------------------------------------------------------------- */

static struct endpoint *drop(struct endpoint *e)
{
	if (atomic_fetch_sub(&e->references, 1) == 1) {
		pthread_mutex_destroy(&e->lock);
		free(e->hosts);
		free(e);
	}
	return NULL;
}

/* Takes the list apart; empty parts do not count. */
static struct endpoint *make(const char *hosts, uint16_t port)
{
	struct endpoint *e = calloc(1, sizeof(*e));
	char *out;

	if (!e)
		return NULL;
	atomic_init(&e->references, 1);
	pthread_mutex_init(&e->lock, NULL);
	snprintf(e->port, sizeof(e->port), "%u", port);
	e->hosts = out = calloc(1, strlen(hosts) + 2);
	if (!e->hosts)
		return drop(e);
	while (*hosts) {
		size_t len = strcspn(hosts, ",");

		memcpy(out, hosts, len);
		out[len] = '\0';
		if (len > 0) {
			out += len + 1;
			e->host_count++;
		}
		hosts += len + (hosts[len] == ',');
	}
	return e;
}

int endpoint_new(const char *hosts, uint16_t port, struct endpoint **ret,
		 char *error, size_t error_size)
{
	struct endpoint *e = make(hosts, port);
	const char *bad = "";
	struct found found;
	int r;

	if (!e) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	r = look_up(e, &found, &bad);
	if (found.count == 0) {
		snprintf(error, error_size,
			 "cannot resolve the name %s: %s; check its spelling, "
			 "and that the DNS of this network knows it",
			 bad,
			 r == 0            ? "it is empty"
			 : r == EAI_SYSTEM ? strerror(errno)
					   : gai_strerror(r));
		endpoint_free(e);
		return r == 0            ? -EINVAL
		       : r == EAI_MEMORY ? -ENOMEM
					 : -EHOSTUNREACH;
	}
	e->looked_ns = clock_now_ns();
	publish(e, &found);
	*ret = e;
	return 0;
}

struct endpoint *endpoint_free(struct endpoint *e)
{
	return e ? drop(e) : NULL;
}

/* --- Lookups -------------------------------------------------------------- */

static void *look_again(void *user)
{
	struct endpoint *e = user;
	struct found found;
	const char *bad;

	(void)look_up(e, &found, &bad);
	publish(e, &found);
	drop(e);
	return NULL;
}

static bool may_look(struct endpoint *e)
{
	int64_t now = clock_now_ns();
	bool may;

	pthread_mutex_lock(&e->lock);
	may = !e->looking && now - e->looked_ns >= FRESH_NS;
	if (may) {
		e->looking = true;
		e->looked_ns = now;
	}
	pthread_mutex_unlock(&e->lock);
	return may;
}

void endpoint_refresh(struct endpoint *e)
{
	pthread_attr_t detached;
	sigset_t all, before;
	pthread_t thread;

	if (!may_look(e))
		return;
	atomic_fetch_add(&e->references, 1);
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	/* Signals are for main(): the thread inherits this mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&thread, &detached, look_again, e) != 0) {
		publish(e, NULL);
		drop(e);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&detached);
}

/* --- Addresses ------------------------------------------------------------ */

size_t endpoint_count(struct endpoint *e)
{
	size_t count;

	pthread_mutex_lock(&e->lock);
	count = e->count;
	pthread_mutex_unlock(&e->lock);
	return count;
}

unsigned endpoint_hosts(const struct endpoint *e)
{
	return e->host_count;
}

struct address endpoint_get(struct endpoint *e, size_t i)
{
	struct address a;

	pthread_mutex_lock(&e->lock);
	a = e->list[i % e->count];
	pthread_mutex_unlock(&e->lock);
	return a;
}

bool address_equal(const struct address *a, const struct address *b)
{
	return a->len == b->len && !memcmp(&a->bytes, &b->bytes, a->len);
}

size_t endpoint_find_host(struct endpoint *e, unsigned host)
{
	size_t i = 0;

	pthread_mutex_lock(&e->lock);
	while (i < e->count && e->list[i].host != host % e->host_count)
		i++;
	if (i == e->count)
		i = 0;
	pthread_mutex_unlock(&e->lock);
	return i;
}

const char *endpoint_format(const struct address *a, char text[ENDPOINT_TEXT])
{
	char host[NI_MAXHOST], service[8];

	if (getnameinfo((const struct sockaddr *)&a->bytes, a->len, host,
			sizeof(host), service, sizeof(service),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		strcpy(text, "an address that cannot be shown");
	else
		snprintf(text, ENDPOINT_TEXT, "%s port %s", host, service);
	return text;
}
