/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What services say, well and badly; and names that tell a region. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws/answer.h"
#include "aws/identity.h"
#include "aws/region.h"
#include "aws/secret.h"
#include "base/cleanup.h"

static void test_get(void **state)
{
	static const struct {
		const char *answer, *key, *value; /* NULL: -ENOENT */
	} cases[] = {
	    {"{\"a\":\"b\"}", "a", "b"},
	    {" \t\r\n{ \"a\" : \"b\" }", "a", "b"},
	    {"{\"x\":{\"a\":[{\"b\":\"c\"}]}}", "b", "c"},
	    {"{\"v\":\"k\",\"k\":\"v\"}", "k", "v"},
	    {"[\"a\",\"b\",{\"a\":1}]", "a", "1"},
	    {"{\"a\":-1.5e+3}", "a", "-1.5e+3"},
	    {"{\"a\":true,\"b\":false}", "b", "false"},
	    {"{\"a\":null,\"b\":{\"a\":\"x\"}}", "a", "x"},
	    {"{\"a\":null}", "a", NULL},
	    {"{\"a\":{\"a\":\"x\"}}", "a", "x"},
	    {"{\"a\":\"\"}", "a", ""},
	    {"{\"a\":\"b\"}", "b", NULL},
	    {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a", "\"\\/\b\f\n\r\t"},
	    {"{\"a\":\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\"}", "a",
	     "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"{\"\\u0061\":\"x\"}", "a", "x"},
	    {"", "a", NULL},
	    {"{}", "a", NULL},
	    {"<a>x</a>", "a", "x"},
	    {"<?xml version=\"1.0\"?>\n<r><b/><a>&amp;&lt;&gt;&quot;&apos;&x;"
	     "</a><a>2</a></r>",
	     "a", "&<>\"'&x;"},
	    {"<ab>x</ab>", "a", NULL},
	    {"<a></a>", "a", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_SECRET struct secret answer = {0};
		CLEANUP_SECRET struct secret value = {0};
		int r;

		secret_puts(&answer, cases[i].answer);
		r = answer_get(&answer, cases[i].key, &value);
		assert_int_equal(r, cases[i].value ? 0 : -ENOENT);
		if (cases[i].value)
			assert_string_equal(secret_text(&value),
					    cases[i].value);
	}
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
	    "{\"a\":\"x",
	    "{\"a\":\"\\",
	    "{\"a\":\"\\x\"}",
	    "{\"a\":\"\\u12\"}",
	    "{\"a\":\"\\u12g4\"}",
	    "{\"a\":\"\\u0000\"}",
	    "{\"a\":\"\\ud83d\"}",
	    "{\"a\":\"\\ud83d\\u0041\"}",
	    "{\"a\":\"\\ude00\"}",
	    "{\"a\":}",
	    "{\"a\":",
	    "{\"b\":\"x",
	    "hello",
	    "<a>x",
	    "<a",
	    "<html><a href",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CLEANUP_SECRET struct secret answer = {0};
		CLEANUP_SECRET struct secret value = {0};

		secret_puts(&answer, bad[i]);
		assert_int_equal(answer_get(&answer, "a", &value), -EBADMSG);
		assert_int_equal(value.len, 0);
	}
}

/* A byte 0 ends nothing but the answer's good name. */
static void test_nul(void **state)
{
	CLEANUP_SECRET struct secret answer = {0};
	CLEANUP_SECRET struct secret value = {0};

	(void)state;
	secret_put(&answer, "{\"a\":\"x\0y\"}", 11);
	assert_int_equal(answer_get(&answer, "a", &value), -EBADMSG);
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		int64_t s; /* -1: none */
	} cases[] = {
	    {"2026-11-23T13:23:16Z", 1795440196},
	    {"2026-11-23T13:23:16.123456Z", 1795440196},
	    {"2026-11-23T14:23:16+01:00", 1795440196},
	    {"2026-11-23T03:53:16-0930", 1795440196},
	    {"1795440196", 1795440196},
	    {"1.795440196E9", 1795440196},
	    {"1795440196.9", 1795440196},
	    {"", -1},
	    {"soon", -1},
	    {"-1", -1},
	    {"1e99", -1},
	    {"nan", -1},
	    {"2026-11-23", -1},
	    {"2026-11-23T13:23:16", -1},
	    {"2026-11-23T13:23:16Z!", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t s = 0;
		int r = answer_time(cases[i].text, &s);

		assert_int_equal(r, cases[i].s < 0 ? -EBADMSG : 0);
		if (r == 0)
			assert_int_equal(s, cases[i].s);
	}
}

static void test_refusal(void **state)
{
	static const struct {
		const char *answer, *text;
	} cases[] = {
	    {"{\"__type\":\"com.amazonaws#Bad\",\"message\":\"why\"}",
	     "Bad: why"},
	    {"<Error><Code>No</Code><Message>such\nrecital</Message></Error>",
	     "No: such"},
	    {"{\"code\":\"X\"}", "X"},
	    {"{\"Message\":\"only\\u001b\\u00e4\"}", "only?\?\?"},
	    {"busy", ""},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_SECRET struct secret answer = {0};
		char text[64];

		secret_puts(&answer, cases[i].answer);
		answer_refusal(&answer, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

/* Keys in an answer, and what is said when one is missing. */
static void test_identity(void **state)
{
	static const struct {
		const char *answer, *error; /* NULL: good */
	} cases[] = {
	    {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}", NULL},
	    {"{\"Code\":\"Failed\",\"Message\":\"m\"}",
	     "here: the answer has no good AccessKeyId: Failed: m"},
	    {"{\"AccessKeyId\":\"A\"}",
	     "here: the answer has no good SecretAccessKey"},
	    {"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\","
	     "\"Expiration\":\"x\"}",
	     "here: the answer has no good Expiration"},
	    {"{\"AccessKeyId\":\"A\\n\",\"SecretAccessKey\":\"S\"}",
	     "here: the keys have characters that keys have not"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP_SECRET struct secret answer = {0};
		CLEANUP_IDENTITY struct identity *id = NULL;
		char error[128] = "";
		int r;

		secret_puts(&answer, cases[i].answer);
		r = identity_from_answer(&answer, "here", &id, error,
					 sizeof(error));
		if (!cases[i].error) {
			assert_int_equal(r, 0);
			assert_string_equal(id->key_id, "A");
			assert_string_equal(id->secret_key, "S");
			assert_null(id->token);
			assert_true(id->expires_s == IDENTITY_FOREVER);
		} else {
			assert_true(r < 0);
			assert_string_equal(error, cases[i].error);
		}
	}
}

static void test_region(void **state)
{
	static const struct {
		const char *host, *region; /* NULL: none */
	} cases[] = {
	    {"fs-0123.efs.eu-west-1.amazonaws.com", "eu-west-1"},
	    {"eu-west-1a.fs-0123.efs.eu-west-1.amazonaws.com", "eu-west-1"},
	    {"fs-0123.efs.cn-north-1.amazonaws.com.cn", "cn-north-1"},
	    {"fs-0123.efs.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"},
	    {"fs-0123.efs.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"},
	    {"fs-0123.efs.cn-north-1.amazonaws.com", NULL},
	    {"fs-0123.efs.eu-west-1.example.com", NULL},
	    {"fs-0123.nfs.eu-west-1.amazonaws.com", NULL},
	    {"fs-0123.efs.-x-.amazonaws.com", NULL},
	    {"fs-0123.efs..amazonaws.com", NULL},
	    {"fs-0123.efs.", NULL},
	    {"fs-0123", NULL},
	    {"10.0.0.1", NULL},
	    {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char region[REGION_SIZE];
		bool found = region_of_host(cases[i].host, region);

		assert_int_equal(found, cases[i].region != NULL);
		if (found)
			assert_string_equal(region, cases[i].region);
	}
	assert_true(region_is_valid("a"));
	assert_false(region_is_valid("a-"));
	assert_false(region_is_valid("A"));
	assert_true(region_is_valid("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(region_is_valid("abcdefghijklmnopqrstuvwxyz0123456"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_get),     cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_nul),     cmocka_unit_test(test_time),
	    cmocka_unit_test(test_refusal), cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_region),
	};

	return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
