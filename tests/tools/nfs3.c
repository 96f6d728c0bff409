/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "nfs3.h"

#include <string.h>

#include "cursor.h"

struct procedure {
	const char *name;
	size_t failure_words;
};

static const struct procedure procedures[] = {
    {"NULL", 0},     {"GETATTR", 0},     {"SETATTR", 2}, {"LOOKUP", 1},
    {"ACCESS", 1},   {"READLINK", 1},    {"READ", 1},    {"WRITE", 2},
    {"CREATE", 2},   {"MKDIR", 2},       {"SYMLINK", 2}, {"MKNOD", 2},
    {"REMOVE", 2},   {"RMDIR", 2},       {"RENAME", 4},  {"LINK", 3},
    {"READDIR", 1},  {"READDIRPLUS", 1}, {"FSSTAT", 1},  {"FSINFO", 1},
    {"PATHCONF", 1}, {"COMMIT", 2},
};

#define PROCEDURES (sizeof(procedures) / sizeof(procedures[0]))

int nfs3_procedure_of(const unsigned char *bytes, size_t size,
		      size_t *ret_arguments)
{
	struct cursor c = {bytes, size, false};
	uint32_t program, version, procedure;

	skip(&c, 4);
	if (take_word(&c) != 0)
		return -1;
	skip(&c, 4);
	program = take_word(&c);
	version = take_word(&c);
	procedure = take_word(&c);
	walk(&c, "wowo");
	if (c.bad || program != 100003 || version != 3 ||
	    procedure >= PROCEDURES)
		return -1;
	*ret_arguments = (size_t)(c.p - bytes);
	return (int)procedure;
}

int nfs3_procedure(const char *name)
{
	for (size_t i = 0; i < PROCEDURES; i++)
		if (!strcmp(procedures[i].name, name))
			return (int)i;
	return -1;
}

size_t nfs3_failure_words(int procedure)
{
	return procedures[procedure].failure_words;
}
