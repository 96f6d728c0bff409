/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options of a location, behind the "?" of an nfs:// URL or from a
 * configuration.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "volume/location_parser.h"

#define CONNS_MAX    16
#define DEADLINE_MAX 86400
#define BATCH_MAX    64
#define DEPTH_MAX    64
#define ID_MAX       UINT32_C(4294967294) /* -1 means nobody at all */

/* An option's number, plain decimal digits from `min` to `max`. */
int location_parse_number(struct location_parser *p, const char *name,
			  const char *value, uint64_t min, uint64_t max,
			  uint64_t *ret)
{
	size_t len = strlen(value);
	uint64_t number = 0;

	if (len > 0 && len <= 10 && strspn(value, "0123456789") == len)
		number = strtoull(value, NULL, 10);
	else
		len = 0;
	if (len == 0 || number < min || number > max)
		return location_refuse(
		    p, "%s=%.*s is not a number from %llu to %llu", name,
		    SHOWN_MAX, value, (unsigned long long)min,
		    (unsigned long long)max);
	*ret = number;
	return 0;
}

static int set_vers(struct location_parser *p, const char *value)
{
	static const struct {
		const char *text;
		enum location_version version;
	} known[] = {
	    {"3", LOCATION_V3},
	    {"4.0", LOCATION_V40},
	    {"4.1", LOCATION_V41},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (!strcmp(value, known[i].text)) {
			p->location->version = known[i].version;
			return 0;
		}
	}
	return location_refuse(p,
			       "vers=%.*s is not spoken; vers=3, vers=4.0 and "
			       "vers=4.1 are",
			       SHOWN_MAX, value);
}

/* The port behind the host once more; they had better agree. */
static int set_nfs_port(struct location_parser *p, const char *value)
{
	struct location *l = p->location;
	uint16_t port;
	uint64_t n = 0;
	int result =
	    location_parse_number(p, "nfsport", value, 1, UINT16_MAX, &n);

	if (result)
		return result;
	port = (uint16_t)n;
	if (l->has_port && l->port != port)
		return location_refuse(
		    p,
		    "nfsport=%u is another port than the %u behind "
		    "the host; leave one of them out",
		    port, l->port);
	l->port = port;
	l->has_port = true;
	return 0;
}

/* A slash may stand in a value, and be escaped as well: it separates nothing
 * there. */
static int decode_value(struct location_parser *p, const char *text, char **ret)
{
	return location_decode(p, "options", text, strlen(text), ret);
}

static int set_text(struct location_parser *p, char **slot, const char *name,
		    const char *value)
{
	if (!*value)
		return location_refuse(p, "%s= is empty", name);
	/* The host may have said it already. */
	if (*slot && strcmp(*slot, value) != 0)
		return location_refuse(p,
				       "%s=%.*s is another %s than that in the "
				       "host's name, %s",
				       name, SHOWN_MAX, value,
				       strcmp(name, "az") ? name : "zone",
				       *slot);
	free(*slot);
	*slot = strdup(value);
	return *slot ? 0 : location_out_of_memory(p);
}

/* A flag alone means yes. */
static int set_flag(struct location_parser *p, bool *flag, const char *name,
		    const char *value)
{
	if (!value || !strcmp(value, "yes") || !strcmp(value, "on"))
		*flag = true;
	else if (!strcmp(value, "no") || !strcmp(value, "off"))
		*flag = false;
	else
		return location_refuse(p, "%s=%.*s: say yes or no", name,
				       SHOWN_MAX, value);
	return 0;
}

/* How an option is taken: into its place, or by a function of its own. */
enum kind { KIND_OWN, KIND_NUMBER, KIND_FLAG, KIND_TEXT };

struct option {
	const char *name;
	enum kind kind;
	size_t at;         /* in struct location; its type says the kind */
	size_t size;       /* bytes of a number */
	uint64_t min, max; /* of a number */
	int (*take)(struct location_parser *p, const char *value);
};

#define PLACE(member)                            \
	.at = offsetof(struct location, member), \
	.size = sizeof(((struct location *)0)->member)
#define OWN(name_, take_)                        \
	{                                        \
		.name = (name_), .take = (take_) \
	}
#define FLAG(name_, member)                                       \
	{                                                         \
		.name = (name_), .kind = KIND_FLAG, PLACE(member) \
	}
#define TEXT(name_, member)                                       \
	{                                                         \
		.name = (name_), .kind = KIND_TEXT, PLACE(member) \
	}
#define NUMBER(name_, member, min_, max_)                            \
	{                                                            \
		.name = (name_), .kind = KIND_NUMBER, PLACE(member), \
		.min = (min_), .max = (max_)                         \
	}

/* In the order of the alphabet. */
static const struct option options[] = {
    TEXT("accesspoint", access_point),
    TEXT("awsprofile", aws_profile),
    TEXT("az", zone),
    NUMBER("batch", batch, 1, BATCH_MAX),
    TEXT("ca", ca),
    NUMBER("conns", conns, 1, CONNS_MAX),
    NUMBER("deadline", deadline_s, 1, DEADLINE_MAX),
    NUMBER("depth", depth, 1, DEPTH_MAX),
    NUMBER("gid", gid, 0, ID_MAX),
    FLAG("iam", iam),
    NUMBER("mountport", mount_port, 1, UINT16_MAX),
    TEXT("mounttarget", mount_targets),
    OWN("nfsport", set_nfs_port),
    TEXT("region", region),
    TEXT("rolearn", role_arn),
    FLAG("tls", tls),
    NUMBER("uid", uid, 0, ID_MAX),
    OWN("vers", set_vers),
};

_Static_assert(ARRAY_SIZE(options) <= 64, "a bit for each");

static void store_number(void *place, size_t size, uint64_t n)
{
	if (size == sizeof(uint16_t))
		*(uint16_t *)place = (uint16_t)n;
	else if (size == sizeof(uint32_t))
		*(uint32_t *)place = (uint32_t)n;
	else
		*(uint64_t *)place = n;
}

static int set_option(struct location_parser *p, const struct option *o,
		      const char *value)
{
	char *place = (char *)p->location + o->at;
	uint64_t n;
	int result;

	if (o->kind == KIND_FLAG)
		return set_flag(p, (bool *)place, o->name, value);
	if (!value)
		return location_refuse(
		    p, "option \"%s\" has no value; write %s=..", o->name,
		    o->name);
	if (o->kind == KIND_OWN)
		return o->take(p, value);
	if (o->kind == KIND_TEXT)
		return set_text(p, (char **)place, o->name, value);
	result = location_parse_number(p, o->name, value, o->min, o->max, &n);
	if (!result)
		store_number(place, o->size, n);
	return result;
}

static int refuse_name(struct location_parser *p, const char *name)
{
	char known[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (i > 0)
			strcat(known,
			       i + 1 < ARRAY_SIZE(options) ? ", " : " and ");
		strcat(known, options[i].name);
	}
	return location_refuse(p, "option \"%.*s\" is not known; there are %s",
			       SHOWN_MAX, name, known);
}

/* One "name=value" of text[0..len). */
static int parse_option(struct location_parser *p, const char *text, size_t len)
{
	CLEANUP_FREE char *name = strndup(text, len);
	CLEANUP_FREE char *value = NULL;
	char *equals;
	int result;

	if (!name)
		return location_out_of_memory(p);
	if (len == 0)
		return location_refuse(p,
				       "an option is empty; after \"?\" comes "
				       "name=value, more of them after \"&\"");
	equals = strchr(name, '=');
	if (equals) {
		*equals = '\0';
		result = decode_value(p, equals + 1, &value);
		if (result)
			return result;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(name, options[i].name))
			continue;
		if (p->seen & UINT64_C(1) << i)
			return location_refuse(p, "option %s is given twice",
					       name);
		p->seen |= UINT64_C(1) << i;
		return set_option(p, &options[i], value);
	}
	return refuse_name(p, name);
}

int location_parse_options(struct location_parser *p, const char *text)
{
	for (;;) {
		size_t len = strcspn(text, "&");
		int result = parse_option(p, text, len);

		if (result)
			return result;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

/* Whether the option was written, whatever it says. */
static bool is_seen(const struct location_parser *p, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(name, options[i].name))
			return p->seen & UINT64_C(1) << i;
	return false;
}

int location_check_options(struct location_parser *p)
{
	struct location *l = p->location;
	int result;

	if (l->mount_port && l->version != LOCATION_V3)
		return location_refuse(p,
				       "mountport= is for vers=3, which this "
				       "location does not ask for");
	if ((l->batch || l->depth) && l->version != LOCATION_V41)
		return location_refuse(p, "batch= and depth= are for vers=4.1: "
					  "other versions have no compounds of "
					  "several items");
	if (l->file_system && !is_seen(p, "tls"))
		l->tls = true;
	result = location_check_efs(p);
	if (result)
		return result;
	if (l->tls && l->version != LOCATION_V41)
		return location_refuse(p, "TLS is spoken with NFSv4.1 only; "
					  "leave vers= out, or say tls=no");
	if (l->ca && !l->tls)
		return location_refuse(p, "ca= is for TLS: say tls too");
	if (l->ca && *l->ca != '/')
		return location_refuse(p,
				       "ca=%.*s: write its path from the "
				       "root",
				       SHOWN_MAX, l->ca);
	return 0;
}
