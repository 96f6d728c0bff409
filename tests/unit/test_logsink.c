/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages on their way out: which go to a sink, as JSON lines, and as
 * datagrams of the journal, which a socket of the test takes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "journal.h"
#include "logsink.h"

/* --- Which messages ------------------------------------------------------- */

struct seen {
	unsigned count;
	char text[256];
};

static void see(void *user, const struct log_record *r)
{
	struct seen *s = user;
	size_t n = strlen(s->text);

	s->count++;
	snprintf(s->text + n, sizeof(s->text) - n, "%s:%s:%s;",
		 log_level_name(r->level), r->message,
		 r->fields.path ? r->fields.path : "");
}

static void test_levels(void **state)
{
	const struct log_fields about = {.path = "a/b"};
	struct seen s = {0};

	(void)state;
	log_set_level(LOG_ERROR);
	assert_false(log_wants(LOG_NOTICE));
	log_set_sink(see, &s,
		     LOG_BIT(LOG_NOTICE) | LOG_BIT(LOG_ENTRY) |
			 LOG_BIT(LOG_ERROR),
		     true);
	assert_true(log_wants(LOG_NOTICE) && log_wants(LOG_ENTRY));
	assert_false(log_wants(LOG_WARNING) || log_wants(LOG_INFO));
	log_notice("one %d", 1);
	log_warning("not this");
	log_info("nor this");
	log_about(LOG_ENTRY, &about, "two");
	log_error("three");
	log_set_sink(NULL, NULL, 0, false);
	log_notice("not any more");
	log_set_level(LOG_NOTICE);
	assert_string_equal(s.text, "notice:one 1:;info:two:a/b;error:three:;");
	assert_int_equal(s.count, 3);
}

/* What a server has said commands no terminal. */
static void test_visible(void **state)
{
	struct seen s = {0};

	(void)state;
	log_set_sink(see, &s, LOG_BIT(LOG_NOTICE), true);
	log_notice("%s", "a\x1b[2J\nb\x7f \xc2\x9b"
			 "1m \xc2\xa3 \xff");
	log_set_sink(NULL, NULL, 0, false);
	assert_string_equal(s.text, "notice:a?[2J?b? ??1m \xc2\xa3 \xff:;");
}

/* --- JSON ----------------------------------------------------------------- */

static char *json_of(const char *task, const struct log_record *r)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	assert_non_null(f);
	logsink_format_json(f, task, r);
	assert_int_equal(fclose(f), 0);
	return text;
}

static void test_json(void **state)
{
	const struct log_record all = {
	    .level = LOG_ERROR,
	    .wall_ns = INT64_C(1700000000123456789),
	    .message = "a \"quoted\"\nline\x01",
	    .fields = {.path = "d/\xff",
		       .action = "failed",
		       .side = "source",
		       .error = "No such file"},
	};
	const struct log_record plain = {.level = LOG_ENTRY, .message = ""};
	CLEANUP_FREE char *full = json_of("nightly", &all);
	CLEANUP_FREE char *bare = json_of(NULL, &plain);

	(void)state;
	assert_string_equal(
	    full, "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"error\","
		  "\"message\":\"a \\\"quoted\\\"\\u000aline\\u0001\","
		  "\"task\":\"nightly\",\"path\":\"d/\\ufffd\","
		  "\"action\":\"failed\",\"side\":\"source\","
		  "\"error\":\"No such file\"}");
	assert_string_equal(bare, "{\"time\":\"1970-01-01T00:00:00.000Z\","
				  "\"level\":\"info\",\"message\":\"\"}");
}

/* --- The journal ---------------------------------------------------------- */

struct listener {
	char directory[64];
	struct sockaddr_un address;
	int fd;
};

static int setup(void **state)
{
	struct listener *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	strcpy(l->directory, "/tmp/test_logsink.XXXXXX");
	assert_non_null(mkdtemp(l->directory));
	l->address.sun_family = AF_UNIX;
	snprintf(l->address.sun_path, sizeof(l->address.sun_path), "%s/socket",
		 l->directory);
	l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(l->fd >= 0);
	assert_int_equal(
	    bind(l->fd, (struct sockaddr *)&l->address, sizeof(l->address)), 0);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	struct listener *l = *state;

	close(l->fd);
	unlink(l->address.sun_path);
	assert_int_equal(rmdir(l->directory), 0);
	free(l);
	return 0;
}

static void test_journal(void **state)
{
	static const char want[] =
	    "MESSAGE\n\x08\0\0\0\0\0\0\0two\nline\n"
	    "PRIORITY=3\nSYSLOG_IDENTIFIER=efsbridge\n"
	    "EFSBRIDGE_TASK=nightly\nEFSBRIDGE_PATH=a=b\n"
	    "EFSBRIDGE_ACTION=failed\nEFSBRIDGE_SIDE=source\n"
	    "EFSBRIDGE_ERROR=gone\n";
	static const char bare[] = "MESSAGE=one\nPRIORITY=6\n"
				   "SYSLOG_IDENTIFIER=efsbridge\n";
	const struct log_record full = {
	    .level = LOG_ERROR,
	    .message = "two\nline",
	    .fields = {.path = "a=b",
		       .action = "failed",
		       .side = "source",
		       .error = "gone"},
	};
	const struct log_record plain = {.level = LOG_ENTRY, .message = "one"};
	struct listener *l = *state;
	int fd = journal_open(l->address.sun_path);
	char got[512];

	assert_true(fd >= 0);
	assert_int_equal(journal_put(fd, "nightly", &full), 0);
	assert_int_equal(journal_put(fd, NULL, &plain), 0);
	assert_int_equal(recv(l->fd, got, sizeof(got), 0), sizeof(want) - 1);
	assert_memory_equal(got, want, sizeof(want) - 1);
	assert_int_equal(recv(l->fd, got, sizeof(got), 0), sizeof(bare) - 1);
	assert_memory_equal(got, bare, sizeof(bare) - 1);
	close(fd);
}

/* One that takes nothing more does not hold anybody up for long. */
static void test_journal_is_behind(void **state)
{
	const struct log_record plain = {.level = LOG_NOTICE, .message = "x"};
	struct listener *l = *state;
	int fd = journal_open(l->address.sun_path), r = 0;

	assert_true(fd >= 0);
	for (int i = 0; r == 0 && i < 100000; i++)
		r = journal_put(fd, NULL, &plain);
	assert_int_equal(r, -EAGAIN);
	close(l->fd);
	l->fd = -1;
	assert_int_equal(journal_put(fd, NULL, &plain), -ECONNREFUSED);
	close(fd);
	assert_int_equal(journal_open(l->address.sun_path), -ECONNREFUSED);
	assert_int_equal(journal_open("/nowhere/at/all"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_visible),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_journal_is_behind, setup,
					    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
