/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * endpoint - where a server is: the addresses of its name, or of several names
 * or addresses under which the same file system is served (the mount targets
 * of an EFS file system).
 *
 * Names are looked up again when nothing answers under what they meant before:
 * endpoint_refresh() begins that and does not wait, for a resolver may block
 * for long. What it finds takes the place of what was known; when it finds
 * nothing, that stays.
 *
 * Thread rule: any thread.
 */
#ifndef NFS_ENDPOINT_H
#define NFS_ENDPOINT_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* Addresses of an endpoint; more are left out. */
#define ENDPOINT_MAX 32

struct endpoint;

struct address {
	struct sockaddr_storage bytes;
	socklen_t len;
	unsigned host; /* the number of its name in the list of hosts */
};

/* Room for an address and port as text. */
#define ENDPOINT_TEXT (NI_MAXHOST + 32)

/*
 * Looks up `hosts`: names or literal addresses of IPv4 or IPv6, separated by
 * commas. -EHOSTUNREACH with a sentence in `error` when none of them has an
 * address; -EINVAL: empty; -ENOMEM.
 */
int endpoint_new(const char *hosts, uint16_t port, struct endpoint **ret,
		 char *error, size_t error_size);
/* A lookup under way goes on and is forgotten. */
struct endpoint *endpoint_free(struct endpoint *e);

/* How many addresses there are now, at least 1; how many hosts for ever. */
size_t endpoint_count(struct endpoint *e);
unsigned endpoint_hosts(const struct endpoint *e);

/* Address number `i`, modulo their count. */
struct address endpoint_get(struct endpoint *e, size_t i);

/* Whether both are the same address and port. */
bool address_equal(const struct address *a, const struct address *b);

/* The first address of host number `host`, modulo their count. */
size_t endpoint_find_host(struct endpoint *e, unsigned host);

/* Begins another lookup, unless there was one less than 10 s ago. */
void endpoint_refresh(struct endpoint *e);

/* "10.0.0.7 port 2049" into `text`; returns it. */
const char *endpoint_format(const struct address *a, char text[ENDPOINT_TEXT]);

#endif
