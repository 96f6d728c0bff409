// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A profile has keys in one of these ways; the first that it has is taken:
 *
 *	role_arn		with web_identity_token_file; or on top of
 *				source_profile, which may be itself, or of
 *				credential_source
 *	aws_access_key_id	and aws_secret_access_key, aws_session_token
 *	credential_process	a program that prints them
 *
 * What would have to ask the user (a code for MFA, a browser for SSO) is
 * refused with the word of what to do instead.
 */
#include "aws/provider.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "aws/identity.h"
#include "aws/profile.h"
#include "aws/secret.h"
#include "aws/sts.h"
#include "base/cleanup.h"

/* A role over a role over .. */
#define MAX_DEPTH 5

struct lookup {
	const struct provider *provider;
	const struct profiles *profiles;
	unsigned depth;
};

static int from_profile(struct lookup *l, const char *name, bool keys_only,
			struct identity **ret);

/* The value as text, or NULL; `room` is what it lies in. */
static const char *value(const struct lookup *l, const char *name,
			 const char *key, struct secret *room)
{
	if (profile_get(l->profiles, name, key, room) < 0)
		return NULL;
	return room->data;
}

static int fail(const struct lookup *l, const char *name, const char *what)
{
	snprintf(l->provider->error, l->provider->error_size,
		 "AWS profile \"%s\": %s", name, what);
	return -EINVAL;
}

/* --- Keys ----------------------------------------------------------------- */

static int from_keys(struct lookup *l, const char *name, const char *key_id,
		     struct identity **ret)
{
	CLEANUP_SECRET struct secret key_room = {0};
	CLEANUP_SECRET struct secret token_room = {0};
	const char *secret_key =
	    value(l, name, "aws_secret_access_key", &key_room);
	const char *token = value(l, name, "aws_session_token", &token_room);
	char source[128];
	int r;

	if (!secret_key)
		return fail(l, name,
			    "it has aws_access_key_id, but no "
			    "aws_secret_access_key");
	snprintf(source, sizeof(source), "profile %s", name);
	r = identity_new(key_id, secret_key, token, source, IDENTITY_FOREVER,
			 ret);
	return r == -EINVAL ? fail(l, name,
				   "its keys are not what keys are "
				   "made of")
			    : r;
}

/* --- Roles ---------------------------------------------------------------- */

static int from_source(struct lookup *l, const char *name,
		       const char *credential_source, struct identity **ret)
{
	int r;

	if (strcmp(credential_source, "Environment") == 0)
		r = provider_environment(l->provider, ret);
	else if (strcmp(credential_source, "EcsContainer") == 0)
		r = provider_container(l->provider, ret);
	else if (strcmp(credential_source, "Ec2InstanceMetadata") == 0)
		r = provider_instance(l->provider, ret);
	else
		return fail(l, name,
			    "its credential_source is none of Environment, "
			    "EcsContainer and Ec2InstanceMetadata");
	/* It was named, so that its absence is no reason to go on. */
	return r == -ENOENT ? -EACCES : r;
}

/* Who assumes the role. */
static int find_base(struct lookup *l, const char *name, struct identity **ret)
{
	CLEANUP_SECRET struct secret profile_room = {0};
	CLEANUP_SECRET struct secret source_room = {0};
	const char *profile = value(l, name, "source_profile", &profile_room);
	const char *source = value(l, name, "credential_source", &source_room);
	char why[256];
	int r;

	if (!profile && !source)
		return fail(l, name,
			    "it has role_arn, but no source_profile, "
			    "credential_source or web_identity_token_file");
	if (!profile)
		return from_source(l, name, source, ret);
	if (++l->depth > MAX_DEPTH)
		return fail(l, name, "source_profile goes round in a circle");
	r = from_profile(l, profile, strcmp(profile, name) == 0, ret);
	if (r != -ENOENT)
		return r;
	snprintf(why, sizeof(why),
		 "its source_profile \"%.100s\" is not there or has no keys",
		 profile);
	return fail(l, name, why);
}

static int from_role(struct lookup *l, const char *name, const char *arn,
		     struct identity **ret)
{
	CLEANUP_SECRET struct secret session_room = {0};
	CLEANUP_SECRET struct secret id_room = {0};
	CLEANUP_SECRET struct secret duration_room = {0};
	CLEANUP_SECRET struct secret region_room = {0};
	CLEANUP_SECRET struct secret path_room = {0};
	CLEANUP_SECRET struct secret mfa_room = {0};
	CLEANUP_IDENTITY struct identity *base = NULL;
	const struct provider *p = l->provider;
	const char *path =
	    value(l, name, "web_identity_token_file", &path_room);
	char source[128];
	struct sts_role role = {
	    .arn = arn,
	    .session = value(l, name, "role_session_name", &session_room),
	    .external_id = value(l, name, "external_id", &id_room),
	    .duration_s = value(l, name, "duration_seconds", &duration_room),
	    .region = p->region,
	    .source = source,
	};
	int r;

	snprintf(source, sizeof(source), "profile %s", name);
	if (!role.region)
		role.region = value(l, name, "region", &region_room);
	if (path)
		return sts_assume_with_file(&role, path, ret, p->error,
					    p->error_size);
	if (value(l, name, "mfa_serial", &mfa_room))
		return fail(l, name,
			    "it needs a code (mfa_serial), which cannot be "
			    "asked for; get temporary keys first, with "
			    "\"aws sts get-session-token\"");
	r = find_base(l, name, &base);
	return r < 0 ? r
		     : sts_assume(&role, base, ret, p->error, p->error_size);
}

/* --- Either --------------------------------------------------------------- */

static int from_profile(struct lookup *l, const char *name, bool keys_only,
			struct identity **ret)
{
	CLEANUP_SECRET struct secret role_room = {0};
	CLEANUP_SECRET struct secret key_room = {0};
	CLEANUP_SECRET struct secret command_room = {0};
	CLEANUP_SECRET struct secret sso_room = {0};
	const char *role = value(l, name, "role_arn", &role_room);
	const char *key_id = value(l, name, "aws_access_key_id", &key_room);
	const char *command =
	    value(l, name, "credential_process", &command_room);

	if (role && !keys_only)
		return from_role(l, name, role, ret);
	if (key_id)
		return from_keys(l, name, key_id, ret);
	if (command)
		return provider_process(l->provider, command, ret);
	if (value(l, name, "sso_session", &sso_room) ||
	    value(l, name, "sso_start_url", &sso_room))
		return fail(l, name,
			    "it is one of IAM Identity Center (SSO); let it "
			    "have credential_process = aws configure "
			    "export-credentials --profile NAME in a profile "
			    "of its own");
	return -ENOENT;
}

int provider_profile(const struct provider *p, const char *name,
		     struct identity **ret)
{
	struct profiles *profiles = NULL;
	struct lookup l = {.provider = p};
	bool exists;
	int r = profile_open(&profiles, p->error, p->error_size);

	if (r < 0)
		return r;
	l.profiles = profiles;
	exists = profile_exists(profiles, name);
	r = from_profile(&l, name, false, ret);
	if (r == -ENOENT)
		snprintf(p->error, p->error_size,
			 exists ? "AWS profile \"%s\" has no keys"
				: "there is no AWS profile \"%s\"",
			 name);
	profile_close(profiles);
	return r;
}
