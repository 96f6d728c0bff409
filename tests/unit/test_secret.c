/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Secrets grow, are hidden from core dumps and are gone when freed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tools/dumpable.h"
#include "aws/identity.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"

#define SIZE 24

/* 24 random letters, flipped: they are nowhere in memory but where the test
 * puts them. */
static void make_flipped(uint8_t flipped[SIZE])
{
	assert_int_equal(getentropy(flipped, SIZE), 0);
	for (size_t i = 0; i < SIZE; i++)
		flipped[i] = (uint8_t) ~('a' + flipped[i] % 26);
}

static void put_plain(struct secret *s, const uint8_t *flipped)
{
	for (size_t i = 0; i < SIZE; i++) {
		char c = (char)~flipped[i];

		secret_put(s, &c, 1);
	}
}

static void test_grow(void **state)
{
	CLEANUP_SECRET struct secret s = {0};

	(void)state;
	assert_string_equal(secret_text(&s), "");
	for (int i = 0; i < 3000; i++)
		secret_printf(&s, "%04d", i);
	assert_int_equal(secret_check(&s), 0);
	assert_int_equal(s.len, 12000);
	assert_memory_equal(s.data, "000000010002", 12);
	assert_string_equal(s.data + 11996, "2999");
	secret_clear(&s);
	secret_puts(&s, "x");
	assert_string_equal(s.data, "x");
}

/* Too much is said once and for all. */
static void test_too_large(void **state)
{
	CLEANUP_SECRET struct secret s = {0};

	(void)state;
	secret_put(&s, "", SIZE_MAX / 2);
	assert_int_equal(secret_check(&s), -ENOMEM);
	secret_puts(&s, "more");
	assert_int_equal(s.len, 0);
}

static void test_file(void **state)
{
	CLEANUP_SECRET struct secret s = {0};
	char path[] = "/tmp/test_secret.XXXXXX";
	CLEANUP_CLOSE int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(secret_put_file(&s, path, 10), 0);
	assert_string_equal(s.data, "0123456789");
	secret_clear(&s);
	assert_int_equal(secret_put_file(&s, path, 9), -EFBIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(secret_put_file(&s, path, 9), -ENOENT);
}

/* The search finds what is there to be found, or the other tests are void. */
static void test_search(void **state)
{
	CLEANUP_FREE char *heap = calloc(1, SIZE + 1);
	uint8_t flipped[SIZE];

	(void)state;
	assert_non_null(heap);
	make_flipped(flipped);
	assert_int_equal(dumpable_count(flipped, SIZE), 0);
	for (size_t i = 0; i < SIZE; i++)
		heap[i] = (char)~flipped[i];
	assert_int_equal(dumpable_count(flipped, SIZE), 1);
	secret_hide(heap);
	assert_int_equal(dumpable_count(flipped, SIZE), 0);
}

static void test_hidden(void **state)
{
	static const struct sigv4_scope scope = {"r", "s", 1};
	static const struct sigv4_request request = {
	    .method = "GET", .path = "/", .payload_hash = SIGV4_EMPTY_HASH};
	CLEANUP_SECRET struct secret s = {0};
	CLEANUP_SECRET struct secret query = {0};
	struct identity *id = NULL;
	uint8_t flipped[SIZE];

	(void)state;
	make_flipped(flipped);
	put_plain(&s, flipped);
	assert_int_equal(s.len, SIZE);
	/* Through all that a key and a token go through. */
	assert_int_equal(
	    identity_new("id", s.data, s.data, "test", IDENTITY_FOREVER, &id),
	    0);
	assert_int_equal(
	    sigv4_presign(&request, &scope, id, NULL, 0, 1, &query), 0);
	assert_non_null(strstr(query.data, s.data));
	secret_printf(&s, "%10000s", "");
	assert_int_equal(dumpable_count(flipped, SIZE), 0);
	id = identity_unref(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grow),   cmocka_unit_test(test_too_large),
	    cmocka_unit_test(test_file),   cmocka_unit_test(test_search),
	    cmocka_unit_test(test_hidden),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
