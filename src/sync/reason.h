/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reason - an error of one entry in words: the cause and what to do.
 *
 * Thread rule: pure; the texts are constant.
 */
#ifndef SYNC_REASON_H
#define SYNC_REASON_H

#include <stdbool.h>
#include <stddef.h>

#include "sync/manifest.h"

#define REASON_ROOM 128

/* `error` is what a row has: a negative errno met in `phase`, or in what both
 * sides differ, see difference.h. The text is constant or made in `room`. */
const char *reason_text(int error, enum entry_phase phase,
			char room[REASON_ROOM]);

/*
 * Why a run stopped, as a sentence: `error` as from engine_get_stop(), `what`
 * and `where` name the side and its location, or the state directory. False:
 * there is nothing to say, it was not stopped or only cancelled.
 */
bool reason_stop(int error, const char *what, const char *where, char *ret,
		 size_t ret_size);

#endif
