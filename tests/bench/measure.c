/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * measure - what a command takes.
 *
 *	measure [--tell MS] FILE COMMAND [ARGUMENT...]
 *
 * Runs the command and writes into FILE: microseconds of the clock, those of
 * all cores by the command and the children it waited for (getrusage), and the
 * most memory that one of them had, in KiB. With --tell the command gets
 * SIGUSR1 so long after its start, by which efsbridge prints how far it is.
 *
 * Exit status: the command's; 128 and the signal that ended it.
 */
#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

static int64_t us_of(struct timeval t)
{
	return t.tv_sec * INT64_C(1000000) + t.tv_usec;
}

static long number_of(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 1 || n > 3600 * 1000)
		errx(125, "--tell: milliseconds, not `%s`", text);
	return n;
}

/* Until the child ends; it stays to be waited for. SIGCHLD is blocked, and
 * tells when that is the case before the time has come. */
static void tell_after(pid_t child, long ms)
{
	struct timespec left = {ms / 1000, ms % 1000 * 1000000};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigtimedwait(&set, NULL, &left) < 0)
		kill(child, SIGUSR1);
}

static void write_result(const char *path, int64_t wall_us)
{
	struct rusage used;
	FILE *stream = fopen(path, "we");

	getrusage(RUSAGE_CHILDREN, &used);
	if (!stream ||
	    fprintf(stream, "%jd %jd %ld\n", (intmax_t)wall_us,
		    (intmax_t)(us_of(used.ru_utime) + us_of(used.ru_stime)),
		    used.ru_maxrss) < 0 ||
	    fclose(stream) == EOF)
		err(125, "%s", path);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"tell", required_argument, NULL, 't'},
	    {0},
	};
	long tell_ms = 0;
	sigset_t set, old;
	int64_t start_us;
	int c, status;
	pid_t child;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c != 't')
			return 125;
		tell_ms = number_of(optarg);
	}
	if (argc - optind < 2)
		errx(125, "usage: measure [--tell MS] FILE COMMAND ...");

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	start_us = now_us();
	child = fork();
	if (child < 0)
		err(125, "fork");
	if (child == 0) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		execvp(argv[optind + 1], argv + optind + 1);
		err(127, "%s", argv[optind + 1]);
	}
	if (tell_ms > 0)
		tell_after(child, tell_ms);
	if (waitpid(child, &status, 0) < 0)
		err(125, "waitpid");
	write_result(argv[optind], now_us() - start_us);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
