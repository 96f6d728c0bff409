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
	COMMAND_VERIFY,
	COMMAND_CUTOVER,
	COMMAND_MOUNT,
	COMMAND_CHECK,
	COMMAND_ESTIMATE,
	COMMAND_STATUS,
	COMMAND_HISTORY,
	COMMAND_REPORT,
	COMMAND_SET,
};

struct conf;

/* Strings point into argv or into the configuration. */
struct options {
	enum command command;
	const char *word; /* of the command; NULL: the mount */
	bool help;        /* print the command's help, nothing else */
	bool version;     /* print the version, nothing else */
	char **operand;   /* what is no option */
	unsigned operand_count;
	char **change; /* of set: "word=value", behind the operands */
	unsigned change_count;
	bool named; /* the task is one of the configuration, and its name is no
		       operand any more */
	const char *location[SIDES];
	char *location_options[SIDES]; /* beside those in the text, or NULL:
					  see location_parse_with() */
	const char *config_path;       /* --config */
	struct conf *config;           /* NULL: not needed */
	const char *state;
	const char *task;
	bool no_queue;
	int64_t max_wait_ns; /* for another process; 0: for ever */
	bool quiet;
	bool json;
	bool csv;
	bool html;
	uint64_t execution; /* of report: its number; 0: all */
	bool watch;
	bool no_connect;
	int64_t sample_ns; /* how long a sample is copied; 0: none */
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

/* What holds unless something else is said. */
void options_init(struct options *ret);

/* 0, or -EINVAL after a message that names the argument; `ret` is the
 * caller's, also on failure. */
int options_parse(int argc, char **argv, struct options *ret);
void options_done(struct options *o);

/* Is it the word of a command? */
bool options_is_command(const char *word);

#endif
