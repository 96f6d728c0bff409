// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * credential_process: a program prints keys as JSON, with a Version that is 1.
 *
 * No shell reads the line; it is cut at blanks, but for those within quotes or
 * behind a backslash, as the SDKs do. The program has as long as a person may
 * need to unlock a key ring; what it says on standard error is seen by the
 * user. It begins with no signal blocked, whatever this process blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws/answer.h"
#include "aws/identity.h"
#include "aws/provider.h"
#include "aws/secret.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define MAX_WORDS  64
#define OUTPUT_MAX ((size_t)64 << 10)
#define DEADLINE_S 60

extern char **environ;

static int fail(const struct provider *p, int r, const char *what)
{
	snprintf(p->error, p->error_size, "credential_process: %s", what);
	return r;
}

/* Cuts `text` into words in place; NULL ends them. False when there are too
 * many or a quote is open. */
static bool split(char *text, char *words[MAX_WORDS + 1])
{
	size_t n = 0;
	char *to = text, quote = '\0';
	bool in_word = false;

	for (; *text; text++) {
		if (!quote && (*text == ' ' || *text == '\t')) {
			if (in_word)
				*to++ = '\0';
			in_word = false;
			continue;
		}
		if (!in_word) {
			if (n == MAX_WORDS)
				return false;
			words[n++] = to;
			in_word = true;
		}
		if (quote ? *text == quote : *text == '"' || *text == '\'') {
			quote = quote ? '\0' : *text;
			continue;
		}
		if (*text == '\\' && quote != '\'' && text[1])
			text++;
		*to++ = *text;
	}
	*to = '\0';
	words[n] = NULL;
	return n > 0 && !quote;
}

/* Starts it with standard output into `*ret_fd`. */
static int start(char *const words[], pid_t *ret_pid, int *ret_fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int pipe_fds[2], r;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
						  POSIX_SPAWN_SETSIGDEF);
	r = -posix_spawnp(ret_pid, words[0], &actions, &attributes, words,
			  environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	if (r < 0)
		close(pipe_fds[0]);
	else
		*ret_fd = pipe_fds[0];
	return r;
}

/* Reads up to the end of file. */
static int read_all(int fd, struct secret *output)
{
	int64_t deadline = clock_now_ns() + DEADLINE_S * NS_PER_S;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		int64_t left_ms = (deadline - clock_now_ns()) / NS_PER_MS;
		char chunk[4096];
		ssize_t n;

		if (left_ms <= 0)
			return -ETIMEDOUT;
		if (poll(&ready, 1, (int)left_ms) <= 0)
			continue;
		n = read(fd, chunk, sizeof(chunk));
		if (n > 0)
			secret_put(output, chunk, (size_t)n);
		explicit_bzero(chunk, sizeof(chunk));
		if (n == 0)
			return secret_check(output);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (output->len > OUTPUT_MAX)
			return -EMSGSIZE;
	}
}

/* Runs it to its end; `*ret_status` is that of waitpid(). */
static int run(char *const words[], struct secret *output, int *ret_status)
{
	CLEANUP_CLOSE int fd = -1;
	pid_t pid;
	int r = start(words, &pid, &fd);

	if (r < 0)
		return r;
	r = read_all(fd, output);
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return r;
}

int provider_process(const struct provider *p, const char *command,
		     struct identity **ret)
{
	CLEANUP_SECRET struct secret line = {0};
	CLEANUP_SECRET struct secret output = {0};
	char *words[MAX_WORDS + 1], version[8], why[160];
	int status = 0, r;

	secret_puts(&line, command);
	if (secret_check(&line) < 0)
		return fail(p, -ENOMEM, "out of memory");
	if (!line.data || !split(line.data, words))
		return fail(p, -EINVAL, "not a command line");
	r = run(words, &output, &status);
	if (r < 0 || status != 0) {
		/* The name only: there may be secrets among the arguments. */
		snprintf(why, sizeof(why), "%.80s %s", words[0],
			 r == -ETIMEDOUT  ? "took too long"
			 : r == -EMSGSIZE ? "prints too much"
			 : r < 0          ? strerror(-r)
					  : "failed");
		return fail(p, r < 0 && r != -ENOENT ? r : -EACCES, why);
	}
	if (!answer_get_text(&output, "Version", version, sizeof(version)) ||
	    strcmp(version, "1") != 0)
		return fail(p, -EBADMSG, "what it prints has no Version 1");
	return identity_from_answer(&output, "credential_process", ret,
				    p->error, p->error_size);
}
