/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * identity - the keys with which requests to AWS are signed, at one time.
 *
 * An access key id, which is no secret and may be shown, its secret key, and
 * the session token that goes with temporary keys. All of it lies in memory
 * that is not dumped, and is overwritten with the last reference.
 *
 * Thread rule: the count is atomic, the rest is read-only once made.
 */
#ifndef AWS_IDENTITY_H
#define AWS_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

struct secret;

/* Keys that do not expire. */
#define IDENTITY_FOREVER INT64_MAX

struct identity {
	const char *key_id;
	const char *secret_key;
	const char *token;  /* NULL when there is none */
	const char *source; /* where it is from, for people */
	int64_t expires_s;  /* seconds since 1970 */
};

/*
 * Copies what is given; `token` may be NULL or "". -EINVAL when a part has a
 * character that a header of HTTP cannot carry, or the first two are empty;
 * -ENOMEM. The result has one reference.
 */
int identity_new(const char *key_id, const char *secret_key, const char *token,
		 const char *source, int64_t expires_s, struct identity **ret);

/*
 * The keys in what a service or program said: AccessKeyId, SecretAccessKey,
 * Token or SessionToken, and Expiration, which may be missing. -EBADMSG with a
 * sentence that names what is wrong, and what the service says about it.
 */
int identity_from_answer(const struct secret *answer, const char *source,
			 struct identity **ret, char *error, size_t error_size);

struct identity *identity_ref(struct identity *id);
/* NULL is let through; returns NULL. */
struct identity *identity_unref(struct identity *id);

static inline void identity_cleanup(struct identity **id)
{
	*id = identity_unref(*id);
}

#define CLEANUP_IDENTITY __attribute__((cleanup(identity_cleanup)))

#endif
