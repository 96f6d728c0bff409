/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The task: where its state lies, and that one process at a time has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/mountfile.h"
#include "sync/task.h"
#include "sync/waitline.h"

#define SOURCE      "nfs://fs-0123.example:2049/"
#define DESTINATION "nfs://[::1]:2050/a b"

struct fixture {
	char base[64];     /* removed at the end */
	char state[128];   /* base/state */
	struct task *task; /* freed at the end */
	struct task_options options;
	char error[512];
};

static int remove_one(const char *path, const struct stat *st, int flag,
		      struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->base, "/tmp/test_task.XXXXXX");
	if (!mkdtemp(f->base))
		return -1;
	snprintf(f->state, sizeof(f->state), "%s/state", f->base);
	f->options = (struct task_options){
	    .state = f->state,
	    .source_text = SOURCE,
	    .destination_text = DESTINATION,
	    .no_queue = true,
	};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	task_free(f->task);
	nftw(f->base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static int open_task(struct fixture *f)
{
	f->error[0] = '\0';
	return task_open(&f->options, &f->task, f->error, sizeof(f->error));
}

static void assert_error_has(struct fixture *f, const char *word)
{
	if (!strstr(f->error, word))
		fail_msg("\"%s\" lacks \"%s\"", f->error, word);
}

/* --- Names ---------------------------------------------------------------- */

static void locate(const struct task_options *o, char *name, char **path)
{
	char error[512];

	assert_int_equal(task_locate(o, name, path, error, sizeof(error)), 0);
}

static void assert_name(const char *source, const char *destination,
			const char *prefix)
{
	struct task_options o = {
	    .state = "s",
	    .source_text = source,
	    .destination_text = destination,
	};
	char name[TASK_NAME_MAX + 1], again[TASK_NAME_MAX + 1];
	CLEANUP_FREE char *path = NULL;

	locate(&o, name, &path);
	assert_string_equal(path, "s");
	assert_int_equal(strlen(name), strlen(prefix) + 16);
	assert_memory_equal(name, prefix, strlen(prefix));

	/* What is made would also be taken. */
	o.name = name;
	free(steal(path));
	locate(&o, again, &path);
	assert_string_equal(again, name);
}

static void test_made_names(void **state)
{
	(void)state;
	assert_name(SOURCE, DESTINATION, "fs-0123.example-2049_1-2050-a-b_");
	assert_name("/", "/", "root_root_");
	assert_name("/srv/.data/x", "./y", "srv-.data-x_y_");
	assert_name("nfs://a-very-long-name-of-a-host:2049/", "/\xff\xfe",
		    "a-very-long-name-of_root_");
}

static void test_names_differ(void **state)
{
	struct task_options a = {.state = "s"}, b = {.state = "s"};
	char names[2][TASK_NAME_MAX + 1];
	CLEANUP_FREE char *paths[2] = {NULL, NULL};

	(void)state;
	a.source_text = b.destination_text = "/a";
	a.destination_text = b.source_text = "/b";
	locate(&a, names[0], &paths[0]);
	locate(&b, names[1], &paths[1]);
	free(steal(paths[1]));
	assert_string_not_equal(names[0], names[1]);

	/* The border between both texts counts. */
	a.source_text = "/a/";
	a.destination_text = "b";
	b.source_text = "/a";
	b.destination_text = "/b";
	free(steal(paths[0]));
	locate(&a, names[0], &paths[0]);
	locate(&b, names[1], &paths[1]);
	free(steal(paths[1]));
	assert_string_not_equal(strrchr(names[0], '_'), strrchr(names[1], '_'));
}

static void test_given_names(void **state)
{
	struct fixture *f = *state;
	const char *const bad[] = {"",    ".",   "..",  "-x",      ".x",
				   "a/b", "a b", "a\n", "\xc3\xa4"};
	char longest[TASK_NAME_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		f->options.name = bad[i];
		assert_int_equal(open_task(f), -EINVAL);
		assert_error_has(f, "--task");
	}
	memset(longest, 'n', sizeof(longest));
	longest[TASK_NAME_MAX + 1] = '\0';
	f->options.name = longest;
	assert_int_equal(open_task(f), -EINVAL);
	longest[TASK_NAME_MAX] = '\0';
	assert_int_equal(open_task(f), 0);
	assert_string_equal(task_get_name(f->task), longest);
}

/* Where it lies without --state, by user and environment. In a child, which
 * may change both. */
static int locate_default(const char *xdg, const char *home, const char *want)
{
	struct task_options o = {
	    .name = "t",
	    .source_text = "/a",
	    .destination_text = "/b",
	};
	char name[TASK_NAME_MAX + 1], error[256] = "";
	CLEANUP_FREE char *path = NULL;
	int r;

	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	if (xdg)
		setenv("XDG_STATE_HOME", xdg, 1);
	if (home)
		setenv("HOME", home, 1);
	r = task_locate(&o, name, &path, error, sizeof(error));
	if (!want)
		return r == -ENOENT && strstr(error, "--state") ? 0 : 1;
	return r == 0 && strcmp(path, want) == 0 ? 0 : 2;
}

static int locate_defaults(void)
{
	int r = 0;

	if (geteuid() == 0) {
		r |= locate_default("/x", "/h", "/var/lib/efsbridge/t");
		if (setuid(65534) < 0)
			return 9;
	}
	r |= locate_default("/x", "/h", "/x/efsbridge/t");
	r |= locate_default("x", "/h", "/h/.local/state/efsbridge/t");
	r |= locate_default("", "/h", "/h/.local/state/efsbridge/t");
	r |= locate_default(NULL, "/h", "/h/.local/state/efsbridge/t");
	r |= locate_default(NULL, NULL, NULL);
	return r;
}

static void test_default_place(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(locate_defaults());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- The directory -------------------------------------------------------- */

static void test_made_with_parents(void **state)
{
	struct fixture *f = *state;
	char deep[200], seen[200];
	struct stat st;

	snprintf(deep, sizeof(deep), "%s/a//b/c/", f->base);
	f->options.state = deep;
	assert_int_equal(open_task(f), 0);
	snprintf(seen, sizeof(seen), "%s/a/b/c", f->base);
	assert_string_equal(task_get_directory(f->task), seen);
	assert_int_equal(stat(seen, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	*strrchr(seen, '/') = '\0';
	assert_int_equal(stat(seen, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void test_cannot_be_made(void **state)
{
	struct fixture *f = *state;
	char path[200];

	snprintf(path, sizeof(path), "%s/file", f->base);
	assert_int_equal(close(creat(path, 0600)), 0);
	strcat(path, "/state");
	f->options.state = path;
	assert_int_equal(open_task(f), -ENOTDIR);
	assert_error_has(f, path);
	*strrchr(path, '/') = '\0';
	assert_int_equal(open_task(f), -ENOTDIR);
	f->options.state = "";
	assert_int_equal(open_task(f), -EINVAL);
}

static void test_not_on_a_volume(void **state)
{
	struct fixture *f = *state;
	char volume[128], inside[256], link[256];
	struct stat st;

	snprintf(volume, sizeof(volume), "%s/volume", f->base);
	assert_int_equal(mkdir(volume, 0700), 0);
	snprintf(link, sizeof(link), "%s/link", f->base);
	assert_int_equal(symlink("volume", link), 0);

	/* The volume itself, below it, through a symbolic link, by "..". */
	const char *const tails[] = {"volume", "volume/x/y", "link/x",
				     "new/../volume/x"};

	for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
		snprintf(inside, sizeof(inside), "%s/%s", f->base, tails[i]);
		f->options.state = inside;
		for (int side = 0; side < 2; side++) {
			f->options.source_dir = side ? NULL : volume;
			f->options.destination_dir = side ? volume : NULL;
			assert_int_equal(open_task(f), -EINVAL);
			assert_error_has(f, "inside");
			assert_error_has(f, volume);
		}
	}
	snprintf(inside, sizeof(inside), "%s/volume/x/y", f->base);
	assert_int_equal(stat(inside, &st), -1);

	/* The volume given by another name, or not there at all. */
	f->options.state = inside;
	f->options.source_dir = link;
	assert_int_equal(open_task(f), -EINVAL);
	f->options.state = f->state;
	f->options.destination_dir = "/nonexistent/volume";
	assert_int_equal(open_task(f), 0);
}

/* --- The lock ------------------------------------------------------------- */

/* A child that holds the task until the pipe is closed. Returns its id once
 * the lock is held. */
static pid_t hold_in_child(struct fixture *f, int *ret_fd)
{
	int ready[2], hold[2];
	char c;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(hold), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(hold[1]);
		if (open_task(f) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(hold[0], &c, 1);
		task_free(f->task);
		_exit(0);
	}
	close(hold[0]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	*ret_fd = hold[1];
	return pid;
}

static void test_locked(void **state)
{
	struct fixture *f = *state;
	char owner[64];
	int fd, status;
	pid_t pid = hold_in_child(f, &fd);

	f->options.name = "t1";
	assert_int_equal(open_task(f), -EAGAIN);
	snprintf(owner, sizeof(owner), "process %d;", (int)pid);
	assert_error_has(f, owner);
	assert_error_has(f, "task t1");

	/* A killed owner's lock is gone. */
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	assert_int_equal(open_task(f), 0);
}

struct waiter {
	int fd; /* closed at the third question */
	int asked;
	bool cancel; /* instead */
};

static bool ask_waiter(void *user)
{
	struct waiter *w = user;

	if (++w->asked < 3)
		return false;
	if (w->cancel)
		return true;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	return false;
}

static void test_waits(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {0};
	int status;
	pid_t pid = hold_in_child(f, &w.fd);

	log_set_level(LOG_ERROR);
	f->options.no_queue = false;
	f->options.cancelled = ask_waiter;
	f->options.user = &w;
	assert_int_equal(open_task(f), 0);
	assert_true(w.asked >= 3);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_wait_cancelled(void **state)
{
	struct fixture *f = *state;
	struct waiter w = {.cancel = true};
	int64_t start = clock_now_ns();
	int status;
	pid_t pid = hold_in_child(f, &w.fd);

	log_set_level(LOG_ERROR);
	f->options.no_queue = false;
	f->options.cancelled = ask_waiter;
	f->options.user = &w;
	assert_int_equal(open_task(f), -ECANCELED);
	assert_int_equal(w.asked, 3);
	assert_true(clock_now_ns() - start < 20 * NS_PER_S);
	close(w.fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* A deadline that is over, and one that comes while it is waited for. */
static void test_wait_deadline(void **state)
{
	struct fixture *f = *state;
	int fd, status;
	pid_t pid = hold_in_child(f, &fd);

	log_set_level(LOG_ERROR);
	f->options.no_queue = false;
	f->options.deadline_ns = clock_now_ns();
	assert_int_equal(open_task(f), -EAGAIN);
	assert_error_has(f, "--max-wait");
	f->options.deadline_ns = clock_now_ns() + 300 * NS_PER_MS;
	assert_int_equal(open_task(f), -EAGAIN);
	assert_true(clock_now_ns() >= f->options.deadline_ns);
	/* Who gives up does not keep anybody else. */
	assert_false(waitline_is_there(f->state));
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(open_task(f), 0);
}

/* One of those who wait: says its number when its turn has come. */
static pid_t wait_in_child(struct fixture *f, int number, int out, int hold)
{
	pid_t pid = fork();
	char byte = (char)('0' + number);

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	close(hold); /* the parent's, to let the holder go */
	log_set_level(LOG_ERROR);
	f->options.no_queue = false;
	if (open_task(f) < 0 || write(out, &byte, 1) != 1)
		_exit(1);
	_exit(0);
}

/* Until so many stand in line. The test itself is not one of them. */
static void await_line(struct fixture *f, int64_t count)
{
	struct waitline last = WAITLINE_NONE;

	do {
		waitline_leave(&last);
		sched_yield();
		assert_int_equal(waitline_enter(&last, f->state), 0);
	} while (last.place <= count);
	assert_false(count > 0 && waitline_is_first(&last));
	waitline_leave(&last);
}

/* In the order in which they came, past one that was killed. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	char order[8] = "";
	int fd, out[2], status;
	pid_t holder = hold_in_child(f, &fd), waiter[5];
	size_t n = 0;

	assert_int_equal(pipe(out), 0);
	assert_false(waitline_is_there(f->state));
	for (int i = 0; i < 5; i++) {
		waiter[i] = wait_in_child(f, i, out[1], fd);
		await_line(f, i + 1);
	}
	assert_true(waitline_is_there(f->state));
	assert_int_equal(kill(waiter[2], SIGKILL), 0);
	assert_int_equal(waitpid(waiter[2], &status, 0), waiter[2]);
	close(fd);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	for (int i = 0; i < 5; i++) {
		if (i == 2)
			continue;
		assert_int_equal(waitpid(waiter[i], &status, 0), waiter[i]);
		assert_int_equal(status, 0);
	}
	close(out[1]);
	while (n < sizeof(order) - 1 && read(out[0], &order[n], 1) == 1)
		n++;
	assert_string_equal(order, "0134");
	close(out[0]);
	assert_false(waitline_is_there(f->state));
}

/* Who does not queue does not push in either. */
static void test_no_queue_behind_others(void **state)
{
	struct fixture *f = *state;
	struct waitline other = WAITLINE_NONE;

	assert_int_equal(open_task(f), 0);
	f->task = task_free(f->task);
	assert_int_equal(waitline_enter(&other, f->state), 0);
	assert_int_equal(open_task(f), -EAGAIN);
	waitline_leave(&other);
	assert_int_equal(open_task(f), 0);
}

static void test_two_tasks(void **state)
{
	struct fixture *f = *state;
	struct task_options other = f->options;
	struct task *task;
	char path[200];

	snprintf(path, sizeof(path), "%s/other", f->base);
	other.state = path;
	assert_int_equal(open_task(f), 0);
	assert_int_equal(task_open(&other, &task, f->error, sizeof(f->error)),
			 0);
	task_free(task);

	/* The same directory, even in one process, is locked. */
	assert_int_equal(
	    task_open(&f->options, &task, f->error, sizeof(f->error)), -EAGAIN);
	f->task = task_free(f->task);
	assert_int_equal(open_task(f), 0);
}

static void test_mounted(void **state)
{
	struct fixture *f = *state;
	struct mountfile mount = {0};
	struct task *other = NULL;
	int r;

	f->options.ret_mount = &mount;
	f->options.no_queue = true;
	assert_false(task_is_held(f->state));
	assert_int_equal(open_task(f), 0);
	assert_true(task_is_held(f->state));

	/* Held, but not mounted. */
	r = task_open(&f->options, &other, f->error, sizeof(f->error));
	assert_int_equal(r, -EAGAIN);

	assert_int_equal(mountfile_write(f->state, "/mnt/\"a b\"", ".sync"), 0);
	r = task_open(&f->options, &other, f->error, sizeof(f->error));
	assert_int_equal(r, -EALREADY);
	assert_string_equal(mount.mountpoint, "/mnt/\"a b\"");
	assert_string_equal(mount.sync_directory, ".sync");
	assert_int_equal(mount.pid, getpid());
	assert_non_null(strstr(f->error, "mounted on /mnt"));
	mountfile_done(&mount);

	/* Left behind by one that was killed: the next owner removes it. */
	f->task = task_free(f->task);
	assert_false(task_is_held(f->state));
	assert_int_equal(open_task(f), 0);
	assert_int_equal(mountfile_read(f->state, &mount), -ENOENT);
}

static void test_bad_mountfiles(void **state)
{
	static const char *const bad[] = {
	    "",
	    "{",
	    "[]",
	    "{\"Mountpoint\":\"mnt\",\"SyncDirectory\":\"s\",\"Pid\":1}",
	    "{\"Mountpoint\":\"/m\",\"SyncDirectory\":\"a/b\",\"Pid\":1}",
	    "{\"Mountpoint\":\"/m\",\"SyncDirectory\":\"\",\"Pid\":1}",
	    "{\"Mountpoint\":\"/m\",\"Pid\":1}",
	};
	struct fixture *f = *state;
	struct mountfile mount;
	char path[256];
	FILE *file;

	assert_int_equal(open_task(f), 0);
	snprintf(path, sizeof(path), "%s/mount", f->state);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		file = fopen(path, "w");
		assert_non_null(file);
		fputs(bad[i], file);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(mountfile_read(f->state, &mount), -EUCLEAN);
	}
	assert_int_equal(mountfile_remove(f->state), 0);
	assert_int_equal(mountfile_remove(f->state), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_made_names),
	    cmocka_unit_test(test_names_differ),
	    T(test_given_names),
	    cmocka_unit_test(test_default_place),
	    T(test_made_with_parents),
	    T(test_cannot_be_made),
	    T(test_not_on_a_volume),
	    T(test_locked),
	    T(test_waits),
	    T(test_wait_cancelled),
	    T(test_wait_deadline),
	    T(test_order),
	    T(test_no_queue_behind_others),
	    T(test_two_tasks),
	    T(test_mounted),
	    T(test_bad_mountfiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
