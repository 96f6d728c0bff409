/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The results in a reply to a COMPOUND, one by one. Not thread-safe.
 */
#ifndef TOOLS_RESULTS_H
#define TOOLS_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct results_place {
	uint32_t op;
	uint32_t index; /* from 0 */
	uint32_t status;
	size_t body; /* behind the status */
	size_t end;
};

/* Where the status of a compound stands in its reply, with the tag and the
 * number of results behind it; 0: this is no reply to a call that was
 * executed. */
size_t results_status_at(const unsigned char *bytes, size_t size);

/* Calls `each` for the results of a reply that is one to a COMPOUND, as far as
 * it is understood and `each` returns true. */
void results_each(const unsigned char *bytes, size_t size,
		  bool (*each)(const struct results_place *place, void *user),
		  void *user);

#endif
