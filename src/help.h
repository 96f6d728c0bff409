/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * help - what --help prints, for the program and for each command.
 *
 * Thread rule: main thread.
 */
#ifndef HELP_H
#define HELP_H

#include "options.h"

/* To standard output; COMMAND_NONE stands for the program. */
void help_print(enum command command);

#endif
