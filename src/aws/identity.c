// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The four strings lie one behind the other in one secret; the struct that
 * users see holds pointers into it.
 */
#include "aws/identity.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
