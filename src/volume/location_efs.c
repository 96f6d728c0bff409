/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Names of Amazon EFS file systems, and the options that only they have (AWS,
 * "Mounting EFS file systems", and the mount helper's names):
 *
 *   fs-0123456789abcdef0                            the id alone
 *   fs-ID.efs.REGION.amazonaws.com                  the DNS name
 *   ZONE.fs-ID.efs.REGION.amazonaws.com             of one mount target
 *
 * All of them name the same file system, so its id becomes the host, and the
 * rest says how it is reached.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "aws/region.h"
#include "base/cleanup.h"
#include "volume/location_parser.h"

/* Digits of an id: 8 in old ones, 17 in those of today. */
#define ID_DIGITS_MIN 8
#define ID_DIGITS_MAX 40

/* "fsap-" and this many digits. */
#define ACCESS_POINT_DIGITS 17

#define HEX "0123456789abcdef"

/* How long the id is that stands at the beginning of `text`, or 0. */
static size_t id_length(const char *text)
{
	size_t digits;

	if (strncmp(text, "fs-", 3) != 0)
		return 0;
	digits = strspn(text + 3, HEX);
	if (digits < ID_DIGITS_MIN || digits > ID_DIGITS_MAX)
		return 0;
	return text[3 + digits] == '\0' || text[3 + digits] == '.' ? 3 + digits
								   : 0;
}

/* A zone, "us-east-1a" or "use1-az1", up to the dot before the id. */
static const char *skip_zone(const char *host)
{
	const char *dot = strchr(host, '.');

	return dot && id_length(dot + 1) && dot[1 + id_length(dot + 1)] == '.'
		   ? dot + 1
		   : host;
}

int location_take_efs(struct location_parser *p)
{
	struct location *l = p->location;
	const char *id = skip_zone(l->host);
	size_t len = id_length(id);
	char region[REGION_SIZE];

	/* Other names may begin likewise. */
	if (len == 0 || (id[len] && !region_of_host(l->host, region)))
		return 0;
	l->file_system = strndup(id, len);
	if (id[len])
		l->region = strdup(region);
	if (id != l->host)
		l->zone = strndup(l->host, (size_t)(id - l->host) - 1);
	if (!l->file_system || (id[len] && !l->region) ||
	    (id != l->host && !l->zone))
		return location_out_of_memory(p);
	strcpy(l->host, l->file_system);
	return 0;
}

/* What has no meaning for any other server. */
static const char *efs_option(const struct location *l)
{
	return l->access_point    ? "accesspoint"
	       : l->iam           ? "iam"
	       : l->aws_profile   ? "awsprofile"
	       : l->role_arn      ? "rolearn"
	       : l->region        ? "region"
	       : l->zone          ? "az"
	       : l->mount_targets ? "mounttarget"
				  : NULL;
}

static int check_access_point(struct location_parser *p)
{
	const char *id = p->location->access_point;

	if (id && (strncmp(id, "fsap-", 5) != 0 ||
		   strspn(id + 5, HEX) != ACCESS_POINT_DIGITS ||
		   strlen(id) != 5 + ACCESS_POINT_DIGITS))
		return location_refuse(p,
				       "accesspoint=%.*s is no access point; "
				       "its id is fsap- and %d of 0 to 9 and a "
				       "to f",
				       SHOWN_MAX, id, ACCESS_POINT_DIGITS);
	return 0;
}

/* Letters that names and addresses have, and commas between them. */
static int check_targets(struct location_parser *p)
{
	static const char good[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789.-:,";
	const char *targets = p->location->mount_targets;

	if (targets && targets[strspn(targets, good)])
		return location_refuse(
		    p, "mounttarget=%.*s: write addresses, with commas between",
		    SHOWN_MAX, targets);
	return 0;
}

/* A label of a DNS name. */
static int check_zone(struct location_parser *p)
{
	const char *zone = p->location->zone;

	if (zone &&
	    (zone[strspn(zone, "abcdefghijklmnopqrstuvwxyz0123456789-")] ||
	     strlen(zone) > REGION_SIZE))
		return location_refuse(p, "az=%.*s is no availability zone",
				       SHOWN_MAX, zone);
	return 0;
}

int location_check_efs(struct location_parser *p)
{
	struct location *l = p->location;
	const char *option = efs_option(l);
	int result;

	if (!l->file_system)
		return option ? location_refuse(p,
						"%s is for EFS file systems; "
						"write fs-ID as the host",
						option)
			      : 0;
	if (l->version != LOCATION_V41)
		return location_refuse(p, "EFS is reached by NFSv4.1: leave "
					  "vers= out");
	result = check_access_point(p);
	if (!result)
		result = check_targets(p);
	if (!result)
		result = check_zone(p);
	if (result)
		return result;
	if (l->region && !region_is_valid(l->region))
		return location_refuse(p, "region=%.*s is no region", SHOWN_MAX,
				       l->region);
	if (!l->tls && (l->access_point || l->iam))
		return location_refuse(p, "%s needs TLS, which tls=no forbids",
				       l->access_point ? "an access point"
						       : "iam");
	return 0;
}
