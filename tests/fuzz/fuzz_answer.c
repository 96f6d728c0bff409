/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whatever a service says, what is taken out of it is a text no longer than the
 * answer (a letter of XML or JSON is never more bytes than it was written in),
 * and a refusal is one line of visible letters.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/answer.h"
#include "aws/identity.h"
#include "aws/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

static void check_refusal(const struct secret *answer)
{
	char text[96];

	answer_refusal(answer, text, sizeof(text));
	for (const char *s = text; *s; s++)
		check(*s >= ' ' && *s <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret answer = {0}, value = {0};
	struct identity *id = NULL;
	char error[256] = "";
	int64_t s;

	secret_put(&answer, data, size);
	if (answer_get(&answer, "Code", &value) == 0) {
		check(value.len <= size);
		check(strlen(secret_text(&value)) == value.len);
		answer_time(secret_text(&value), &s);
	} else {
		check(value.len == 0);
	}
	check_refusal(&answer);
	if (identity_from_answer(&answer, "fuzz", &id, error, sizeof(error)) <
	    0)
		check(error[0] != '\0');
	else
		check(*id->key_id && *id->secret_key);
	identity_unref(id);
	secret_done(&value);
	secret_done(&answer);
	return 0;
}
