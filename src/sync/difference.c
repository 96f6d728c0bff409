/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/difference.h"

#include <string.h>

#include "base/cleanup.h"
#include "nfs/attr.h"
#include "sync/plan.h"

/* What makes an error one of these. */
#define ERROR_DIFFERS 0x10000

#define ALL_KINDS ((1u << DIFFERENCES) - 1)

const char *difference_name(unsigned index)
{
	static const char *const names[DIFFERENCES] = {
	    "content", "size",  "target",  "type",  "mode",
	    "owner",   "times", "missing", "extra",
	};

	return index < DIFFERENCES ? names[index] : "?";
}

const char *difference_text(uint32_t kinds, char ret[DIFFERENCE_TEXT])
{
	char *end = ret;

	*end = '\0';
	for (unsigned i = 0; i < DIFFERENCES; i++) {
		if (!(kinds & (1u << i)))
			continue;
		if (end > ret)
			end = stpcpy(end, ", ");
		end = stpcpy(end, difference_name(i));
	}
	return ret;
}

int difference_error(uint32_t kinds)
{
	return -(int)(ERROR_DIFFERS | kinds);
}

uint32_t difference_of_error(int error)
{
	return error <= -ERROR_DIFFERS ? (uint32_t)-error & ALL_KINDS : 0;
}

uint32_t difference_of(const struct attr *want, const struct attr *have,
		       uint32_t preserve)
{
	uint32_t differs, kinds = 0;

	if (want->type != have->type)
		return DIFFERS_TYPE;
	differs = plan_attr_differs(want, have, preserve);
	if (want->type == ENTRY_FILE && want->size != have->size)
		kinds |= DIFFERS_SIZE;
	if (differs & ATTR_SET_MODE)
		kinds |= DIFFERS_MODE;
	if (differs & ATTR_SET_OWNER)
		kinds |= DIFFERS_OWNER;
	if (differs & ATTR_SET_MTIME)
		kinds |= DIFFERS_TIMES;
	return kinds;
}
