/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * volume - the waist: one file system tree, reached through one backend.
 *
 * Operations are vectored, because the round trip is what costs: a call
 * carries many items of one verb, and the backend puts as many of them into
 * one request as the server takes. Results are per item: a bad file never
 * fails its neighbours.
 *
 * Each verb has two forms. volume_start() returns at once and calls
 * `call->done` from a thread of the backend, or before it returns when the
 * call cannot be begun; volume_run() waits. done() must not block, for other
 * calls wait behind it; no lock is held while it runs. Both fill the items in
 * place. An item's inputs are borrowed until the call is done; what
 * an item returns belongs to the caller from then on and is released with
 * volume_items_done(), which also fits items that failed or never ran.
 *
 * Results: `result` of each item is 0 or a negative errno. Beside the plain
 * ones (-ENOENT, -EEXIST, -EACCES, -EPERM, -ENOSPC, -EDQUOT, -EROFS,
 * -ENAMETOOLONG, -ENOTDIR, -EISDIR, -ENOTEMPTY, -EMLINK, -EFBIG, -EIO):
 *   -ESTALE      the handle's object is gone; in a local directory also:
 *                something took its path, or a directory above it was renamed
 *   -ENOTCONN    the side cannot be reached any more (deadline passed)
 *   -ECANCELED   volume_cancel() was called
 *   -EOPNOTSUPP  the server cannot do it
 *   -EINVAL      a name or value that the server refuses
 *
 * Names are bytes, 1 to 255 of them, NUL-terminated here, without '/', and
 * neither "." nor ".."; others answer -EINVAL (-ENAMETOOLONG when too long).
 *
 * Thread rule: all functions may be called from any thread.
 */
#ifndef VOLUME_VOLUME_H
#define VOLUME_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "nfs/attr.h"
#include "nfs/handle.h"

struct location;
struct volume;
struct volume_file;

#define VOLUME_NAME_MAX 255 /* bytes in one name */

/* The most data one whole-file item carries; larger files go by ranges. */
#define VOLUME_WHOLE_MAX (512 * 1024)

/* The preferred length of one range of a large file, bytes. */
#define VOLUME_RANGE (1024 * 1024)

/* The first moment that is too late for a volume with short times, in 2106. */
#define VOLUME_SHORT_TIME_END ((INT64_C(1) << 32) * INT64_C(1000000000))

enum volume_verb {
	VOLUME_LIST,        /* struct volume_list */
	VOLUME_LOOKUP,      /* struct volume_lookup */
	VOLUME_GETATTR,     /* struct volume_getattr */
	VOLUME_READLINK,    /* struct volume_readlink */
	VOLUME_READ_WHOLE,  /* struct volume_read_whole */
	VOLUME_WRITE_WHOLE, /* struct volume_write_whole */
	VOLUME_MAKE,        /* struct volume_make */
	VOLUME_LINK,        /* struct volume_link */
	VOLUME_SETATTR,     /* struct volume_setattr */
	VOLUME_REMOVE,      /* struct volume_remove */
	VOLUME_RENAME,      /* struct volume_rename */
	VOLUME_READ,        /* struct volume_read */
	VOLUME_OPEN,        /* struct volume_open */
	VOLUME_WRITE,       /* struct volume_write */
	VOLUME_COMMIT,      /* struct volume_commit */
	VOLUME_CLOSE,       /* struct volume_close */
	VOLUME_STATFS,      /* struct volume_statfs */
	VOLUME_VERBS,
};

/* One entry of a directory. */
struct volume_entry {
	char *name;
	struct handle *handle; /* NULL with attr_result != 0 */
	uint64_t cookie;       /* to go on behind this entry */
	int attr_result;       /* 0, or why attr and handle are missing */
	struct attr attr;
};

/* How a listing is known that goes round in a circle; all zero at its start. */
struct volume_circle {
	uint64_t mark; /* a cookie that was gone past */
	uint64_t pages, next;
};

/*
 * One page of a directory. Start with cookie 0 and verifier 0; go on with
 * the cookie of the last entry and `ret_verifier`, until `ret_eof`. "." and
 * ".." are left out. An entry that exists during the whole listing is seen
 * once; a page may be empty without being the last.
 */
struct volume_list {
	const struct handle *dir;
	uint64_t cookie;
	uint64_t verifier;
	size_t max_bytes; /* how large a reply to ask for, 0: as suits it */
	int result;
	uint64_t ret_verifier;
	bool ret_eof;
	size_t ret_count;
	struct volume_entry *ret_entries;
	struct volume_circle circle; /* volume_list_next()'s */
};

/* One name in a directory; symlinks are not followed. */
struct volume_lookup {
	const struct handle *dir;
	const char *name;
	int result;
	struct attr ret_attr;
	struct handle *ret_handle;
};

struct volume_getattr {
	const struct handle *handle;
	int result;
	struct attr ret_attr;
};

/* The target of a symlink: bytes, NUL-terminated. */
struct volume_readlink {
	const struct handle *handle;
	int result;
	char *ret_target;
	struct attr ret_attr;
};

/*
 * A whole small file. `expect` is how many bytes it is thought to hold (at
 * most VOLUME_WHOLE_MAX); a file that turned out longer than VOLUME_WHOLE_MAX
 * answers -EFBIG. The data are consistent when attr_same_version(ret_before,
 * ret_after) and ret_len == ret_after.size; judging it is the caller's.
 */
struct volume_read_whole {
	const struct handle *handle;
	size_t expect;
	int result;
	const uint8_t *ret_data; /* points into ret_blob */
	size_t ret_len;
	struct blob *ret_blob;
	struct attr ret_before;
	struct attr ret_after;
};

/*
 * A whole small file: made under `temp_name`, filled, its attributes set,
 * made durable, then renamed over `name` (which may exist, unless it is a
 * directory: -EISDIR or -EEXIST). Zero runs become holes (base/extent.h).
 * On failure nothing is left under temp_name if the server can be reached,
 * and what was under `name` is untouched. `set.which` must not hold
 * ATTR_SET_SIZE.
 *
 * Attributes that may not be set (-EPERM for an owner) fail the item.
 */
struct volume_write_whole {
	const struct handle *dir;
	const char *temp_name;
	const char *name;
	const uint8_t *data;
	size_t len;
	struct blob *blob; /* that holds data, or NULL; borrowed */
	struct attr_set set;
	int result;
	struct attr ret_attr; /* read after the data and attributes were set */
	struct handle *ret_handle;
};

/*
 * A directory, symlink, FIFO or socket. Without `temp_name` it is made as
 * `name` (-EEXIST if there is one); with it, made as temp_name and renamed
 * over `name`. Directories take no temp_name. A directory without
 * ATTR_SET_MODE is made 0700.
 */
struct volume_make {
	const struct handle *dir;
	const char *temp_name;
	const char *name;
	enum entry_type type;
	const char *target; /* of a symlink */
	struct attr_set set;
	int result;
	struct attr ret_attr;
	struct handle *ret_handle;
};

/*
 * One more name for `handle`. With `temp_name`, linked there first and
 * renamed over `name`; `name` must not be the same object already (the
 * rename would do nothing and leave temp_name).
 */
struct volume_link {
	const struct handle *handle;
	const struct handle *dir;
	const char *temp_name;
	const char *name;
	int result;
	struct attr ret_attr; /* of the object, with its new link count */
};

/*
 * Owner first, then mode (so that set-id bits survive), then times. Symlinks
 * have no mode of their own: ATTR_SET_MODE on one is ignored where the server
 * refuses it.
 */
struct volume_setattr {
	const struct handle *handle;
	struct attr_set set;
	int result;
	struct attr ret_attr;
};

/* A name of anything; directories must be empty. */
struct volume_remove {
	const struct handle *dir;
	const char *name;
	bool directory; /* the name is a directory's */
	int result;
};

struct volume_rename {
	const struct handle *dir;
	const char *name;
	const struct handle *to_dir;
	const char *to_name;
	int result;
};

/*
 * A range of a file, no open needed: `file` may be NULL. With a file that was
 * opened for reading the object stays readable after its last name is gone, if
 * volume_info.keeps_open says so and as far as the server keeps open files (RFC
 * 8881 section 18.16.3). Fewer bytes than asked only before the end of file,
 * where ret_eof says so; a server's short reads are completed.
 */
struct volume_read {
	const struct handle *handle;
	struct volume_file *file; /* of `handle`, or NULL */
	uint64_t offset;
	size_t len; /* at most VOLUME_RANGE */
	int result;
	const uint8_t *ret_data; /* points into ret_blob */
	size_t ret_len;
	bool ret_eof;
	struct blob *ret_blob;
};

/*
 * Opens a file for writing: `create` makes `name` new (-EEXIST if there is
 * one), mode 0600; else it must exist. With `handle` instead of `dir` and
 * `name` it opens that object for reading. The file is closed with
 * VOLUME_CLOSE, once, also after errors.
 */
struct volume_open {
	const struct handle *handle; /* to read; else NULL */
	const struct handle *dir;
	const char *name;
	bool create;
	int result;
	struct volume_file *ret_file;
	struct handle *ret_handle;
	struct attr ret_attr;
};

/*
 * A range of an open file, whole or failed. The bytes are the server's but
 * perhaps not yet durable. `ret_verifier` differs from one write or commit to
 * another when the server lost what was not committed: such ranges must be
 * written again.
 */
struct volume_write {
	struct volume_file *file;
	uint64_t offset;
	const uint8_t *data;
	size_t len;        /* at most VOLUME_RANGE */
	struct blob *blob; /* that holds data, or NULL; borrowed */
	int result;
	uint64_t ret_verifier;
};

/* Makes all that was written durable. */
struct volume_commit {
	struct volume_file *file;
	int result;
	uint64_t ret_verifier;
};

/* Frees the file in any case. */
struct volume_close {
	struct volume_file *file;
	int result;
};

struct volume_statfs {
	int result;
	uint64_t ret_total_bytes, ret_free_bytes, ret_avail_bytes;
	uint64_t ret_total_files, ret_free_files;
	uint32_t ret_name_max; /* 0: not known */
	uint32_t ret_link_max; /* 0: not known */
};

struct volume_call {
	enum volume_verb verb;
	void *items;
	size_t count;
	void (*done)(struct volume_call *call); /* not for volume_run() */
	void *user;
};

/*
 * Who says when calls may begin: a limit on requests and bytes. pass() is asked
 * for every call with its number of items and, of the verbs that read file
 * data, the bytes that are expected; it waits with `wait`, else it says whether
 * the time has come. Nothing is asked twice: once it said 1 the call begins. 0:
 * not now; negative: the call ends with that error.
 */
struct volume_pacer {
	int (*pass)(void *user, size_t items, uint64_t bytes, bool wait);
	void *user;
};

/* Facts about a volume that do not change while it is open. */
struct volume_info {
	const char *location; /* as the user would write it; for messages */
	const char *protocol; /* how it is reached, for messages: "NFSv4.1" */
	const struct handle *root;
	struct attr root_attr;
	int64_t rtt_ns;       /* measured at open; 0 for a local directory */
	unsigned depth;       /* calls worth having in flight at once */
	unsigned whole_items; /* small files worth having in one call */
	unsigned whole_calls; /* such calls worth starting together: who waits
				 sleeps once for all of them */
	bool keeps_open;      /* files opened to be read outlive their names */
	bool short_times;     /* times from VOLUME_SHORT_TIME_END on, and
				 those before 1970, cannot be set: -EINVAL */
};

/*
 * Opens what `location` names. On failure a negative errno and in
 * `error[error_size]` a sentence for the user: what was tried, what came of
 * it, what to do.
 */
int volume_open_location(const struct location *location, struct volume **ret,
			 char *error, size_t error_size);

/* Ends all calls, closes connections. No call may be in flight. */
struct volume *volume_free(struct volume *v);

const struct volume_info *volume_get_info(const struct volume *v);

/* Requests sent so far: RPCs, or system call groups for a directory. */
uint64_t volume_get_requests(const struct volume *v);

/* Since when the server has not answered though calls wait for it, monotonic;
 * 0: it answers, or is not asked, or there is none. */
int64_t volume_get_silent_ns(const struct volume *v);

/*
 * For how long a server may say nothing, or only "later", before the calls that
 * wait for it end with -ENOTCONN or -ETIMEDOUT: less than the deadline of the
 * location, from now on and for those that wait already. 0: that deadline; a
 * server that was given up is waited for again then.
 */
void volume_set_patience(struct volume *v, int64_t ns);

void volume_start(struct volume *v, struct volume_call *call);
void volume_run(struct volume *v, enum volume_verb verb, void *items,
		size_t count);

/* As volume_start(), unless a pacer would have it wait: then false, and nothing
 * has happened. */
bool volume_try_start(struct volume *v, struct volume_call *call);

/* Borrowed until another one, or NULL for none, takes its place; meanwhile no
 * call may be begun by another thread. A pacer that waits must not be set on a
 * volume whose calls are begun by threads that may not. */
void volume_set_pacer(struct volume *v, const struct volume_pacer *pacer);

/* `result` of item number `index`. */
int volume_item_result(enum volume_verb verb, const void *items, size_t index);

/* Sets `result` of all items of a call to `result`. */
void volume_fail(enum volume_verb verb, void *items, size_t count, int result);

/* Frees what the items returned and zeroes their ret_ fields. */
void volume_items_done(enum volume_verb verb, void *items, size_t count);

/*
 * Makes of a page that was read the question for the one behind it, and frees
 * what it returned. -EPROTO, with no question made, when the listing would not
 * come to an end: the server goes round in a circle.
 */
int volume_list_next(struct volume_list *page);

/* Whether a listing whose page ends with `cookie` goes round in a circle: told
 * before its pages were given four times. */
bool volume_circle_closes(struct volume_circle *c, uint64_t cookie);

/*
 * Lets every call in flight and to come end with -ECANCELED within a second.
 * There is no way back.
 */
void volume_cancel(struct volume *v);

#endif
