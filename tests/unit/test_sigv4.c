/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The signer against the signatures that AWS published with its test suite
 * (aws-sig-v4-test-suite), and the examples of the S3 documentation.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "aws/identity.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"

#define KEY_ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN                                                                 \
	"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQW" \
	"LWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd" \
	"QrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU" \
	"9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz" \
	"+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

#define UNRESERVED                               \
	"-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWX" \
	"YZabcdefghijklmnopqrstuvwxyz"

#define MAX_PAIRS 4

/* 2015-08-30T12:36:00Z, the time of the whole suite. */
#define SUITE_TIME 1440938160

/* The suite: every request has Host and X-Amz-Date besides `headers`. */
static const struct {
	const char *name, *method, *path;
	struct sigv4_pair params[MAX_PAIRS], headers[MAX_PAIRS];
	const char *body;
	const char *signed_headers, *signature;
} suite[] = {
    {"get-header-key-duplicate",
     "GET",
     "/",
     {{0}},
     {{"My-Header1", "value2"},
      {"My-Header1", "value2"},
      {"My-Header1", "value1"}},
     "",
     "host;my-header1;x-amz-date",
     "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
    {"get-header-value-order",
     "GET",
     "/",
     {{0}},
     {{"My-Header1", "value4"},
      {"My-Header1", "value1"},
      {"My-Header1", "value3"},
      {"My-Header1", "value2"}},
     "",
     "host;my-header1;x-amz-date",
     "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
    {"get-header-value-trim",
     "GET",
     "/",
     {{0}},
     {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
     "",
     "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"get-unreserved",
     "GET",
     "/" UNRESERVED,
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-vanilla",
     "GET",
     "/",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/",
     {{"Param1", "value1"}},
     {{0}},
     "",
     "host;x-amz-date",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-vanilla-query-order-key",
     "GET",
     "/",
     {{"Param1", "value2"}, {"Param1", "Value1"}},
     {{0}},
     "",
     "host;x-amz-date",
     "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/",
     {{"Param2", "value2"}, {"Param1", "value1"}},
     {{0}},
     "",
     "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-query-order-value",
     "GET",
     "/",
     {{"Param1", "value2"}, {"Param1", "value1"}},
     {{0}},
     "",
     "host;x-amz-date",
     "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/",
     {{UNRESERVED, UNRESERVED}},
     {{0}},
     "",
     "host;x-amz-date",
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-vanilla-utf8-query",
     "GET",
     "/",
     {{"\xe1\x88\xb4", "bar"}},
     {{0}},
     "",
     "host;x-amz-date",
     "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
    {"post-header-key-sort",
     "POST",
     "/",
     {{0}},
     {{"My-Header1", "value1"}},
     "",
     "host;my-header1;x-amz-date",
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
    {"post-header-value-case",
     "POST",
     "/",
     {{0}},
     {{"My-Header1", "VALUE1"}},
     "",
     "host;my-header1;x-amz-date",
     "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
    {"post-vanilla",
     "POST",
     "/",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-vanilla-query",
     "POST",
     "/",
     {{"Param1", "value1"}},
     {{0}},
     "",
     "host;x-amz-date",
     "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
    {"post-x-www-form-urlencoded",
     "POST",
     "/",
     {{0}},
     {{"Content-Type", "application/x-www-form-urlencoded"}},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"post-x-www-form-urlencoded-parameters",
     "POST",
     "/",
     {{0}},
     {{"Content-Type", "application/x-www-form-urlencoded; charset=utf8"}},
     "Param1=value1",
     "content-type;host;x-amz-date",
     "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
    {"get-relative",
     "GET",
     "/example/..",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative",
     "GET",
     "/example1/example2/../..",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash",
     "GET",
     "//",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-dot-slash",
     "GET",
     "/./",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slash-pointless-dot",
     "GET",
     "/./example",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
    {"get-slashes",
     "GET",
     "//example//",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-space",
     "GET",
     "/example space/",
     {{0}},
     {{0}},
     "",
     "host;x-amz-date",
     "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
    {"post-sts-header-before",
     "POST",
     "/",
     {{0}},
     {{"X-Amz-Security-Token", TOKEN}},
     "",
     "host;x-amz-date;x-amz-security-token",
     "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"},
};

static size_t count_pairs(const struct sigv4_pair *pairs)
{
	size_t n = 0;

	while (n < MAX_PAIRS && pairs[n].name)
		n++;
	return n;
}

static struct identity *identity(const char *key_id, const char *token)
{
	struct identity *id;

	assert_int_equal(
	    identity_new(key_id, SECRET, token, "test", IDENTITY_FOREVER, &id),
	    0);
	return id;
}

static void test_suite(void **state)
{
	static const struct sigv4_scope scope = {"us-east-1", "service",
						 SUITE_TIME};
	CLEANUP_IDENTITY struct identity *id = identity(KEY_ID, NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(suite); i++) {
		CLEANUP_SECRET struct secret query = {0};
		CLEANUP_SECRET struct secret got = {0};
		CLEANUP_SECRET struct secret want = {0};
		struct sigv4_pair headers[MAX_PAIRS + 2] = {
		    {"X-Amz-Date", "20150830T123600Z"},
		    {"Host", "example.amazonaws.com"},
		};
		size_t n = count_pairs(suite[i].headers);
		struct sigv4_request request = {
		    .method = suite[i].method,
		    .path = suite[i].path,
		    .headers = headers,
		    .header_count = n + 2,
		};
		char hash[SIGV4_HEX_SIZE];

		memcpy(headers + 2, suite[i].headers, n * sizeof(*headers));
		assert_int_equal(sigv4_query(&query, suite[i].params,
					     count_pairs(suite[i].params)),
				 0);
		assert_int_equal(
		    sigv4_hash(suite[i].body, strlen(suite[i].body), hash), 0);
		request.query = secret_text(&query);
		request.payload_hash = hash;
		assert_int_equal(sigv4_authorize(&request, &scope, id, &got),
				 0);
		secret_printf(&want,
			      "AWS4-HMAC-SHA256 Credential=%s/20150830/"
			      "us-east-1/service/aws4_request, "
			      "SignedHeaders=%s, Signature=%s",
			      KEY_ID, suite[i].signed_headers,
			      suite[i].signature);
		if (strcmp(got.data, want.data) != 0)
			print_message("in %s\n", suite[i].name);
		assert_string_equal(got.data, want.data);
	}
}

/* S3, "Authenticating Requests: Using the Authorization Header", the second
 * example: a key with a character that is encoded once only. */
static void test_s3_header(void **state)
{
	static const struct sigv4_pair headers[] = {
	    {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
	    {"Host", "examplebucket.s3.amazonaws.com"},
	    {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4"
				     "b4e99e42034a8b803f8b072"},
	    {"x-amz-date", "20130524T000000Z"},
	    {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
	};
	static const struct sigv4_request request = {
	    .method = "PUT",
	    .path = "/test%24file.text",
	    .path_verbatim = true,
	    .headers = headers,
	    .header_count = ARRAY_SIZE(headers),
	    .payload_hash =
		"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b0"
		"72",
	};
	static const struct sigv4_scope scope = {"us-east-1", "s3", 1369353600};
	CLEANUP_SECRET struct secret path = {0};
	CLEANUP_SECRET struct secret got = {0};
	CLEANUP_IDENTITY struct identity *id = NULL;

	(void)state;
	sigv4_encode(&path, "/test$file.text", true);
	assert_string_equal(path.data, request.path);
	assert_int_equal(
	    identity_new("AKIAIOSFODNN7EXAMPLE",
			 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL,
			 "test", IDENTITY_FOREVER, &id),
	    0);
	assert_int_equal(sigv4_authorize(&request, &scope, id, &got), 0);
	assert_non_null(strstr(got.data, "Signature=98ad721746da40c64f1a55b78f1"
					 "4c238d841ea1380cd77a1b5971af0ece10"
					 "8bd"));
}

/* S3, "Authenticating Requests: Using Query Parameters". */
static void test_presign(void **state)
{
	static const struct sigv4_pair headers[] = {
	    {"host", "examplebucket.s3.amazonaws.com"},
	};
	static const struct sigv4_request request = {
	    .method = "GET",
	    .path = "/test.txt",
	    .path_verbatim = true,
	    .headers = headers,
	    .header_count = 1,
	    .payload_hash = SIGV4_UNSIGNED_PAYLOAD,
	};
	static const struct sigv4_scope scope = {"us-east-1", "s3", 1369353600};
	CLEANUP_SECRET struct secret got = {0};
	CLEANUP_IDENTITY struct identity *id = NULL;

	(void)state;
	assert_int_equal(
	    identity_new("AKIAIOSFODNN7EXAMPLE",
			 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "test",
			 IDENTITY_FOREVER, &id),
	    0);
	assert_null(id->token);
	assert_int_equal(
	    sigv4_presign(&request, &scope, id, NULL, 0, 86400, &got), 0);
	assert_string_equal(
	    got.data,
	    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
	    "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&"
	    "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
	    "X-Amz-SignedHeaders=host&X-Amz-Signature="
	    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

static void test_presign_token(void **state)
{
	static const struct sigv4_pair host = {"host", "h"};
	static const struct sigv4_pair param = {"Z", "a b"};
	static const struct sigv4_request request = {
	    .method = "GET",
	    .path = "/",
	    .headers = &host,
	    .header_count = 1,
	    .payload_hash = SIGV4_EMPTY_HASH,
	};
	static const struct sigv4_scope scope = {"r", "s", 0};
	CLEANUP_SECRET struct secret got = {0};
	CLEANUP_IDENTITY struct identity *id = identity(KEY_ID, "t/+=");

	(void)state;
	assert_int_equal(
	    sigv4_presign(&request, &scope, id, &param, 1, 60, &got), 0);
	assert_non_null(strstr(got.data, "&X-Amz-Date=19700101T000000Z&"
					 "X-Amz-Expires=60&"
					 "X-Amz-Security-Token=t%2F%2B%3D&"
					 "X-Amz-SignedHeaders=host&Z=a%20b&"
					 "X-Amz-Signature="));
}

/* A key that would break a header into two is none. */
static void test_bad_identity(void **state)
{
	struct identity *id;

	(void)state;
	assert_int_equal(identity_new("", SECRET, NULL, "t", 0, &id), -EINVAL);
	assert_int_equal(identity_new(KEY_ID, "", NULL, "t", 0, &id), -EINVAL);
	assert_int_equal(identity_new("a\nb", SECRET, NULL, "t", 0, &id),
			 -EINVAL);
	assert_int_equal(identity_new(KEY_ID, SECRET, "a\r", "t", 0, &id),
			 -EINVAL);
	assert_int_equal(identity_new(KEY_ID, "\xc3\xa4", NULL, "t", 0, &id),
			 -EINVAL);
	assert_null(identity_unref(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_suite),
	    cmocka_unit_test(test_s3_header),
	    cmocka_unit_test(test_presign),
	    cmocka_unit_test(test_presign_token),
	    cmocka_unit_test(test_bad_identity),
	};

	return cmocka_run_group_tests_name("sigv4", tests, NULL, NULL);
}
