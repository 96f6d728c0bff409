/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether what the source holds finds room on the destination. What a file
 * system has in use is the most that a tree in it can need; how much of it
 * there is on the destination already is not known without a scan.
 */
#include "doctor_internal.h"

#include <errno.h>
#include <string.h>

#include "base/human.h"

/* EFS and the like have no end: more than this is as good as without limit. */
#define ENDLESS_BYTES (UINT64_C(1) << 60)

static bool ask(struct doctor *d, enum side side, struct volume_statfs *ret)
{
	*ret = (struct volume_statfs){0};
	volume_run(d->volume[side], VOLUME_STATFS, ret, 1);
	if (ret->result == 0)
		return true;
	doctor_say(d, "space", side, DOCTOR_WARN, NULL,
		   "it does not tell its space: %s", strerror(-ret->result));
	return false;
}

static void look_at_space(struct doctor *d, const struct volume_statfs *from,
			  const struct volume_statfs *to)
{
	uint64_t used = from->ret_total_bytes - from->ret_free_bytes;
	uint64_t avail = to->ret_avail_bytes;
	char needed[HUMAN_SIZE], free_text[HUMAN_SIZE];
	enum doctor_level level = DOCTOR_OK;
	const char *remedy = NULL;

	human_bytes((double)used, needed);
	human_bytes((double)avail, free_text);
	if (avail >= ENDLESS_BYTES) {
		doctor_say(d, "space", DESTINATION, DOCTOR_OK, NULL,
			   "space without a limit; the source's file system "
			   "has %s in use",
			   needed);
		return;
	}
	if (avail == 0) {
		level = DOCTOR_FAIL;
		remedy = "Make room on the destination, or raise its quota.";
	} else if (avail < used) {
		level = DOCTOR_WARN;
		remedy = "Unless the tree is only a part of the source's file "
			 "system, or much of it is on the destination already, "
			 "make room; efsbridge estimate counts exactly.";
	}
	doctor_count(d, "space", DESTINATION, level, remedy, "AvailableBytes",
		     avail, "%s free; the source's file system has %s in use",
		     free_text, needed);
}

static void look_at_files(struct doctor *d, const struct volume_statfs *from,
			  const struct volume_statfs *to)
{
	uint64_t used = from->ret_total_files - from->ret_free_files;
	char needed[HUMAN_SIZE], free_text[HUMAN_SIZE];
	bool enough = to->ret_free_files >= used;

	/* File systems that make inodes as they need them say 0. */
	if (to->ret_total_files == 0 || from->ret_total_files == 0)
		return;
	doctor_count(d, "inodes", DESTINATION, enough ? DOCTOR_OK : DOCTOR_WARN,
		     enough ? NULL
			    : "Unless the tree is only a part of the source's "
			      "file system, the destination needs more inodes.",
		     "FreeInodes", to->ret_free_files,
		     "%s inodes free; the source's file system has %s in use",
		     human_count(to->ret_free_files, free_text),
		     human_count(used, needed));
}

static void look_at_limits(struct doctor *d, const struct volume_statfs *from,
			   const struct volume_statfs *to)
{
	if (to->ret_name_max && to->ret_name_max < from->ret_name_max)
		doctor_count(d, "name-limit", DESTINATION, DOCTOR_WARN,
			     "Rename what is longer: it cannot be copied.",
			     "Bytes", to->ret_name_max,
			     "names have up to %u bytes, and up to %u on the "
			     "source",
			     to->ret_name_max, from->ret_name_max);
	else
		doctor_count(d, "name-limit", DESTINATION, DOCTOR_OK, NULL,
			     "Bytes", to->ret_name_max,
			     "names as long as on the source");
	if (to->ret_link_max && to->ret_link_max < from->ret_link_max)
		doctor_count(d, "link-limit", DESTINATION, DOCTOR_WARN,
			     "Nothing has to be done: names beyond that become "
			     "files of their own, and take their own space.",
			     "Names", to->ret_link_max,
			     "a file has up to %u names, and up to %u on the "
			     "source",
			     to->ret_link_max, from->ret_link_max);
	else if (to->ret_link_max)
		doctor_count(d, "link-limit", DESTINATION, DOCTOR_OK, NULL,
			     "Names", to->ret_link_max,
			     "as many hard links of a file as on the source");
	else
		doctor_say(d, "link-limit", DESTINATION, DOCTOR_OK, NULL,
			   "the limit of hard links is not told; what goes "
			   "beyond it is copied");
}

void doctor_room(struct doctor *d)
{
	struct volume_statfs from, to;
	bool both = ask(d, SOURCE, &from);

	if (!ask(d, DESTINATION, &to) || !both)
		return;
	look_at_space(d, &from, &to);
	look_at_files(d, &from, &to);
	look_at_limits(d, &from, &to);
}
