// SPDX-License-Identifier: GPL-3.0-or-later
/*
 *	canonical request	method, path, query, headers, their names,
 *				hash of the payload; one a line
 *	string to sign		algorithm, time, scope, hash of the above
 *	signing key		HMAC of date, region, service, "aws4_request",
 *				each keyed with the one before
 *	signature		HMAC of the string with that key
 *
 * Whatever may hold a token or a key is built in a secret.
 */
#include "aws/sigv4.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "aws/identity.h"
#include "aws/secret.h"
#include "base/cleanup.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define HASH_SIZE 32

/* The parameters that a presigned request has besides its own. */
#define PRESIGN_PARAMS 6

static void to_hex(const uint8_t hash[HASH_SIZE], char ret[SIGV4_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < HASH_SIZE; i++) {
		ret[2 * i] = digits[hash[i] >> 4];
		ret[2 * i + 1] = digits[hash[i] & 15];
	}
	ret[SIGV4_HEX_SIZE - 1] = '\0';
}

int sigv4_hash(const void *data, size_t size, char ret[SIGV4_HEX_SIZE])
{
	uint8_t hash[HASH_SIZE];

	if (!EVP_Digest(data, size, hash, NULL, EVP_sha256(), NULL))
		return -EIO;
	to_hex(hash, ret);
	return 0;
}

void sigv4_time(int64_t time_s, char ret[SIGV4_TIME_SIZE])
{
	time_t t = time_s;
	struct tm tm = {0};

	gmtime_r(&t, &tm);
	strftime(ret, SIGV4_TIME_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* --- Encoding ------------------------------------------------------------ */

/* Not isalnum(), which asks the locale. */
static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

static void encode(struct secret *to, const char *s, size_t len,
		   bool keep_slash)
{
	for (size_t i = 0; i < len; i++) {
		if (is_unreserved(s[i]) || (keep_slash && s[i] == '/'))
			secret_put(to, &s[i], 1);
		else
			secret_printf(to, "%%%02X", (uint8_t)s[i]);
	}
}

void sigv4_encode(struct secret *to, const char *s, bool keep_slash)
{
	encode(to, s, strlen(s), keep_slash);
}

/* A pair as it is sorted: encoded, the two strings in one secret. */
struct sortable {
	size_t name, value; /* offsets */
	const char *text;   /* what they are offsets in */
};

static int by_name_and_value(const void *va, const void *vb)
{
	const struct sortable *a = va, *b = vb;
	int r = strcmp(a->text + a->name, b->text + b->name);

	return r != 0 ? r : strcmp(a->text + a->value, b->text + b->value);
}

int sigv4_query(struct secret *to, const struct sigv4_pair *params,
		size_t count)
{
	CLEANUP_FREE struct sortable *sorted =
	    calloc(count + 1, sizeof(*sorted));
	CLEANUP_SECRET struct secret text = {0};

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		sorted[i].name = text.len;
		sigv4_encode(&text, params[i].name, false);
		secret_put(&text, "", 1);
		sorted[i].value = text.len;
		sigv4_encode(&text, params[i].value, false);
		secret_put(&text, "", 1);
	}
	if (secret_check(&text) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i].text = text.data;
	qsort(sorted, count, sizeof(*sorted), by_name_and_value);
	for (size_t i = 0; i < count; i++)
		secret_printf(to, "%s%s=%s", i > 0 ? "&" : "",
			      text.data + sorted[i].name,
			      text.data + sorted[i].value);
	return secret_check(to);
}

/* --- The canonical request ------------------------------------------------ */

/* Takes the last name of the path away, down to `root`. */
static void drop_last_name(struct secret *to, size_t root)
{
	while (to->len > root && to->data[to->len - 1] != '/')
		to->len--;
	if (to->len > root)
		to->len--;
	to->data[to->len] = '\0';
}

/* The path without "//", "/./" and "/../" (RFC 3986 section 5.2.4), each name
 * encoded once more. */
static void put_path(struct secret *to, const char *path)
{
	size_t root = to->len;
	bool open = false; /* it ends in a '/' that is not written yet */

	while (*path) {
		size_t len = strcspn(path, "/");
		bool up = len == 2 && memcmp(path, "..", 2) == 0;
		bool here = len == 0 || (len == 1 && *path == '.');

		if (up) {
			drop_last_name(to, root);
		} else if (!here) {
			secret_put(to, "/", 1);
			encode(to, path, len, false);
		}
		open = up || here || path[len] == '/';
		path += len + (path[len] == '/');
	}
	if (open || to->len == root)
		secret_put(to, "/", 1);
}

/* A value as it is signed: without blanks around it, and with one where there
 * are more. */
static void put_value(struct secret *to, const char *value)
{
	bool blank = false, any = false;

	for (; *value; value++) {
		if (*value == ' ' || *value == '\t') {
			blank = true;
			continue;
		}
		if (blank && any)
			secret_put(to, " ", 1);
		secret_put(to, value, 1);
		blank = false;
		any = true;
	}
}

/* A header with its place among the others. */
struct header {
	const struct sigv4_pair *pair;
	size_t index;
};

/* Headers of one name stay in the order in which they are sent. */
static int by_header(const void *va, const void *vb)
{
	const struct header *a = va, *b = vb;
	int r = strcasecmp(a->pair->name, b->pair->name);

	return r != 0 ? r : (a->index > b->index) - (a->index < b->index);
}

static void put_lower(struct secret *to, const char *s)
{
	for (; *s; s++) {
		char c = (char)(*s >= 'A' && *s <= 'Z' ? *s + 'a' - 'A' : *s);

		secret_put(to, &c, 1);
	}
}

/* One line for each name, the values of equal names joined with commas. */
static int put_headers(const struct sigv4_request *request, struct secret *to,
		       struct secret *names)
{
	size_t n = request->header_count;
	CLEANUP_FREE struct header *sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct header){&request->headers[i], i};
	qsort(sorted, n, sizeof(*sorted), by_header);
	for (size_t i = 0; i < n; i++) {
		const struct sigv4_pair *pair = sorted[i].pair;
		bool again = i > 0 && strcasecmp(sorted[i - 1].pair->name,
						 pair->name) == 0;

		if (again) {
			secret_put(to, ",", 1);
		} else {
			secret_puts(to, i > 0 ? "\n" : "");
			put_lower(to, pair->name);
			secret_put(to, ":", 1);
			secret_puts(names, i > 0 ? ";" : "");
			put_lower(names, pair->name);
		}
		put_value(to, pair->value);
	}
	secret_puts(to, "\n");
	return 0;
}

int sigv4_canonical(const struct sigv4_request *request, struct secret *to,
		    struct secret *names)
{
	int r;

	secret_printf(to, "%s\n", request->method);
	if (request->path_verbatim)
		secret_puts(to, request->path);
	else
		put_path(to, request->path);
	secret_printf(to, "\n%s\n", request->query ? request->query : "");
	r = put_headers(request, to, names);
	if (r < 0)
		return r;
	secret_printf(to, "\n%s\n%s", secret_text(names),
		      request->payload_hash);
	r = secret_check(to);
	return r < 0 ? r : secret_check(names);
}

/* --- The signature -------------------------------------------------------- */

/* "20150830/us-east-1/iam/aws4_request" */
static void put_scope(struct secret *to, const struct sigv4_scope *scope)
{
	char time[SIGV4_TIME_SIZE];

	sigv4_time(scope->time_s, time);
	secret_printf(to, "%.8s/%s/%s/aws4_request", time, scope->region,
		      scope->service);
}

/* Replaces `key` by the HMAC of `text` under it. */
static int hmac(uint8_t key[HASH_SIZE], const void *text, size_t len)
{
	uint8_t out[HASH_SIZE];
	bool good = HMAC(EVP_sha256(), key, HASH_SIZE, text, len, out, NULL);

	memcpy(key, out, sizeof(out));
	OPENSSL_cleanse(out, sizeof(out));
	return good ? 0 : -EIO;
}

static int signing_key(const struct sigv4_scope *scope, const char *secret_key,
		       uint8_t key[HASH_SIZE])
{
	CLEANUP_SECRET struct secret first = {0};
	char time[SIGV4_TIME_SIZE];
	int r;

	sigv4_time(scope->time_s, time);
	secret_printf(&first, "AWS4%s", secret_key);
	if (secret_check(&first) < 0 || first.len > INT32_MAX)
		return -ENOMEM;
	if (!HMAC(EVP_sha256(), first.data, (int)first.len, (uint8_t *)time, 8,
		  key, NULL))
		return -EIO;
	r = hmac(key, scope->region, strlen(scope->region));
	if (r == 0)
		r = hmac(key, scope->service, strlen(scope->service));
	if (r == 0)
		r = hmac(key, "aws4_request", strlen("aws4_request"));
	return r;
}

int sigv4_sign(const struct sigv4_scope *scope, const char *secret_key,
	       const struct secret *canonical, char ret[SIGV4_HEX_SIZE])
{
	CLEANUP_SECRET struct secret text = {0};
	char time[SIGV4_TIME_SIZE], hash[SIGV4_HEX_SIZE];
	uint8_t key[HASH_SIZE];
	int r = sigv4_hash(secret_text(canonical), canonical->len, hash);

	if (r < 0)
		return r;
	sigv4_time(scope->time_s, time);
	secret_printf(&text, ALGORITHM "\n%s\n", time);
	put_scope(&text, scope);
	secret_printf(&text, "\n%s", hash);
	r = secret_check(&text);
	if (r == 0)
		r = signing_key(scope, secret_key, key);
	if (r == 0)
		r = hmac(key, text.data, text.len);
	if (r == 0)
		to_hex(key, ret);
	OPENSSL_cleanse(key, sizeof(key));
	secret_scrub_stack();
	return r;
}

int sigv4_authorize(const struct sigv4_request *request,
		    const struct sigv4_scope *scope, const struct identity *id,
		    struct secret *to)
{
	CLEANUP_SECRET struct secret canonical = {0};
	CLEANUP_SECRET struct secret names = {0};
	char signature[SIGV4_HEX_SIZE];
	int r = sigv4_canonical(request, &canonical, &names);

	if (r == 0)
		r = sigv4_sign(scope, id->secret_key, &canonical, signature);
	if (r < 0)
		return r;
	secret_printf(to, ALGORITHM " Credential=%s/", id->key_id);
	put_scope(to, scope);
	secret_printf(to, ", SignedHeaders=%s, Signature=%s",
		      secret_text(&names), signature);
	return secret_check(to);
}

/* Appends the query that is signed: `all` has room for PRESIGN_PARAMS more. */
static int put_presigned(const struct sigv4_request *request,
			 const struct sigv4_scope *scope,
			 const struct identity *id, unsigned expires_s,
			 struct sigv4_pair *all, size_t count,
			 struct secret *to)
{
	CLEANUP_SECRET struct secret credential = {0};
	CLEANUP_SECRET struct secret headers = {0};
	CLEANUP_SECRET struct secret names = {0};
	char time[SIGV4_TIME_SIZE], expires[16];
	int r = put_headers(request, &headers, &names);

	if (r < 0)
		return r;
	sigv4_time(scope->time_s, time);
	snprintf(expires, sizeof(expires), "%u", expires_s);
	secret_printf(&credential, "%s/", id->key_id);
	put_scope(&credential, scope);
	if (secret_check(&credential) < 0 || secret_check(&names) < 0)
		return -ENOMEM;
	all[count++] = (struct sigv4_pair){"X-Amz-Algorithm", ALGORITHM};
	all[count++] = (struct sigv4_pair){"X-Amz-Credential", credential.data};
	all[count++] = (struct sigv4_pair){"X-Amz-Date", time};
	all[count++] = (struct sigv4_pair){"X-Amz-Expires", expires};
	all[count++] =
	    (struct sigv4_pair){"X-Amz-SignedHeaders", secret_text(&names)};
	if (id->token)
		all[count++] =
		    (struct sigv4_pair){"X-Amz-Security-Token", id->token};
	return sigv4_query(to, all, count);
}

int sigv4_presign(const struct sigv4_request *request,
		  const struct sigv4_scope *scope, const struct identity *id,
		  const struct sigv4_pair *params, size_t count,
		  unsigned expires_s, struct secret *to)
{
	CLEANUP_FREE struct sigv4_pair *all =
	    calloc(count + PRESIGN_PARAMS, sizeof(*all));
	CLEANUP_SECRET struct secret query = {0};
	CLEANUP_SECRET struct secret canonical = {0};
	CLEANUP_SECRET struct secret names = {0};
	struct sigv4_request presigned = *request;
	char signature[SIGV4_HEX_SIZE];
	int r;

	if (!all)
		return -ENOMEM;
	if (count > 0)
		memcpy(all, params, count * sizeof(*all));
	r = put_presigned(request, scope, id, expires_s, all, count, &query);
	if (r < 0)
		return r;
	presigned.query = secret_text(&query);
	r = sigv4_canonical(&presigned, &canonical, &names);
	if (r == 0)
		r = sigv4_sign(scope, id->secret_key, &canonical, signature);
	if (r < 0)
		return r;
	secret_printf(to, "%s&X-Amz-Signature=%s", secret_text(&query),
		      signature);
	return secret_check(to);
}
