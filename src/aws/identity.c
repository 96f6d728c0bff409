// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The four strings lie one behind the other in one secret; the struct that
 * users see holds pointers into it.
 */
#include "aws/identity.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/answer.h"
#include "aws/secret.h"

struct holder {
	struct identity public; /* first: whoever has it has the holder */
	atomic_uint refs;
	struct secret strings;
};

/* Visible ASCII: what keys and tokens are made of. */
static bool is_printable(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

/* Appends `s` and its NUL; tells where. */
static size_t add(struct secret *strings, const char *s)
{
	size_t at = strings->len;

	secret_put(strings, s, strlen(s) + 1);
	return at;
}

int identity_new(const char *key_id, const char *secret_key, const char *token,
		 const char *source, int64_t expires_s, struct identity **ret)
{
	struct holder *h;
	size_t at[4];

	if (!token)
		token = "";
	if (!*key_id || !*secret_key || !is_printable(key_id) ||
	    !is_printable(secret_key) || !is_printable(token))
		return -EINVAL;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	at[0] = add(&h->strings, key_id);
	at[1] = add(&h->strings, secret_key);
	at[2] = add(&h->strings, token);
	at[3] = add(&h->strings, source);
	if (secret_check(&h->strings) < 0) {
		secret_done(&h->strings);
		free(h);
		return -ENOMEM;
	}
	h->public = (struct identity){
	    .key_id = h->strings.data + at[0],
	    .secret_key = h->strings.data + at[1],
	    .token = *token ? h->strings.data + at[2] : NULL,
	    .source = h->strings.data + at[3],
	    .expires_s = expires_s,
	};
	atomic_init(&h->refs, 1);
	*ret = &h->public;
	return 0;
}

/* The member that is missing or damaged. */
static int bad_answer(const struct secret *answer, const char *source,
		      const char *key, char *error, size_t error_size)
{
	char why[256];

	answer_refusal(answer, why, sizeof(why));
	snprintf(error, error_size, "%s: the answer has no good %s%s%s", source,
		 key, *why ? ": " : "", why);
	return -EBADMSG;
}

int identity_from_answer(const struct secret *answer, const char *source,
			 struct identity **ret, char *error, size_t error_size)
{
	CLEANUP_SECRET struct secret key_id = {0};
	CLEANUP_SECRET struct secret secret_key = {0};
	CLEANUP_SECRET struct secret token = {0};
	int64_t expires_s = IDENTITY_FOREVER;
	char expiration[64];
	int r;

	if (answer_get(answer, "AccessKeyId", &key_id) < 0)
		return bad_answer(answer, source, "AccessKeyId", error,
				  error_size);
	if (answer_get(answer, "SecretAccessKey", &secret_key) < 0)
		return bad_answer(answer, source, "SecretAccessKey", error,
				  error_size);
	if (answer_get(answer, "Token", &token) < 0)
		answer_get(answer, "SessionToken", &token);
	if (answer_get_text(answer, "Expiration", expiration,
			    sizeof(expiration)) &&
	    answer_time(expiration, &expires_s) < 0)
		return bad_answer(answer, source, "Expiration", error,
				  error_size);
	r = identity_new(secret_text(&key_id), secret_text(&secret_key),
			 secret_text(&token), source, expires_s, ret);
	if (r == -EINVAL)
		snprintf(error, error_size,
			 "%s: the keys have characters that keys have not",
			 source);
	return r;
}

struct identity *identity_ref(struct identity *id)
{
	if (id)
		atomic_fetch_add(&((struct holder *)id)->refs, 1);
	return id;
}

struct identity *identity_unref(struct identity *id)
{
	struct holder *h = (struct holder *)id;

	if (h && atomic_fetch_sub(&h->refs, 1) == 1) {
		secret_done(&h->strings);
		free(h);
	}
	return NULL;
}
