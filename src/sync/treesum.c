/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "sync/treesum.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nfs/attr.h"

/* The fields in one order and one width on all machines. */
struct fields {
	uint64_t type, mode, uid, gid, size, mtime;
	struct digest path, content;
};

void treesum_add(struct treesum *t, const char *path, const struct attr *attr,
		 uint32_t preserve, const struct digest *content)
{
	struct fields f = {.type = htobe64((uint64_t)attr->type),
			   .path = digest_of(path, strlen(path))};
	struct digest d;
	uint64_t half[2];

	if ((preserve & ATTR_SET_MODE) && attr->type != ENTRY_SYMLINK)
		f.mode = htobe64(attr->mode);
	if (preserve & ATTR_SET_UID)
		f.uid = htobe64(attr->uid);
	if (preserve & ATTR_SET_GID)
		f.gid = htobe64(attr->gid);
	if (preserve & ATTR_SET_MTIME)
		f.mtime = htobe64((uint64_t)attr->mtime_ns);
	if (attr->type == ENTRY_FILE)
		f.size = htobe64(attr->size);
	if (content)
		f.content = *content;
	d = digest_of(&f, sizeof(f));
	memcpy(half, d.bytes, sizeof(half));
	atomic_fetch_add(&t->half[0], be64toh(half[0]));
	atomic_fetch_add(&t->half[1], be64toh(half[1]));
	atomic_fetch_add(&t->entries, 1);
}

const char *treesum_text(const struct treesum *t, char text[DIGEST_TEXT])
{
	snprintf(text, DIGEST_TEXT, "%016" PRIx64 "%016" PRIx64,
		 atomic_load(&t->half[0]), atomic_load(&t->half[1]));
	return text;
}
