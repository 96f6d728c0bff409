/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http - one request of HTTP or HTTPS and its answer, over libcurl.
 *
 * Redirections are not followed: no service of AWS that is asked here needs
 * them, and a signature is good for one address. Answers are bounded and kept
 * as secrets, since some are; libcurl's memory is overwritten when it is freed.
 * Connections are kept for the next request to the same server.
 *
 * AWS_CA_BUNDLE names other authorities for HTTPS than the system's; proxies
 * are those of libcurl (HTTPS_PROXY, NO_PROXY).
 *
 * Thread rule: one thread at a time.
 */
#ifndef AWS_HTTP_H
#define AWS_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aws/secret.h"

struct sigv4_pair;
struct http;

/* How long the values of the headers in an answer may be. */
#define HTTP_VALUE_SIZE 256

/* An answer that is larger is refused, unless the request says otherwise. */
#define HTTP_ANSWER_MAX ((size_t)256 << 10)

struct http_options {
	unsigned connect_ms; /* 0: 10 s */
	unsigned total_ms;   /* 0: no limit but the next one */
	unsigned stall_s;    /* without a byte either way; 0: 30 s */
	bool no_proxy;       /* the server is on this machine or link */
	/* When true, a request ends with -ECANCELED; may be NULL. Borrowed. */
	const atomic_bool *cancel;
};

struct http_request {
	const char *method;
	const char *url;
	const struct sigv4_pair *headers;
	size_t header_count;
	bool has_body;
	const void *body; /* NULL: of the file */
	size_t body_size;
	int fd; /* `body_size` bytes at `offset` */
	int64_t offset;
	size_t answer_max; /* 0: HTTP_ANSWER_MAX */
};

struct http_answer {
	unsigned status; /* 200, 404, .. */
	struct secret body;
	char etag[HTTP_VALUE_SIZE];   /* "" without */
	char region[HTTP_VALUE_SIZE]; /* x-amz-bucket-region */
};

/* -ENOMEM. */
int http_new(const struct http_options *options, struct http **ret);
struct http *http_free(struct http *h);

/*
 * 0 when there is an answer, whatever its status. On failure a negative errno,
 * and in `error` a sentence with method and server, never the query:
 * -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT, -ECANCELED, -EMSGSIZE (the answer
 * is too large), -EPROTO (TLS, or no HTTP), -EIO.
 */
int http_perform(struct http *h, const struct http_request *request,
		 struct http_answer *ret, char *error, size_t error_size);

void http_answer_done(struct http_answer *a);

#define CLEANUP_ANSWER __attribute__((cleanup(http_answer_done)))

static inline void http_cleanup(struct http **h)
{
	*h = http_free(*h);
}

#define CLEANUP_HTTP __attribute__((cleanup(http_cleanup)))

#endif
