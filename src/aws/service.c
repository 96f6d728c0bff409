// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * All headers that are sent are signed, but for Content-Length and User-Agent,
 * which are libcurl's own business and may be changed on the way.
 */
#include "aws/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/http.h"
#include "aws/identity.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* Host, X-Amz-Date, -Security-Token, -Content-Sha256, Authorization. */
#define OWN_HEADERS 5

/* Copies host and port of the URL, without a port that goes without saying. */
static bool take_host(struct service *s)
{
	const char *begin, *colon;
	bool tls = strncasecmp(s->url, "https://", 8) == 0;
	size_t len;

	if (!tls && strncasecmp(s->url, "http://", 7) != 0)
		return false;
	begin = s->url + (tls ? 8 : 7);
	len = strcspn(begin, "/?#");
	/* A path of the server's own would have to be signed; none has one. */
	if (len == 0 || len >= sizeof(s->host) || begin[len] ||
	    memchr(begin, '@', len))
		return false;
	memcpy(s->host, begin, len);
	s->host[len] = '\0';
	colon = strrchr(s->host, ':');
	if (colon && strcmp(colon, tls ? ":443" : ":80") == 0)
		s->host[colon - s->host] = '\0';
	return true;
}

int service_init(struct service *s, const char *name, const char *host,
		 const char *variable, const char *region, char *error,
		 size_t error_size)
{
	const char *url = getenv(variable);
	size_t len;

	if (!url || !*url) {
		variable = "AWS_ENDPOINT_URL";
		url = getenv(variable);
	}
	*s = (struct service){.name = name, .is_given = url && *url};
	snprintf(s->region, sizeof(s->region), "%s", region);
	if (s->is_given)
		len = (size_t)snprintf(s->url, sizeof(s->url), "%s", url);
	else
		len =
		    (size_t)snprintf(s->url, sizeof(s->url), "https://%s.%s.%s",
				     host, region, region_suffix(region));
	if (len > 0 && len < sizeof(s->url) && s->url[len - 1] == '/')
		s->url[len - 1] = '\0';
	if (len < sizeof(s->url) && take_host(s))
		return 0;
	snprintf(
	    error, error_size,
	    "%s: \"%.200s\" is not a URL of the form http[s]://host[:port]",
	    variable, s->url);
	return -EINVAL;
}

/* The URL that is sent to: that of the service, perhaps with another host. */
static int make_url(const struct service *s, const struct service_call *call,
		    struct secret *url)
{
	const char *slashes = strstr(s->url, "//");

	if (call->host)
		secret_printf(url, "%.*s%s", (int)(slashes + 2 - s->url),
			      s->url, call->host);
	else
		secret_puts(url, s->url);
	secret_puts(url, call->path);
	if (call->query && *call->query)
		secret_printf(url, "?%s", call->query);
	return secret_check(url);
}

/* What a request and its signature are made of. */
struct signing {
	struct sigv4_pair *headers; /* of the caller, then ours */
	size_t count;
	char time[SIGV4_TIME_SIZE];
	char hash[SIGV4_HEX_SIZE];
	struct secret authorization;
};

static void add(struct signing *g, const char *name, const char *value)
{
	g->headers[g->count++] = (struct sigv4_pair){name, value};
}

static int sign(const struct service *s, const struct identity *id,
		const struct service_call *call,
		const struct http_request *request, struct signing *g)
{
	const struct sigv4_scope scope = {s->region, s->name,
					  clock_wall_ns() / NS_PER_S};
	struct sigv4_request to_sign = {
	    .method = request->method,
	    .path = call->path,
	    .path_verbatim = call->path_verbatim,
	    .query = call->query,
	    .headers = g->headers,
	    .payload_hash = call->payload_hash,
	};
	int r = 0;

	if (!call->payload_hash) {
		r = sigv4_hash(request->body,
			       request->has_body ? request->body_size : 0,
			       g->hash);
		to_sign.payload_hash = g->hash;
	}
	sigv4_time(scope.time_s, g->time);
	add(g, "Host", call->host ? call->host : s->host);
	add(g, "X-Amz-Date", g->time);
	add(g, "X-Amz-Content-Sha256", to_sign.payload_hash);
	if (id->token)
		add(g, "X-Amz-Security-Token", id->token);
	to_sign.header_count = g->count;
	if (r == 0)
		r = sigv4_authorize(&to_sign, &scope, id, &g->authorization);
	add(g, "Authorization", secret_text(&g->authorization));
	return r;
}

int service_perform(const struct service *s, struct http *http,
		    const struct identity *id, const struct service_call *call,
		    const struct http_request *request, struct http_answer *ret,
		    char *error, size_t error_size)
{
	CLEANUP_FREE struct sigv4_pair *headers =
	    calloc(request->header_count + OWN_HEADERS, sizeof(*headers));
	CLEANUP_SECRET struct secret url = {0};
	struct signing g = {.headers = headers, .count = request->header_count};
	struct http_request whole = *request;
	int r = headers ? make_url(s, call, &url) : -ENOMEM;

	if (r == 0 && g.count > 0)
		memcpy(headers, request->headers, g.count * sizeof(*headers));
	if (r == 0)
		r = sign(s, id, call, request, &g);
	if (r < 0) {
		snprintf(error, error_size, "cannot sign: %s", strerror(-r));
	} else {
		whole.url = url.data;
		whole.headers = headers;
		whole.header_count = g.count;
		r = http_perform(http, &whole, ret, error, error_size);
	}
	secret_done(&g.authorization);
	return r;
}

bool service_is_passing(int r, unsigned status)
{
	if (r < 0)
		return r == -ECONNREFUSED || r == -EHOSTUNREACH ||
		       r == -ETIMEDOUT || r == -EIO || r == -EPROTO;
	return status >= 500 || status == 429 || status == 408;
}
