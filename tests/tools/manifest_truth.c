/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * manifest_truth - is every row of a manifest true of the destination?
 *
 *	manifest_truth MANIFEST.DB BACKING-DIRECTORY
 *
 * A row whose state is `copied` or `verified` says that the destination holds
 * this entry: its type, mode, owner, group and times, for a file its size and
 * the digest of its content, for a symlink that of its target. A row of
 * `partial` says that a temporary file begins with so many bytes of this
 * digest. All of that is compared with the directory behind the server, with
 * no code of efsbridge: by efsbridge-manifest(5), lstat(2) and the library
 * xxHash. Rows that claim nothing (failed, skipped) are passed over, and so
 * is a partial whose file is gone, for a run then simply begins again.
 *
 * Prints what is not so, one line for each, and in the end how many rows were
 * judged. Exit status 0: all is true; 1: something is not; 2: no judgement.
 */
#include <err.h>
#include <stdio.h>

#include "truth.h"

int main(int argc, char **argv)
{
	unsigned long rows, claims_false;

	if (argc != 3)
		errx(2, "usage: manifest_truth MANIFEST.DB DIRECTORY");
	claims_false = truth_judge(argv[1], argv[2], &rows);
	printf("%lu rows, %lu claims false\n", rows, claims_false);
	return claims_false > 0;
}
