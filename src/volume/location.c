/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A location is taken apart in this order, and the first rule that fits wins:
 *
 *   "/..", "./..", "../..", ".", ".."   a local directory
 *   scheme://..                         an nfs:// URL, or refused
 *   [address]:/path, host:/path         an NFS server
 *   anything else                       refused in words
 *
 * The canonical text leaves the options out: they say how a volume is
 * reached, not which one it is, and a task keeps its state when somebody
 * changes the number of connections. It is itself a location that parses to
 * the same volume.
 *
 * Local paths become absolute. ".." at the start of a relative path is taken
 * off the working directory, which the kernel gives free of symlinks; any
 * other ".." stays, for what it means depends on symlinks before it.
 */
#include "volume/location_parser.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "volume/volume.h"

#define HOST_MAX   253 /* RFC 1035 section 2.3.4, as text */
#define HOST_LABEL 63
#define ZONE_MAX   15 /* an interface name, see IFNAMSIZ */
#define ZONE_ALPHABET \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

int location_refuse(struct location_parser *p, const char *format, ...)
{
	char why[3 * SHOWN_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snprintf(p->error, p->error_size, "%.*s%s%s", SHOWN_MAX, p->text,
		 *p->text ? ": " : "", why);
	return -EINVAL;
}

int location_out_of_memory(struct location_parser *p)
{
	snprintf(p->error, p->error_size, "%.*s: out of memory", SHOWN_MAX,
		 p->text);
	return -ENOMEM;
}

/* --- Percent-escapes ----------------------------------------------------- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Undoes the escapes of text[0..len). `what` names it in messages.
 */
int location_decode(struct location_parser *p, const char *what,
		    const char *text, size_t len, char **ret)
{
	CLEANUP_FREE char *out = malloc(len + 1);
	size_t n = 0;

	if (!out)
		return location_out_of_memory(p);
	for (size_t i = 0; i < len; i++) {
		int high, low, value;

		if (text[i] != '%') {
			out[n++] = text[i];
			continue;
		}
		high = i + 2 < len ? hex_value(text[i + 1]) : -1;
		low = i + 2 < len ? hex_value(text[i + 2]) : -1;
		if (high < 0 || low < 0)
			return location_refuse(
			    p,
			    "\"%%\" in the %s must be followed by "
			    "two hexadecimal digits; write %%25 for "
			    "a percent sign",
			    what);
		value = high * 16 + low;
		if (value == '\0' || value == '/')
			return location_refuse(
			    p, "%%%02X in the %s: no name holds it",
			    (unsigned)value, what);
		out[n++] = (char)value;
		i += 2;
	}
	out[n] = '\0';
	*ret = steal(out);
	return 0;
}

/* Appends `text` to `out` with all but plain characters escaped; returns the
 * new end. There is room for three times the length. */
static char *encode(char *out, const char *text)
{
	static const char plain[] = ZONE_ALPHABET "~/:@,=+";

	for (; *text; text++) {
		if (strchr(plain, *text))
			*out++ = *text;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*text);
	}
	*out = '\0';
	return out;
}

/* --- Paths --------------------------------------------------------------- */

/*
 * Appends the components of `path` to `out`, each with a slash before it:
 * empty ones and "." are left out. A ".." removes the component before it
 * while `up` (nothing but ".." came so far), stays in other local paths, and
 * is refused in a path on a server. `out` has room for it all.
 */
static int append_path(struct location_parser *p, char *out, const char *path,
		       bool up)
{
	bool local = p->location->kind == LOCATION_DIRECTORY;

	for (;;) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			return 0;
		if (len > VOLUME_NAME_MAX)
			return location_refuse(
			    p,
			    "a name of %zu bytes in the path is too "
			    "long; %d is the most",
			    len, VOLUME_NAME_MAX);
		if (len == 2 && !memcmp(path, "..", 2)) {
			char *slash = strrchr(out, '/');

			if (!local)
				return location_refuse(
				    p, "\"..\" cannot stand in a "
				       "path on a server; write the "
				       "path from its root");
			if (up) {
				if (slash)
					*slash = '\0';
				path += len;
				continue;
			}
		}
		if (len != 1 || *path != '.') {
			up = false;
			out += strlen(out);
			*out++ = '/';
			memcpy(out, path, len);
			out[len] = '\0';
		}
		path += len;
	}
}

/* Sets the location's path to what `path` means below `base` ("" or
 * absolute). */
static int set_path(struct location_parser *p, const char *base,
		    const char *path)
{
	struct location *l = p->location;
	int result;

	l->path = malloc(strlen(base) + strlen(path) + 3);
	if (!l->path)
		return location_out_of_memory(p);
	l->path[0] = '\0';
	result = append_path(p, l->path, base, false);
	if (result)
		return result;
	result = append_path(p, l->path, path, *path != '/');
	if (result)
		return result;
	if (!l->path[0])
		strcpy(l->path, "/");
	return 0;
}

static bool is_local(const char *text)
{
	if (*text == '/' || !strcmp(text, ".") || !strcmp(text, ".."))
		return true;
	return !strncmp(text, "./", 2) || !strncmp(text, "../", 3);
}

static int parse_local(struct location_parser *p)
{
	CLEANUP_FREE char *base = NULL;
	int result;

	p->location->kind = LOCATION_DIRECTORY;
	if (p->more)
		return location_refuse(p, "a local directory takes no options");
	if (*p->text != '/') {
		base = getcwd(NULL, 0);
		if (!base || *base != '/')
			return location_refuse(
			    p, "the working directory cannot be "
			       "found; write the path from the root");
	}
	result = set_path(p, base ? base : "", p->text);
	if (result)
		return result;
	p->location->text = strdup(p->location->path);
	return p->location->text ? 0 : location_out_of_memory(p);
}

/* --- Hosts --------------------------------------------------------------- */

/* `address` is what stood between brackets: an IPv6 address, perhaps with a
 * zone (RFC 4007 section 11); stored in the one text that inet_ntop gives. */
static int set_ipv6(struct location_parser *p, const char *address, bool url)
{
	char text[INET6_ADDRSTRLEN + ZONE_MAX + 2];
	size_t len = strcspn(address, "%");
	const char *zone = address + len;
	struct in6_addr binary;

	if (len >= INET6_ADDRSTRLEN)
		return location_refuse(p, "\"%.*s\" is no IPv6 address",
				       SHOWN_MAX, address);
	memcpy(text, address, len);
	text[len] = '\0';
	if (inet_pton(AF_INET6, text, &binary) != 1)
		return location_refuse(p, "\"%s\" is no IPv6 address", text);
	inet_ntop(AF_INET6, &binary, text, INET6_ADDRSTRLEN);
	if (*zone) {
		/* A URL writes the percent sign as %25 (RFC 6874). */
		zone += url && !strncmp(zone, "%25", 3) ? 3 : 1;
		len = strlen(zone);
		if (len == 0 || len > ZONE_MAX ||
		    strspn(zone, ZONE_ALPHABET) != len)
			return location_refuse(
			    p, "\"%.*s\" is no network interface", SHOWN_MAX,
			    zone);
		strcat(strcat(text, "%"), zone);
	}
	p->location->host = strdup(text);
	return p->location->host ? 0 : location_out_of_memory(p);
}

/* Refuses what cannot be a host name or an IPv4 address. */
static int check_host(struct location_parser *p, const char *host)
{
	size_t len = strlen(host);
	size_t bad = strspn(host, ZONE_ALPHABET);
	struct in_addr binary;

	if (len == 0)
		return location_refuse(p,
				       "the host is missing; write host:/path");
	if (host[bad] == '@')
		return location_refuse(
		    p, "a location has no user name; leave out what "
		       "stands before \"@\"");
	if (host[bad] == '/')
		return location_refuse(
		    p, "neither a host nor a local directory; a "
		       "local directory starts with / or ./");
	if (host[bad] == ':')
		return location_refuse(
		    p, "an IPv6 address is written in brackets, "
		       "[address]:/path, and a port as "
		       "nfs://host:port/path");
	if (host[bad])
		return location_refuse(p, "\"%.*s\" is no host name", SHOWN_MAX,
				       host);
	if (len > HOST_MAX)
		return location_refuse(
		    p, "the host name is longer than %d bytes", HOST_MAX);
	for (const char *s = host; *s; s += s[0] == '.') {
		size_t label = strcspn(s, ".");

		if (label == 0 || label > HOST_LABEL)
			return location_refuse(
			    p,
			    "\"%s\" is no host name: each part "
			    "between dots has 1 to %d bytes",
			    host, HOST_LABEL);
		s += label;
	}
	if (strspn(host, "0123456789.") == len &&
	    inet_pton(AF_INET, host, &binary) != 1)
		return location_refuse(p, "\"%s\" is no IPv4 address", host);
	return 0;
}

/* Takes over text[0..len) as the host: brackets mean IPv6. `url` says that it
 * stands in one. */
static int set_host(struct location_parser *p, const char *text, size_t len,
		    bool url)
{
	CLEANUP_FREE char *host = strndup(text, len);
	int result;

	if (!host)
		return location_out_of_memory(p);
	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return set_ipv6(p, host + 1, url);
	}
	result = check_host(p, host);
	if (result)
		return result;
	for (char *s = host; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	p->location->host = steal(host);
	return location_take_efs(p);
}

/* --- Servers ------------------------------------------------------------- */

/* Writes the canonical text: host:/path, or an URL when there is a port or an
 * access point, which has a root of its own. */
static int set_text(struct location_parser *p)
{
	struct location *l = p->location;
	bool brackets = strchr(l->host, ':') != NULL;
	const char *open = brackets ? "[" : "";
	const char *close = brackets ? "]" : "";
	char *end;

	l->text = malloc(strlen(l->host) + 3 * strlen(l->path) + 64);
	if (!l->text)
		return location_out_of_memory(p);
	if (l->port == LOCATION_PORT && !l->access_point) {
		sprintf(l->text, "%s%s%s:%s", open, l->host, close, l->path);
		return 0;
	}
	end = l->text + sprintf(l->text, "nfs://%s", open);
	for (const char *s = l->host; *s; s++) {
		*end++ = *s;
		if (*s == '%') /* before an interface, RFC 6874 */
			end = stpcpy(end, "25");
	}
	end = stpcpy(end, close);
	if (l->port != LOCATION_PORT)
		end += sprintf(end, ":%u", l->port);
	end = encode(end, l->path);
	if (l->access_point)
		sprintf(end, "?accesspoint=%s", l->access_point);
	return 0;
}

/* host[:port][/path][?options], behind "nfs://". */
static int parse_url(struct location_parser *p, const char *text)
{
	CLEANUP_FREE char *path = NULL;
	size_t authority = strcspn(text, "/?#");
	size_t path_len = strcspn(text + authority, "?#");
	const char *rest = text + authority + path_len;
	const char *bracket = memrchr(text, ']', authority);
	const char *colon = memrchr(text, ':', authority);
	size_t host_len = authority;
	int result;

	if (strchr(text, '#'))
		return location_refuse(
		    p, "\"#\" has no meaning here; in a name it is "
		       "written %%23");
	p->location->port = LOCATION_PORT;
	if (colon && (!bracket || colon > bracket)) {
		CLEANUP_FREE char *port = NULL;
		uint64_t n = 0;

		host_len = (size_t)(colon - text);
		if (memchr(text, ':', host_len) && *text != '[')
			return location_refuse(
			    p, "an IPv6 address is written in "
			       "brackets: nfs://[address]/path");
		port = strndup(colon + 1, authority - host_len - 1);
		if (!port)
			return location_out_of_memory(p);
		result =
		    location_parse_number(p, "port", port, 1, UINT16_MAX, &n);
		if (result)
			return result;
		p->location->port = (uint16_t)n;
		p->location->has_port = true;
	}
	if (host_len == 0)
		return location_refuse(
		    p, "the host is missing; write nfs://host/path");
	result = set_host(p, text, host_len, true);
	if (!result)
		result = location_decode(p, "path", text + authority, path_len,
					 &path);
	/* location_decode() lets through only the slashes that separate names.
	 */
	if (!result)
		result = set_path(p, "", path);
	if (!result && *rest == '?')
		result = location_parse_options(p, rest + 1);
	if (!result && p->more)
		result = location_parse_options(p, p->more);
	if (!result)
		result = location_check_options(p);
	return result ? result : set_text(p);
}

/* host:/path, everything as written. */
static int parse_host_path(struct location_parser *p)
{
	const char *text = p->text;
	const char *close = *text == '[' ? strchr(text, ']') : NULL;
	const char *colon = strstr(close ? close : text, ":/");
	int result;

	if (!colon) {
		colon = strchr(text, ':');
		if (colon && !strchr(text, '/') && !colon[1])
			return location_refuse(
			    p, "the path is missing; write %.*s:/",
			    (int)(colon - text), text);
		return location_refuse(
		    p, "neither a server's host:/path (its path "
		       "starts with /) nor a local directory, which "
		       "starts with / or ./");
	}
	p->location->port = LOCATION_PORT;
	result = set_host(p, text, (size_t)(colon - text), false);
	if (!result)
		result = set_path(p, "", colon + 1);
	if (!result && p->more)
		result = location_parse_options(p, p->more);
	if (!result)
		result = location_check_options(p);
	return result ? result : set_text(p);
}

static int parse(struct location_parser *p)
{
	size_t scheme = strspn(p->text, ZONE_ALPHABET "+");

	if (!*p->text)
		return location_refuse(p, "the location is empty");
	if (is_local(p->text))
		return parse_local(p);
	p->location->kind = LOCATION_NFS;
	if (scheme > 0 && !strncmp(p->text + scheme, "://", 3)) {
		if (scheme == 3 && !strncasecmp(p->text, "nfs", 3))
			return parse_url(p, p->text + 6);
		return location_refuse(
		    p,
		    "\"%.*s://\" is not known; write host:/path, "
		    "nfs://host/path or a local directory",
		    (int)(scheme < SHOWN_MAX ? scheme : SHOWN_MAX), p->text);
	}
	return parse_host_path(p);
}

int location_parse(const char *text, struct location **ret, char *error,
		   size_t error_size)
{
	return location_parse_with(text, NULL, ret, error, error_size);
}

int location_parse_with(const char *text, const char *more,
			struct location **ret, char *error, size_t error_size)
{
	struct location_parser p = {
	    .text = text,
	    .more = more,
	    .error = error,
	    .error_size = error_size,
	    .location = calloc(1, sizeof(*p.location)),
	};
	int result;

	if (!p.location)
		return location_out_of_memory(&p);
	p.location->uid = -1;
	p.location->gid = -1;
	result = parse(&p);
	if (result) {
		location_free(p.location);
		return result;
	}
	*ret = p.location;
	return 0;
}

struct location *location_free(struct location *l)
{
	if (l) {
		free(l->text);
		free(l->host);
		free(l->path);
		free(l->ca);
		free(l->file_system);
		free(l->region);
		free(l->zone);
		free(l->mount_targets);
		free(l->access_point);
		free(l->aws_profile);
		free(l->role_arn);
	}
	free(l);
	return NULL;
}

bool location_is_within(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	if (!strcmp(outer, "/"))
		return true;
	return !strncmp(inner, outer, len) &&
	       (inner[len] == '\0' || inner[len] == '/');
}
