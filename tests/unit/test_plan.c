/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The plan's whole table: each of source, destination and record absent, the
 * same, or changed in one of several ways; for each type; under each set of
 * options. What is expected is said a second time, in other words.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "sync/difference.h"
#include "sync/plan.h"

#define ALL (ATTR_SET_MODE | ATTR_SET_OWNER | ATTR_SET_MTIME)

/* What a side can hold. */
enum variant {
	ABSENT,
	SAME,
	OTHER_SIZE,
	OTHER_MTIME,
	OTHER_MODE,
	OTHER_UID,
	OTHER_GID,
	OTHER_TYPE,
	OTHER_LINKS, /* one object with another name */
	VARIANTS,
};

/* What the manifest can hold. */
enum record {
	NO_ROW,
	COPIED,
	VERIFIED,
	FAILED,
	BAD_COPY,  /* failed: it was copied and read back wrong */
	DIFFERING, /* failed: a comparison found that it differs */
	SKIPPED,
	OLD_CTIME,
	OLD_CHANGE,
	OLD_SIZE,
	OLD_MTIME,
	OLD_FILEID,
	OLD_TYPE,
	OTHER_OBJECT, /* of another object on the destination */
	RECORDS,
};

static const enum entry_type types[] = {
    ENTRY_NONE, ENTRY_FILE,   ENTRY_DIRECTORY, ENTRY_SYMLINK,
    ENTRY_FIFO, ENTRY_SOCKET, ENTRY_BLOCK,     ENTRY_CHAR,
};

static struct attr sample(enum entry_type type)
{
	return (struct attr){.type = type,
			     .mode = 0644,
			     .uid = 10,
			     .gid = 20,
			     .size = 300,
			     .nlink = 1,
			     .fileid = 77,
			     .mtime_ns = -5,
			     .ctime_ns = 60,
			     .change = 61};
}

static struct attr vary(enum entry_type type, enum variant v)
{
	struct attr a = sample(type);

	switch (v) {
	case OTHER_SIZE:
		a.size++;
		break;
	case OTHER_MTIME:
		a.mtime_ns++;
		break;
	case OTHER_MODE:
		a.mode ^= 04000;
		break;
	case OTHER_UID:
		a.uid++;
		break;
	case OTHER_GID:
		a.gid++;
		break;
	case OTHER_TYPE:
		a.type = type == ENTRY_FIFO ? ENTRY_DIRECTORY : ENTRY_FIFO;
		break;
	case OTHER_LINKS:
		a.nlink = 2;
		a.gid++;
		break;
	default:
		break;
	}
	return a;
}

static struct manifest_row record(enum entry_type type, enum record which)
{
	struct manifest_row row = {.name = "x",
				   .state = STATE_VERIFIED,
				   .type = type,
				   .destination_fileid = 77,
				   .source = sample(type)};

	switch (which) {
	case COPIED:
		row.state = STATE_COPIED;
		break;
	case FAILED:
		row.state = STATE_FAILED;
		break;
	case BAD_COPY:
		row.state = STATE_FAILED;
		row.phase = PHASE_VERIFY;
		row.error = -EBADMSG;
		break;
	case DIFFERING:
		row.state = STATE_FAILED;
		row.phase = PHASE_VERIFY;
		row.error = difference_error(DIFFERS_CONTENT);
		break;
	case SKIPPED:
		row.state = STATE_SKIPPED;
		break;
	case OLD_CTIME:
		row.source.ctime_ns--;
		break;
	case OLD_CHANGE:
		row.source.change--;
		break;
	case OLD_SIZE:
		row.source.size--;
		break;
	case OLD_MTIME:
		row.source.mtime_ns--;
		break;
	case OLD_FILEID:
		row.source.fileid--;
		break;
	case OLD_TYPE:
		row.type = row.source.type =
		    type == ENTRY_FILE ? ENTRY_SYMLINK : ENTRY_FILE;
		break;
	case OTHER_OBJECT:
		row.destination_fileid++;
		break;
	default:
		break;
	}
	return row;
}

/* --- The same in other words --------------------------------------------- */

struct question {
	enum entry_type type;
	bool source;
	enum variant destination;
	enum record record;
	struct plan_options options;
};

/* The attribute in which the destination differs. */
static uint32_t oracle_differs(const struct question *q)
{
	static const uint32_t which[VARIANTS] = {
	    [OTHER_MTIME] = ATTR_SET_MTIME, [OTHER_MODE] = ATTR_SET_MODE,
	    [OTHER_UID] = ATTR_SET_UID,     [OTHER_GID] = ATTR_SET_GID,
	    [OTHER_LINKS] = ATTR_SET_GID,
	};

	if (q->destination == OTHER_MODE && q->type == ENTRY_SYMLINK)
		return 0;
	return which[q->destination] & q->options.preserve;
}

/* Without the two options that narrow and widen it. */
static enum plan_action oracle_need(const struct question *q)
{
	bool content = q->type == ENTRY_FILE || q->type == ENTRY_SYMLINK;
	bool holds = q->record == COPIED || q->record == VERIFIED;
	uint32_t differs = oracle_differs(q);

	if (!q->source)
		return q->destination == ABSENT ? PLAN_NOTHING : PLAN_KEEP;
	if (q->type == ENTRY_NONE || q->type == ENTRY_BLOCK ||
	    q->type == ENTRY_CHAR)
		return PLAN_SKIP;
	if (q->type == ENTRY_DIRECTORY)
		return PLAN_ENTER;
	if (q->destination == ABSENT || q->destination == OTHER_TYPE)
		return PLAN_COPY;
	if (content && q->destination == OTHER_SIZE)
		return PLAN_COPY;
	if (q->destination == OTHER_LINKS && differs)
		return PLAN_COPY;
	if (content && (!holds || (differs & ATTR_SET_MTIME)))
		return PLAN_COMPARE;
	return differs ? PLAN_METADATA : PLAN_UNCHANGED;
}

/* What the destination has stays as it is. */
static bool oracle_protects(const struct question *q)
{
	if (!q->source || q->destination == ABSENT || !q->options.protect ||
	    q->record == BAD_COPY || oracle_need(q) == PLAN_SKIP)
		return false;
	return q->type != ENTRY_DIRECTORY || q->destination == OTHER_TYPE;
}

static enum plan_action oracle_action(const struct question *q)
{
	enum plan_action need = oracle_need(q);

	if (oracle_protects(q)) {
		bool differs = oracle_differs(q) != 0;

		if (need == PLAN_UNCHANGED)
			return need;
		return need == PLAN_COMPARE && !differs ? need : PLAN_LEAVE;
	}
	if (q->options.copy_all && q->destination != ABSENT &&
	    (need == PLAN_UNCHANGED || need == PLAN_METADATA ||
	     need == PLAN_COMPARE))
		return PLAN_COPY;
	return need;
}

static enum plan_reason oracle_reason(const struct question *q)
{
	bool untried = q->record == NO_ROW || q->record == FAILED ||
		       q->record == BAD_COPY || q->record == DIFFERING;
	enum plan_action need = oracle_need(q);

	if (oracle_action(q) == PLAN_COPY && need != PLAN_COPY)
		return REASON_ALL;
	switch (need) {
	case PLAN_COPY:
		return q->destination == ABSENT       ? REASON_NEW
		       : q->destination == OTHER_TYPE ? REASON_TYPE
		       : q->destination == OTHER_SIZE ? REASON_SIZE
						      : REASON_LINKED;
	case PLAN_COMPARE:
		if (oracle_differs(q) & ATTR_SET_MTIME)
			return REASON_MTIME;
		return untried                     ? REASON_NOT_RECORDED
		       : q->record == OTHER_OBJECT ? REASON_DESTINATION
						   : REASON_SOURCE;
	case PLAN_METADATA:
		return REASON_ATTRIBUTES;
	case PLAN_ENTER:
		return q->destination == ABSENT       ? REASON_NEW
		       : q->destination == OTHER_TYPE ? REASON_TYPE
						      : REASON_NONE;
	default:
		return REASON_NONE;
	}
}

static void ask(const struct question *q)
{
	struct attr source = sample(q->type);
	struct attr destination = vary(q->type, q->destination);
	struct manifest_row row = record(q->type, q->record);
	struct plan p =
	    plan_entry(q->source ? &source : NULL,
		       q->destination == ABSENT ? NULL : &destination,
		       q->record == NO_ROW ? NULL : &row, &q->options);
	bool replace = q->source && q->destination == OTHER_TYPE &&
		       oracle_action(q) != PLAN_SKIP;
	bool protect = oracle_protects(q);
	bool keeps = p.action == PLAN_METADATA || p.action == PLAN_COMPARE ||
		     p.action == PLAN_ENTER;

	if (p.action != oracle_action(q) || p.reason != oracle_reason(q) ||
	    p.replace != replace || p.protect != protect ||
	    (keeps && !replace && p.differs != oracle_differs(q)))
		fail_msg("type %d, source %d, destination %d, record %d, "
			 "preserve %x, all %d, protect %d: %s (%s), differs "
			 "%x, replace %d",
			 (int)q->type, q->source, (int)q->destination,
			 (int)q->record, q->options.preserve,
			 q->options.copy_all, q->options.protect,
			 plan_action_name(p.action), plan_reason_text(p.reason),
			 p.differs, p.replace);
}

static void test_whole_table(void **state)
{
	static const uint32_t masks[] = {
	    ALL,
	    ALL & ~ATTR_SET_MTIME,
	    ALL & ~ATTR_SET_OWNER,
	    ALL & ~ATTR_SET_MODE,
	    0,
	};
	struct question q;

	(void)state;
	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (int source = 0; source < 2; source++)
			for (int d = 0; d < VARIANTS; d++)
				for (int r = 0; r < RECORDS; r++)
					for (size_t m = 0;
					     m < 4 * ARRAY_SIZE(masks); m++) {
						q = (struct question){
						    types[t],
						    source > 0,
						    (enum variant)d,
						    (enum record)r,
						    {masks[m / 4], m % 2 > 0,
						     m % 4 > 1}};
						ask(&q);
					}
}

/* --- The parts ----------------------------------------------------------- */

static void test_row_holds(void **state)
{
	struct attr a = sample(ENTRY_FILE);

	(void)state;
	assert_false(plan_row_holds(NULL, &a));
	for (int r = NO_ROW + 1; r < RECORDS; r++) {
		struct manifest_row row = record(ENTRY_FILE, (enum record)r);

		assert_int_equal(plan_row_holds(&row, &a),
				 r == COPIED || r == VERIFIED ||
				     r == OTHER_OBJECT);
	}
}

/* The record of a verified copy stands for the destination only while that
 * is the object that was recorded, unchanged, and nothing is to be read. */
static void test_trust(void **state)
{
	struct plan_options options = {.preserve = ALL};
	struct attr source = sample(ENTRY_FILE), destination = source;
	struct manifest_row row = record(ENTRY_FILE, OLD_CTIME);

	(void)state;
	row.has_digest = true;
	row.destination_fileid = destination.fileid;
	assert_true(plan_entry(&source, &destination, &row, &options).trusted);
	row.destination_fileid++;
	assert_false(plan_entry(&source, &destination, &row, &options).trusted);
	row.destination_fileid--;
	row.state = STATE_COPIED;
	assert_false(plan_entry(&source, &destination, &row, &options).trusted);
	row.state = STATE_VERIFIED;
	row.source.mtime_ns--;
	assert_false(plan_entry(&source, &destination, &row, &options).trusted);
	row.source.mtime_ns++;
	row.has_digest = false;
	assert_false(plan_entry(&source, &destination, &row, &options).trusted);
	assert_false(plan_entry(&source, &destination, NULL, &options).trusted);
}

static void test_attr_differs(void **state)
{
	struct attr a = sample(ENTRY_FILE), b = a;

	(void)state;
	assert_int_equal(plan_attr_differs(&a, &b, UINT32_MAX), 0);
	b.size = 0;
	b.ctime_ns = b.atime_ns = 9;
	b.nlink = 9;
	assert_int_equal(plan_attr_differs(&a, &b, UINT32_MAX), 0);
	b.mode = 0;
	b.uid = b.gid = 0;
	b.mtime_ns = 0;
	assert_int_equal(plan_attr_differs(&a, &b, UINT32_MAX), ALL);
	for (uint32_t mask = 0; mask <= ALL; mask++)
		assert_int_equal(plan_attr_differs(&a, &b, mask), mask & ALL);
	a.type = b.type = ENTRY_SYMLINK;
	assert_int_equal(plan_attr_differs(&a, &b, ALL), ALL & ~ATTR_SET_MODE);
}

static void test_names(void **state)
{
	(void)state;
	for (int i = PLAN_NOTHING; i <= PLAN_ENTER; i++)
		assert_string_not_equal(plan_action_name((enum plan_action)i),
					"?");
	for (int i = REASON_NONE; i <= REASON_ALL; i++)
		assert_string_not_equal(plan_reason_text((enum plan_reason)i),
					"?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_table),
	    cmocka_unit_test(test_row_holds),
	    cmocka_unit_test(test_trust),
	    cmocka_unit_test(test_attr_differs),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
