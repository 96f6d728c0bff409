/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * location_parser - what the files that parse locations share.
 *
 * Thread rule: one thread at a time. Only location*.c include this.
 */
#ifndef VOLUME_LOCATION_PARSER_H
#define VOLUME_LOCATION_PARSER_H

#include <stddef.h>
#include <stdint.h>

#include "volume/location.h"

#define LOCATION_PORT 2049

/* Bytes of a user's text shown in a message. */
#define SHOWN_MAX 200

/* What is being parsed, and where the sentence about it goes. */
struct location_parser {
	const char *text;
	const char *more; /* options that are not in the text, or NULL */
	char *error;
	size_t error_size;
	struct location *location;
	uint64_t seen; /* options: a bit for each */
};

/* Says what is wrong, behind the text it is about. -EINVAL. */
int location_refuse(struct location_parser *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* -ENOMEM. */
int location_out_of_memory(struct location_parser *p);

/* Undoes the escapes of text[0..len). `what` names it in messages. */
int location_decode(struct location_parser *p, const char *what,
		    const char *text, size_t len, char **ret);

/* --- location_options.c -------------------------------------------------- */

/* An option's number, plain decimal digits from `min` to `max`. */
int location_parse_number(struct location_parser *p, const char *name,
			  const char *value, uint64_t min, uint64_t max,
			  uint64_t *ret);

/* "name=value&..". */
int location_parse_options(struct location_parser *p, const char *text);

/* What options mean together, once all are known. */
int location_check_options(struct location_parser *p);

/* --- location_efs.c ------------------------------------------------------ */

/* Whether the host is a name of an EFS file system; then its parts are put into
 * the location, whose host becomes the file system's id. */
int location_take_efs(struct location_parser *p);

/* What only EFS has: the checks of its options, and TLS where it was not
 * forbidden. */
int location_check_efs(struct location_parser *p);

#endif
