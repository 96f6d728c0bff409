/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Operations of a COMPOUND carry no length: to find the second one, the
 * arguments of the first must be walked over. A table tells for each operation
 * what its arguments are made of (RFC 7530 and RFC 8881, sections 16 and 18)
 * in the letters of cursor.h,
 * and a function where that depends on a value in them. An operation that is
 * not in the table ends the walk, and the COMPOUND counts as `undecoded`.
 */
#include "rpcstat.h"

#include <string.h>

#include "cursor.h"

#define RPC_CALL           0
#define RPC_REPLY          1
#define NFS_PROGRAM        100003
#define NFS_VERSION        4
#define PROCEDURE_COMPOUND 1
#define OP_SEQUENCE        53

struct operation {
	const char *name;
	const char *arguments;
	void (*walk)(struct cursor *c); /* after `arguments` */
};

/* The kind of an object, what that kind needs, its name and attributes. */
static void walk_create(struct cursor *c)
{
	switch (take_word(c)) {
	case 3: /* NF4BLK */
	case 4: /* NF4CHR */
		skip(c, 8);
		break;
	case 5: /* NF4LNK */
		skip_opaque(c);
		break;
	}
	walk(c, "oa");
}

/* After the owner: how to create, if at all, and what is claimed. */
static void walk_open(struct cursor *c)
{
	static const char *const create[] = {"a", "a", "d", "da"};
	static const char *const claim[] = {"o", "w", "so", "o", "", "s", ""};
	uint32_t choice;

	if (take_word(c) == 1) {
		choice = take_word(c);
		if (choice < sizeof(create) / sizeof(create[0]))
			walk(c, create[choice]);
		else
			c->bad = true;
	}
	choice = take_word(c);
	if (choice < sizeof(claim) / sizeof(claim[0]))
		walk(c, claim[choice]);
	else
		c->bad = true;
}

/* State protection other than none is not walked; then who the client is. */
static void walk_exchange_id(struct cursor *c)
{
	uint32_t count;

	if (take_word(c) != 0)
		c->bad = true;
	for (count = take_word(c); count > 0 && !c->bad; count--)
		walk(c, "oodw");
}

/* Two channels of six words and an array, then how callbacks are signed. */
static void walk_create_session(struct cursor *c)
{
	uint32_t count;

	walk(c, "wwwwwwb");
	walk(c, "wwwwwwb");
	skip(c, 4);
	for (count = take_word(c); count > 0 && !c->bad; count--) {
		switch (take_word(c)) {
		case 0: /* AUTH_NONE */
			break;
		case 1: /* AUTH_SYS */
			walk(c, "wowwb");
			break;
		default:
			c->bad = true;
		}
	}
}

static void walk_test_stateid(struct cursor *c)
{
	skip(c, (size_t)take_word(c) * 16);
}

static const struct operation operations[RPCSTAT_OPS] = {
    [3] = {"ACCESS", "w", NULL},
    [4] = {"CLOSE", "ws", NULL},
    [5] = {"COMMIT", "dw", NULL},
    [6] = {"CREATE", "", walk_create},
    [8] = {"DELEGRETURN", "s", NULL},
    [9] = {"GETATTR", "b", NULL},
    [10] = {"GETFH", "", NULL},
    [11] = {"LINK", "o", NULL},
    [15] = {"LOOKUP", "o", NULL},
    [16] = {"LOOKUPP", "", NULL},
    [17] = {"NVERIFY", "a", NULL},
    [18] = {"OPEN", "wwwdo", walk_open},
    [20] = {"OPEN_CONFIRM", "sw", NULL},
    [21] = {"OPEN_DOWNGRADE", "swww", NULL},
    [22] = {"PUTFH", "o", NULL},
    [23] = {"PUTPUBFH", "", NULL},
    [24] = {"PUTROOTFH", "", NULL},
    [25] = {"READ", "sdw", NULL},
    [26] = {"READDIR", "ddwwb", NULL},
    [27] = {"READLINK", "", NULL},
    [28] = {"REMOVE", "o", NULL},
    [29] = {"RENAME", "oo", NULL},
    [30] = {"RENEW", "d", NULL},
    [31] = {"RESTOREFH", "", NULL},
    [32] = {"SAVEFH", "", NULL},
    [33] = {"SECINFO", "o", NULL},
    [34] = {"SETATTR", "sa", NULL},
    [35] = {"SETCLIENTID", "dowoow", NULL},
    [36] = {"SETCLIENTID_CONFIRM", "dd", NULL},
    [37] = {"VERIFY", "a", NULL},
    [38] = {"WRITE", "sdwo", NULL},
    [39] = {"RELEASE_LOCKOWNER", "do", NULL},
    [41] = {"BIND_CONN_TO_SESSION", "sww", NULL},
    [42] = {"EXCHANGE_ID", "dow", walk_exchange_id},
    [43] = {"CREATE_SESSION", "dww", walk_create_session},
    [44] = {"DESTROY_SESSION", "s", NULL},
    [45] = {"FREE_STATEID", "s", NULL},
    [52] = {"SECINFO_NO_NAME", "w", NULL},
    [53] = {"SEQUENCE", "swwww", NULL},
    [55] = {"TEST_STATEID", "", walk_test_stateid},
    [57] = {"DESTROY_CLIENTID", "d", NULL},
    [58] = {"RECLAIM_COMPLETE", "w", NULL},
    [59] = {"ALLOCATE", "sdd", NULL},
    [62] = {"DEALLOCATE", "sdd", NULL},
    [69] = {"SEEK", "sdw", NULL},
};

/* Walks over what an operation has behind its number. */
static bool walk_operation(struct cursor *c, uint32_t number)
{
	if (c->bad || number >= RPCSTAT_OPS || !operations[number].name)
		return false;
	walk(c, operations[number].arguments);
	if (operations[number].walk)
		operations[number].walk(c);
	return !c->bad;
}

/* Up to the arguments of COMPOUND; false: it is another message. */
static bool enter_compound(struct cursor *c)
{
	uint32_t program, version, procedure;

	skip(c, 4); /* xid */
	if (take_word(c) != RPC_CALL)
		return false;
	skip(c, 4); /* version of RPC */
	program = take_word(c);
	version = take_word(c);
	procedure = take_word(c);
	walk(c, "wowo"); /* credential and verifier */
	return !c->bad && program == NFS_PROGRAM && version == NFS_VERSION &&
	       procedure == PROCEDURE_COMPOUND;
}

void rpcstat_each(const unsigned char *bytes, size_t size,
		  bool (*each)(const struct rpcstat_place *place, void *user),
		  void *user)
{
	struct cursor c = {bytes, size, false};
	struct rpcstat_place place = {0};
	uint32_t count;

	if (!enter_compound(&c))
		return;
	skip_opaque(&c); /* tag */
	skip(&c, 4);     /* minor version */
	place.count_at = (size_t)(c.p - bytes);
	count = take_word(&c);
	for (; place.index < count && !c.bad; place.index++) {
		place.offset = (size_t)(c.p - bytes);
		place.op = take_word(&c);
		if (!walk_operation(&c, place.op))
			break;
		place.end = (size_t)(c.p - bytes);
		if (!each(&place, user))
			break;
	}
}

int rpcstat_op(const char *name)
{
	for (int i = 0; i < RPCSTAT_OPS; i++)
		if (operations[i].name && !strcmp(operations[i].name, name))
			return i;
	return -1;
}

static void count_compound(struct rpcstat *stat, struct cursor *c)
{
	uint32_t count, number = 0, i;

	skip_opaque(c); /* tag */
	skip(c, 4);     /* minor version */
	count = take_word(c);
	stat->compounds++;
	if (count > stat->ops_most)
		stat->ops_most = count;

	for (i = 0; i < count; i++) {
		number = take_word(c);
		if (c->bad || number >= RPCSTAT_OPS || !operations[number].name)
			break;
		stat->ops[number]++;
		walk_operation(c, number);
	}
	if (c->bad || c->left > 0 || i < count)
		stat->undecoded++;
	else if (count == 1 && number == OP_SEQUENCE)
		stat->sequence_only++;
}

void rpcstat_up(struct rpcstat *stat, const unsigned char *bytes, size_t size)
{
	struct cursor c = {bytes, size, false};
	struct cursor whole = c;

	skip(&c, 4); /* xid */
	if (take_word(&c) != RPC_CALL || c.bad)
		return;
	stat->calls++;
	if (enter_compound(&whole))
		count_compound(stat, &whole);
}

void rpcstat_down(struct rpcstat *stat, const unsigned char *bytes, size_t size)
{
	struct cursor c = {bytes, size, false};
	uint32_t type;

	skip(&c, 4); /* xid */
	type = take_word(&c);
	if (c.bad)
		return;
	if (type == RPC_REPLY)
		stat->replies++;
	else
		stat->callbacks++;
}

void rpcstat_print(const struct rpcstat *stat, FILE *stream)
{
	fprintf(stream, "connections %ju\n", (uintmax_t)stat->connections);
	fprintf(stream, "bytes_up %ju\n", (uintmax_t)stat->bytes_up);
	fprintf(stream, "bytes_down %ju\n", (uintmax_t)stat->bytes_down);
	fprintf(stream, "calls %ju\n", (uintmax_t)stat->calls);
	fprintf(stream, "replies %ju\n", (uintmax_t)stat->replies);
	fprintf(stream, "callbacks %ju\n", (uintmax_t)stat->callbacks);
	fprintf(stream, "compounds %ju\n", (uintmax_t)stat->compounds);
	fprintf(stream, "sequence_only %ju\n", (uintmax_t)stat->sequence_only);
	fprintf(stream, "undecoded %ju\n", (uintmax_t)stat->undecoded);
	fprintf(stream, "ops_most %ju\n", (uintmax_t)stat->ops_most);
	for (size_t i = 0; i < RPCSTAT_OPS; i++)
		if (stat->ops[i] > 0)
			fprintf(stream, "op_%s %ju\n", operations[i].name,
				(uintmax_t)stat->ops[i]);
}
