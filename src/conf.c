/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lines go through libinih, which takes keys, values and comments apart.
 * What it leaves to its user, or does differently from what people expect, is
 * done in the reader that hands it the lines:
 *
 *   - it tells no line numbers, and nothing of sections without a key, so
 *     lines are counted and sections noticed here;
 *   - it takes an indented line for more of the value above, so indents are
 *     taken away: keys may be indented, and a value goes on after a backslash;
 *   - it cuts lines at a length chosen when it was built, 200 bytes mostly, so
 *     a longer one is handed over in pieces, each but the first indented: the
 *     handler is called for each and joins them.
 */
#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ini.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/line.h"
#include "sync/task.h"

/* A file beyond this is something else. */
#define FILE_MAX (1 << 20)

/* libinih forgets what of a key is beyond this. */
#define KEY_MAX 49

#define SPACES " \t\r\n\v\f"

struct conf {
	char *path;
	struct conf_section *sections;
	size_t count;
};

/* What is being read. */
struct reader {
	struct conf *config;
	FILE *stream;
	size_t size;   /* bytes so far */
	unsigned next; /* the number of the line to be read */
	unsigned line; /* of the line that is being handed over */
	char *text;    /* that line, heap, or NULL */
	size_t done;   /* how much of it was handed over */
	bool going_on; /* the handler is called for more of a value */
	int result;    /* the first failure, told in: */
	char *error;
};

int conf_refuse(const struct conf *c, unsigned line, char *error,
		const char *format, ...)
{
	char why[CONF_ERROR_SIZE / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snprintf(error, CONF_ERROR_SIZE, "%.400s:%u: %s", c->path, line, why);
	return -EINVAL;
}

static bool out_of_memory(struct reader *r)
{
	snprintf(r->error, CONF_ERROR_SIZE, "%.400s: out of memory",
		 r->config->path);
	r->result = -ENOMEM;
	return false;
}

/* --- Sections ------------------------------------------------------------- */

static const char *const kind_words[] = {
    [CONF_DEFAULTS] = "defaults",
    [CONF_LOCATION] = "location",
    [CONF_TASK] = "task",
};

static bool add_section(struct reader *r, enum conf_kind kind, const char *name)
{
	struct conf *c = r->config;
	const struct conf_section *before = conf_find(c, kind, name);
	struct conf_section *more;

	if (before) {
		r->result = conf_refuse(
		    c, r->line, r->error,
		    "[%s%s%s]: this section is in line %u already; put all "
		    "its keys there",
		    kind_words[kind], *name ? " " : "", name, before->line);
		return false;
	}
	more = reallocarray(c->sections, c->count + 1, sizeof(*more));
	if (!more)
		return out_of_memory(r);
	c->sections = more;
	more[c->count] = (struct conf_section){
	    .kind = kind, .name = strdup(name), .line = r->line};
	if (!more[c->count].name)
		return out_of_memory(r);
	c->count++;
	return true;
}

static bool refuse_section(struct reader *r, const char *inside)
{
	CLEANUP_FREE char *shown = escape_name(inside);

	r->result = conf_refuse(
	    r->config, r->line, r->error,
	    "[%.200s]: there are [defaults], [location NAME] and [task NAME]; "
	    "a NAME is made of 1 to %d letters, digits, '.', '_' and '-', the "
	    "first neither '.' nor '-'",
	    shown ? shown : "", TASK_NAME_MAX);
	return false;
}

/* What stands between the brackets. */
static bool take_section(struct reader *r, char *inside)
{
	char *name;

	inside += strspn(inside, SPACES);
	for (size_t n = strlen(inside); n > 0; inside[--n] = '\0')
		if (!strchr(SPACES, inside[n - 1]))
			break;
	name = inside + strcspn(inside, SPACES);
	name += strspn(name, SPACES);
	for (size_t kind = 0; kind < ARRAY_SIZE(kind_words); kind++) {
		size_t len = strlen(kind_words[kind]);

		if (strncmp(inside, kind_words[kind], len) ||
		    (inside[len] && !strchr(SPACES, inside[len])))
			continue;
		if (kind == CONF_DEFAULTS ? *name != '\0' : !task_is_name(name))
			break;
		return add_section(r, (enum conf_kind)kind, name);
	}
	return refuse_section(r, inside);
}

/* --- Lines ---------------------------------------------------------------- */

/* One line of the file, without its end. NULL: there is none, or a failure. */
static char *read_line(struct reader *r)
{
	CLEANUP_FREE char *line = NULL;
	size_t room = 0, len = 0;
	int got = line_read(r->stream, FILE_MAX - r->size, &line, &room, &len);
	bool large = got == -EFBIG;

	if (got == 0)
		return NULL;
	if (got == -ENOMEM) {
		out_of_memory(r);
		return NULL;
	}
	if (got < 0 && !large) {
		r->result = got;
		snprintf(r->error, CONF_ERROR_SIZE, "%.400s: %s",
			 r->config->path, strerror(-got));
		return NULL;
	}
	/* With its end, which the last line may lack. */
	r->size += len + 1;
	r->next++;
	if (large || r->size > FILE_MAX || strlen(line) != len) {
		r->result = conf_refuse(
		    r->config, r->next - 1, r->error,
		    large || r->size > FILE_MAX
			? "the file is longer than a configuration can be"
			: "there is a NUL byte: this is not a text");
		return NULL;
	}
	while (len > 0 && strchr("\r\n", line[len - 1]))
		line[--len] = '\0';
	return steal(line);
}

/* True when a backslash at the end says that the line goes on; it is removed,
 * with the spaces before it. */
static bool goes_on(char *line)
{
	size_t len = strlen(line);

	if (len == 0 || line[len - 1] != '\\')
		return false;
	line[len - 1] = '\0';
	return true;
}

/* A line with those it goes on in, without its indents. NULL as above. */
static char *read_whole(struct reader *r)
{
	CLEANUP_FREE char *whole = NULL;
	bool more;

	r->line = r->next;
	do {
		CLEANUP_FREE char *line = read_line(r);
		const char *start;
		char *both;

		if (!line)
			/* A backslash in the last line joins nothing to it. */
			return r->result == 0 ? steal(whole) : NULL;
		start = line + strspn(line, SPACES);
		/* In a comment it means nothing. */
		more = *start != '#' && *start != ';' && goes_on(line);
		start = line + strspn(line, SPACES);
		if (asprintf(&both, "%s%s", whole ? whole : "", start) < 0) {
			out_of_memory(r);
			return NULL;
		}
		free(whole);
		whole = both;
	} while (more);
	return steal(whole);
}

/* A comment behind a value begins with a semicolon after a space: as in
 * libinih, which must not be given only a piece of one. */
static void cut_comment(char *line)
{
	for (char *s = line; *s; s++) {
		if (*s != ';' || s == line || !strchr(SPACES, s[-1]))
			continue;
		*s = '\0';
		break;
	}
	for (size_t n = strlen(line); n > 0 && strchr(SPACES, line[n - 1]);)
		line[--n] = '\0';
}

/* A line that is neither empty nor a comment is a section or a key. */
static bool check_line(struct reader *r, char *line)
{
	size_t key = strcspn(line, "=:");
	char *close;

	if (*line == '[') {
		close = strchr(line, ']');
		if (close && !close[1]) {
			*close = '\0';
			return take_section(r, line + 1);
		}
		r->result = conf_refuse(r->config, r->line, r->error,
					"a section is written [task NAME], "
					"with nothing behind it");
		return false;
	}
	if (!line[key] || key == 0) {
		r->result = conf_refuse(r->config, r->line, r->error,
					"neither a [section] nor a key with "
					"its value, key = value");
		return false;
	}
	if (key > KEY_MAX) {
		r->result = conf_refuse(r->config, r->line, r->error,
					"there is no key of that length");
		return false;
	}
	return true;
}

/* The next line that is a key. False at the end, or after a failure. */
static bool next_key(struct reader *r)
{
	for (;;) {
		bool section;

		free(r->text);
		r->text = read_whole(r);
		r->done = 0;
		if (!r->text)
			return false;
		if (r->line == 1 && !strncmp(r->text, "\xEF\xBB\xBF", 3))
			memmove(r->text, r->text + 3, strlen(r->text) - 2);
		if (strchr("#;", *r->text)) /* or empty */
			continue;
		cut_comment(r->text);
		section = *r->text == '[';
		if (!check_line(r, r->text))
			return false;
		if (!section)
			return true;
	}
}

/*
 * How much of what is left fits into a piece of `max` bytes. A piece neither
 * begins nor ends with a space, which libinih would remove, nor begins as a
 * comment does; the first one holds the key and more. 0: it cannot be cut.
 */
static size_t piece_length(const struct reader *r, size_t max)
{
	const char *rest = r->text + r->done;
	size_t least = 1;
	size_t n = strlen(rest);

	if (n <= max)
		return n;
	if (r->done == 0) {
		least = strcspn(rest, "=:") + 1;
		least += strspn(rest + least, SPACES) + 1;
	}
	for (n = max; n >= least; n--)
		if (!strchr(SPACES, rest[n - 1]) &&
		    !strchr(SPACES ";#", rest[n]))
			return n;
	return 0;
}

/* What libinih takes for fgets(). */
static char *hand_over(char *buffer, int size, void *user)
{
	struct reader *r = user;
	size_t n;

	if (r->result < 0)
		return NULL;
	if ((!r->text || !r->text[r->done]) && !next_key(r))
		return NULL;
	r->going_on = r->done > 0;
	/* An indent, the end of the line, a NUL. */
	n = size > 3 ? piece_length(r, (size_t)size - 3) : 0;
	if (n == 0) {
		r->result = conf_refuse(r->config, r->line, r->error,
					"too many spaces in a row");
		return NULL;
	}
	snprintf(buffer, (size_t)size, "%s%.*s\n", r->going_on ? " " : "",
		 (int)n, r->text + r->done);
	r->done += n;
	return buffer;
}

/* --- Entries -------------------------------------------------------------- */

static bool add_entry(struct reader *r, struct conf_section *s, const char *key,
		      const char *value)
{
	struct conf_entry *more =
	    reallocarray(s->entries, s->count + 1, sizeof(*more));
	struct conf_entry *e;

	if (!more)
		return out_of_memory(r);
	s->entries = more;
	e = &more[s->count];
	*e = (struct conf_entry){strdup(key), strdup(value), r->line};
	if (e->key && e->value) {
		s->count++;
		return true;
	}
	free(e->key);
	free(e->value);
	return out_of_memory(r);
}

static bool lengthen_entry(struct reader *r, struct conf_section *s,
			   const char *value)
{
	struct conf_entry *e = &s->entries[s->count - 1];
	char *both;

	if (asprintf(&both, "%s%s", e->value, value) < 0)
		return out_of_memory(r);
	free(e->value);
	e->value = both;
	return true;
}

/* What libinih calls for each key; it goes on reading in any case. */
static int take_key(void *user, const char *section, const char *key,
		    const char *value)
{
	struct reader *r = user;
	struct conf *c = r->config;
	struct conf_section *s;

	(void)section;
	if (r->result < 0)
		return 1;
	if (c->count == 0) {
		r->result =
		    conf_refuse(c, r->line, r->error,
				"%s: no section yet; a key stands below "
				"[defaults], [location NAME] or [task NAME]",
				key);
		return 1;
	}
	s = &c->sections[c->count - 1];
	if (r->going_on)
		lengthen_entry(r, s, value);
	else
		add_entry(r, s, key, value);
	return 1;
}

/* --- The whole ------------------------------------------------------------ */

int conf_read(FILE *stream, const char *path, struct conf **ret, char *error)
{
	struct reader r = {
	    .config = calloc(1, sizeof(*r.config)),
	    .stream = stream,
	    .next = 1,
	    .error = error,
	};
	int line;

	if (!r.config || !(r.config->path = strdup(path))) {
		snprintf(error, CONF_ERROR_SIZE, "out of memory");
		conf_free(r.config);
		return -ENOMEM;
	}
	line = ini_parse_stream(hand_over, &r, take_key, &r);
	free(r.text);
	if (r.result == 0 && line != 0) {
		/* Whatever libinih refuses beyond what is checked above. */
		r.result = line < 0 ? -ENOMEM : -EINVAL;
		snprintf(error, CONF_ERROR_SIZE, "%.400s: %s", path,
			 line < 0 ? "out of memory" : "not a configuration");
	}
	if (r.result < 0)
		conf_free(r.config);
	else
		*ret = r.config;
	return r.result;
}

/* It says as whom whose files are read and written, and with which
 * credentials: for root, only root may say that. */
static int check_owner(int fd, const char *path, char *error)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (fstat(fd, &st) < 0) {
		snprintf(error, CONF_ERROR_SIZE, "%.400s: %s", path,
			 strerror(errno));
		return -errno;
	}
	if (st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return 0;
	if (st.st_uid != 0)
		snprintf(error, CONF_ERROR_SIZE,
			 "%.400s: it belongs to user %u, who could make root "
			 "overwrite any file: chown root it",
			 path, st.st_uid);
	else
		snprintf(error, CONF_ERROR_SIZE,
			 "%.400s: others than root may write it (mode %04o) "
			 "and could make root overwrite any file: chmod "
			 "go-w it",
			 path, st.st_mode & 07777);
	return -EPERM;
}

int conf_load(const char *path, struct conf **ret, char *error)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *stream;
	int r;

	if (fd < 0) {
		r = -errno;
		snprintf(error, CONF_ERROR_SIZE, "%.400s: %s", path,
			 strerror(-r));
		return r;
	}
	r = check_owner(fd, path, error);
	if (r < 0)
		return r;
	stream = fdopen(fd, "r");
	if (!stream) {
		snprintf(error, CONF_ERROR_SIZE, "out of memory");
		return -ENOMEM;
	}
	fd = -1;
	r = conf_read(stream, path, ret, error);
	fclose(stream);
	return r;
}

static void section_done(struct conf_section *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->entries[i].key);
		free(s->entries[i].value);
	}
	free(s->entries);
	free(s->name);
}

struct conf *conf_free(struct conf *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->count; i++)
		section_done(&c->sections[i]);
	free(c->sections);
	free(c->path);
	free(c);
	return NULL;
}

/* --- Looking -------------------------------------------------------------- */

/* $XDG_CONFIG_HOME/efsbridge.conf; NULL without a place for it. */
static char *locate_own(void)
{
	const char *config_home = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int r = -1;

	/* The XDG base directories must be absolute to count. */
	if (config_home && *config_home == '/')
		r = asprintf(&path, "%s/efsbridge.conf", config_home);
	else if (home && *home == '/')
		r = asprintf(&path, "%s/.config/efsbridge.conf", home);
	return r < 0 ? NULL : path;
}

char *conf_locate(const char *given)
{
	CLEANUP_FREE char *own = NULL;

	if (given)
		return strdup(given);
	if (geteuid() != 0)
		own = locate_own();
	if (own && access(own, F_OK) == 0)
		return steal(own);
	return strdup(SYSCONFDIR "/efsbridge.conf");
}

const char *conf_get_path(const struct conf *c)
{
	return c->path;
}

const struct conf_section *conf_get_section(const struct conf *c, size_t index)
{
	return index < c->count ? &c->sections[index] : NULL;
}

const struct conf_section *conf_find(const struct conf *c, enum conf_kind kind,
				     const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->sections[i].kind == kind &&
		    !strcmp(c->sections[i].name, name))
			return &c->sections[i];
	return NULL;
}

const struct conf_entry *conf_find_entry(const struct conf_section *section,
					 const char *key)
{
	for (size_t i = section->count; i > 0; i--)
		if (!strcmp(section->entries[i - 1].key, key))
			return &section->entries[i - 1];
	return NULL;
}
