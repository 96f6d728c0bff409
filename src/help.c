/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include <stdio.h>

static const char program_help[] =
    "Usage: efsbridge [options] SOURCE DESTINATION MOUNTPOINT\n"
    "       efsbridge [options] TASK MOUNTPOINT\n"
    "       efsbridge sync [options] SOURCE DESTINATION | TASK\n"
    "       efsbridge check [options] [SOURCE DESTINATION | TASK]\n"
    "       efsbridge status [options] [TASK | MOUNTPOINT | SOURCE "
    "DESTINATION]\n"
    "       efsbridge history [options] [TASK | MOUNTPOINT | SOURCE "
    "DESTINATION]\n"
    "       efsbridge --help | --version\n"
    "\n"
    "Shows two NFS file systems as one tree, and copies one to the other "
    "behind\n"
    "it, verified and recorded.\n"
    "\n"
    "  sync            one run in the foreground: see efsbridge sync --help\n"
    "  check           will it work: see efsbridge check --help\n"
    "  status          how a task stands: see efsbridge status --help\n"
    "  history         the runs of a task: see efsbridge history --help\n"
    "\n"
    "TASK is the name of a task in the configuration, efsbridge.conf(5).\n"
    "\n"
    "Without one of these it mounts: MOUNTPOINT shows what either side has,\n"
    "MOUNTPOINT/.sync how far the copy is. Locations, and the options not\n"
    "listed here, are those of sync.\n"
    "\n"
    "  --no-sync       only show, do not copy\n"
    "  --interval=TIME copy again every 30s, 15m, 2h or 1d\n"
    "  --once          unmount after a successful run\n"
    "  --verify=WHAT, --include=PATTERNS, --include-from=FILE,\n"
    "  --exclude=PATTERNS, --exclude-from=FILE, --no-owner, --no-mode,\n"
    "  --no-times, --jobs=N, --bwlimit=RATE, --iops-limit=N, --retries=N,\n"
    "  --max-errors=N, --max-duration=TIME, --state=DIR, --task=NAME, "
    "--quiet,\n"
    "  -v, --verbose\n"
    "                  as for sync\n"
    "  --config=FILE   the configuration\n"
    "  --no-queue      fail at once when another process runs the task\n"
    "  -o, --options=LIST\n"
    "                  mount options, separated by commas:\n"
    "    ro            nothing can be written, to .sync/control neither\n"
    "    soft, hard    a side that does not answer: fail with EIO after "
    "timeo,\n"
    "                  or wait (default)\n"
    "    timeo=N       tenths of a second (default 600)\n"
    "    attr_timeout=S, entry_timeout=S, negative_timeout=S\n"
    "                  seconds that the kernel keeps attributes, names, and\n"
    "                  that a name is not there (default 1)\n"
    "    allow_other   let other users in (default when root mounts)\n"
    "    noallow_other do not\n"
    "    noauto_unmount\n"
    "                  leave the mount behind when the process is killed\n"
    "    noexec        no program can be run from it\n"
    "    syncdir=NAME  in place of .sync\n"
    "    fsname=NAME   what mount(8) and df(1) call it\n"
    "  -f, --foreground\n"
    "                  stay in the foreground\n"
    "  -d, --debug     likewise, and print every request of the kernel\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "Exit status: 0 mounted, or with -f unmounted; 2 usage, or it cannot be\n"
    "mounted there; 3 a side could not be reached; 4 another process runs the\n"
    "task; 130 interrupted. The manual is efsbridge(1).\n";

static const char sync_help[] =
    "Usage: efsbridge sync [options] SOURCE DESTINATION\n"
    "       efsbridge sync [options] TASK\n"
    "\n"
    "Makes DESTINATION hold what SOURCE holds; entries that only DESTINATION\n"
    "has are kept. A location is one of:\n"
    "  host:/path\n"
    "  nfs://host[:port]/path[?option=value&..]: vers=3|4.0|4.1, nfsport=N,\n"
    "      mountport=N, conns=N, uid=N, gid=N, deadline=SECONDS\n"
    "  /local/directory\n"
    "  the name of a [location] of the configuration, efsbridge.conf(5)\n"
    "TASK is the name of a [task] there, which has both and options.\n"
    "\n"
    "  --config=FILE   in place of " SYSCONFDIR "/efsbridge.conf\n"
    "  --verify=WHAT   transferred (default): read back what was copied;\n"
    "                  all: and compare unchanged files on both sides; none\n"
    "  --include=PATTERNS\n"
    "                  only what these match, and what is below: /a/b at the\n"
    "                  root, */b at any depth, * is anything, | joins them\n"
    "  --exclude=PATTERNS\n"
    "                  not what these match, and not what is below\n"
    "  --include-from=FILE, --exclude-from=FILE\n"
    "                  patterns from the lines of FILE\n"
    "  --dry-run       list what would be done and why, change nothing\n"
    "  --no-owner      do not preserve owner and group\n"
    "  --no-mode       do not preserve permission bits\n"
    "  --no-times      do not preserve modification and access times\n"
    "  --jobs=N        batches and large files carried at once (default: by\n"
    "                  the round trip)\n"
    "  --bwlimit=RATE  read at most so many bytes a second: 20M, 1.5G, 100k,\n"
    "                  off; or by the time of day: 08:00-18:00=20M,off\n"
    "  --iops-limit=N  at most so many operations a second on each side\n"
    "  --retries=N     further tries of an entry that failed (default 1)\n"
    "  --max-errors=N  stop when more entries than that have failed\n"
    "  --max-duration=TIME\n"
    "                  stop after 90s, 15m, 6h or 1d; the next run goes on\n"
    "  --state=DIR     directory of the task's manifest\n"
    "  --task=NAME     name of the task, default: made from the locations\n"
    "  --no-queue      fail when another process runs the task, do not wait\n"
    "  --quiet         print nothing but errors\n"
    "  --json          print a summary as JSON on standard output at the end\n"
    "  -v, --verbose   name each entry that is copied\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "Exit status: 0 all done; 1 done, but entries failed or differ; 2 usage;\n"
    "3 a side could not be reached or was lost; 4 run by another process;\n"
    "5 stopped by --max-duration; 130 interrupted; go on with the same "
    "command.\n"
    "The manual is efsbridge(1).\n";

static const char check_help[] =
    "Usage: efsbridge check [options]\n"
    "       efsbridge check [options] SOURCE DESTINATION | TASK\n"
    "\n"
    "Without locations: looks at the whole configuration, efsbridge.conf(5), "
    "and\n"
    "says file, line and key of what is wrong. With them: reaches both sides\n"
    "and says what works, what does not, and what to do about it. It makes a\n"
    "small sample on the destination and removes it. Takes the options of "
    "sync.\n"
    "\n"
    "  --no-connect    only look at what the configuration says of TASK\n"
    "  --json          as one line of JSON\n"
    "  --quiet         only what is not OK\n"
    "  --config=FILE   in place of " SYSCONFDIR "/efsbridge.conf\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "Exit status: 0 nothing failed; 1 something did; 2 usage or "
    "configuration; 3 a\n"
    "side could not be reached; 130 interrupted. The manual is "
    "efsbridge(1).\n";

static const char status_help[] =
    "Usage: efsbridge status [options] [TASK | MOUNTPOINT | SOURCE "
    "DESTINATION]\n"
    "\n"
    "Shows how a task stands: the run under way if it is mounted, else what "
    "its\n"
    "last run has done. Without an argument: all tasks.\n"
    "\n"
    "  --watch         again every second, until interrupted\n"
    "  --json          as JSON, the keys of .sync/status.json\n"
    "  --config=FILE   the configuration that names the task\n"
    "  --state=DIR     directory of the task's manifest\n"
    "  --task=NAME     name of the task\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "Exit status: 0 shown; 2 usage, or no such task; 3 the mount does not\n"
    "answer. The manual is efsbridge(1).\n";

static const char history_help[] =
    "Usage: efsbridge history [options] [TASK | MOUNTPOINT | SOURCE "
    "DESTINATION]\n"
    "\n"
    "Lists the runs of a task, the newest first.\n"
    "\n"
    "  --json          as a JSON array of their summaries\n"
    "  --config=FILE   the configuration that names the task\n"
    "  --state=DIR     directory of the task's manifest\n"
    "  --task=NAME     name of the task\n"
    "  --help          this text\n"
    "  --version       the program's version\n"
    "\n"
    "Exit status: 0 listed; 2 usage, or no such task. The manual is\n"
    "efsbridge(1).\n";

static const char *text_of(enum command command)
{
	switch (command) {
	case COMMAND_SYNC:
		return sync_help;
	case COMMAND_CHECK:
		return check_help;
	case COMMAND_STATUS:
		return status_help;
	case COMMAND_HISTORY:
		return history_help;
	default:
		return program_help;
	}
}

void help_print(enum command command)
{
	fputs(text_of(command), stdout);
}
