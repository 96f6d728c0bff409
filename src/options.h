/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options - the command line.
 *
 * Thread rule: main thread; the result is read-only.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

#include "sync/engine.h"

enum command {
	COMMAND_SYNC,
	COMMAND_HELP, /* of the program */
	COMMAND_SYNC_HELP,
	COMMAND_VERSION,
};

/* Strings point into argv. */
struct options {
	enum command command;
	const char *location[SIDES];
	const char *state;
	const char *task;
	bool quiet;
	bool json;
	unsigned verbose;
	struct sync_options sync;
};

/* 0, or -EINVAL after a message that names the argument. */
int options_parse(int argc, char **argv, struct options *ret);

/* The help of the program or of one command, to standard output. */
void options_print_help(enum command command);

#endif
