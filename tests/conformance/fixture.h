/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fixture - what the conformance tests of the waist share.
 *
 * One volume is opened for all tests; each test has a fresh directory on it.
 * The short functions below carry one item each and answer its result.
 *
 * A volume that only reads is tested with another one on the same directory,
 * the writer, whose handles it must take. It gets all that changes anything.
 *
 * Where it is known which local directory lies behind the volume ("backing"),
 * tests look there with plain system calls, for a second opinion.
 *
 * Thread rule: the main thread.
 */
#ifndef TESTS_CONFORMANCE_FIXTURE_H
#define TESTS_CONFORMANCE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "volume/volume.h"

#define TEMP ".conformance-temp"

struct fixture {
	struct volume *volume;
	struct volume *writer; /* that changes things instead; or NULL */
	char *location;
	char *backing;      /* the directory behind it, or NULL */
	bool local;         /* the volume is the backing itself */
	struct handle *dir; /* the running test's own directory */
	char dir_name[64];
	char *dir_path; /* the same behind the volume, or NULL */
};

extern struct fixture fixture;

/* The tests of each file. */
#define CONFORMANCE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, fixture_begin, fixture_end)
extern const struct CMUnitTest attr_tests[], call_tests[], denied_tests[],
    held_tests[], list_tests[], name_tests[], range_tests[], swap_tests[],
    tree_tests[], whole_tests[];
extern const size_t attr_test_count, call_test_count, denied_test_count,
    held_test_count, list_test_count, name_test_count, range_test_count,
    swap_test_count, tree_test_count, whole_test_count;

int fixture_begin(void **state);
int fixture_end(void **state);

/* volume_run() and volume_start() by whoever of both volumes is to do it. */
void fixture_run(enum volume_verb verb, void *items, size_t count);
void fixture_start(struct volume_call *call);

/* Opens the location once more; `query` is added to the URL of a server. */
struct volume *fixture_open(const char *query);

/* The path of `name` in the test's directory behind the volume. */
const char *backing_path(const char *name);

/* Fails the test unless `got` is one of the (at most four) results. */
#define EXPECT(what, got, ...)                       \
	expect_result(__FILE__, __LINE__, what, got, \
		      (const int[]){__VA_ARGS__, 1})
void expect_result(const char *file, int line, const char *what, int got,
		   const int *wanted);

/* A time before 1970, or one after it where the volume keeps none before. */
int64_t early_time(int64_t ns);

/* --- One item each. Out-parameters may be NULL. */

int do_lookup(const struct handle *dir, const char *name, struct attr *attr,
	      struct handle **handle);
int do_getattr(const struct handle *handle, struct attr *attr);
int do_setattr(const struct handle *handle, const struct attr_set *set,
	       struct attr *attr);
int do_readlink(const struct handle *handle, char **target);
int do_make(const struct handle *dir, const char *temp, const char *name,
	    enum entry_type type, const char *target,
	    const struct attr_set *set, struct handle **handle);
int do_link(const struct handle *handle, const struct handle *dir,
	    const char *temp, const char *name, struct attr *attr);
int do_remove(const struct handle *dir, const char *name, bool directory);
int do_rename(const struct handle *dir, const char *name,
	      const struct handle *to_dir, const char *to_name);
int do_write(const struct handle *dir, const char *name, const void *data,
	     size_t len, const struct attr_set *set, struct handle **handle);
int do_open(const struct handle *dir, const char *name, bool create,
	    struct volume_file **file, struct handle **handle);
int do_range_write(struct volume_file *file, uint64_t offset, const void *data,
		   size_t len, uint64_t *verifier);
int do_commit(struct volume_file *file, uint64_t *verifier);
int do_close(struct volume_file *file);

/* For reading, by handle. */
int do_open_read(const struct handle *handle, struct volume_file **file,
		 struct attr *attr);

/* The whole file; the item is the caller's to finish. */
int do_read_whole(const struct handle *handle, size_t expect,
		  struct volume_read_whole *item);
int do_read(const struct handle *handle, uint64_t offset, size_t len,
	    struct volume_read *item);
/* By a file that was opened with do_open_read(). */
int do_read_file(const struct handle *handle, struct volume_file *file,
		 uint64_t offset, size_t len, struct volume_read *item);

/* --- Short cuts that must succeed */

struct handle *make_dir(const struct handle *dir, const char *name);
struct handle *make_file(const struct handle *dir, const char *name,
			 const char *text);
struct handle *make_link(const struct handle *dir, const char *name,
			 const char *target);
struct handle *lookup(const struct handle *dir, const char *name);
void assert_content(const struct handle *handle, const void *data, size_t len);
void assert_absent(const struct handle *dir, const char *name);

/* All entries of `dir`, in pages of `max_bytes`. Freed by finishing it. */
int list_all(const struct handle *dir, size_t max_bytes,
	     struct volume_list *ret);
void remove_tree(const struct handle *dir);

/* `len` bytes without zeros that depend on `seed`; freed with free(). */
uint8_t *noise(size_t len, unsigned seed);

#endif
