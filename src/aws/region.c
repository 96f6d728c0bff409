// SPDX-License-Identifier: GPL-3.0-or-later
/* The order is that of the mount helper for EFS, and the endings are those in
 * its configuration. */
#include "aws/region.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/imds.h"
#include "aws/profile.h"
#include "aws/secret.h"
#include "base/cleanup.h"

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool region_is_valid(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= REGION_SIZE || !is_word(text[0]) ||
	    !is_word(text[len - 1]))
		return false;
	for (; *text; text++)
		if (!is_word(*text) && *text != '-')
			return false;
	return true;
}

/* --- Names ---------------------------------------------------------------- */

static const struct {
	const char *prefix; /* of the region */
	const char *suffix;
} partitions[] = {
    {"cn-", "amazonaws.com.cn"},    {"eusc-", "amazonaws.eu"},
    {"eu-isoe-", "cloud.adc-e.uk"}, {"us-isof-", "csp.hci.ic.gov"},
    {"us-isob-", "sc2s.sgov.gov"},  {"us-iso-", "c2s.ic.gov"},
};

const char *region_suffix(const char *region)
{
	for (size_t i = 0; i < ARRAY_SIZE(partitions); i++)
		if (strncmp(region, partitions[i].prefix,
			    strlen(partitions[i].prefix)) == 0)
			return partitions[i].suffix;
	return "amazonaws.com";
}

bool region_of_host(const char *host, char ret[REGION_SIZE])
{
	const char *fs = host, *name, *dot;
	char region[REGION_SIZE];
	size_t len;

	/* "us-east-1a.fs-..": a zone may come first. */
	if (strncmp(fs, "fs-", 3) != 0) {
		dot = strchr(fs, '.');
		if (!dot)
			return false;
		fs = dot + 1;
	}
	name = strchr(fs, '.');
	if (strncmp(fs, "fs-", 3) != 0 || !name ||
	    strncmp(name, ".efs.", 5) != 0)
		return false;
	name += 5;
	dot = strchr(name, '.');
	len = dot ? (size_t)(dot - name) : 0;
	if (len == 0 || len >= REGION_SIZE)
		return false;
	memcpy(region, name, len);
	region[len] = '\0';
	if (!region_is_valid(region) ||
	    strcmp(dot + 1, region_suffix(region)) != 0)
		return false;
	memcpy(ret, region, len + 1);
	return true;
}

/* --- The search ----------------------------------------------------------- */

static int take(const char *text, const char *origin, char ret[REGION_SIZE],
		char *error, size_t error_size)
{
	if (!region_is_valid(text)) {
		snprintf(error, error_size, "%s: \"%.40s\" is not a region",
			 origin, text);
		return -EINVAL;
	}
	snprintf(ret, REGION_SIZE, "%s", text);
	return 0;
}

/* -ENOENT when the configuration does not say. */
static int from_profile(const char *profile, char ret[REGION_SIZE], char *error,
			size_t error_size)
{
	CLEANUP_SECRET struct secret text = {0};
	struct profiles *profiles = NULL;
	int r = profile_open(&profiles, error, error_size);

	if (r == 0)
		r = profile_get(profiles, profile_choose(profile), "region",
				&text);
	profile_close(profiles);
	if (r < 0)
		return r;
	return take(secret_text(&text), "region in the AWS configuration", ret,
		    error, error_size);
}

int region_find(const char *wanted, const char *host, const char *profile,
		char ret[REGION_SIZE], char *error, size_t error_size)
{
	static const char *const names[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
	char said[REGION_SIZE], why[256];
	int r;

	if (wanted && *wanted)
		return take(wanted, "region", ret, error, error_size);
	if (host && region_of_host(host, ret))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return take(value, names[i], ret, error, error_size);
	}
	r = from_profile(profile, ret, error, error_size);
	if (r != -ENOENT)
		return r;
	r = imds_region(said, why, sizeof(why));
	if (r == 0)
		return take(said, "instance metadata", ret, error, error_size);
	snprintf(error, error_size,
		 "no AWS region: give it with the location, in AWS_REGION or "
		 "in the AWS configuration (%s)",
		 why);
	return r == -ENOMEM ? r : -ENOENT;
}
