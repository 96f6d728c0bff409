// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * endpoint - where a server is: the addresses of its name, resolved once.
 */
#include "nfs/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int endpoint_resolve(struct endpoint *e, const char *host, uint16_t port,
		     char *error, size_t error_size)
{
	struct addrinfo hints = {
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV,
	};
	char service[8];
	int r;

	*e = (struct endpoint){0};
	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &e->list);
	if (r != 0) {
		snprintf(error, error_size,
			 "cannot resolve the name %s: %s; check its spelling, "
			 "and that the DNS of this network knows it",
			 host,
			 r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
		return r == EAI_MEMORY ? -ENOMEM : -EHOSTUNREACH;
	}
	for (struct addrinfo *a = e->list; a; a = a->ai_next)
		e->count++;
	return 0;
}

void endpoint_done(struct endpoint *e)
{
	if (e->list)
		freeaddrinfo(e->list);
	*e = (struct endpoint){0};
}

const struct addrinfo *endpoint_get(const struct endpoint *e, size_t i)
{
	const struct addrinfo *a = e->list;

	while (i-- > 0)
		a = a->ai_next;
	return a;
}

const char *endpoint_format(const struct addrinfo *a, char text[ENDPOINT_TEXT])
{
	char host[NI_MAXHOST], service[8];

	if (getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), service,
			sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		strcpy(text, "an address that cannot be shown");
	else
		snprintf(text, ENDPOINT_TEXT, "%s port %s", host, service);
	return text;
}
