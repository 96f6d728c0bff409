/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reason - an error of one entry in words: the cause and what to do.
 *
 * Thread rule: pure; the texts are constant.
 */
#ifndef SYNC_REASON_H
#define SYNC_REASON_H

#include "sync/manifest.h"

/* `error` is a negative errno met in `phase`. */
const char *reason_text(int error, enum entry_phase phase);

#endif
