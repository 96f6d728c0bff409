/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * answer - single values out of what a service of AWS says, JSON or XML.
 *
 * Answers that bring keys are read where they lie, in a secret, and what is
 * taken out goes into another: a parser that builds a tree would leave copies
 * behind. What is wanted is found by its name at whatever depth; the names
 * that are asked for here are unambiguous.
 *
 * Thread rule: pure.
 */
#ifndef AWS_ANSWER_H
#define AWS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret;

/*
 * Appends the first string, number or word that is a member `key` of an
 * object, or else the text of the first element <key>. -ENOENT when there is
 * none; -EBADMSG when it is neither JSON nor XML up to there.
 */
int answer_get(const struct secret *answer, const char *key,
	       struct secret *ret);

/* The same into a buffer; what does not fit is as if it were not there. True
 * when found. Not for secrets. */
bool answer_get_text(const struct secret *answer, const char *key, char *text,
		     size_t size);

/*
 * What a service says when it refuses, as one line for people: "Code: message"
 * into `text`, "" when it does not say. The message is cut after its first
 * line: behind that, some services recite the request, token and all.
 */
void answer_refusal(const struct secret *answer, char *text, size_t size);

/*
 * Seconds since 1970 of a time as AWS writes them: "2026-11-23T13:23:16Z",
 * with a fraction or an offset or without, or a number of seconds. -EBADMSG.
 */
int answer_time(const char *text, int64_t *ret_s);

#endif
