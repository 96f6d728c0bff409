/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * efsbridge - moves one NFS file system to another while people keep working.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "aws/secret.h"
#include "base/log.h"
#include "command.h"
#include "help.h"
#include "logsink.h"
#include "options.h"

/* Buffers of file data are taken and given back all the time: keep them in
 * the heap, where their pages stay warm, instead of mapping each anew. */
#define KEEP_BYTES (64 * 1024 * 1024)

/* As many open files as may be: each file that somebody reads through the
 * mount from a local directory is one, and so is each directory under way. */
static void allow_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void set_up_process(const struct options *o)
{
	sigset_t set;

	mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	allow_open_files();
	signal(SIGPIPE, SIG_IGN);
	/* For every thread: the main thread waits for them. */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	if (logsink_is_file(&o->sync))
		sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void set_up_log(const struct options *o)
{
	static const struct sync_options nothing_said;
	const struct sync_options *said = &nothing_said;

	switch (o->command) {
	case COMMAND_SYNC:
	case COMMAND_VERIFY:
	case COMMAND_CUTOVER:
	case COMMAND_MOUNT:
		said = &o->sync;
		break;
	default:
		break;
	}
	logsink_set_level(&(struct logsink_setup){
	    .options = said, .verbose = o->verbose, .quiet = o->quiet});
}

/* What was printed must have arrived, else it was not done. */
static enum exit_status flush_output(enum exit_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_error("standard output: %s", strerror(errno));
	return status == EXIT_DONE ? EXIT_FAILED : status;
}

static enum exit_status run_command(const struct options *o)
{
	switch (o->command) {
	case COMMAND_SYNC:
	case COMMAND_VERIFY:
	case COMMAND_CUTOVER:
		set_up_process(o);
		return command_sync(o);
	case COMMAND_MOUNT:
		set_up_process(o);
		return command_mount(o);
	case COMMAND_CHECK:
		set_up_process(o);
		return command_check(o);
	case COMMAND_ESTIMATE:
		set_up_process(o);
		return command_estimate(o);
	case COMMAND_STATUS:
		return command_status(o);
	case COMMAND_HISTORY:
		return command_history(o);
	case COMMAND_REPORT:
		return command_report(o);
	case COMMAND_SET:
		return command_set(o);
	default:
		return EXIT_USAGE;
	}
}

int main(int argc, char **argv)
{
	enum exit_status status = EXIT_DONE;
	struct options o;

	secret_wipe_openssl();
	if (options_parse(argc, argv, &o) < 0) {
		status = EXIT_USAGE;
	} else if (o.help) {
		help_print(o.command);
	} else if (o.version) {
		puts("efsbridge " PACKAGE_VERSION);
	} else {
		set_up_log(&o);
		status = run_command(&o);
	}
	options_done(&o);
	return (int)flush_output(status);
}
