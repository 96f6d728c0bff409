/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nodes of the .sync tree: an id is a node and back, and what is no id of
 * one is refused. What is in the files is looked at by test_render and, in a
 * real mount, by dotsync.bats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "view/dotsync_internal.h"
#include "view/node.h"

static bool is_of_execution(enum dotsync_kind kind)
{
	return kind == DOTSYNC_EXECUTION || kind == DOTSYNC_SUMMARY;
}

static void test_ids(void **state)
{
	static const uint64_t executions[] = {
	    1, 2, 63, 64, 1 << 20, DOTSYNC_EXECUTION_MAX};
	struct dotsync_node back;

	(void)state;
	for (enum dotsync_kind k = 0; k < DOTSYNC_KINDS; k++)
		for (size_t i = 0; i < ARRAY_SIZE(executions); i++) {
			struct dotsync_node n = {
			    .kind = k,
			    .execution = is_of_execution(k) ? executions[i] : 0,
			};
			fuse_ino_t id = dotsync_id(n);

			assert_true(id >= NODE_VIRTUAL);
			assert_true(dotsync_node_of(id, &back));
			assert_int_equal(back.kind, k);
			assert_int_equal(back.execution, n.execution);
		}
}

static void test_ids_of_nothing(void **state)
{
	const fuse_ino_t bad[] = {
	    0,
	    NODE_ROOT,
	    NODE_VIRTUAL - 1,
	    NODE_VIRTUAL | DOTSYNC_KINDS,
	    NODE_VIRTUAL | 63,
	    /* A summary of no execution, a status of one. */
	    NODE_VIRTUAL | DOTSYNC_SUMMARY,
	    NODE_VIRTUAL | DOTSYNC_EXECUTION,
	    NODE_VIRTUAL | 1 << 6 | DOTSYNC_STATUS,
	    /* An execution that is too large. */
	    NODE_VIRTUAL | (DOTSYNC_EXECUTION_MAX + 1) << 6 | DOTSYNC_SUMMARY,
	    UINT64_MAX,
	};
	struct dotsync_node n;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(dotsync_node_of(bad[i], &n));
}

/* Whoever may read a file may enter its directory; only control is written. */
static void test_modes(void **state)
{
	(void)state;
	for (enum dotsync_kind k = 0; k < DOTSYNC_KINDS; k++) {
		const struct dotsync_entry *e = &dotsync_entries[k];
		const struct dotsync_entry *parent =
		    &dotsync_entries[e->parent];

		assert_true(S_ISDIR(parent->mode));
		assert_int_equal(parent->mode & 0777, 0555);
		if (k == DOTSYNC_CONTROL)
			assert_int_equal(e->mode, S_IFREG | 0600);
		else
			assert_int_equal(e->mode & 0222, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_ids_of_nothing),
	    cmocka_unit_test(test_modes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
