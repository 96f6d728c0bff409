// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Parameters travel in the body of a POST, so that neither a token nor an
 * external id is in a URL that a proxy writes to its log. An assumption with a
 * token is not signed: the token is the proof.
 */
#include "aws/sts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/answer.h"
#include "aws/http.h"
#include "aws/identity.h"
#include "aws/region.h"
#include "aws/secret.h"
#include "aws/service.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"

#define TOKEN_MAX ((size_t)64 << 10)
#define TOTAL_MS  15000
#define TRIES     3

#define MAX_PARAMS 8

static const struct sigv4_pair headers[] = {
    {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
    {"Accept", "application/json"},
};

/* Builds the form. `token` is NULL for an assumption as who one is. */
static int put_form(const struct sts_role *role, const char *token,
		    struct secret *form)
{
	struct sigv4_pair params[MAX_PARAMS];
	size_t n = 0;

	params[n++] = (struct sigv4_pair){
	    "Action", token ? "AssumeRoleWithWebIdentity" : "AssumeRole"};
	params[n++] = (struct sigv4_pair){"Version", "2011-06-15"};
	params[n++] = (struct sigv4_pair){"RoleArn", role->arn};
	params[n++] = (struct sigv4_pair){
	    "RoleSessionName", role->session ? role->session : "efsbridge"};
	if (role->duration_s)
		params[n++] =
		    (struct sigv4_pair){"DurationSeconds", role->duration_s};
	if (token)
		params[n++] = (struct sigv4_pair){"WebIdentityToken", token};
	else if (role->external_id)
		params[n++] =
		    (struct sigv4_pair){"ExternalId", role->external_id};
	return sigv4_query(form, params, n);
}

/* Where to ask: a role of another partition is known there only. */
static const char *choose_region(const struct sts_role *role)
{
	static const char *const names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};

	if (role->region)
		return role->region;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && region_is_valid(value))
			return value;
	}
	return "us-east-1";
}

static int send(const struct sts_role *role, const struct identity *base,
		const struct secret *form, struct http_answer *answer,
		char *error, size_t error_size)
{
	const struct http_options options = {.total_ms = TOTAL_MS};
	const struct service_call call = {.path = "/"};
	CLEANUP_SECRET struct secret url = {0};
	CLEANUP_HTTP struct http *http = NULL;
	struct service service;
	struct http_request request = {
	    .method = "POST",
	    .headers = headers,
	    .header_count = ARRAY_SIZE(headers),
	    .has_body = true,
	    .body = form->data,
	    .body_size = form->len,
	};
	int r = service_init(&service, "sts", "sts", "AWS_ENDPOINT_URL_STS",
			     choose_region(role), error, error_size);

	if (r == 0)
		r = http_new(&options, &http);
	if (r < 0)
		return r;
	if (base)
		return service_perform(&service, http, base, &call, &request,
				       answer, error, error_size);
	secret_printf(&url, "%s/", service.url);
	if (secret_check(&url) < 0)
		return -ENOMEM;
	request.url = url.data;
	return http_perform(http, &request, answer, error, error_size);
}

static int assume(const struct sts_role *role, const struct identity *base,
		  const char *token, struct identity **ret, char *error,
		  size_t error_size)
{
	CLEANUP_SECRET struct secret form = {0};
	CLEANUP_ANSWER struct http_answer answer = {0};
	char why[256];
	int r = put_form(role, token, &form);

	error[0] = '\0';
	for (int i = 0; r == 0 && i < TRIES; i++) {
		answer.status = 0;
		r = send(role, base, &form, &answer, error, error_size);
		if (!service_is_passing(r, answer.status))
			break;
		if (i + 1 < TRIES)
			r = 0;
	}
	if (r < 0) {
		if (!*error)
			snprintf(error, error_size, "%s", strerror(-r));
		return r;
	}
	if (answer.status == 200)
		return identity_from_answer(&answer.body, role->source, ret,
					    error, error_size);
	answer_refusal(&answer.body, why, sizeof(why));
	snprintf(error, error_size, "role %s: STS answered with status %u%s%s",
		 role->arn, answer.status, *why ? ": " : "", why);
	return answer.status >= 500 ? -EIO : -EACCES;
}

int sts_assume(const struct sts_role *role, const struct identity *base,
	       struct identity **ret, char *error, size_t error_size)
{
	return assume(role, base, NULL, ret, error, error_size);
}

int sts_assume_with_file(const struct sts_role *role, const char *token_path,
			 struct identity **ret, char *error, size_t error_size)
{
	CLEANUP_SECRET struct secret token = {0};
	int r = secret_put_file(&token, token_path, TOKEN_MAX);

	if (r == 0 && token.len == 0)
		r = -ENODATA;
	if (r < 0) {
		snprintf(error, error_size, "web identity token %s: %s",
			 token_path,
			 r == -ENODATA ? "the file is empty" : strerror(-r));
		return r;
	}
	token.data[strcspn(token.data, "\r\n")] = '\0';
	return assume(role, NULL, token.data, ret, error, error_size);
}
