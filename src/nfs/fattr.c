/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A fattr4 is a bitmap4 that says which attributes follow and an opaque<>
 * that holds them one behind the other in the order of their numbers, without
 * any length of their own. Decoding is thus a walk over the bits: each known
 * number reads its type, and an unknown one ends it, because nothing behind
 * it can be found.
 *
 * The walk happens in a decoder of its own over exactly the opaque's bytes,
 * so that a lying bitmap cannot reach the bytes behind the attributes, and
 * bytes left over are noticed.
 */
#include "nfs/fattr.h"

#include <stdio.h>

#include "base/clock.h"
#include "nfs/proto.h"
#include "nfs/status.h"

/* Words of a bitmap4 that are read at the most; 3 are defined so far. */
#define BITMAP_WORDS_MAX 8

/* Owner strings are as long as the server likes; what is longer than this is
 * no number anyway. */
#define OWNER_MAX 1024

#define BIT(n)  (1u << ((n) % 32))
#define WORD(n) ((n) / 32)

/* What struct attr holds, as the two words of a bitmap4. */
static const uint32_t attr_bits[2] = {
    BIT(FATTR4_TYPE) | BIT(FATTR4_CHANGE) | BIT(FATTR4_SIZE) |
	BIT(FATTR4_FSID) | BIT(FATTR4_FILEID),
    BIT(FATTR4_MODE) | BIT(FATTR4_NUMLINKS) | BIT(FATTR4_OWNER) |
	BIT(FATTR4_OWNER_GROUP) | BIT(FATTR4_SPACE_USED) |
	BIT(FATTR4_TIME_ACCESS) | BIT(FATTR4_TIME_METADATA) |
	BIT(FATTR4_TIME_MODIFY),
};

static const uint32_t limits_bits[2] = {
    BIT(FATTR4_LEASE_TIME) | BIT(FATTR4_MAXLINK) | BIT(FATTR4_MAXNAME) |
	BIT(FATTR4_MAXREAD) | BIT(FATTR4_MAXWRITE),
    0,
};

static const uint32_t space_bits[2] = {
    BIT(FATTR4_FILES_AVAIL) | BIT(FATTR4_FILES_FREE) | BIT(FATTR4_FILES_TOTAL),
    BIT(FATTR4_SPACE_AVAIL) | BIT(FATTR4_SPACE_FREE) | BIT(FATTR4_SPACE_TOTAL),
};

/* A bitmap4 without trailing zero words, as the canonical form wants it. */
static void put_bitmap(struct xdr_out *x, const uint32_t bits[2])
{
	uint32_t words = bits[1] ? 2 : bits[0] ? 1 : 0;

	xdr_put_u32(x, words);
	for (uint32_t i = 0; i < words; i++)
		xdr_put_u32(x, bits[i]);
}

void fattr_put_request(struct xdr_out *x, enum fattr_want want, bool in_listing)
{
	const uint32_t *of_want = want == FATTR_LIMITS  ? limits_bits
				  : want == FATTR_SPACE ? space_bits
							: attr_bits;
	uint32_t bits[2] = {of_want[0], of_want[1]};

	if (want == FATTR_ATTR_AND_HANDLE)
		bits[WORD(FATTR4_FILEHANDLE)] |= BIT(FATTR4_FILEHANDLE);
	if (in_listing)
		bits[WORD(FATTR4_RDATTR_ERROR)] |= BIT(FATTR4_RDATTR_ERROR);
	put_bitmap(x, bits);
}

/* An owner or group as its decimal number, which EFS and every server with
 * numeric ids take (RFC 8881 section 5.9). */
static void put_owner(struct xdr_out *x, uint32_t id)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", id);
	xdr_put_string(x, text);
}

/* settime4: the client's time, in seconds and nanoseconds. */
static void put_time(struct xdr_out *x, int64_t ns)
{
	struct timespec ts = clock_split_ns(ns);

	xdr_put_u32(x, SET_TO_CLIENT_TIME4);
	xdr_put_i64(x, ts.tv_sec);
	xdr_put_u32(x, (uint32_t)ts.tv_nsec);
}

void fattr_put_set(struct xdr_out *x, const struct attr_set *set)
{
	uint32_t bits[2] = {0, 0};
	uint32_t which = set->which;
	size_t length_at, start;

	if (which & ATTR_SET_SIZE)
		bits[0] |= BIT(FATTR4_SIZE);
	if (which & ATTR_SET_MODE)
		bits[1] |= BIT(FATTR4_MODE);
	if (which & ATTR_SET_UID)
		bits[1] |= BIT(FATTR4_OWNER);
	if (which & ATTR_SET_GID)
		bits[1] |= BIT(FATTR4_OWNER_GROUP);
	if (which & ATTR_SET_ATIME)
		bits[1] |= BIT(FATTR4_TIME_ACCESS_SET);
	if (which & ATTR_SET_MTIME)
		bits[1] |= BIT(FATTR4_TIME_MODIFY_SET);
	put_bitmap(x, bits);

	/* The length comes first and is known last. All parts are multiples
	 * of four bytes long, so no padding follows. */
	length_at = x->len;
	xdr_put_u32(x, 0);
	start = x->len;
	if (which & ATTR_SET_SIZE)
		xdr_put_u64(x, set->size);
	if (which & ATTR_SET_MODE)
		xdr_put_u32(x, set->mode & ATTR_MODE_BITS);
	if (which & ATTR_SET_UID)
		put_owner(x, set->uid);
	if (which & ATTR_SET_GID)
		put_owner(x, set->gid);
	if (which & ATTR_SET_ATIME)
		put_time(x, set->atime_ns);
	if (which & ATTR_SET_MTIME)
		put_time(x, set->mtime_ns);
	if (!x->failed)
		xdr_patch_u32(x, length_at, (uint32_t)(x->len - start));
}

/* Reads a bitmap4; words behind the second are kept too, so that an unknown
 * bit in them is noticed. */
static void get_bitmap(struct xdr_in *x, uint32_t words[BITMAP_WORDS_MAX])
{
	uint32_t count = xdr_get_u32(x);

	memset(words, 0, BITMAP_WORDS_MAX * sizeof(*words));
	if (count > BITMAP_WORDS_MAX) {
		x->failed = true;
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		words[i] = xdr_get_u32(x);
}

void fattr_skip_bitmap(struct xdr_in *x)
{
	uint32_t words[BITMAP_WORDS_MAX];

	get_bitmap(x, words);
}

uint32_t fattr_parse_owner(const uint8_t *text, size_t len)
{
	uint64_t id = 0;

	if (!text || len == 0 || len > 10)
		return FATTR_NOBODY;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return FATTR_NOBODY;
		id = id * 10 + (uint64_t)(text[i] - '0');
	}
	return id <= UINT32_MAX ? (uint32_t)id : FATTR_NOBODY;
}

static uint32_t get_owner(struct xdr_in *x)
{
	size_t len = 0;
	const uint8_t *text = xdr_get_bytes(x, OWNER_MAX, &len);

	return fattr_parse_owner(text, len);
}

/* nfstime4. Nanoseconds beyond a second break RFC 8881 section 3.3.1, but
 * are no reason to lose the whole answer. */
static int64_t get_time(struct xdr_in *x)
{
	int64_t seconds = xdr_get_i64(x);
	uint32_t nanoseconds = xdr_get_u32(x);

	if (nanoseconds >= NS_PER_S)
		nanoseconds = NS_PER_S - 1;
	return clock_join_ns(seconds, nanoseconds);
}

static enum entry_type get_type(struct xdr_in *x)
{
	switch (xdr_get_u32(x)) {
	case NF4REG:
		return ENTRY_FILE;
	case NF4DIR:
		return ENTRY_DIRECTORY;
	case NF4LNK:
		return ENTRY_SYMLINK;
	case NF4FIFO:
		return ENTRY_FIFO;
	case NF4SOCK:
		return ENTRY_SOCKET;
	case NF4BLK:
		return ENTRY_BLOCK;
	case NF4CHR:
		return ENTRY_CHAR;
	default:
		return ENTRY_NONE;
	}
}

static uint32_t get_mode(struct xdr_in *x)
{
	uint32_t mode = xdr_get_u32(x);

	if (mode > ATTR_MODE_MAX)
		x->failed = true;
	return mode & ATTR_MODE_BITS;
}

/* Reads attribute `number` if it is one of struct attr. */
static bool get_of_attr(struct xdr_in *x, unsigned number, struct attr *a)
{
	switch (number) {
	case FATTR4_TYPE:
		a->type = get_type(x);
		return true;
	case FATTR4_CHANGE:
		a->change = xdr_get_u64(x);
		return true;
	case FATTR4_SIZE:
		a->size = xdr_get_u64(x);
		return true;
	case FATTR4_FSID:
		a->fsid_major = xdr_get_u64(x);
		a->fsid_minor = xdr_get_u64(x);
		return true;
	case FATTR4_FILEID:
		a->fileid = xdr_get_u64(x);
		return true;
	case FATTR4_MODE:
		a->mode = get_mode(x);
		return true;
	case FATTR4_NUMLINKS:
		a->nlink = xdr_get_u32(x);
		return true;
	case FATTR4_OWNER:
		a->uid = get_owner(x);
		return true;
	case FATTR4_OWNER_GROUP:
		a->gid = get_owner(x);
		return true;
	case FATTR4_SPACE_USED:
		a->space_used = xdr_get_u64(x);
		return true;
	case FATTR4_TIME_ACCESS:
		a->atime_ns = get_time(x);
		return true;
	case FATTR4_TIME_METADATA:
		a->ctime_ns = get_time(x);
		return true;
	case FATTR4_TIME_MODIFY:
		a->mtime_ns = get_time(x);
		return true;
	default:
		return false;
	}
}

/* Reads attribute `number` if it is one of the whole file system. */
static bool get_of_server(struct xdr_in *x, unsigned number, struct fattr *f)
{
	switch (number) {
	case FATTR4_LEASE_TIME:
		f->limits.lease_s = xdr_get_u32(x);
		return true;
	case FATTR4_MAXLINK:
		f->limits.link_max = xdr_get_u32(x);
		return true;
	case FATTR4_MAXNAME:
		f->limits.name_max = xdr_get_u32(x);
		return true;
	case FATTR4_MAXREAD:
		f->limits.read_max = xdr_get_u64(x);
		return true;
	case FATTR4_MAXWRITE:
		f->limits.write_max = xdr_get_u64(x);
		return true;
	case FATTR4_FILES_AVAIL:
		xdr_get_u64(x);
		return true;
	case FATTR4_FILES_FREE:
		f->space.free_files = xdr_get_u64(x);
		return true;
	case FATTR4_FILES_TOTAL:
		f->space.total_files = xdr_get_u64(x);
		return true;
	case FATTR4_SPACE_AVAIL:
		f->space.avail_bytes = xdr_get_u64(x);
		return true;
	case FATTR4_SPACE_FREE:
		f->space.free_bytes = xdr_get_u64(x);
		return true;
	case FATTR4_SPACE_TOTAL:
		f->space.total_bytes = xdr_get_u64(x);
		return true;
	default:
		return false;
	}
}

static void get_one(struct xdr_in *x, unsigned number, struct fattr *f)
{
	if (get_of_attr(x, number, &f->attr) || get_of_server(x, number, f))
		return;
	switch (number) {
	case FATTR4_RDATTR_ERROR:
		f->error = status_to_errno(xdr_get_u32(x));
		break;
	case FATTR4_FILEHANDLE:
		f->handle = xdr_get_bytes(x, NFS4_FHSIZE, &f->handle_len);
		if (f->handle && f->handle_len == 0)
			x->failed = true;
		break;
	default:
		x->failed = true;
	}
}

/* The nearest thing for what the server left out. */
static void fill_defaults(struct attr *a, const uint32_t *has)
{
	if (!(has[1] & BIT(FATTR4_MODE)))
		a->mode = a->type == ENTRY_DIRECTORY ? 0700 : 0600;
	if (!(has[1] & BIT(FATTR4_NUMLINKS)))
		a->nlink = 1;
	if (!(has[1] & BIT(FATTR4_OWNER)))
		a->uid = FATTR_NOBODY;
	if (!(has[1] & BIT(FATTR4_OWNER_GROUP)))
		a->gid = FATTR_NOBODY;
	if (!(has[1] & BIT(FATTR4_SPACE_USED)))
		a->space_used = a->size;
	if (!(has[1] & BIT(FATTR4_TIME_ACCESS)))
		a->atime_ns = a->mtime_ns;
	if (!(has[1] & BIT(FATTR4_TIME_METADATA)))
		a->ctime_ns = a->mtime_ns;
	if (!(has[0] & BIT(FATTR4_CHANGE)))
		a->change = (uint64_t)a->ctime_ns;
}

bool fattr_get(struct xdr_in *x, struct fattr *ret)
{
	uint32_t words[BITMAP_WORDS_MAX];
	struct fattr f = {0};
	const uint8_t *data;
	size_t len = 0;
	struct xdr_in in;

	get_bitmap(x, words);
	data = xdr_get_bytes(x, xdr_left(x), &len);
	if (x->failed)
		return false;
	xdr_in_init(&in, data, len);
	/* From bit to bit: most of them are not set. */
	for (unsigned i = 0; i < BITMAP_WORDS_MAX; i++)
		for (uint32_t w = words[i]; w && !in.failed; w &= w - 1)
			get_one(&in, 32 * i + (unsigned)__builtin_ctz(w), &f);
	if (in.failed || xdr_left(&in) > 0) {
		x->failed = true;
		return false;
	}
	fill_defaults(&f.attr, words);
	*ret = f;
	return true;
}
