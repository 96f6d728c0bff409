/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Results carry no length either: a table, in the letters of cursor.h, tells
 * what stands behind the status of an operation that went well. One that
 * failed has nothing there but SETATTR its bitmap, and is the last.
 */
#include "results.h"

#include "cursor.h"

#define OP_OPEN    18
#define OP_READDIR 26
#define OP_SETATTR 34
#define OPS        76

/* NULL: not walked over. */
static const char *const bodies[OPS] = {
    [3] = "ww",      /* ACCESS */
    [4] = "s",       /* CLOSE */
    [5] = "d",       /* COMMIT */
    [6] = "wddb",    /* CREATE */
    [9] = "a",       /* GETATTR */
    [10] = "o",      /* GETFH */
    [11] = "wdd",    /* LINK */
    [15] = "",       /* LOOKUP */
    [16] = "",       /* LOOKUPP */
    [17] = "",       /* NVERIFY */
    [18] = "swddwb", /* OPEN, and a delegation */
    [20] = "s",      /* OPEN_CONFIRM */
    [22] = "",       /* PUTFH */
    [24] = "",       /* PUTROOTFH */
    [25] = "wo",     /* READ */
    [26] = "d",      /* READDIR, and entries */
    [27] = "o",      /* READLINK */
    [28] = "wdd",    /* REMOVE */
    [29] = "wddwdd", /* RENAME */
    [30] = "",       /* RENEW */
    [31] = "",       /* RESTOREFH */
    [32] = "",       /* SAVEFH */
    [34] = "b",      /* SETATTR */
    [37] = "",       /* VERIFY */
    [38] = "wwd",    /* WRITE */
    [45] = "w",      /* FREE_STATEID */
    [53] = "swwwww", /* SEQUENCE */
    [58] = "",       /* RECLAIM_COMPLETE */
};

/* Only the absence of one is understood, with a reason or without. */
static void walk_delegation(struct cursor *c)
{
	uint32_t why;

	switch (take_word(c)) {
	case 0:
		break;
	case 3:
		why = take_word(c);
		if (why == 1 || why == 2) /* contention, resource */
			skip(c, 4);
		break;
	default:
		c->bad = true;
	}
}

static void walk_entries(struct cursor *c)
{
	while (take_word(c) == 1)
		walk(c, "doa");
	skip(c, 4);
}

static void walk_result(struct cursor *c, uint32_t op, uint32_t status)
{
	if (status != 0) {
		if (op == OP_SETATTR)
			skip_words(c);
		return;
	}
	walk(c, bodies[op]);
	if (op == OP_OPEN)
		walk_delegation(c);
	else if (op == OP_READDIR)
		walk_entries(c);
}

size_t results_status_at(const unsigned char *bytes, size_t size)
{
	struct cursor c = {bytes, size, false};

	skip(&c, 4);
	if (take_word(&c) != 1 || take_word(&c) != 0)
		return 0;
	walk(&c, "wo");
	if (take_word(&c) != 0 || c.bad || c.left < 4)
		return 0;
	return (size_t)(c.p - bytes);
}

void results_each(const unsigned char *bytes, size_t size,
		  bool (*each)(const struct results_place *place, void *user),
		  void *user)
{
	size_t at = results_status_at(bytes, size);
	struct cursor c = {bytes + at, size - at, at == 0};
	struct results_place place = {0};
	uint32_t count;

	walk(&c, "wo");
	count = take_word(&c);
	for (; place.index < count && !c.bad; place.index++) {
		place.op = take_word(&c);
		place.status = take_word(&c);
		if (c.bad || place.op >= OPS || !bodies[place.op])
			break;
		place.body = (size_t)(c.p - bytes);
		walk_result(&c, place.op, place.status);
		if (c.bad)
			break;
		place.end = (size_t)(c.p - bytes);
		if (!each(&place, user))
			break;
	}
}
