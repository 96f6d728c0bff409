/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A pipe joins the two: a byte on it means ready; its end without a byte means
 * that the child has ended, and its exit status says how.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* What to do about an interrupt: it is handed on, and the end awaited. */
static void hand_on(int signals, pid_t child)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) == sizeof(info))
		kill(child, SIGTERM);
}

/* True once the child is ready, false when it has ended. */
static bool wait_for_word(int fd, int signals, pid_t child)
{
	struct pollfd fds[] = {
	    {.fd = fd, .events = POLLIN},
	    {.fd = signals, .events = POLLIN},
	};
	char byte;
	ssize_t n;

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return false;
		if (fds[1].revents)
			hand_on(signals, child);
		if (!fds[0].revents)
			continue;
		n = read(fd, &byte, 1);
		if (n >= 0 || errno != EINTR)
			return n == 1;
	}
}

static enum exit_status take_status(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status))
		return (enum exit_status)WEXITSTATUS(status);
	log_error("ended by signal %d before it was ready", WTERMSIG(status));
	return EXIT_FAILED;
}

static enum exit_status wait_for_child(int fd, pid_t child)
{
	CLEANUP_CLOSE int signals = -1;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return wait_for_word(fd, signals, child) ? EXIT_DONE
						 : take_status(child);
}

bool daemon_start(int *ret_fd, enum exit_status *ret_status)
{
	int fds[2];
	pid_t child = -1;

	if (pipe2(fds, O_CLOEXEC) == 0) {
		child = fork();
		if (child < 0) {
			close(fds[0]);
			close(fds[1]);
		}
	}
	if (child < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		*ret_status = EXIT_FAILED;
		return false;
	}
	if (child > 0) {
		close(fds[1]);
		*ret_status = wait_for_child(fds[0], child);
		close(fds[0]);
		return false;
	}
	close(fds[0]);
	/* The terminal's signals are the parent's to hand on. */
	setsid();
	*ret_fd = fds[1];
	return true;
}

void daemon_ready(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = STDIN_FILENO; null >= 0 && i <= STDERR_FILENO; i++)
		dup2(null, i);
	if (null > STDERR_FILENO)
		close(null);
	if (chdir("/") < 0)
		log_debug("chdir /: %s", strerror(errno));
	/* Without a parent there is nobody to tell: it goes on. */
	if (write(fd, "", 1) < 0)
		log_debug("parent: %s", strerror(errno));
	close(fd);
}
