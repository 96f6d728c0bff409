/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control - the language of .sync/control: one command a line.
 *
 *   start           run the whole tree
 *   verify          likewise, reading and comparing everything
 *   retry           visit the folders with entries that failed
 *   rescan PATH     run one entry and what lies below it
 *   pause, resume   begin nothing new; go on
 *   cancel          end the execution under way, forget those that wait
 *   WORD=VALUE      an option that may be changed while a run is under way, as
 *                   sync/settings.h has it: bwlimit=20M, jobs=8, ..
 *
 * Thread rule: pure.
 */
#ifndef VIEW_CONTROL_H
#define VIEW_CONTROL_H

#include <stddef.h>

enum control_verb {
	CONTROL_START,
	CONTROL_VERIFY,
	CONTROL_RETRY,
	CONTROL_RESCAN,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_CANCEL,
	CONTROL_SET,
};

struct control_command {
	enum control_verb verb;
	char *path;  /* CONTROL_RESCAN: from the root, "" for it; else NULL */
	char *word;  /* CONTROL_SET: the option; else NULL */
	char *value; /* likewise: one that it takes */
};

/* A text may have no more lines, and no more bytes. */
#define CONTROL_COMMANDS_MAX 64
#define CONTROL_TEXT_MAX     65536

/*
 * The commands in `size` bytes of text, in their order; empty lines say
 * nothing, and the last line needs no newline. Blanks around a line, and
 * between the word and its path, do not count. PATH is written as .sync/errors
 * writes it: a backslash begins \n, \t, \\ or three octal digits; '/' at its
 * ends does not count.
 *
 * All of it is understood, or none: -EINVAL with a sentence that says which
 * word is bad and why; -E2BIG likewise; -ENOMEM. `ret` has room for
 * CONTROL_COMMANDS_MAX.
 */
int control_parse(const char *text, size_t size, struct control_command *ret,
		  size_t *ret_count, char *error, size_t error_size);

/* Frees what they point to. */
void control_done(struct control_command *commands, size_t count);

/* The words, for whoever reads the file. */
const char *control_help(void);

#endif
