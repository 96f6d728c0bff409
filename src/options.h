/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options - the command line.
 *
 * Thread rule: main thread; the result is read-only.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "sync/engine.h"
#include "sync/side.h"
#include "view/view.h"

enum command {
	COMMAND_NONE, /* only --help or --version */
	COMMAND_SYNC,
	COMMAND_MOUNT,
	COMMAND_STATUS,
	COMMAND_HISTORY,
};

/* Strings point into argv. */
struct options {
	enum command command;
	bool help;      /* print the command's help, nothing else */
	bool version;   /* print the version, nothing else */
	char **operand; /* what is no option */
	unsigned operand_count;
	const char *location[SIDES];
	const char *state;
	const char *task;
	bool no_queue;
	bool quiet;
	bool json;
	bool watch;
	unsigned verbose;
	struct sync_options sync;
	/* The mount's. */
	const char *mountpoint;
	bool foreground;
	bool no_sync;
	bool once;
	int64_t interval_ns; /* 0: none */
	struct view_options view;
};

/* 0, or -EINVAL after a message that names the argument. */
int options_parse(int argc, char **argv, struct options *ret);

#endif
