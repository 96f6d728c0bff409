/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * truth - judges whether what the rows of a manifest claim is so.
 *
 * Thread rule: one thread at a time.
 */
#ifndef TOOLS_TRUTH_H
#define TOOLS_TRUTH_H

/*
 * Compares every row of database `db_path` with the directory tree behind the
 * destination; prints each false claim. Returns how many there are and in
 * `ret_rows` how many rows were judged. What cannot be judged at all ends the
 * program with status 2.
 */
unsigned long truth_judge(const char *db_path, const char *directory,
			  unsigned long *ret_rows);

#endif
