/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No memory: of what a unit asks for, the n-th is refused, for every n. It
 * says so, nothing crashes, and nothing that it took is left behind.
 *
 * The linker leads all calls here (--wrap). What is given out while a unit
 * runs is noted, and struck out when it is freed; what libraries take for
 * themselves is not seen.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "conf.h"
#include "nfs/recmark.h"
#include "nfs/xdr.h"
#include "sync/engine.h"
#include "sync/filter.h"
#include "sync/report.h"
#include "sync/settings.h"
#include "sync/timetable.h"
#include "volume/location.h"

#define LIVE_MAX 4096

static bool armed;
static uint64_t calls, refused_call; /* while armed */
static void *live[LIVE_MAX];         /* given out while armed, not freed */
static size_t live_count;
static uint64_t refusals; /* in all tests */

/* --- What stands before the allocator ------------------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void __real_free(void *memory);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
FILE *__real_open_memstream(char **text, size_t *size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
void __wrap_free(void *memory);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_asprintf(char **ret, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuses(void)
{
	if (!armed || ++calls != refused_call)
		return false;
	refusals++;
	errno = ENOMEM;
	return true;
}

static void *note(void *memory)
{
	if (armed && memory) {
		if (live_count == LIVE_MAX)
			abort();
		live[live_count++] = memory;
	}
	return memory;
}

static void strike_out(const void *memory)
{
	for (size_t i = live_count; i > 0; i--)
		if (live[i - 1] == memory) {
			live[i - 1] = live[--live_count];
			return;
		}
}

void *__wrap_malloc(size_t size)
{
	return refuses() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuses() ? NULL : note(__real_calloc(n, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	if (refuses())
		return NULL;
	strike_out(old);
	return note(__real_realloc(old, size));
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	if (refuses())
		return NULL;
	strike_out(old);
	return note(__real_reallocarray(old, n, size));
}

void __wrap_free(void *memory)
{
	strike_out(memory);
	__real_free(memory);
}

char *__wrap_strdup(const char *s)
{
	return refuses() ? NULL : note(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n)
{
	return refuses() ? NULL : note(__real_strndup(s, n));
}

FILE *__wrap_open_memstream(char **text, size_t *size)
{
	return refuses() ? NULL : __real_open_memstream(text, size);
}

/* Without success `ret` is undefined: what is freed by mistake then crashes. */
__attribute__((format(printf, 2, 0))) static int
format_text(char **ret, const char *format, va_list args)
{
	int n;

	*ret = (char *)16;
	if (refuses())
		return -1;
	n = vasprintf(ret, format, args);
	if (n >= 0)
		note(*ret);
	return n;
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = format_text(ret, format, args);
	va_end(args);
	return n;
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, format);
	n = format_text(ret, format, args);
	va_end(args);
	return n;
}

/* --- The sweep ------------------------------------------------------------ */

/* Does its work and cleans up: 0 or negative errno. */
typedef int unit(const void *argument);

/* Refuses each call that `work` makes, until it makes no more. */
static void sweep(const char *name, unit *work, const void *argument)
{
	bool refused = true;
	int r;

	for (uint64_t n = 1; refused; n++) {
		calls = 0;
		refused_call = n;
		armed = true;
		r = work(argument);
		armed = false;
		refused = calls >= n;
		if (r != (refused ? -ENOMEM : 0))
			fail_msg("%s: call %" PRIu64 " refused: result %d",
				 name, n, r);
		if (live_count > 0)
			fail_msg("%s: call %" PRIu64 " refused: %zu left", name,
				 n, live_count);
	}
}

/* --- The units ------------------------------------------------------------ */

struct chosen {
	const char *word, *value;
};

/* Twice, since the second time something is there to be replaced. */
static int set_option(const void *argument)
{
	const struct chosen *c = argument;
	struct sync_options o = {0};
	char error[512];
	int r = settings_set(&o, c->word, c->value, error, sizeof(error));

	if (r == 0)
		r = settings_set(&o, c->word, c->value, error, sizeof(error));
	settings_done(&o);
	return r;
}

/* The first of some values that the option takes. */
static bool choose(const struct setting *s, const char *file,
		   struct chosen *ret)
{
	const char *const values[] = {
	    file,    "yes",  "changed", "always", "remove",
	    "5%",    "none", "5",       "10M",    "08:00-18:00=20M,off",
	    "90s",   "all",  "/a|*/b",  "errors", "summary",
	    "basic", "json"};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		struct chosen c = {s->word, values[i]};

		if (set_option(&c) == 0) {
			*ret = c;
			return true;
		}
	}
	return false;
}

static void test_settings(void **state)
{
	static const struct chosen more[] = {
	    {"max-delete", "5%"},
	    {"bwlimit", "08:00-18:00=20M,off"},
	    {"report-to", "s3://bucket/prefix"},
	    {"report-to", "relative"},
	    {"files-from", "relative"},
	    {"metrics-file", "relative"},
	    {"exclude", "/a\\|b|*/c*d"},
	};
	char path[] = "/tmp/test_memory.XXXXXX";
	int fd = mkstemp(path);
	size_t count;
	const struct setting *all = settings_get(&count);
	struct chosen c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "/a|*/b\n#\n/c\n", 12), 12);
	close(fd);
	for (size_t i = 0; i < count; i++) {
		if (!choose(&all[i], path, &c))
			fail_msg("no value for %s", all[i].word);
		sweep(c.word, set_option, &c);
	}
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		sweep(more[i].word, set_option, &more[i]);
	unlink(path);
}

/* Enough patterns of each kind that their arrays grow. */
static int fill_filter(const void *argument)
{
	struct filter *f = filter_new();
	char error[256], text[32];
	int r = f ? 0 : -ENOMEM;

	(void)argument;
	for (int i = 0; r == 0 && i < 20; i++) {
		snprintf(text, sizeof(text), "/d%d|*/e%d*", i, i);
		r = filter_add(f, (enum filter_list)(i % 2), text, error,
			       sizeof(error));
	}
	if (r == 0) {
		CLEANUP_FREE char *all = filter_get_text(f, FILTER_EXCLUDE);

		r = all ? 0 : -ENOMEM;
	}
	filter_free(f);
	return r;
}

static void test_filter(void **state)
{
	(void)state;
	sweep("filter", fill_filter, NULL);
}

static int parse_location(const void *argument)
{
	struct location *l = NULL;
	char error[512];
	int r = location_parse(argument, &l, error, sizeof(error));

	location_free(l);
	return r;
}

static void test_location(void **state)
{
	static const char *const texts[] = {
	    "/a//b/./c",
	    "./a",
	    "host:/path",
	    "[2001:db8::1]:/path",
	    "nfs://host:2050/a%20b?vers=3&mountport=5&conns=4&uid=1&gid=2",
	    "nfs://host/?tls=yes&ca=/etc/ca.pem",
	    "fs-0123456789abcdef0:/path",
	    "fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/",
	    "nfs://fs-0123456789abcdef0/?accesspoint=fsap-0123456789abcdef0"
	    "&iam=yes&awsprofile=p&region=eu-west-1&az=eu-west-1a",
	    "nfs://fs-0123456789abcdef0/?iam=yes&mounttarget=10.0.0.1,10.0.0.2"
	    "&rolearn=arn:aws:iam::123456789012:role/r",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		sweep(texts[i], parse_location, texts[i]);
}

static int read_conf(const void *argument)
{
	FILE *f = fmemopen((char *)(uintptr_t)argument, strlen(argument), "r");
	struct conf *c = NULL;
	char error[CONF_ERROR_SIZE];
	int r;

	assert_non_null(f);
	r = conf_read(f, "F", &c, error);
	fclose(f);
	conf_free(c);
	return r;
}

static void test_conf(void **state)
{
	(void)state;
	sweep("conf", read_conf,
	      "# text\n[defaults]\nverify = all\n[location a]\n"
	      "address = host:/path\n[task t]\nsource = a\n"
	      "destination = \\\n  b\nexclude = /x\nexclude = /y\n");
	sweep("conf of long lines", read_conf,
	      "[task t]\nexclude = "
	      "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	      "/bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	      "/ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
	      "/ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
	      "\n");
}

static int print_timetable(const void *argument)
{
	CLEANUP_FREE char *text = NULL;
	struct timetable t;
	char error[256];
	int r = timetable_parse(argument, &t, error, sizeof(error));

	if (r == 0 && !(text = timetable_text(&t)))
		r = -ENOMEM;
	return r;
}

static void test_timetable(void **state)
{
	(void)state;
	sweep("timetable", print_timetable,
	      "22:00-06:00=500M,12:00-13:00=80M,20M");
}

static int encode(const void *argument)
{
	static const char text[5000] = "";
	struct xdr_out x;
	int r;

	(void)argument;
	xdr_out_init(&x);
	for (uint32_t i = 0; i < 1000; i++)
		xdr_put_u32(&x, i);
	xdr_put_bytes(&x, text, sizeof(text));
	xdr_put_string(&x, "name");
	xdr_patch_u32(&x, 0, 7);
	r = x.failed ? -ENOMEM : 0;
	xdr_out_done(&x);
	return r;
}

/* Two records, one of two fragments, which arrive a few bytes at a time. */
static int cut_records(const void *argument)
{
	static const uint8_t stream[] = {0,    0,    0, 4, 1, 2, 3,
					 4,    0x80, 0, 0, 2, 5, 6, /* */
					 0x80, 0,    0, 3, 7, 8, 9};
	const size_t step = *(const size_t *)argument;
	struct recmark m;
	struct blob *record;
	size_t len, room;
	int r = recmark_init(&m, 1 << 20);

	for (size_t at = 0, n; r == 0 && at < sizeof(stream); at += n) {
		uint8_t *to = recmark_get_room(&m, &room);

		n = MIN(step, MIN(room, sizeof(stream) - at));
		memcpy(to, stream + at, n);
		recmark_add(&m, n);
		while ((r = recmark_next(&m, &record, &len)) > 0)
			blob_unref(record);
	}
	recmark_done(&m);
	return r;
}

static void test_records(void **state)
{
	static const size_t steps[] = {1, 5, 100};

	(void)state;
	sweep("xdr", encode, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		sweep("recmark", cut_records, &steps[i]);
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* A name that is no text is written twice. */
static int write_report(const void *argument)
{
	const struct report_options options = {.output = REPORT_STANDARD,
					       .level = REPORT_ALL};
	const struct attr attr = {.type = ENTRY_FILE, .size = 5};
	struct report_entry e = {.path = "a", .source = &attr};
	struct report *report = NULL;
	char error[REPORT_ERROR], root[] = "/tmp/test_memory.XXXXXX";
	int r;

	(void)argument;
	assert_non_null(mkdtemp(root));
	r = report_new(&options, root, "task", 1, &report, error,
		       sizeof(error));
	if (r == 0) {
		report_add(report, REPORT_TRANSFERRED, &e);
		e.path = "b\xff";
		e.error = -EIO;
		report_add(report, REPORT_TRANSFERRED, &e);
		report_add(report, REPORT_SKIPPED, &e);
		r = report_end(report, "{}", error, sizeof(error));
	}
	report_free(report);
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return r;
}

static void test_report(void **state)
{
	(void)state;
	sweep("report", write_report, NULL);
}

static int say_how_many(void **state)
{
	(void)state;
	print_message("%" PRIu64 " calls refused and survived\n", refusals);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_settings),  cmocka_unit_test(test_filter),
	    cmocka_unit_test(test_location),  cmocka_unit_test(test_conf),
	    cmocka_unit_test(test_timetable), cmocka_unit_test(test_records),
	    cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, say_how_many);
}
