/* SPDX-License-Identifier: GPL-3.0-or-later */
/* getattr, setattr, statfs and the facts of a volume. */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#define S INT64_C(1000000000)

/* Root on the volume may give files away; others test what is left. */
static bool is_root(void)
{
	struct attr_set set = {.which = ATTR_SET_OWNER, .uid = 1, .gid = 1};
	struct handle *file = make_file(fixture.dir, "probe", "");
	int result = do_setattr(file, &set, NULL);

	EXPECT("chown", result, 0, -EPERM);
	free(file);
	EXPECT("remove", do_remove(fixture.dir, "probe", false), 0);
	return result == 0;
}

/* The caller's own owner and group, as the server sees them. */
static void own(struct attr_set *set)
{
	struct attr attr;
	struct handle *file = make_file(fixture.dir, "probe", "");

	EXPECT("getattr", do_getattr(file, &attr), 0);
	set->uid = attr.uid;
	set->gid = attr.gid;
	free(file);
	EXPECT("remove", do_remove(fixture.dir, "probe", false), 0);
}

/* Fails unless `attr` shows all that was set. */
static void assert_set(const char *what, const struct attr *attr,
		       const struct attr_set *set)
{
	uint32_t which = set->which;
	uint32_t wrong = 0;

	if (attr->type == ENTRY_SYMLINK)
		which &= ~ATTR_SET_MODE;
	/* Some servers (ganesha) drop the times of a symlink in silence. */
	if (attr->type == ENTRY_SYMLINK && !fixture.local)
		which &= ~ATTR_SET_TIMES;
	if (which & ATTR_SET_MODE && attr->mode != set->mode)
		wrong |= ATTR_SET_MODE;
	if (which & ATTR_SET_UID && attr->uid != set->uid)
		wrong |= ATTR_SET_UID;
	if (which & ATTR_SET_GID && attr->gid != set->gid)
		wrong |= ATTR_SET_GID;
	if (which & ATTR_SET_SIZE && attr->size != set->size)
		wrong |= ATTR_SET_SIZE;
	if (which & ATTR_SET_ATIME && attr->atime_ns != set->atime_ns)
		wrong |= ATTR_SET_ATIME;
	if (which & ATTR_SET_MTIME && attr->mtime_ns != set->mtime_ns)
		wrong |= ATTR_SET_MTIME;
	if (wrong)
		fail_msg("%s: ATTR_SET bits 0x%x are not as set", what, wrong);
}

/* Each kind of entry, and what is set on it. */
static const struct {
	const char *what;
	enum entry_type type;
	struct attr_set set; /* an owner: only root may */
} set_rows[] = {
    {"mode of a file", ENTRY_FILE, {.which = ATTR_SET_MODE, .mode = 0640}},
    {"no mode at all", ENTRY_FILE, {.which = ATTR_SET_MODE, .mode = 0}},
    {"set-id bits", ENTRY_FILE, {.which = ATTR_SET_MODE, .mode = 06755}},
    {"mode of a directory",
     ENTRY_DIRECTORY,
     {.which = ATTR_SET_MODE, .mode = 03751}},
    {"mode of a FIFO", ENTRY_FIFO, {.which = ATTR_SET_MODE, .mode = 0622}},
    {"mode of a socket", ENTRY_SOCKET, {.which = ATTR_SET_MODE, .mode = 0755}},
    {"uid alone", ENTRY_FILE, {.which = ATTR_SET_UID, .uid = 12345}},
    {"gid alone", ENTRY_FILE, {.which = ATTR_SET_GID, .gid = 54321}},
    {"largest owner",
     ENTRY_FILE,
     {.which = ATTR_SET_OWNER, .uid = 4294967293, .gid = 4294967293}},
    {"owner of a symlink",
     ENTRY_SYMLINK,
     {.which = ATTR_SET_OWNER, .uid = 7, .gid = 8}},
    {"owner of a FIFO",
     ENTRY_FIFO,
     {.which = ATTR_SET_OWNER, .uid = 7, .gid = 8}},
    {"owner and set-id bits at once",
     ENTRY_FILE,
     {.which = ATTR_SET_OWNER | ATTR_SET_MODE,
      .uid = 7,
      .gid = 8,
      .mode = 06711}},
    {"all of a directory",
     ENTRY_DIRECTORY,
     {.which = ATTR_SET_OWNER | ATTR_SET_MODE | ATTR_SET_TIMES,
      .uid = 7,
      .gid = 8,
      .mode = 02775,
      .atime_ns = 1 * S + 1,
      .mtime_ns = 2 * S + 999999999}},
    {"times in nanoseconds",
     ENTRY_FILE,
     {.which = ATTR_SET_TIMES,
      .atime_ns = 1234567890 * S + 123456789,
      .mtime_ns = 1500000000 * S + 987654321}},
    {"mtime alone",
     ENTRY_FILE,
     {.which = ATTR_SET_MTIME, .mtime_ns = 1000 * S + 7}},
    {"atime alone",
     ENTRY_FILE,
     {.which = ATTR_SET_ATIME, .atime_ns = 1000 * S + 7}},
    {"before 1970",
     ENTRY_FILE,
     {.which = ATTR_SET_TIMES,
      .atime_ns = -86400 * S - 1,
      .mtime_ns = -1 * S - 500000000}},
    {"after 2038",
     ENTRY_FILE,
     {.which = ATTR_SET_TIMES,
      .atime_ns = 4102444800 * S + 1,
      .mtime_ns = 4102444800 * S + 2}},
    {"the first moment", ENTRY_FILE, {.which = ATTR_SET_TIMES}},
    {"times of a symlink",
     ENTRY_SYMLINK,
     {.which = ATTR_SET_MTIME, .mtime_ns = 77 * S + 7}},
    {"times of a FIFO",
     ENTRY_FIFO,
     {.which = ATTR_SET_TIMES, .atime_ns = 3 * S, .mtime_ns = 77 * S + 7}},
    {"times of a socket",
     ENTRY_SOCKET,
     {.which = ATTR_SET_TIMES, .atime_ns = 3 * S, .mtime_ns = 77 * S + 7}},
    {"shorter", ENTRY_FILE, {.which = ATTR_SET_SIZE, .size = 3}},
    {"longer", ENTRY_FILE, {.which = ATTR_SET_SIZE, .size = 100000}},
    {"empty", ENTRY_FILE, {.which = ATTR_SET_SIZE, .size = 0}},
    {"beyond 4 GiB",
     ENTRY_FILE,
     {.which = ATTR_SET_SIZE, .size = UINT64_C(5) << 30}},
    {"size and the rest",
     ENTRY_FILE,
     {.which = ATTR_SET_SIZE | ATTR_SET_MODE | ATTR_SET_TIMES,
      .size = 12,
      .mode = 0444,
      .atime_ns = 5 * S + 5,
      .mtime_ns = 6 * S + 6}},
    {"nothing", ENTRY_FILE, {.which = 0}},
};

static struct handle *make_any(enum entry_type type, const char *name)
{
	struct handle *handle;

	if (type == ENTRY_FILE)
		return make_file(fixture.dir, name, "0123456789");
	EXPECT(name,
	       do_make(fixture.dir, NULL, name, type,
		       type == ENTRY_SYMLINK ? "nowhere" : NULL, NULL, &handle),
	       0);
	return handle;
}

static void test_setattr(void **state)
{
	bool root = is_root();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(set_rows); i++) {
		const struct attr_set *set = &set_rows[i].set;
		struct attr attr, again;
		struct handle *handle;
		char name[32];

		if (set->which & ATTR_SET_OWNER && !root)
			continue;
		if (early_time(set->mtime_ns) != set->mtime_ns)
			continue;
		snprintf(name, sizeof(name), "row-%zu", i);
		handle = make_any(set_rows[i].type, name);
		EXPECT(set_rows[i].what, do_setattr(handle, set, &attr), 0);
		assert_int_equal(attr.type, set_rows[i].type);
		assert_set(set_rows[i].what, &attr, set);
		EXPECT(set_rows[i].what, do_getattr(handle, &again), 0);
		assert_set(set_rows[i].what, &again, set);
		assert_true(attr_same_version(&attr, &again));
		free(handle);
	}
}

static void test_setattr_keeps_the_rest(void **state)
{
	struct attr_set set = {
	    .which = ATTR_SET_MODE | ATTR_SET_TIMES,
	    .mode = 0604,
	    .atime_ns = 11 * S + 1,
	    .mtime_ns = 12 * S + 2,
	};
	struct handle *file = make_file(fixture.dir, "file", "content");
	struct attr attr;

	(void)state;
	EXPECT("all", do_setattr(file, &set, NULL), 0);
	set.which = ATTR_SET_MODE;
	set.mode = 0640;
	EXPECT("mode", do_setattr(file, &set, &attr), 0);
	assert_true(attr.mtime_ns == 12 * S + 2);
	assert_true(attr.atime_ns == 11 * S + 1);
	assert_int_equal(attr.size, 7);
	set.which = ATTR_SET_MTIME;
	set.mtime_ns = 13 * S;
	EXPECT("mtime", do_setattr(file, &set, &attr), 0);
	assert_int_equal(attr.mode, 0640);
	assert_true(attr.atime_ns == 11 * S + 1);
	free(file);
}

static void test_setattr_wrong_type(void **state)
{
	struct attr_set set = {.which = ATTR_SET_SIZE, .size = 1};
	struct handle *dir = make_dir(fixture.dir, "dir");
	struct handle *link = make_link(fixture.dir, "link", "dir");

	(void)state;
	EXPECT("directory", do_setattr(dir, &set, NULL), -EISDIR, -EINVAL);
	EXPECT("symlink", do_setattr(link, &set, NULL), -EINVAL, -ELOOP);
	free(dir);
	free(link);
}

/* A change of content or attributes moves the change counter. */
static void test_change(void **state)
{
	struct handle *file = make_file(fixture.dir, "file", "aaaa");
	struct attr_set set = {.which = ATTR_SET_MODE, .mode = 0611};
	struct attr before, after;
	struct volume_file *open;

	(void)state;
	EXPECT("getattr", do_getattr(file, &before), 0);
	EXPECT("again", do_getattr(file, &after), 0);
	assert_true(attr_same_version(&before, &after));
	/* The kernel's clock of changes ticks every 10 ms at the worst. */
	usleep(20000);
	EXPECT("chmod", do_setattr(file, &set, &after), 0);
	assert_true(before.change != after.change);
	assert_true(before.mtime_ns == after.mtime_ns);
	before = after;
	usleep(20000);
	EXPECT("open", do_open(fixture.dir, "file", false, &open, NULL), 0);
	EXPECT("write", do_range_write(open, 0, "bbbb", 4, NULL), 0);
	EXPECT("commit", do_commit(open, NULL), 0);
	EXPECT("close", do_close(open), 0);
	EXPECT("getattr", do_getattr(file, &after), 0);
	assert_true(before.change != after.change);
	assert_true(before.mtime_ns != after.mtime_ns);
	free(file);
}

/* A time that the protocol has no number for is refused, never bent. */
static void test_short_times(void **state)
{
	struct attr_set set = {.which = ATTR_SET_MTIME, .mtime_ns = -1};
	struct handle *file = make_file(fixture.dir, "file", "some text");
	int beyond = volume_get_info(fixture.volume)->short_times ? -EINVAL : 0;

	(void)state;
	EXPECT("early", do_setattr(file, &set, NULL), beyond);
	set.mtime_ns = (INT64_C(1) << 32) * S;
	EXPECT("late", do_setattr(file, &set, NULL), beyond);
	set.mtime_ns--;
	EXPECT("last", do_setattr(file, &set, NULL), 0);
	free(file);
}

/* What the volume says is what the kernel says about the backing. */
static void test_same_as_backing(void **state)
{
	struct attr_set set = {
	    .which = ATTR_SET_MODE | ATTR_SET_TIMES,
	    .mode = 04750,
	    .atime_ns = early_time(-5 * S - 5),
	    .mtime_ns = 4102444800 * S + 5,
	};
	struct handle *file;
	struct attr attr;
	struct stat st;

	(void)state;
	if (!fixture.backing)
		skip();
	file = make_file(fixture.dir, "file", "some text");
	EXPECT("setattr", do_setattr(file, &set, &attr), 0);
	assert_int_equal(lstat(backing_path("file"), &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 04750);
	assert_int_equal(st.st_size, 9);
	assert_int_equal(st.st_uid, attr.uid);
	assert_int_equal(st.st_gid, attr.gid);
	assert_int_equal(st.st_nlink, attr.nlink);
	assert_int_equal(st.st_ino, attr.fileid);
	assert_int_equal(st.st_mtim.tv_sec, 4102444800);
	assert_int_equal(st.st_mtim.tv_nsec, 5);
	assert_true(set.atime_ns == st.st_atim.tv_sec * S + st.st_atim.tv_nsec);
	assert_true(attr.ctime_ns ==
		    st.st_ctim.tv_sec * S + st.st_ctim.tv_nsec);
	free(file);
}

static void test_own_owner(void **state)
{
	struct attr_set set = {.which = ATTR_SET_OWNER};
	struct handle *file;

	(void)state;
	own(&set);
	file = make_file(fixture.dir, "file", "");
	/* To leave things as they are is allowed to anybody. */
	EXPECT("own", do_setattr(file, &set, NULL), 0);
	free(file);
}

static void test_stale(void **state)
{
	struct attr_set set = {.which = ATTR_SET_MODE, .mode = 0600};
	struct handle *file = make_file(fixture.dir, "file", "x");
	struct handle *link = make_link(fixture.dir, "link", "x");
	struct handle *dir = make_dir(fixture.dir, "dir");
	struct volume_read_whole whole;
	struct volume_list list;
	struct volume_read read;
	char *target;

	(void)state;
	EXPECT("rm", do_remove(fixture.dir, "file", false), 0);
	EXPECT("rm", do_remove(fixture.dir, "link", false), 0);
	EXPECT("rm", do_remove(fixture.dir, "dir", true), 0);
	/* Others take their names, and perhaps their inode numbers. */
	free(make_file(fixture.dir, "file", "other"));
	free(make_link(fixture.dir, "link", "other"));
	free(make_dir(fixture.dir, "dir"));
	EXPECT("getattr", do_getattr(file, NULL), -ESTALE);
	EXPECT("setattr", do_setattr(file, &set, NULL), -ESTALE);
	EXPECT("read_whole", do_read_whole(file, 1, &whole), -ESTALE);
	EXPECT("read", do_read(file, 0, 1, &read), -ESTALE);
	EXPECT("link", do_link(file, fixture.dir, NULL, "new", NULL), -ESTALE);
	EXPECT("readlink", do_readlink(link, &target), -ESTALE);
	EXPECT("list", list_all(dir, 0, &list), -ESTALE);
	EXPECT("lookup", do_lookup(dir, "x", NULL, NULL), -ESTALE);
	EXPECT("write", do_write(dir, "x", "", 0, NULL, NULL), -ESTALE);
	EXPECT("make", do_make(dir, NULL, "x", ENTRY_FIFO, NULL, NULL, NULL),
	       -ESTALE);
	EXPECT("remove", do_remove(dir, "x", false), -ESTALE);
	EXPECT("rename", do_rename(fixture.dir, "file", dir, "x"), -ESTALE);
	free(file);
	free(link);
	free(dir);
}

static void test_statfs(void **state)
{
	struct volume_statfs fs = {.result = 1};

	(void)state;
	fixture_run(VOLUME_STATFS, &fs, 1);
	assert_int_equal(fs.result, 0);
	assert_true(fs.ret_total_bytes > 0);
	assert_true(fs.ret_free_bytes <= fs.ret_total_bytes);
	assert_true(fs.ret_avail_bytes <= fs.ret_total_bytes);
	assert_true(fs.ret_name_max == 0 || fs.ret_name_max >= 255);
	volume_items_done(VOLUME_STATFS, &fs, 1);
}

static void test_info(void **state)
{
	const struct volume_info *info = volume_get_info(fixture.volume);
	uint64_t requests = volume_get_requests(fixture.volume);
	struct attr attr;

	(void)state;
	assert_non_null(info->location);
	assert_true(info->depth >= 1);
	assert_true(info->whole_items >= 1);
	assert_int_equal(info->root_attr.type, ENTRY_DIRECTORY);
	if (fixture.local)
		assert_true(info->rtt_ns == 0);
	EXPECT("root", do_getattr(info->root, &attr), 0);
	assert_true(attr.fileid == info->root_attr.fileid);
	assert_true(volume_get_requests(fixture.volume) > requests);
}

const struct CMUnitTest attr_tests[] = {
    CONFORMANCE_TEST(test_setattr),
    CONFORMANCE_TEST(test_setattr_keeps_the_rest),
    CONFORMANCE_TEST(test_setattr_wrong_type),
    CONFORMANCE_TEST(test_change),
    CONFORMANCE_TEST(test_short_times),
    CONFORMANCE_TEST(test_same_as_backing),
    CONFORMANCE_TEST(test_own_owner),
    CONFORMANCE_TEST(test_stale),
    CONFORMANCE_TEST(test_statfs),
    CONFORMANCE_TEST(test_info),
};
const size_t attr_test_count = ARRAY_SIZE(attr_tests);
