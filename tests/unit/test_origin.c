/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rule of origin's whole table: each side absent, silent, or holding each
 * of several objects; each record that there can be of them. What is expected
 * is said a second time, as a table of words that somebody wrote by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "view/origin.h"

/* What the source can be found to hold. */
enum source_case {
	S_ABSENT,
	S_SILENT,
	S_SAME, /* as it was when it was copied */
	S_OTHER_FILEID,
	S_OTHER_SIZE,
	S_OTHER_MTIME,
	S_OTHER_CTIME,
	S_OTHER_CHANGE,
	S_OTHER_TYPE,
	S_CASES,
};

/* What the destination can. */
enum destination_case {
	D_ABSENT,
	D_SILENT,
	D_COPY,         /* the object that was made then */
	D_CHANGED,      /* that object, with other attributes by now */
	D_OTHER_OBJECT, /* of the same type */
	D_OTHER_TYPE,   /* and another object, of course */
	D_SAME_ID_TYPE, /* the file id was used again for another type */
	D_CASES,
};

enum row_case {
	R_NO_ROW,
	R_NONE, /* a row whose state says nothing */
	R_COPIED,
	R_VERIFIED,
	R_FAILED,
	R_SKIPPED,
	R_CASES,
};

#define SOURCE_ID      77
#define DESTINATION_ID 88

static struct attr sample(enum entry_type type, uint64_t fileid)
{
	return (struct attr){
	    .type = type,
	    .mode = 0640,
	    .uid = 5,
	    .size = 100,
	    .nlink = 1,
	    .fileid = fileid,
	    .mtime_ns = 10,
	    .ctime_ns = 20,
	    .change = 30,
	};
}

static enum entry_type other(enum entry_type type)
{
	return type == ENTRY_FILE ? ENTRY_DIRECTORY : ENTRY_FILE;
}

static void set_source(struct origin_facts *f, enum source_case c,
		       enum entry_type type)
{
	struct attr *a = &f->attr[SOURCE];

	f->presence[SOURCE] = c == S_ABSENT   ? ABSENT
			      : c == S_SILENT ? UNKNOWN
					      : PRESENT;
	*a = sample(type, SOURCE_ID);
	if (c == S_OTHER_FILEID)
		a->fileid++;
	if (c == S_OTHER_SIZE)
		a->size++;
	if (c == S_OTHER_MTIME)
		a->mtime_ns++;
	if (c == S_OTHER_CTIME)
		a->ctime_ns++;
	if (c == S_OTHER_CHANGE)
		a->change++;
	if (c == S_OTHER_TYPE)
		a->type = other(type);
}

static void set_destination(struct origin_facts *f, enum destination_case c,
			    enum entry_type type)
{
	struct attr *a = &f->attr[DESTINATION];

	f->presence[DESTINATION] = c == D_ABSENT   ? ABSENT
				   : c == D_SILENT ? UNKNOWN
						   : PRESENT;
	*a = sample(type, DESTINATION_ID);
	if (c == D_CHANGED) {
		a->size += 9;
		a->mtime_ns += 9;
		a->change += 9;
	}
	if (c == D_OTHER_OBJECT || c == D_OTHER_TYPE)
		a->fileid++;
	if (c == D_OTHER_TYPE || c == D_SAME_ID_TYPE)
		a->type = other(type);
}

static struct manifest_row row_of(enum row_case c, enum entry_type type)
{
	static const enum entry_state states[] = {
	    [R_NONE] = STATE_NONE,         [R_COPIED] = STATE_COPIED,
	    [R_VERIFIED] = STATE_VERIFIED, [R_FAILED] = STATE_FAILED,
	    [R_SKIPPED] = STATE_SKIPPED,
	};

	return (struct manifest_row){
	    .state = states[c],
	    .type = type,
	    .source = sample(type, SOURCE_ID),
	    .destination_fileid = DESTINATION_ID,
	};
}

/*
 * The table. A line for each case of the source, a letter for each case of the
 * destination in the order of the enum:
 *
 *	- neither side has it, S source, D destination, ? it has to wait
 *
 * with a record of a finished copy ..
 */
static const char *const with_copy[S_CASES] = {
    /*		       absent, silent, copy, changed, object, type, id+type */
    [S_ABSENT] = "-?DDDDD",      [S_SILENT] = "??DD???",
    [S_SAME] = "SSDDSSS",        [S_OTHER_FILEID] = "SSSSSSS",
    [S_OTHER_SIZE] = "SSSSSSS",  [S_OTHER_MTIME] = "SSSSSSS",
    [S_OTHER_CTIME] = "SSSSSSS", [S_OTHER_CHANGE] = "SSSSSSS",
    [S_OTHER_TYPE] = "SSSSSSS",
};

/* .. and without. */
static const char *const without_copy[S_CASES] = {
    [S_ABSENT] = "-?DDDDD",      [S_SILENT] = "???????",
    [S_SAME] = "SSSSSSS",        [S_OTHER_FILEID] = "SSSSSSS",
    [S_OTHER_SIZE] = "SSSSSSS",  [S_OTHER_MTIME] = "SSSSSSS",
    [S_OTHER_CTIME] = "SSSSSSS", [S_OTHER_CHANGE] = "SSSSSSS",
    [S_OTHER_TYPE] = "SSSSSSS",
};

static char letter(enum origin origin)
{
	static const char letters[] = {
	    [ORIGIN_NONE] = '-',
	    [ORIGIN_SOURCE] = 'S',
	    [ORIGIN_DESTINATION] = 'D',
	    [ORIGIN_WAIT] = '?',
	};

	return letters[origin];
}

struct combination {
	enum source_case source;
	enum destination_case destination;
	enum row_case row;
	enum entry_type type;
};

static bool is_done(enum row_case row)
{
	return row == R_COPIED || row == R_VERIFIED;
}

/* Calls `check` with all combinations there are. */
static void each(void (*check)(const struct combination *c,
			       const struct origin_facts *f))
{
	static const enum entry_type types[] = {
	    ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK,
	    ENTRY_FIFO, ENTRY_SOCKET,
	};
	struct manifest_row row;
	struct combination c;

	for (size_t t = 0; t < ARRAY_SIZE(types); t++)
		for (int s = 0; s < S_CASES; s++)
			for (int d = 0; d < D_CASES; d++)
				for (int r = 0; r < R_CASES; r++) {
					struct origin_facts f = {0};

					c = (struct combination){
					    (enum source_case)s,
					    (enum destination_case)d,
					    (enum row_case)r, types[t]};
					set_source(&f, c.source, c.type);
					set_destination(&f, c.destination,
							c.type);
					row = row_of(c.row, c.type);
					f.row = c.row == R_NO_ROW ? NULL : &row;
					check(&c, &f);
				}
}

static void check_choice(const struct combination *c,
			 const struct origin_facts *f)
{
	const char *const *table = is_done(c->row) ? with_copy : without_copy;
	char expected = table[c->source][c->destination];
	char got = letter(origin_choose(f));

	if (got != expected)
		fail_msg("source %d, destination %d, row %d, type %d: %c, "
			 "expected %c",
			 c->source, c->destination, c->row, c->type, got,
			 expected);
}

/* The same for a task that removes: only what was copied, and is not on the
 * source, is not shown. */
static void check_removing(const struct combination *c,
			   const struct origin_facts *f)
{
	struct origin_facts g = *f;
	bool gone = is_done(c->row) && c->source == S_ABSENT &&
		    (c->destination == D_COPY || c->destination == D_CHANGED);

	g.removes_deleted = true;
	assert_int_equal(origin_choose(&g),
			 gone ? ORIGIN_NONE : origin_choose(f));
}

static void what_was_deleted_is_gone(void **state)
{
	(void)state;
	each(check_removing);
}

static void every_combination_has_its_origin(void **state)
{
	(void)state;
	each(check_choice);
}

/* What one side alone decides does not become another when the silent side
 * answers with what it most likely holds. */
static void check_alone(const struct combination *c,
			const struct origin_facts *f)
{
	struct origin_facts g = *f;
	bool alone = origin_is_source_alone(f);

	if (!alone)
		return;
	assert_int_equal(f->presence[SOURCE], PRESENT);
	assert_int_not_equal(f->attr[SOURCE].type, ENTRY_DIRECTORY);
	for (int d = 0; d < D_CASES; d++) {
		set_destination(&g, (enum destination_case)d, c->type);
		assert_int_equal(origin_choose(&g), ORIGIN_SOURCE);
	}
}

static void source_alone_never_errs(void **state)
{
	(void)state;
	each(check_alone);
}

static void source_alone_is_said_when_it_is_so(void **state)
{
	struct manifest_row row = row_of(R_VERIFIED, ENTRY_FILE);
	struct origin_facts f = {0};

	(void)state;
	set_source(&f, S_SAME, ENTRY_FILE);
	f.presence[DESTINATION] = UNKNOWN;
	assert_true(origin_is_source_alone(&f));
	f.row = &row;
	assert_false(origin_is_source_alone(&f));
	set_source(&f, S_OTHER_CHANGE, ENTRY_FILE);
	assert_true(origin_is_source_alone(&f));
	set_source(&f, S_OTHER_CHANGE, ENTRY_DIRECTORY);
	assert_false(origin_is_source_alone(&f));
	set_source(&f, S_ABSENT, ENTRY_FILE);
	assert_false(origin_is_source_alone(&f));
}

/* --- Inode numbers ------------------------------------------------------- */

static void check_inode(const struct combination *c,
			const struct origin_facts *f)
{
	enum origin origin = origin_choose(f);
	uint64_t inode;

	if (origin == ORIGIN_NONE || origin == ORIGIN_WAIT)
		return;
	inode = origin_inode(f);
	if (f->presence[SOURCE] == PRESENT)
		assert_int_equal(inode, f->attr[SOURCE].fileid);
	else if (is_done(c->row) &&
		 (c->destination == D_COPY || c->destination == D_CHANGED))
		assert_int_equal(inode, SOURCE_ID);
	else
		assert_true(inode >> 63);
}

static void every_combination_has_its_inode(void **state)
{
	(void)state;
	each(check_inode);
}

static void the_inode_stays_when_the_origin_moves(void **state)
{
	struct manifest_row row = row_of(R_VERIFIED, ENTRY_FILE);
	struct origin_facts f = {0};
	uint64_t before;

	(void)state;
	set_source(&f, S_SAME, ENTRY_FILE);
	set_destination(&f, D_ABSENT, ENTRY_FILE);
	assert_int_equal(origin_choose(&f), ORIGIN_SOURCE);
	before = origin_inode(&f);
	set_destination(&f, D_COPY, ENTRY_FILE);
	f.row = &row;
	assert_int_equal(origin_choose(&f), ORIGIN_DESTINATION);
	assert_int_equal(origin_inode(&f), before);
	set_source(&f, S_SILENT, ENTRY_FILE);
	assert_int_equal(origin_choose(&f), ORIGIN_DESTINATION);
	assert_int_equal(origin_inode(&f), before);
	set_source(&f, S_ABSENT, ENTRY_FILE);
	assert_int_equal(origin_inode(&f), before);
}

static uint64_t destination_only(uint64_t fileid)
{
	struct origin_facts f = {.presence = {ABSENT, PRESENT}};

	f.attr[DESTINATION] = sample(ENTRY_FILE, fileid);
	return origin_inode(&f);
}

static uint64_t source_only(uint64_t fileid)
{
	struct origin_facts f = {.presence = {PRESENT, ABSENT}};

	f.attr[SOURCE] = sample(ENTRY_FILE, fileid);
	return origin_inode(&f);
}

static void no_inode_is_zero(void **state)
{
	(void)state;
	assert_int_not_equal(source_only(0), 0);
	assert_int_not_equal(source_only(0), source_only(1));
	assert_true(source_only(UINT64_MAX) == UINT64_MAX);
	assert_int_not_equal(destination_only(0), 0);
	assert_int_not_equal(destination_only(UINT64_MAX), 0);
}

static void destination_only_objects_have_numbers_of_their_own(void **state)
{
	uint64_t first = destination_only(1);

	(void)state;
	assert_true(first == destination_only(1));
	for (uint64_t id = 2; id < 1000; id++)
		assert_true(destination_only(id) != first);
	for (uint64_t id = 0; id < 1000; id++)
		assert_true(destination_only(id) != source_only(id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_combination_has_its_origin),
	    cmocka_unit_test(what_was_deleted_is_gone),
	    cmocka_unit_test(source_alone_never_errs),
	    cmocka_unit_test(source_alone_is_said_when_it_is_so),
	    cmocka_unit_test(every_combination_has_its_inode),
	    cmocka_unit_test(the_inode_stays_when_the_origin_moves),
	    cmocka_unit_test(no_inode_is_zero),
	    cmocka_unit_test(
		destination_only_objects_have_numbers_of_their_own),
	};

	return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
