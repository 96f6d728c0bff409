// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Each visit begins with a new token: visits are hours apart, or there is one
 * only. The waiting times are those of the mount helper for EFS: half a second
 * for a token, three times with as much in between, a second for the rest,
 * which is asked again as often: a busy machine is slow, too.
 * Version 2 answers a token request in no time or, seen through one hop too
 * many (a container), never.
 */
#include "aws/imds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "aws/answer.h"
#include "aws/http.h"
#include "aws/identity.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "base/clock.h"

#define ADDRESS   "http://169.254.169.254"
#define ADDRESS_6 "http://[fd00:ec2::254]"

#define TOKEN_MS  500
#define TRIES     3
#define PAUSE_MS  500
#define ANSWER_MS 1000

#define ROLES "/latest/meta-data/iam/security-credentials/"

struct imds {
	struct secret token;
	char *error;
	size_t error_size;
};

static const char *address(void)
{
	const char *given = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (given && *given)
		return given;
	return mode && strcasecmp(mode, "IPv6") == 0 ? ADDRESS_6 : ADDRESS;
}

/* One request; the status is in the answer. */
static int ask(struct imds *m, const char *method, const char *path,
	       const struct sigv4_pair *header, unsigned ms,
	       struct http_answer *answer)
{
	const struct http_options options = {
	    .connect_ms = ms, .total_ms = ms, .no_proxy = true};
	CLEANUP_SECRET struct secret url = {0};
	CLEANUP_HTTP struct http *http = NULL;
	struct http_request request = {
	    .method = method,
	    .headers = header,
	    .header_count = 1,
	    .has_body = strcmp(method, "PUT") == 0,
	    .body = "",
	};
	const char *base = address();
	int r = http_new(&options, &http);

	secret_printf(&url, "%.*s%s",
		      (int)(strlen(base) - (base[strlen(base) - 1] == '/')),
		      base, path);
	if (r == 0)
		r = secret_check(&url);
	if (r < 0) {
		snprintf(m->error, m->error_size, "out of memory");
		return r;
	}
	request.url = url.data;
	return http_perform(http, &request, answer, m->error, m->error_size);
}

static int refused(const struct imds *m, const char *what, unsigned status)
{
	snprintf(m->error, m->error_size,
		 "instance metadata: %s: answered with status %u", what,
		 status);
	return -EIO;
}

/* The visible letters, but for those in `stop`, that a text begins with: what
 * is behind them has no place in a header or a path. */
static size_t visible(const char *text, const char *stop)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] <= '~' && !strchr(stop, text[n]))
		n++;
	return n;
}

/* A fault of the line says: no such service here. */
static int get_token(struct imds *m)
{
	static const struct sigv4_pair ttl = {
	    "X-aws-ec2-metadata-token-ttl-seconds", "21600"};
	static const struct timespec pause = {.tv_nsec = PAUSE_MS * NS_PER_MS};
	const char *off = getenv("AWS_EC2_METADATA_DISABLED");
	int r = -ENOENT;

	if (off && strcasecmp(off, "true") == 0) {
		snprintf(m->error, m->error_size,
			 "instance metadata: turned off by "
			 "AWS_EC2_METADATA_DISABLED");
		return -ENOENT;
	}
	for (int i = 0; i < TRIES; i++) {
		CLEANUP_ANSWER struct http_answer answer = {0};
		const char *text;
		size_t len;

		if (i > 0)
			nanosleep(&pause, NULL);
		r = ask(m, "PUT", "/latest/api/token", &ttl, TOKEN_MS, &answer);
		text = secret_text(&answer.body);
		len = visible(text, "");
		if (r == 0 && answer.status == 200 && len > 0) {
			secret_put(&m->token, text, len);
			return secret_check(&m->token);
		}
		if (r == 0)
			r = refused(m, "token", answer.status);
		/* Nobody listens there, or it is another kind of server. */
		if (r == -ECONNREFUSED || r == -EHOSTUNREACH ||
		    (answer.status >= 400 && answer.status < 500))
			break;
	}
	return r == -ENOMEM ? r : -ENOENT;
}

static int get(struct imds *m, const char *path, struct http_answer *answer)
{
	const struct sigv4_pair token = {"X-aws-ec2-metadata-token",
					 secret_text(&m->token)};
	int r = -ETIMEDOUT;

	for (int i = 0; r == -ETIMEDOUT && i < TRIES; i++)
		r = ask(m, "GET", path, &token, ANSWER_MS, answer);
	if (r < 0)
		return r;
	if (answer->status == 404) {
		refused(m, path, answer->status);
		return -ENOENT;
	}
	return answer->status == 200 ? 0 : refused(m, path, answer->status);
}

/* The name of the role: one line. */
static int get_role(struct imds *m, struct secret *path)
{
	CLEANUP_ANSWER struct http_answer answer = {0};
	int r = get(m, ROLES, &answer);
	const char *text = secret_text(&answer.body);

	if (r == -ENOENT)
		snprintf(m->error, m->error_size,
			 "instance metadata: the instance has no role");
	if (r < 0)
		return r;
	secret_puts(path, ROLES);
	/* What cannot be part of a path would become another one. */
	secret_put(path, text, visible(text, "/?#%"));
	return secret_check(path);
}

int imds_identity(struct identity **ret, char *error, size_t error_size)
{
	CLEANUP_ANSWER struct http_answer answer = {0};
	CLEANUP_SECRET struct secret path = {0};
	struct imds m = {.error = error, .error_size = error_size};
	int r = get_token(&m);

	if (r == 0)
		r = get_role(&m, &path);
	if (r == 0)
		r = get(&m, path.data, &answer);
	if (r == 0)
		r = identity_from_answer(&answer.body, "instance metadata", ret,
					 error, error_size);
	secret_done(&m.token);
	return r;
}

int imds_region(char ret[REGION_SIZE], char *error, size_t error_size)
{
	CLEANUP_ANSWER struct http_answer answer = {0};
	struct imds m = {.error = error, .error_size = error_size};
	int r = get_token(&m);

	if (r == 0)
		r = get(&m, "/latest/dynamic/instance-identity/document",
			&answer);
	if (r == 0 &&
	    !answer_get_text(&answer.body, "region", ret, REGION_SIZE)) {
		snprintf(error, error_size,
			 "instance metadata: they do not tell the region");
		r = -ENOENT;
	}
	secret_done(&m.token);
	return r;
}
