/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is told of a path once it was resolved: targets, extended attributes,
 * and statfs; and what becomes of those who ask when a side is lost meanwhile.
 */
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

#include "base/digest.h"
#include "kernel.h"
#include "tree.h"
#include "view/health.h"
#include "view/node.h"
#include "view/request.h"

static void symlinks_are_read_where_they_are(void **state)
{
	struct kernel *f = *state;
	struct fake_answer a;
	uint64_t id, file;
	fuse_req_t req;

	tree_symlink(f->directory[SOURCE], "of source", "l");
	tree_symlink(f->directory[DESTINATION], "of destination", "l");
	tree_file(f->directory[SOURCE], "f", 10, 1);
	id = kernel_enter(f, NODE_ROOT, "l");
	/* The first one that was found is gone by then. */
	still_volume_fail(kernel_volume(f, SOURCE), VOLUME_READLINK, 1,
			  -ESTALE);
	req = fake_req_new(&f->view);
	names_readlink(req, id);
	a = kernel_answer_of(req);
	assert_int_equal(a.error, 0);
	assert_string_equal(a.data, "of source");
	still_volume_fail(kernel_volume(f, SOURCE), VOLUME_READLINK, 1000,
			  -ESTALE);
	req = fake_req_new(&f->view);
	names_readlink(req, id);
	assert_int_equal(kernel_answer_of(req).error, ESTALE);
	file = kernel_enter(f, NODE_ROOT, "f");
	req = fake_req_new(&f->view);
	names_readlink(req, file);
	assert_int_equal(kernel_answer_of(req).error, EINVAL);
}

static struct fake_answer list_xattrs(struct kernel *f, uint64_t id,
				      size_t size)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_listxattr(req, id, size);
	return kernel_answer_of(req);
}

static void extended_attributes_tell_what_is_known(void **state)
{
	static const char one[] = "user.efsbridge.origin";
	static const char all[] = "user.efsbridge.origin\0"
				  "user.efsbridge.state\0"
				  "user.efsbridge.digest\0"
				  "user.efsbridge.error\0"
				  "user.efsbridge.execution";
	struct kernel *f = *state;
	struct manifest_row row;
	char hex[DIGEST_TEXT];
	struct fake_answer a;
	uint64_t id;

	for (enum side side = 0; side < SIDES; side++)
		tree_file(f->directory[side], "f", 10, 1);
	id = kernel_enter(f, NODE_ROOT, "f");
	a = list_xattrs(f, id, 0);
	assert_int_equal(a.len, sizeof(one));
	a = list_xattrs(f, id, sizeof(one));
	assert_memory_equal(a.data, one, sizeof(one));
	assert_int_equal(
	    kernel_get_xattr(f, id, "user.efsbridge.state", 9).error, ENODATA);
	row = kernel_row_of(f, "f");
	row.state = STATE_FAILED;
	row.error = -EBUSY;
	row.phase = PHASE_READ;
	row.has_digest = true;
	row.digest = digest_of("x", 1);
	kernel_put(f, &row);
	a = list_xattrs(f, id, 1000);
	assert_int_equal(a.len, sizeof(all));
	assert_memory_equal(a.data, all, sizeof(all));
	kernel_assert_xattr(f, id, "user.efsbridge.state", "failed");
	kernel_assert_xattr(f, id, "user.efsbridge.execution", "3");
	kernel_assert_xattr(f, id, "user.efsbridge.digest",
			    digest_format(&row.digest, hex));
	a = kernel_get_xattr(f, id, "user.efsbridge.error", 1000);
	assert_non_null(memmem(a.data, a.len, "changing", 8));
	a = kernel_get_xattr(f, id, "user.efsbridge.state", 0);
	assert_int_equal(a.len, strlen("failed"));
	assert_int_equal(
	    kernel_get_xattr(f, id, "user.efsbridge.state", 5).error, ERANGE);
	assert_int_equal(list_xattrs(f, id, 5).error, ERANGE);
}

static void foreign_attributes_cost_nothing(void **state)
{
	struct kernel *f = *state;

	still_volume_stop(kernel_volume(f, SOURCE));
	still_volume_stop(kernel_volume(f, DESTINATION));
	assert_int_equal(
	    kernel_get_xattr(f, 2, "security.capability", 10).error, ENODATA);
	assert_int_equal(kernel_get_xattr(f, 2, "user.efsbridge.", 10).error,
			 ENODATA);
	assert_int_equal(still_volume_held(kernel_volume(f, SOURCE)), 0);
}

static void statfs_is_the_destination_s(void **state)
{
	struct kernel *f = *state;
	fuse_req_t req = fake_req_new(&f->view);

	names_statfs(req, NODE_ROOT);
	assert_int_equal(kernel_answer_of(req).len, 255);
	assert_int_equal(
	    still_volume_count(kernel_volume(f, DESTINATION), VOLUME_STATFS),
	    1);
	assert_int_equal(
	    still_volume_count(kernel_volume(f, SOURCE), VOLUME_STATFS), 0);
}

/* --- A side that is lost ------------------------------------------------- */

static fuse_req_t start_readlink(struct kernel *f, uint64_t id)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_readlink(req, id);
	return req;
}

static fuse_req_t start_statfs(struct kernel *f)
{
	fuse_req_t req = fake_req_new(&f->view);

	names_statfs(req, NODE_ROOT);
	return req;
}

/* A link that is there, on the source. */
static uint64_t make_link(struct kernel *f)
{
	tree_symlink(f->directory[SOURCE], "target", "l");
	return kernel_enter(f, NODE_ROOT, "l");
}

/* Waits until the side was asked that often more. */
static void wait_for_calls(struct kernel *f, enum side side,
			   enum volume_verb verb, unsigned more)
{
	struct volume *v = kernel_volume(f, side);
	unsigned before = still_volume_count(v, verb);

	while (still_volume_count(v, verb) < before + more)
		usleep(1000);
}

static void hard_mounts_ask_again(void **state)
{
	struct kernel *f = *state;
	struct volume *source = kernel_volume(f, SOURCE);
	struct volume *destination = kernel_volume(f, DESTINATION);
	uint64_t link = make_link(f);
	struct fake_answer a;
	fuse_req_t req;

	/* It was resolved already when the side was lost. */
	still_volume_fail(source, VOLUME_READLINK, 2, -ENOTCONN);
	a = kernel_answer_of(start_readlink(f, link));
	assert_int_equal(a.error, 0);
	assert_string_equal(a.data, "target");
	assert_int_equal(still_volume_count(source, VOLUME_READLINK), 3);

	still_volume_lose(destination, true);
	req = start_statfs(f);
	wait_for_calls(f, DESTINATION, VOLUME_STATFS, 2);
	assert_false(fake_req_is_answered(req));
	still_volume_lose(destination, false);
	a = kernel_answer_of(req);
	assert_int_equal(a.error, 0);
	assert_int_equal(a.len, 255);
}

static void soft_mounts_do_not(void **state)
{
	struct kernel *f = *state;
	uint64_t link = make_link(f);

	f->options.soft = true;
	still_volume_fail(kernel_volume(f, SOURCE), VOLUME_READLINK, 1,
			  -ENOTCONN);
	assert_int_equal(kernel_answer_of(start_readlink(f, link)).error, EIO);
	still_volume_fail(kernel_volume(f, DESTINATION), VOLUME_STATFS, 1,
			  -ENOTCONN);
	assert_int_equal(kernel_answer_of(start_statfs(f)).error, EIO);
}

static void who_was_interrupted_asks_no_more(void **state)
{
	struct kernel *f = *state;
	struct volume *destination = kernel_volume(f, DESTINATION);
	fuse_req_t req;
	unsigned asked;

	still_volume_lose(destination, true);
	req = start_statfs(f);
	wait_for_calls(f, DESTINATION, VOLUME_STATFS, 1);
	fake_req_interrupt(req);
	assert_int_equal(kernel_answer_of(req).error, EINTR);
	requests_drain(f->view.requests);
	asked = still_volume_count(destination, VOLUME_STATFS);
	still_volume_lose(destination, false);
	assert_int_equal(kernel_answer_of(start_statfs(f)).error, 0);
	assert_int_equal(still_volume_count(destination, VOLUME_STATFS),
			 asked + 1);
}

static void the_end_answers_who_waits(void **state)
{
	struct kernel *f = *state;
	uint64_t link = make_link(f);
	fuse_req_t one, other;

	still_volume_fail(kernel_volume(f, SOURCE), VOLUME_READLINK, 1000,
			  -ENOTCONN);
	still_volume_lose(kernel_volume(f, DESTINATION), true);
	one = start_readlink(f, link);
	other = start_statfs(f);
	wait_for_calls(f, DESTINATION, VOLUME_STATFS, 1);
	assert_false(fake_req_is_answered(one));
	assert_false(fake_req_is_answered(other));
	health_drain(f->view.health);
	assert_int_equal(kernel_answer_of(one).error, EIO);
	assert_int_equal(kernel_answer_of(other).error, EIO);
}

int main(void)
{
#define NAMES_TEST(f) \
	cmocka_unit_test_setup_teardown(f, kernel_setup, kernel_teardown)
	const struct CMUnitTest tests[] = {
	    NAMES_TEST(symlinks_are_read_where_they_are),
	    NAMES_TEST(extended_attributes_tell_what_is_known),
	    NAMES_TEST(foreign_attributes_cost_nothing),
	    NAMES_TEST(statfs_is_the_destination_s),
	    NAMES_TEST(hard_mounts_ask_again),
	    NAMES_TEST(soft_mounts_do_not),
	    NAMES_TEST(who_was_interrupted_asks_no_more),
	    NAMES_TEST(the_end_answers_who_waits),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
