/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tree - directory trees for tests: made, changed, compared, removed.
 *
 * Nothing here knows efsbridge: what the tests ask of it is a second opinion.
 * Thread rule: one thread at a time.
 */
#ifndef UNIT_TREE_H
#define UNIT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new empty directory for a test, "<somewhere>/<name>.XXXXXX". */
void tree_scratch(const char *name, char *ret, size_t ret_size);
void tree_remove(const char *path);

/*
 * One entry of a tree, under a printf-like path. Failing ends the test. Data
 * of a file are made of `seed`; its times too.
 */
void tree_directory(const char *root, const char *path, unsigned mode);
void tree_file(const char *root, const char *path, size_t size, unsigned seed);
void tree_link(const char *root, const char *old, const char *path);
void tree_symlink(const char *root, const char *target, const char *path);
void tree_fifo(const char *root, const char *path);
void tree_socket(const char *root, const char *path);
void tree_unlink(const char *root, const char *path);
void tree_chmod(const char *root, const char *path, unsigned mode);
void tree_touch(const char *root, const char *path, int64_t mtime_s);
/* Overwrites one byte, keeping size and mtime: only the ctime tells. */
void tree_poke(const char *root, const char *path, size_t offset);

/* The file's inode number and link count. */
uint64_t tree_inode(const char *root, const char *path);
uint64_t tree_links(const char *root, const char *path);
bool tree_exists(const char *root, const char *path);

/* What tree_compare() looks at. */
enum {
	TREE_LINKS = 1,   /* which names are one object */
	TREE_CONTENT = 2, /* only: what both have is of equal content */
};

/* How many differences there are; each is printed. Temporary names count as
 * differences, but not under TREE_CONTENT. */
int tree_compare(const char *a, const char *b, unsigned flags);

/* How many names in the tree are temporary ones. */
int tree_count_temporary(const char *root);

#endif
