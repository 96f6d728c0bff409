/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fixture.h"

#include <unistd.h>

#include "volume/location.h"

struct fixture fixture;

/* --- Who does it ---------------------------------------------------------- */

/* Files that the writer has open, and will have to close. */
static const struct volume_file *written[64];

static void note_written(const struct volume_file *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(written); i++)
		if (!written[i]) {
			written[i] = file;
			return;
		}
	fail_msg("too many open files");
}

static bool forget_written(const struct volume_file *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(written); i++)
		if (written[i] == file) {
			written[i] = NULL;
			return true;
		}
	return false;
}

static struct volume *who(enum volume_verb verb, const void *items)
{
	const struct volume_close *close = items;
	const struct volume_open *open = items;

	if (!fixture.writer)
		return fixture.volume;
	switch (verb) {
	case VOLUME_LIST:
	case VOLUME_LOOKUP:
	case VOLUME_GETATTR:
	case VOLUME_READLINK:
	case VOLUME_READ_WHOLE:
	case VOLUME_READ:
	case VOLUME_STATFS:
		return fixture.volume;
	case VOLUME_OPEN:
		return open->handle ? fixture.volume : fixture.writer;
	case VOLUME_CLOSE:
		return forget_written(close->file) ? fixture.writer
						   : fixture.volume;
	default:
		return fixture.writer;
	}
}

void fixture_run(enum volume_verb verb, void *items, size_t count)
{
	const struct volume_open *open = items;
	struct volume *v = who(verb, items);

	volume_run(v, verb, items, count);
	if (verb == VOLUME_OPEN && fixture.writer && v == fixture.writer &&
	    open->ret_file)
		note_written(open->ret_file);
}

void fixture_start(struct volume_call *call)
{
	volume_start(who(call->verb, call->items), call);
}

/* --- Around a test ------------------------------------------------------- */

/* What the location says itself goes before what a test would like. */
static bool has_option(const char *location, const char *query)
{
	size_t len = strcspn(query, "=") + 1;

	for (const char *at = strchr(location, '?'); at; at = strchr(at, '&'))
		if (!strncmp(++at, query, len))
			return true;
	return false;
}

struct volume *fixture_open(const char *query)
{
	bool leave =
	    fixture.local || !*query || has_option(fixture.location, query);
	char text[4096], error[1024];
	struct location *location;
	struct volume *volume;

	snprintf(text, sizeof(text), "%s%s%s", fixture.location,
		 leave                           ? ""
		 : strchr(fixture.location, '?') ? "&"
						 : "?",
		 leave ? "" : query);
	if (location_parse(text, &location, error, sizeof(error)))
		fail_msg("%s", error);
	if (volume_open_location(location, &volume, error, sizeof(error)))
		fail_msg("%s", error);
	location_free(location);
	return volume;
}

int fixture_begin(void **state)
{
	static unsigned number;
	const struct handle *root = volume_get_info(fixture.volume)->root;

	(void)state;
	snprintf(fixture.dir_name, sizeof(fixture.dir_name),
		 "conformance-%ld-%u", (long)getpid(), ++number);
	fixture.dir = make_dir(root, fixture.dir_name);
	if (fixture.backing && asprintf(&fixture.dir_path, "%s/%s",
					fixture.backing, fixture.dir_name) < 0)
		return -1;
	return 0;
}

int fixture_end(void **state)
{
	const struct handle *root = volume_get_info(fixture.volume)->root;

	(void)state;
	remove_tree(fixture.dir);
	free(fixture.dir);
	fixture.dir = NULL;
	free(fixture.dir_path);
	fixture.dir_path = NULL;
	return do_remove(root, fixture.dir_name, true);
}

int64_t early_time(int64_t ns)
{
	bool kept = !volume_get_info(fixture.volume)->short_times;

	return kept || ns >= 0 ? ns : -ns;
}

const char *backing_path(const char *name)
{
	static char path[2][8192];
	static unsigned next;
	char *ret = path[next++ % 2];

	assert_non_null(fixture.dir_path);
	snprintf(ret, sizeof(path[0]), "%s/%s", fixture.dir_path, name);
	return ret;
}

void expect_result(const char *file, int line, const char *what, int got,
		   const int *wanted)
{
	char text[256] = "";

	for (const int *w = wanted; *w != 1; w++) {
		size_t len = strlen(text);

		if (got == *w)
			return;
		snprintf(text + len, sizeof(text) - len, "%s%s",
			 len > 0 ? " or " : "",
			 *w ? strerrorname_np(-*w) : "0");
	}
	print_error("%s:%d: %s: result %s, wanted %s\n", file, line, what,
		    got ? strerrorname_np(-got) : "0", text);
	_fail(file, line);
}

/* --- One item each ------------------------------------------------------- */

/* An item's result: hands the handle and the attributes on. A failed item may
 * have got as far as a handle, which is freed as volume_items_done() would. */
static int take(int result, struct handle *from, const struct attr *from_attr,
		struct handle **handle, struct attr *attr)
{
	assert_true(result <= 0);
	if (result) {
		free(from);
		return result;
	}
	assert_int_not_equal(from_attr->type, ENTRY_NONE);
	if (attr)
		*attr = *from_attr;
	if (handle)
		*handle = from;
	else
		free(from);
	return 0;
}

int do_lookup(const struct handle *dir, const char *name, struct attr *attr,
	      struct handle **handle)
{
	struct volume_lookup item = {.dir = dir, .name = name, .result = 1};

	fixture_run(VOLUME_LOOKUP, &item, 1);
	return take(item.result, item.ret_handle, &item.ret_attr, handle, attr);
}

int do_getattr(const struct handle *handle, struct attr *attr)
{
	struct volume_getattr item = {.handle = handle, .result = 1};

	fixture_run(VOLUME_GETATTR, &item, 1);
	return take(item.result, NULL, &item.ret_attr, NULL, attr);
}

int do_setattr(const struct handle *handle, const struct attr_set *set,
	       struct attr *attr)
{
	struct volume_setattr item = {
	    .handle = handle,
	    .set = *set,
	    .result = 1,
	};

	fixture_run(VOLUME_SETATTR, &item, 1);
	return take(item.result, NULL, &item.ret_attr, NULL, attr);
}

int do_readlink(const struct handle *handle, char **target)
{
	struct volume_readlink item = {.handle = handle, .result = 1};
	int result;

	fixture_run(VOLUME_READLINK, &item, 1);
	result = take(item.result, NULL, &item.ret_attr, NULL, NULL);
	if (result) {
		assert_null(item.ret_target);
		return result;
	}
	assert_non_null(item.ret_target);
	assert_int_equal(item.ret_attr.type, ENTRY_SYMLINK);
	*target = steal(item.ret_target);
	return 0;
}

int do_make(const struct handle *dir, const char *temp, const char *name,
	    enum entry_type type, const char *target,
	    const struct attr_set *set, struct handle **handle)
{
	struct volume_make item = {
	    .dir = dir,
	    .temp_name = temp,
	    .name = name,
	    .type = type,
	    .target = target,
	    .result = 1,
	};
	int result;

	if (set)
		item.set = *set;
	fixture_run(VOLUME_MAKE, &item, 1);
	if (!item.result)
		assert_int_equal(item.ret_attr.type, type);
	result =
	    take(item.result, item.ret_handle, &item.ret_attr, handle, NULL);
	return result;
}

int do_link(const struct handle *handle, const struct handle *dir,
	    const char *temp, const char *name, struct attr *attr)
{
	struct volume_link item = {
	    .handle = handle,
	    .dir = dir,
	    .temp_name = temp,
	    .name = name,
	    .result = 1,
	};

	fixture_run(VOLUME_LINK, &item, 1);
	return take(item.result, NULL, &item.ret_attr, NULL, attr);
}

int do_remove(const struct handle *dir, const char *name, bool directory)
{
	struct volume_remove item = {
	    .dir = dir,
	    .name = name,
	    .directory = directory,
	    .result = 1,
	};

	fixture_run(VOLUME_REMOVE, &item, 1);
	assert_true(item.result <= 0);
	return item.result;
}

int do_rename(const struct handle *dir, const char *name,
	      const struct handle *to_dir, const char *to_name)
{
	struct volume_rename item = {
	    .dir = dir,
	    .name = name,
	    .to_dir = to_dir,
	    .to_name = to_name,
	    .result = 1,
	};

	fixture_run(VOLUME_RENAME, &item, 1);
	assert_true(item.result <= 0);
	return item.result;
}

int do_write(const struct handle *dir, const char *name, const void *data,
	     size_t len, const struct attr_set *set, struct handle **handle)
{
	struct volume_write_whole item = {
	    .dir = dir,
	    .temp_name = TEMP,
	    .name = name,
	    .data = data,
	    .len = len,
	    .result = 1,
	};

	if (set)
		item.set = *set;
	fixture_run(VOLUME_WRITE_WHOLE, &item, 1);
	if (!item.result) {
		assert_int_equal(item.ret_attr.type, ENTRY_FILE);
		assert_int_equal(item.ret_attr.size, len);
	}
	return take(item.result, item.ret_handle, &item.ret_attr, handle, NULL);
}

int do_open(const struct handle *dir, const char *name, bool create,
	    struct volume_file **file, struct handle **handle)
{
	struct volume_open item = {
	    .dir = dir,
	    .name = name,
	    .create = create,
	    .result = 1,
	};

	fixture_run(VOLUME_OPEN, &item, 1);
	if (item.result)
		assert_null(item.ret_file);
	else
		assert_non_null(item.ret_file);
	*file = item.ret_file;
	return take(item.result, item.ret_handle, &item.ret_attr, handle, NULL);
}

int do_open_read(const struct handle *handle, struct volume_file **file,
		 struct attr *attr)
{
	struct volume_open item = {.handle = handle, .result = 1};

	fixture_run(VOLUME_OPEN, &item, 1);
	if (item.result) {
		assert_null(item.ret_file);
	} else {
		assert_non_null(item.ret_file);
		assert_true(handle_equal(item.ret_handle, handle));
		assert_int_equal(item.ret_attr.type, ENTRY_FILE);
	}
	*file = item.ret_file;
	return take(item.result, item.ret_handle, &item.ret_attr, NULL, attr);
}

int do_range_write(struct volume_file *file, uint64_t offset, const void *data,
		   size_t len, uint64_t *verifier)
{
	struct volume_write item = {
	    .file = file,
	    .offset = offset,
	    .data = data,
	    .len = len,
	    .result = 1,
	};

	fixture_run(VOLUME_WRITE, &item, 1);
	assert_true(item.result <= 0);
	if (verifier)
		*verifier = item.ret_verifier;
	return item.result;
}

int do_commit(struct volume_file *file, uint64_t *verifier)
{
	struct volume_commit item = {.file = file, .result = 1};

	fixture_run(VOLUME_COMMIT, &item, 1);
	assert_true(item.result <= 0);
	if (verifier)
		*verifier = item.ret_verifier;
	return item.result;
}

int do_close(struct volume_file *file)
{
	struct volume_close item = {.file = file, .result = 1};

	fixture_run(VOLUME_CLOSE, &item, 1);
	assert_true(item.result <= 0);
	return item.result;
}

int do_read_whole(const struct handle *handle, size_t expect,
		  struct volume_read_whole *item)
{
	*item = (struct volume_read_whole){
	    .handle = handle,
	    .expect = expect,
	    .result = 1,
	};
	fixture_run(VOLUME_READ_WHOLE, item, 1);
	if (item->result)
		assert_null(item->ret_blob);
	else if (item->ret_len > 0)
		assert_non_null(item->ret_blob);
	return item->result;
}

int do_read(const struct handle *handle, uint64_t offset, size_t len,
	    struct volume_read *item)
{
	return do_read_file(handle, NULL, offset, len, item);
}

int do_read_file(const struct handle *handle, struct volume_file *file,
		 uint64_t offset, size_t len, struct volume_read *item)
{
	*item = (struct volume_read){
	    .handle = handle,
	    .file = file,
	    .offset = offset,
	    .len = len,
	    .result = 1,
	};
	fixture_run(VOLUME_READ, item, 1);
	if (item->result)
		assert_null(item->ret_blob);
	return item->result;
}

/* --- Short cuts ---------------------------------------------------------- */

struct handle *make_dir(const struct handle *dir, const char *name)
{
	struct handle *handle = NULL;

	EXPECT(name,
	       do_make(dir, NULL, name, ENTRY_DIRECTORY, NULL, NULL, &handle),
	       0);
	return handle;
}

struct handle *make_file(const struct handle *dir, const char *name,
			 const char *text)
{
	struct handle *handle = NULL;

	EXPECT(name, do_write(dir, name, text, strlen(text), NULL, &handle), 0);
	return handle;
}

struct handle *make_link(const struct handle *dir, const char *name,
			 const char *target)
{
	struct handle *handle = NULL;

	EXPECT(name,
	       do_make(dir, NULL, name, ENTRY_SYMLINK, target, NULL, &handle),
	       0);
	return handle;
}

struct handle *lookup(const struct handle *dir, const char *name)
{
	struct handle *handle = NULL;

	EXPECT(name, do_lookup(dir, name, NULL, &handle), 0);
	return handle;
}

void assert_content(const struct handle *handle, const void *data, size_t len)
{
	struct volume_read_whole item;

	EXPECT("read", do_read_whole(handle, len, &item), 0);
	assert_int_equal(item.ret_len, len);
	if (len > 0)
		assert_memory_equal(item.ret_data, data, len);
	assert_int_equal(item.ret_after.size, len);
	assert_true(attr_same_version(&item.ret_before, &item.ret_after));
	volume_items_done(VOLUME_READ_WHOLE, &item, 1);
}

void assert_absent(const struct handle *dir, const char *name)
{
	EXPECT(name, do_lookup(dir, name, NULL, NULL), -ENOENT);
}

int list_all(const struct handle *dir, size_t max_bytes,
	     struct volume_list *ret)
{
	struct volume_list page = {.dir = dir, .max_bytes = max_bytes};

	*ret = (struct volume_list){.dir = dir};
	do {
		struct volume_entry *entries;
		size_t n = page.ret_count;

		page.result = 1;
		fixture_run(VOLUME_LIST, &page, 1);
		assert_true(page.result <= 0);
		if (page.result) {
			assert_int_equal(page.ret_count, 0);
			volume_items_done(VOLUME_LIST, ret, 1);
			return page.result;
		}
		n = page.ret_count;
		if (n > 0) {
			page.cookie = page.ret_entries[n - 1].cookie;
			entries =
			    reallocarray(ret->ret_entries, ret->ret_count + n,
					 sizeof(*entries));
			assert_non_null(entries);
			memcpy(entries + ret->ret_count, page.ret_entries,
			       n * sizeof(*entries));
			ret->ret_entries = entries;
			ret->ret_count += n;
		}
		page.verifier = page.ret_verifier;
		free(page.ret_entries); /* what they point to lives on */
		page.ret_entries = NULL;
		page.ret_count = 0;
	} while (!page.ret_eof);
	return 0;
}

/*
 * Removes all that lies in `dir`. Not recursive: a test makes trees deeper
 * than a stack likes. Directories are opened on the way down and removed on
 * the way up.
 */
void remove_tree(const struct handle *dir)
{
	struct level {
		struct handle *handle;
		struct volume_list list;
		size_t next;
	} *levels = NULL;
	size_t depth = 0;

	levels = calloc(4096, sizeof(*levels));
	assert_non_null(levels);
	levels[0].handle = handle_dup(dir);
	EXPECT("list", list_all(dir, 0, &levels[0].list), 0);
	for (;;) {
		struct level *l = &levels[depth];
		struct volume_entry *e;

		if (l->next < l->list.ret_count) {
			e = &l->list.ret_entries[l->next];
			if (e->attr.type == ENTRY_DIRECTORY) {
				l = &levels[++depth];
				assert_true(depth < 4096);
				*l = (struct level){.handle = e->handle};
				e->handle = NULL;
				EXPECT("list", list_all(l->handle, 0, &l->list),
				       0);
				continue;
			}
			EXPECT(e->name, do_remove(l->handle, e->name, false),
			       0);
			l->next++;
			continue;
		}
		volume_items_done(VOLUME_LIST, &l->list, 1);
		free(l->handle);
		if (depth == 0)
			break;
		l = &levels[--depth];
		e = &l->list.ret_entries[l->next++];
		EXPECT(e->name, do_remove(l->handle, e->name, true), 0);
	}
	free(levels);
}

uint8_t *noise(size_t len, unsigned seed)
{
	uint8_t *data = malloc(len + 1);
	uint32_t x = seed * 2654435761u + 1;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (uint8_t)(x >> 24 | 1);
	}
	return data;
}
