/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * endpoint - where a server is: the addresses of its name, resolved once.
 *
 * The name is not resolved again when a connection is lost: the resolver may
 * block for long, and a mount target keeps its address for life.
 *
 * Thread rule: read-only once made.
 */
#ifndef NFS_ENDPOINT_H
#define NFS_ENDPOINT_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
	struct addrinfo *list;
	size_t count;
};

/* Room for an address and port as text. */
#define ENDPOINT_TEXT (NI_MAXHOST + 32)

/*
 * Resolves a name or a literal address of IPv4 or IPv6. -EHOSTUNREACH with a
 * sentence in `error` when there is no such name or no answer.
 */
int endpoint_resolve(struct endpoint *e, const char *host, uint16_t port,
		     char *error, size_t error_size);
void endpoint_done(struct endpoint *e);

/* Address number `i`. */
const struct addrinfo *endpoint_get(const struct endpoint *e, size_t i);

/* "10.0.0.7 port 2049" into `text`; returns it. */
const char *endpoint_format(const struct addrinfo *a, char text[ENDPOINT_TEXT]);

#endif
