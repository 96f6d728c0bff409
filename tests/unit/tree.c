/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define TEMPORARY ".efsbridge-tmp-"
#define PATH_ROOM 1024

/* Ends the test unless `good`. */
static void must(bool good, const char *what, const char *path)
{
	if (!good)
		fail_msg("%s %s: %s", what, path, strerror(errno));
}

static const char *join(char *at, const char *root, const char *path)
{
	int n = snprintf(at, PATH_ROOM, "%s/%s", root, path);

	assert_true(n > 0 && n < PATH_ROOM);
	return at;
}

void tree_scratch(const char *name, char *ret, size_t ret_size)
{
	const char *base = getenv("TMPDIR");

	/* In memory where that can be had: nothing here is to last. */
	if (!base || !*base)
		base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(ret, ret_size, "%s/%s.XXXXXX", base, name);
	must(mkdtemp(ret) != NULL, "make", ret);
}

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void tree_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- Making -------------------------------------------------------------- */

void tree_touch(const char *root, const char *path, int64_t mtime_s)
{
	char at[PATH_ROOM];
	struct timespec times[2] = {
	    {.tv_sec = mtime_s + 5, .tv_nsec = 7},
	    {.tv_sec = mtime_s, .tv_nsec = 123456789},
	};

	must(!utimensat(AT_FDCWD, join(at, root, path), times,
			AT_SYMLINK_NOFOLLOW),
	     "touch", path);
}

void tree_directory(const char *root, const char *path, unsigned mode)
{
	char at[PATH_ROOM];

	must(!mkdir(join(at, root, path), 0700), "mkdir", path);
	must(!chmod(at, mode), "chmod", path);
}

void tree_file(const char *root, const char *path, size_t size, unsigned seed)
{
	char at[PATH_ROOM];
	CLEANUP_FREE uint8_t *data = malloc(size + 1);
	CLEANUP_CLOSE int fd =
	    open(join(at, root, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		 0644);
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	must(data && fd >= 0, "create", path);
	for (size_t i = 0; i < size; i++) {
		x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
		data[i] = (uint8_t)(x >> 56);
	}
	must(write(fd, data, size) == (ssize_t)size, "write", path);
	tree_touch(root, path, 1500000000 + seed);
}

void tree_link(const char *root, const char *old, const char *path)
{
	char from[PATH_ROOM], to[PATH_ROOM];

	must(!link(join(from, root, old), join(to, root, path)), "link", path);
}

void tree_symlink(const char *root, const char *target, const char *path)
{
	char at[PATH_ROOM];

	must(!symlink(target, join(at, root, path)), "symlink", path);
	tree_touch(root, path, 1400000000);
}

void tree_fifo(const char *root, const char *path)
{
	char at[PATH_ROOM];

	must(!mkfifo(join(at, root, path), 0640), "mkfifo", path);
	tree_touch(root, path, 1300000000);
}

void tree_socket(const char *root, const char *path)
{
	char at[PATH_ROOM];

	must(!mknod(join(at, root, path), S_IFSOCK | 0600, 0), "mknod", path);
	tree_touch(root, path, 1200000000);
}

void tree_unlink(const char *root, const char *path)
{
	char at[PATH_ROOM];

	must(!remove(join(at, root, path)), "remove", path);
}

void tree_chmod(const char *root, const char *path, unsigned mode)
{
	char at[PATH_ROOM];

	must(!chmod(join(at, root, path), mode), "chmod", path);
}

void tree_poke(const char *root, const char *path, size_t offset)
{
	char at[PATH_ROOM];
	CLEANUP_CLOSE int fd = open(join(at, root, path), O_RDWR | O_CLOEXEC);
	struct timespec times[2];
	struct stat st;
	uint8_t byte;

	must(fd >= 0 && !fstat(fd, &st), "open", path);
	must(pread(fd, &byte, 1, (off_t)offset) == 1, "read", path);
	byte ^= 0xff;
	must(pwrite(fd, &byte, 1, (off_t)offset) == 1, "write", path);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	must(!futimens(fd, times), "touch", path);
}

/* --- Looking ------------------------------------------------------------- */

static struct stat stat_of(const char *root, const char *path)
{
	char at[PATH_ROOM];
	struct stat st;

	must(!lstat(join(at, root, path), &st), "lstat", path);
	return st;
}

uint64_t tree_inode(const char *root, const char *path)
{
	return stat_of(root, path).st_ino;
}

uint64_t tree_links(const char *root, const char *path)
{
	return stat_of(root, path).st_nlink;
}

bool tree_exists(const char *root, const char *path)
{
	char at[PATH_ROOM];
	struct stat st;

	return !lstat(join(at, root, path), &st);
}

static bool is_temporary(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strncmp(slash ? slash + 1 : path, TEMPORARY, strlen(TEMPORARY));
}

/* --- Comparing ----------------------------------------------------------- */

/* Pairs of inode numbers met so far, for TREE_LINKS. */
struct pairs {
	size_t count;
	struct {
		ino_t a, b;
	} pair[4096];
};

struct comparison {
	const char *root[2];
	unsigned flags;
	int differences;
	struct pairs pairs;
};

static void differ(struct comparison *c, const char *path, const char *what)
{
	c->differences++;
	fprintf(stderr, "# %s: %s\n", *path ? path : ".", what);
}

static bool equal_files(const char *a, const char *b)
{
	CLEANUP_CLOSE int fd_a = open(a, O_RDONLY | O_CLOEXEC);
	CLEANUP_CLOSE int fd_b = open(b, O_RDONLY | O_CLOEXEC);
	uint8_t data_a[16384], data_b[16384];
	ssize_t n_a, n_b;

	do {
		n_a = read(fd_a, data_a, sizeof(data_a));
		n_b = read(fd_b, data_b, sizeof(data_b));
		if (n_a < 0 || n_a != n_b ||
		    memcmp(data_a, data_b, (size_t)n_a) != 0)
			return false;
	} while (n_a > 0);
	return true;
}

static bool equal_targets(const char *a, const char *b)
{
	char target_a[PATH_ROOM] = "", target_b[PATH_ROOM] = "";

	return readlink(a, target_a, sizeof(target_a) - 1) >= 0 &&
	       readlink(b, target_b, sizeof(target_b) - 1) >= 0 &&
	       !strcmp(target_a, target_b);
}

static void compare_links(struct comparison *c, const char *path,
			  const struct stat *a, const struct stat *b)
{
	struct pairs *p = &c->pairs;

	if (a->st_nlink != b->st_nlink)
		differ(c, path, "link counts");
	for (size_t i = 0; i < p->count; i++) {
		if (p->pair[i].a != a->st_ino && p->pair[i].b != b->st_ino)
			continue;
		if (p->pair[i].a != a->st_ino || p->pair[i].b != b->st_ino)
			differ(c, path, "linked to another file");
		return;
	}
	assert_true(p->count < ARRAY_SIZE(p->pair));
	p->pair[p->count].a = a->st_ino;
	p->pair[p->count++].b = b->st_ino;
}

static void compare_metadata(struct comparison *c, const char *path,
			     const struct stat *a, const struct stat *b)
{
	if (!S_ISLNK(a->st_mode) && a->st_mode != b->st_mode)
		differ(c, path, "modes");
	if (a->st_uid != b->st_uid || a->st_gid != b->st_gid)
		differ(c, path, "owners");
	if (a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	    a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
		differ(c, path, "mtimes");
	if (c->flags & TREE_LINKS && !S_ISDIR(a->st_mode))
		compare_links(c, path, a, b);
}

static void compare_directory(struct comparison *c, const char *path);

static void compare_entry(struct comparison *c, const char *path)
{
	char at[2][PATH_ROOM];
	struct stat st[2];

	for (int i = 0; i < 2; i++)
		must(!lstat(join(at[i], c->root[i], path), &st[i]), "lstat",
		     path);
	if ((st[0].st_mode & S_IFMT) != (st[1].st_mode & S_IFMT)) {
		if (!(c->flags & TREE_CONTENT))
			differ(c, path, "types");
		return;
	}
	if (S_ISREG(st[0].st_mode) && !equal_files(at[0], at[1]))
		differ(c, path, "contents");
	if (S_ISLNK(st[0].st_mode) && !equal_targets(at[0], at[1]))
		differ(c, path, "targets");
	if (!(c->flags & TREE_CONTENT))
		compare_metadata(c, path, &st[0], &st[1]);
	if (S_ISDIR(st[0].st_mode))
		compare_directory(c, path);
}

/* The names of side `from`: those that both have are compared (once). */
static void compare_names(struct comparison *c, const char *path, int from)
{
	char at[PATH_ROOM], below[PATH_ROOM];
	DIR *dir = opendir(join(at, c->root[from], path));
	const struct dirent *d;
	bool shared;

	must(dir != NULL, "list", path);
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		assert_true(snprintf(below, PATH_ROOM, "%s%s%s", path,
				     *path ? "/" : "", d->d_name) < PATH_ROOM);
		shared = tree_exists(c->root[1 - from], below);
		if (shared && from == 0)
			compare_entry(c, below);
		else if (!shared && !(c->flags & TREE_CONTENT))
			differ(c, below,
			       from == 0 ? "only in the first"
					 : "only in the second");
	}
	closedir(dir);
}

static void compare_directory(struct comparison *c, const char *path)
{
	compare_names(c, path, 0);
	compare_names(c, path, 1);
}

int tree_compare(const char *a, const char *b, unsigned flags)
{
	CLEANUP_FREE struct comparison *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->root[0] = a;
	c->root[1] = b;
	c->flags = flags;
	compare_entry(c, "");
	return c->differences;
}

static int temporary_names;

static int count_temporary(const char *path, const struct stat *st, int flag,
			   struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	temporary_names += is_temporary(path);
	return 0;
}

int tree_count_temporary(const char *root)
{
	temporary_names = 0;
	nftw(root, count_temporary, 16, FTW_PHYS);
	return temporary_names;
}
