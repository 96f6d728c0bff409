// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The identity in hand goes through these ages:
 *
 *	fresh		handed out without a question
 *	due		five minutes before it expires, or half way if it lives
 *			for less than ten: whoever comes fetches, the others
 *			have the old one; a failure is tried again after 10 s
 *	expired		all wait for whoever fetches
 *
 * What was just fetched is handed out even if by our clock it has expired:
 * clocks differ, and the instance's metadata extend keys when their service is
 * down. It is due after ten seconds then.
 */
#include "aws/credentials.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/profile.h"
#include "aws/provider.h"
#include "aws/secret.h"
#include "aws/sts.h"
#include "base/cleanup.h"
#include "base/clock.h"

/* How long before the end keys are due, and when to try again. */
#define MARGIN_S 300
#define AGAIN_S  10

struct credentials {
	char *profile, *role_arn, *region; /* or NULL; read-only */

	/* Guards what follows; a leaf, not held while fetching. */
	pthread_mutex_t lock;
	pthread_cond_t fetched;
	struct identity *identity; /* or NULL */
	int64_t due_s;             /* wall clock */
	int64_t expired_s;
	bool fetching;
	unsigned fetches; /* that have ended */
	int result;       /* of the last one, with its sentence */
	char why[1024];
};

static int64_t now_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

static bool copy(const char *from, char **ret)
{
	if (!from || !*from)
		return true;
	*ret = strdup(from);
	return *ret;
}

int credentials_new(const struct credentials_options *options,
		    struct credentials **ret)
{
	struct credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->fetched, NULL);
	if (!copy(options->profile, &c->profile) ||
	    !copy(options->role_arn, &c->role_arn) ||
	    !copy(options->region, &c->region)) {
		credentials_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

struct credentials *credentials_free(struct credentials *c)
{
	if (!c)
		return NULL;
	identity_unref(c->identity);
	pthread_cond_destroy(&c->fetched);
	pthread_mutex_destroy(&c->lock);
	free(c->profile);
	free(c->role_arn);
	free(c->region);
	free(c);
	return NULL;
}

/* --- The order ------------------------------------------------------------ */

/* The profile that nobody named for this: one that AWS_PROFILE names must be
 * good, "default" may be missing. */
static int from_usual_profile(const struct provider *p, struct identity **ret)
{
	const char *named = getenv("AWS_PROFILE");
	int r = provider_profile(p, profile_choose(NULL), ret);

	return r == -ENOENT && named && *named ? -EINVAL : r;
}

static int from_web_identity(const struct provider *p, struct identity **ret)
{
	return provider_web_identity(p, NULL, ret);
}

static int from_chain(const struct provider *p, struct identity **ret)
{
	static int (*const order[])(const struct provider *,
				    struct identity **) = {
	    provider_environment, from_usual_profile, provider_container,
	    from_web_identity,    provider_instance,
	};
	char reasons[1024] = "", why[256] = "";
	struct provider one = {p->region, why, sizeof(why)};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		int r = order[i](&one, ret);

		if (r == 0)
			return 0;
		if (r != -ENOENT) {
			snprintf(p->error, p->error_size, "AWS credentials: %s",
				 *why ? why : strerror(-r));
			return r;
		}
		len += (size_t)snprintf(reasons + len, sizeof(reasons) - len,
					"%s%s", i > 0 ? "; " : "", why);
		if (len >= sizeof(reasons))
			len = sizeof(reasons) - 1;
	}
	snprintf(p->error, p->error_size, "no AWS credentials: %s", reasons);
	return -ENOENT;
}

static int from_named_profile(const struct provider *p, const char *name,
			      struct identity **ret)
{
	char why[512] = "";
	struct provider one = {p->region, why, sizeof(why)};
	int r = provider_profile(&one, name, ret);

	if (r < 0)
		snprintf(p->error, p->error_size, "AWS credentials: %s",
			 *why ? why : strerror(-r));
	return r;
}

/* The role that the user named: a web identity takes it at once, any other
 * identity assumes it. */
static int with_role(const struct credentials *c, const struct provider *p,
		     struct identity **ret)
{
	CLEANUP_IDENTITY struct identity *base = NULL;
	const struct sts_role role = {
	    .arn = c->role_arn, .region = c->region, .source = "role"};
	char why[512] = "";
	struct provider one = {p->region, why, sizeof(why)};
	int r = -ENOENT;

	if (!c->profile && !getenv("AWS_ACCESS_KEY_ID"))
		r = provider_web_identity(&one, c->role_arn, ret);
	if (r == -ENOENT) {
		r = c->profile ? from_named_profile(p, c->profile, &base)
			       : from_chain(p, &base);
		if (r < 0)
			return r;
		r = sts_assume(&role, base, ret, why, sizeof(why));
	}
	if (r < 0)
		snprintf(p->error, p->error_size, "AWS credentials: %s",
			 *why ? why : strerror(-r));
	return r;
}

static int fetch(const struct credentials *c, struct identity **ret,
		 char *error, size_t error_size)
{
	const struct provider p = {c->region, error, error_size};

	if (c->role_arn)
		return with_role(c, &p, ret);
	if (c->profile)
		return from_named_profile(&p, c->profile, ret);
	return from_chain(&p, ret);
}

/* --- The identity in hand ------------------------------------------------- */

/* Takes a fetched identity; with the lock held. */
static void take(struct credentials *c, struct identity *id, int64_t now)
{
	int64_t life = id->expires_s == IDENTITY_FOREVER ? IDENTITY_FOREVER
							 : id->expires_s - now;

	identity_unref(c->identity);
	c->identity = id;
	c->expired_s = id->expires_s;
	if (life == IDENTITY_FOREVER)
		c->due_s = IDENTITY_FOREVER;
	else if (life > 0)
		c->due_s =
		    now + (life > 2 * MARGIN_S ? life - MARGIN_S : life / 2);
	else
		c->due_s = c->expired_s = now + AGAIN_S;
}

/* With the lock held, which is given up meanwhile. */
static void refresh(struct credentials *c)
{
	struct identity *id = NULL;
	char why[sizeof(c->why)] = "";
	int r;

	c->fetching = true;
	pthread_mutex_unlock(&c->lock);
	r = fetch(c, &id, why, sizeof(why));
	secret_scrub_stack();
	pthread_mutex_lock(&c->lock);
	c->fetching = false;
	c->fetches++;
	c->result = r;
	memcpy(c->why, why, sizeof(why));
	if (r == 0)
		take(c, id, now_s());
	else
		c->due_s = now_s() + AGAIN_S;
	pthread_cond_broadcast(&c->fetched);
}

int credentials_get(struct credentials *c, struct identity **ret, char *error,
		    size_t error_size)
{
	unsigned before;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	before = c->fetches;
	for (;;) {
		int64_t now = now_s();
		bool good = c->identity && now < c->expired_s;

		if (good && (c->fetching || now < c->due_s))
			break;
		if (c->fetching) {
			pthread_cond_wait(&c->fetched, &c->lock);
		} else if (c->fetches == before) {
			refresh(c);
		} else {
			/* What one was told, all who waited are told. */
			r = c->result < 0 ? c->result : -EAGAIN;
			snprintf(error, error_size, "%s", c->why);
			break;
		}
	}
	if (r == 0)
		*ret = identity_ref(c->identity);
	pthread_mutex_unlock(&c->lock);
	return r;
}

void credentials_reject(struct credentials *c, const struct identity *id)
{
	pthread_mutex_lock(&c->lock);
	/* Keys that last for ever are the same when they are read again, but a
	 * file may have been edited. */
	if (c->identity == id)
		c->expired_s = c->due_s = 0;
	pthread_mutex_unlock(&c->lock);
}
