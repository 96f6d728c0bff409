/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * volume_tree - what a volume holds, as its backend sees it.
 *
 *	volume_tree LOCATION
 *
 * One line an entry: type, mode, owner, group, size, links, file id, change
 * and modification time in ns, bytes on disk, the digest of the content or
 * the target, path. Each entry's attributes are asked for twice, as the
 * listing tells them and by a lookup of the name, and must agree. Sorted, the
 * lines of two backends for the same folder of a server are the same. The
 * access time is left out, for reading changes it, and so is the change
 * counter, which is the backend's own.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "base/digest.h"
#include "base/escape.h"
#include "sync/ranges.h"
#include "volume/location.h"
#include "volume/volume.h"

#define IN_FLIGHT 8 /* ranges of a large file */

static struct volume *volume;

static struct volume *open_volume(const char *text)
{
	struct location *location;
	struct volume *v;
	char error[512];

	if (location_parse(text, &location, error, sizeof(error)))
		errx(2, "%s", error);
	if (volume_open_location(location, &v, error, sizeof(error)))
		errx(2, "%s", error);
	location_free(location);
	return v;
}

static void check(int result, const char *what, const char *path)
{
	if (result)
		errx(1, "%s: %s: %s", path, what, strerror(-result));
}

/* --- Content -------------------------------------------------------------- */

static struct digest digest_small(const struct handle *file,
				  const struct attr *a, const char *path)
{
	struct volume_read_whole item = {.handle = file, .expect = a->size};
	struct digest ret;

	volume_run(volume, VOLUME_READ_WHOLE, &item, 1);
	check(item.result, "read", path);
	if (item.ret_len != a->size ||
	    !attr_same_version(&item.ret_before, &item.ret_after))
		errx(1, "%s: not what its attributes say", path);
	ret = digest_of(item.ret_data, item.ret_len);
	volume_items_done(VOLUME_READ_WHOLE, &item, 1);
	return ret;
}

static struct digest digest_large(const struct handle *file,
				  const struct attr *a, const char *path)
{
	struct range_reader *reader =
	    range_reader_new(volume, file, 0, a->size, IN_FLIGHT, NULL);
	struct digest_stream *stream = digest_stream_new();
	const uint8_t *data;
	struct digest ret;
	struct blob *blob;
	size_t len;
	int r;

	if (!reader || !stream)
		errx(2, "out of memory");
	while ((r = range_reader_next(reader, &data, &len, &blob)) == 1) {
		digest_stream_add(stream, data, len);
		blob_unref(blob);
	}
	check(r, "read", path);
	range_reader_free(reader);
	ret = digest_stream_get(stream);
	digest_stream_free(stream);
	return ret;
}

static char *read_target(const struct handle *link, const char *path)
{
	struct volume_readlink item = {.handle = link};
	char *ret;

	volume_run(volume, VOLUME_READLINK, &item, 1);
	check(item.result, "readlink", path);
	ret = escape_name(item.ret_target);
	volume_items_done(VOLUME_READLINK, &item, 1);
	return ret;
}

/* What is in the entry, heap. */
static char *content(const struct handle *h, const struct attr *a,
		     const char *path)
{
	char text[DIGEST_TEXT];
	struct digest d;

	if (a->type == ENTRY_SYMLINK)
		return read_target(h, path);
	if (a->type != ENTRY_FILE)
		return strdup("-");
	d = a->size <= VOLUME_WHOLE_MAX ? digest_small(h, a, path)
					: digest_large(h, a, path);
	return strdup(digest_format(&d, text));
}

/* --- Entries -------------------------------------------------------------- */

/* Everything but the access time, as text. */
static char *describe(const struct attr *a)
{
	static const char types[] = "?fdlpsbc";
	char *ret;

	if (asprintf(&ret,
		     "%c %04o %u %u %" PRIu64 " %" PRIu64 " %" PRIu64
		     " %" PRId64 " %" PRId64 " %" PRIu64,
		     types[a->type], a->mode, a->uid, a->gid, a->size, a->nlink,
		     a->fileid, a->ctime_ns, a->mtime_ns, a->space_used) < 0)
		errx(2, "out of memory");
	return ret;
}

static void print_tree(const struct handle *dir, const char *path);

static void print_entry(const struct handle *dir, const char *dir_path,
			const struct volume_entry *e)
{
	struct volume_lookup found = {.dir = dir, .name = e->name};
	CLEANUP_FREE char *name = escape_name(e->name);
	CLEANUP_FREE char *listed = describe(&e->attr);
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FREE char *looked_up = NULL;
	CLEANUP_FREE char *what = NULL;

	if (!name || asprintf(&path, "%s/%s", dir_path, name) < 0)
		errx(2, "out of memory");
	check(e->attr_result, "attributes", path);
	volume_run(volume, VOLUME_LOOKUP, &found, 1);
	check(found.result, "lookup", path);
	looked_up = describe(&found.ret_attr);
	if (strcmp(listed, looked_up) != 0)
		errx(1, "%s: listed as %s, looked up as %s", path, listed,
		     looked_up);
	what = content(e->handle, &e->attr, path);
	if (!what)
		errx(2, "out of memory");
	printf("%s %s %s\n", listed, what, path);
	if (e->attr.type == ENTRY_DIRECTORY)
		print_tree(found.ret_handle, path);
	volume_items_done(VOLUME_LOOKUP, &found, 1);
}

static void print_tree(const struct handle *dir, const char *path)
{
	struct volume_list page = {.dir = dir};
	bool eof = false;

	while (!eof) {
		volume_run(volume, VOLUME_LIST, &page, 1);
		check(page.result, "list", path);
		for (size_t i = 0; i < page.ret_count; i++) {
			print_entry(dir, path, &page.ret_entries[i]);
			page.cookie = page.ret_entries[i].cookie;
		}
		page.verifier = page.ret_verifier;
		eof = page.ret_eof;
		volume_items_done(VOLUME_LIST, &page, 1);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		errx(2, "usage: volume_tree LOCATION");
	volume = open_volume(argv[1]);
	print_tree(volume_get_info(volume)->root, "");
	volume_free(volume);
	if (fflush(stdout) || ferror(stdout))
		err(1, "standard output");
	return 0;
}
