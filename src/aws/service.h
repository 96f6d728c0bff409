/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * service - signed requests to a service of AWS.
 *
 * Thread rule: as for struct http; a struct service is read-only.
 */
#ifndef AWS_SERVICE_H
#define AWS_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "aws/region.h"

struct http;
struct http_answer;
struct http_request;
struct identity;

struct service {
	char url[512]; /* "https://logs.eu-west-1.amazonaws.com", no '/' last */
	char host[256]; /* as the header Host has it, with a port that is not
			 * the usual one */
	char region[REGION_SIZE];
	const char *name; /* as signatures have it; borrowed */
	bool is_given;    /* the URL is one of the user's */
};

/*
 * Where service `name` is reached. The environment may name another server:
 * in `variable`, or else AWS_ENDPOINT_URL; without, it is
 * "https://HOST.REGION.SUFFIX". -EINVAL with a sentence when what is given
 * there is no http or https URL.
 */
int service_init(struct service *s, const char *name, const char *host,
		 const char *variable, const char *region, char *error,
		 size_t error_size);

struct service_call {
	const char *path;         /* encoded, begins with '/' */
	bool path_verbatim;       /* as in struct sigv4_request */
	const char *query;        /* from sigv4_query(), or NULL */
	const char *host;         /* instead of the service's; NULL: that one */
	const char *payload_hash; /* NULL: that of the request's body */
};

/*
 * Signs and sends: `request` has method, headers besides those of a signature,
 * and body; its URL is of no account. Errors as for http_perform().
 */
int service_perform(const struct service *s, struct http *http,
		    const struct identity *id, const struct service_call *call,
		    const struct http_request *request, struct http_answer *ret,
		    char *error, size_t error_size);

/* Whether a later try may do better: an errno of service_perform(), or a
 * status. Too many requests, and what is the server's own fault. */
bool service_is_passing(int r, unsigned status);

#endif
