// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The places that need no configuration file. Sources: AWS SDKs and Tools
 * Reference Guide, "Standardized credential providers"; for containers also
 * the list of addresses that a plain http URL may name.
 */
#include "aws/provider.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/answer.h"
#include "aws/http.h"
#include "aws/identity.h"
#include "aws/imds.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "aws/sts.h"
#include "base/cleanup.h"

#define CONTAINER_HOST  "http://169.254.170.2"
#define CONTAINER_MS    2000
#define CONTAINER_TRIES 3

#define TOKEN_MAX ((size_t)64 << 10)

/* The variable's value, NULL when it is unset or empty. */
static const char *get(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

int provider_environment(const struct provider *p, struct identity **ret)
{
	const char *key_id = get("AWS_ACCESS_KEY_ID");
	const char *secret_key = get("AWS_SECRET_ACCESS_KEY");
	const char *token = get("AWS_SESSION_TOKEN");
	int r;

	if (!key_id && !secret_key) {
		snprintf(p->error, p->error_size, "no keys in the environment");
		return -ENOENT;
	}
	if (!key_id || !secret_key) {
		snprintf(p->error, p->error_size, "%s is set, but %s is not",
			 key_id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
			 key_id ? "AWS_SECRET_ACCESS_KEY"
				: "AWS_ACCESS_KEY_ID");
		return -EINVAL;
	}
	secret_hide(secret_key);
	if (token)
		secret_hide(token);
	r = identity_new(key_id, secret_key, token, "environment",
			 IDENTITY_FOREVER, ret);
	if (r < 0)
		snprintf(
		    p->error, p->error_size, "the keys in the environment: %s",
		    r == -EINVAL ? "not what keys are made of" : strerror(-r));
	return r;
}

int provider_instance(const struct provider *p, struct identity **ret)
{
	return imds_identity(ret, p->error, p->error_size);
}

int provider_web_identity(const struct provider *p, const char *role_arn,
			  struct identity **ret)
{
	const char *path = get("AWS_WEB_IDENTITY_TOKEN_FILE");
	struct sts_role role = {
	    .arn = role_arn ? role_arn : get("AWS_ROLE_ARN"),
	    .session = get("AWS_ROLE_SESSION_NAME"),
	    .region = p->region,
	    .source = "web identity",
	};

	if (!path) {
		snprintf(p->error, p->error_size, "no web identity");
		return -ENOENT;
	}
	if (!role.arn) {
		snprintf(p->error, p->error_size,
			 "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN "
			 "is not");
		return -EINVAL;
	}
	return sts_assume_with_file(&role, path, ret, p->error, p->error_size);
}

/* --- Containers ----------------------------------------------------------- */

/* Whether keys may be asked for in clear at the host of the URL: this machine,
 * and the agents of ECS and EKS. */
static bool is_local(const char *url)
{
	static const char *const agents[] = {
	    "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
	    "localhost",     "[::1]",
	};
	const char *host = url + strlen("http://");
	size_t len = strcspn(host, "/?#");
	struct in_addr address;
	char text[INET_ADDRSTRLEN];

	if (memchr(host, '@', len))
		return false;
	/* Up to the port. */
	if (*host == '[')
		len = strcspn(host, "]") + (strchr(host, ']') != NULL);
	else
		len = strcspn(host, ":/?#");
	for (size_t i = 0; i < ARRAY_SIZE(agents); i++)
		if (strlen(agents[i]) == len &&
		    strncasecmp(host, agents[i], len) == 0)
			return true;
	if (len >= sizeof(text))
		return false;
	memcpy(text, host, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &address) == 1 &&
	       ntohl(address.s_addr) >> 24 == 127;
}

/* The URL to ask; -ENOENT when this is no container. */
static int container_url(const struct provider *p, struct secret *url,
			 const char **ret_source)
{
	const char *relative = get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = get("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	*ret_source = relative ? "ECS" : "container";
	if (relative && *relative != '/') {
		snprintf(
		    p->error, p->error_size,
		    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin "
		    "with a slash");
		return -EINVAL;
	}
	if (relative) {
		secret_printf(url, CONTAINER_HOST "%s", relative);
		return secret_check(url);
	}
	if (!full) {
		snprintf(p->error, p->error_size, "not in a container");
		return -ENOENT;
	}
	if (strncasecmp(full, "https://", 8) != 0 &&
	    (strncasecmp(full, "http://", 7) != 0 || !is_local(full))) {
		snprintf(
		    p->error, p->error_size,
		    "AWS_CONTAINER_CREDENTIALS_FULL_URI: keys are asked for "
		    "over https, or of this machine and the agents of ECS "
		    "and EKS only");
		return -EINVAL;
	}
	secret_puts(url, full);
	return secret_check(url);
}

/* The value of the header Authorization, "" for none. The file is read each
 * time: EKS renews it. */
static int container_token(const struct provider *p, struct secret *token)
{
	const char *path = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *text = get("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	int r = 0;

	if (path) {
		r = secret_put_file(token, path, TOKEN_MAX);
		if (r < 0) {
			snprintf(p->error, p->error_size,
				 "container authorization token %s: %s", path,
				 strerror(-r));
			return r;
		}
		/* A newline at the end is the editor's. */
		while (token->len > 0 &&
		       strchr("\r\n", token->data[token->len - 1]))
			token->data[--token->len] = '\0';
	} else if (text) {
		secret_hide(text);
		secret_puts(token, text);
	}
	if (strlen(secret_text(token)) != token->len ||
	    strpbrk(secret_text(token), "\r\n")) {
		snprintf(p->error, p->error_size,
			 "the container authorization token is more than one "
			 "line");
		return -EINVAL;
	}
	return secret_check(token);
}

static int container_ask(const struct provider *p, const char *url,
			 const char *token, struct http_answer *answer)
{
	const struct http_options options = {
	    .connect_ms = CONTAINER_MS,
	    .total_ms = CONTAINER_MS,
	    .no_proxy = strncasecmp(url, "http:", 5) == 0,
	};
	const struct sigv4_pair header = {"Authorization", token};
	const struct http_request request = {
	    .method = "GET",
	    .url = url,
	    .headers = &header,
	    .header_count = *token ? 1 : 0,
	};
	CLEANUP_HTTP struct http *http = NULL;
	int r = http_new(&options, &http);

	for (int i = 0; r == 0 && i < CONTAINER_TRIES; i++) {
		r = http_perform(http, &request, answer, p->error,
				 p->error_size);
		if (r == 0 && answer->status < 500)
			return 0;
		if (i + 1 < CONTAINER_TRIES && r != -EMSGSIZE)
			r = 0;
	}
	return r;
}

int provider_container(const struct provider *p, struct identity **ret)
{
	CLEANUP_SECRET struct secret url = {0};
	CLEANUP_SECRET struct secret token = {0};
	CLEANUP_ANSWER struct http_answer answer = {0};
	const char *source;
	char why[256];
	int r = container_url(p, &url, &source);

	if (r == 0)
		r = container_token(p, &token);
	if (r == 0)
		r = container_ask(p, url.data, secret_text(&token), &answer);
	if (r < 0)
		return r == -ENOENT && url.len > 0 ? -EACCES : r;
	if (answer.status == 200)
		return identity_from_answer(&answer.body, source, ret, p->error,
					    p->error_size);
	answer_refusal(&answer.body, why, sizeof(why));
	snprintf(p->error, p->error_size,
		 "%s: keys were asked for and answered with status %u%s%s",
		 source, answer.status, *why ? ": " : "", why);
	return -EACCES;
}
