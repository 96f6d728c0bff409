// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One thread; requests are short, so each is read whole, blocking, when its
 * first bytes have come.
 */
#include "fake_nfs3.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nfs/xdr.h"

#define MOUNT_PROGRAM 100005
#define REQUEST_MAX   (2u << 20)

#define NF_FILE 1u
#define NF_DIR  2u
#define NF_LINK 5u

#define OK             0u
#define ERR_NOENT      2u
#define ERR_EXIST      17u
#define ERR_INVAL      22u
#define ERR_STALE      70u
#define ERR_NOTSUPP    10004u
#define ERR_JUKEBOX    10008u
#define MODE_EXCLUSIVE 2u

/* One call while it is answered. */
struct call3 {
	struct fake3 *f;
	struct xdr_in in;
	struct xdr_out out;
};

/* --- What lies in the directory ------------------------------------------- */

static struct fake3_name *find_name(struct fake3 *f, const char *name)
{
	for (size_t i = 0; i < FAKE3_NAMES; i++)
		if (*f->names[i].name && !strcmp(f->names[i].name, name))
			return &f->names[i];
	return NULL;
}

struct fake3_object *fake3_find(struct fake3 *f, const char *name)
{
	struct fake3_name *n = find_name(f, name);

	return n ? &f->objects[n->object] : NULL;
}

static void add_name(struct fake3 *f, const char *name, unsigned object)
{
	for (size_t i = 0; i < FAKE3_NAMES; i++) {
		if (*f->names[i].name)
			continue;
		snprintf(f->names[i].name, sizeof(f->names[i].name), "%s",
			 name);
		f->names[i].object = object;
		f->objects[object].nlink++;
		return;
	}
	abort();
}

static void drop_name(struct fake3 *f, struct fake3_name *n)
{
	f->objects[n->object].nlink--;
	*n->name = '\0';
}

static unsigned add_object(struct fake3 *f, uint32_t type)
{
	assert(f->object_count < FAKE3_OBJECTS);
	f->objects[f->object_count] = (struct fake3_object){.type = type};
	return f->object_count++;
}

void fake3_add(struct fake3 *f, const char *name, uint64_t size)
{
	unsigned object = add_object(f, NF_FILE);

	f->objects[object].size = size;
	add_name(f, name, object);
}

/* --- Pieces of arguments and results -------------------------------------- */

static unsigned get_handle(struct call3 *c)
{
	size_t len;
	const uint8_t *data = xdr_get_bytes(&c->in, 64, &len);
	uint32_t object = UINT32_MAX;

	if (data && len == sizeof(object))
		memcpy(&object, data, sizeof(object));
	return object < c->f->object_count ? object : UINT32_MAX;
}

static void get_name(struct call3 *c, char name[256])
{
	size_t len = 0;
	const uint8_t *data = xdr_get_bytes(&c->in, 255, &len);

	if (data)
		memcpy(name, data, len);
	name[data ? len : 0] = '\0';
}

/* A directory's handle and a name. */
static void get_where(struct call3 *c, char name[256])
{
	get_handle(c);
	get_name(c, name);
}

/* sattr3; what it sets goes into the log. */
static void get_sattr(struct call3 *c, uint64_t *size)
{
	static const char letters[] = "mugsat";
	char *log = c->f->sets + strlen(c->f->sets);

	for (int i = 0; i < 6; i++) {
		uint32_t set = xdr_get_u32(&c->in);

		if (set)
			*log++ = letters[i];
		if (i < 3 && set)
			xdr_get_u32(&c->in);
		else if (i == 3 && set)
			*size = xdr_get_u64(&c->in);
		else if (i > 3 && set == 2)
			xdr_get_u64(&c->in);
	}
	*log++ = ' ';
	*log = '\0';
}

static void put_handle(struct call3 *c, unsigned object)
{
	uint32_t id = object;

	xdr_put_bytes(&c->out, &id, sizeof(id));
}

static void put_attr(struct call3 *c, unsigned object)
{
	const struct fake3_object *o = &c->f->objects[object];

	xdr_put_u32(&c->out, o->type);
	xdr_put_u32(&c->out, c->f->mode ? c->f->mode : 0600);
	xdr_put_u32(&c->out, object == 0 ? 2 : o->nlink);
	xdr_put_u32(&c->out, 0);
	xdr_put_u32(&c->out, 0);
	xdr_put_u64(&c->out, o->size);
	xdr_put_u64(&c->out, o->size);
	xdr_put_u64(&c->out, 0);
	xdr_put_u64(&c->out, 7); /* fsid */
	xdr_put_u64(&c->out, object + 1);
	for (int i = 0; i < 3; i++) {
		xdr_put_u32(&c->out, 1000000000);
		xdr_put_u32(&c->out, 5);
	}
}

static void put_post_attr(struct call3 *c, unsigned object)
{
	xdr_put_u32(&c->out, !c->f->bare);
	if (!c->f->bare)
		put_attr(c, object);
}

static void put_post_handle(struct call3 *c, unsigned object)
{
	xdr_put_u32(&c->out, !c->f->bare);
	if (!c->f->bare)
		put_handle(c, object);
}

static void put_wcc(struct call3 *c)
{
	xdr_put_u32(&c->out, 0);
	xdr_put_u32(&c->out, 0);
}

static void put_verifier(struct call3 *c)
{
	xdr_put_u32(&c->out, 0);
	xdr_put_u32(&c->out, c->f->verifier);
}

/* --- Procedures ----------------------------------------------------------- */

static void do_getattr(struct call3 *c)
{
	unsigned object = get_handle(c);

	xdr_put_u32(&c->out, object == UINT32_MAX ? ERR_STALE : OK);
	if (object != UINT32_MAX)
		put_attr(c, object);
}

static void do_setattr(struct call3 *c)
{
	unsigned object = get_handle(c);
	uint64_t size = UINT64_MAX;

	get_sattr(c, &size);
	if (object != UINT32_MAX && size != UINT64_MAX)
		c->f->objects[object].size = size;
	xdr_put_u32(&c->out, object == UINT32_MAX ? ERR_STALE : OK);
	put_wcc(c);
}

static void do_lookup(struct call3 *c)
{
	static const uint8_t filler[128];
	struct fake3_name *n;
	char name[256];

	get_where(c, name);
	n = find_name(c->f, name);
	xdr_put_u32(&c->out, n ? OK : ERR_NOENT);
	if (n) {
		if (c->f->handle_len)
			xdr_put_bytes(&c->out, filler, c->f->handle_len);
		else
			put_handle(c, n->object);
		put_post_attr(c, n->object);
	}
	xdr_put_u32(&c->out, 0);
}

static void do_access(struct call3 *c)
{
	unsigned object = get_handle(c);
	uint32_t access = xdr_get_u32(&c->in);

	xdr_put_u32(&c->out, OK);
	put_post_attr(c, object);
	xdr_put_u32(&c->out, access);
}

static void do_read(struct call3 *c)
{
	const struct fake3 *f = c->f;
	unsigned object = get_handle(c);
	uint64_t offset = xdr_get_u64(&c->in), size;
	uint32_t count = xdr_get_u32(&c->in);

	if (object == UINT32_MAX) {
		xdr_put_u32(&c->out, ERR_STALE);
		xdr_put_u32(&c->out, 0);
		return;
	}
	size = f->objects[object].size;
	if (f->short_io && count > f->short_io)
		count = f->short_io;
	if (offset > size || count > size - offset)
		count = offset > size ? 0 : (uint32_t)(size - offset);
	xdr_put_u32(&c->out, OK);
	put_post_attr(c, object);
	xdr_put_u32(&c->out, count);
	xdr_put_u32(&c->out, offset + count >= size);
	xdr_put_u32(&c->out, count);
	memset(xdr_reserve(&c->out, (count + 3) & ~3u), 'x', count);
}

static void do_write(struct call3 *c)
{
	struct fake3 *f = c->f;
	unsigned object = get_handle(c);
	uint64_t offset = xdr_get_u64(&c->in);
	uint32_t count = xdr_get_u32(&c->in);
	uint32_t stable = xdr_get_u32(&c->in);

	if (f->restart_at && f->calls[FAKE3_WRITE] == f->restart_at)
		f->verifier++;
	if (f->short_io && count > f->short_io)
		count = f->short_io;
	xdr_put_u32(&c->out, object == UINT32_MAX ? ERR_STALE : OK);
	put_wcc(c);
	if (object == UINT32_MAX)
		return;
	if (offset + count > f->objects[object].size)
		f->objects[object].size = offset + count;
	xdr_put_u32(&c->out, count);
	xdr_put_u32(&c->out, stable);
	put_verifier(c);
}

static void do_commit(struct call3 *c)
{
	xdr_put_u32(&c->out, OK);
	put_wcc(c);
	put_verifier(c);
}

static void made(struct call3 *c, uint32_t status, unsigned object)
{
	xdr_put_u32(&c->out, status);
	if (status == OK) {
		put_post_handle(c, object);
		put_post_attr(c, object);
	}
	put_wcc(c);
}

/* MKDIR, SYMLINK, MKNOD, once the arguments behind the name are known. */
static void make_new(struct call3 *c, const char *name, uint32_t type)
{
	unsigned object = 0;

	if (find_name(c->f, name)) {
		made(c, ERR_EXIST, 0);
		return;
	}
	object = add_object(c->f, type);
	add_name(c->f, name, object);
	made(c, OK, object);
}

static void do_create(struct call3 *c)
{
	struct fake3_name *n;
	const uint8_t *verifier;
	uint64_t size = 0;
	char name[256];
	uint32_t mode;

	get_where(c, name);
	mode = xdr_get_u32(&c->in);
	if (mode != MODE_EXCLUSIVE) {
		get_sattr(c, &size);
		make_new(c, name, NF_FILE);
		return;
	}
	verifier = xdr_get_fixed(&c->in, 8);
	n = find_name(c->f, name);
	if (c->f->no_exclusive) {
		made(c, ERR_NOTSUPP, 0);
	} else if (!n) {
		make_new(c, name, NF_FILE);
		memcpy(fake3_find(c->f, name)->verifier, verifier, 8);
	} else if (!memcmp(c->f->objects[n->object].verifier, verifier, 8)) {
		made(c, OK, n->object);
	} else {
		made(c, ERR_EXIST, 0);
	}
}

static void do_mkdir(struct call3 *c)
{
	char name[256];

	get_where(c, name);
	make_new(c, name, NF_DIR);
}

static void do_symlink(struct call3 *c)
{
	uint64_t size = 0;
	char name[256];
	size_t len = 0;

	get_where(c, name);
	get_sattr(c, &size);
	xdr_get_bytes(&c->in, 65536, &len);
	make_new(c, name, NF_LINK);
	fake3_find(c->f, name)->size = len;
}

static void do_mknod(struct call3 *c)
{
	uint32_t type;
	char name[256];

	get_where(c, name);
	type = xdr_get_u32(&c->in);
	make_new(c, name, type);
}

static void do_remove(struct call3 *c)
{
	struct fake3_name *n;
	char name[256];

	get_where(c, name);
	n = find_name(c->f, name);
	if (n)
		drop_name(c->f, n);
	xdr_put_u32(&c->out, n ? OK : ERR_NOENT);
	put_wcc(c);
}

static void do_rename(struct call3 *c)
{
	char from[256], to[256];
	struct fake3_name *n, *old;

	get_where(c, from);
	get_where(c, to);
	n = find_name(c->f, from);
	old = find_name(c->f, to);
	if (n && old)
		drop_name(c->f, old);
	if (n)
		snprintf(n->name, sizeof(n->name), "%s", to);
	xdr_put_u32(&c->out, n ? OK : ERR_NOENT);
	put_wcc(c);
	put_wcc(c);
}

static void do_link(struct call3 *c)
{
	unsigned object = get_handle(c);
	uint32_t status = OK;
	char name[256];

	get_where(c, name);
	if (object == UINT32_MAX)
		status = ERR_STALE;
	else if (find_name(c->f, name))
		status = ERR_EXIST;
	else
		add_name(c->f, name, object);
	xdr_put_u32(&c->out, status);
	xdr_put_u32(&c->out, 0);
	put_wcc(c);
}

static void put_entry(struct call3 *c, const char *name, unsigned object,
		      uint64_t cookie, bool plus)
{
	xdr_put_u32(&c->out, 1);
	xdr_put_u64(&c->out, object + 1);
	xdr_put_string(&c->out, name);
	xdr_put_u64(&c->out, cookie);
	if (!plus)
		return;
	put_post_attr(c, object);
	put_post_handle(c, object);
}

/* Two names a page, "." and ".." the first of them. */
static void do_list(struct call3 *c, bool plus)
{
	struct fake3 *f = c->f;
	uint64_t cookie;
	unsigned count = 0;

	get_handle(c);
	cookie = xdr_get_u64(&c->in);
	xdr_put_u32(&c->out, plus && f->no_plus ? ERR_NOTSUPP : OK);
	put_post_attr(c, 0);
	if (plus && f->no_plus)
		return;
	put_verifier(c);
	for (; cookie < FAKE3_NAMES + 2 && count < 2; cookie++) {
		const char *name = cookie == 0   ? "."
				   : cookie == 1 ? ".."
						 : f->names[cookie - 2].name;

		if (!*name)
			continue;
		put_entry(c, name, cookie < 2 ? 0 : f->names[cookie - 2].object,
			  cookie + 1, plus);
		count++;
	}
	if (f->bad_name)
		put_entry(c, f->bad_name, 0, cookie, plus);
	xdr_put_u32(&c->out, 0);
	xdr_put_u32(&c->out, cookie == FAKE3_NAMES + 2);
}

static void do_fsinfo(struct call3 *c)
{
	static const uint32_t sizes[] = {1 << 20, 1 << 20, 4096, 65536,
					 65536,   4096,    32768};

	xdr_put_u32(&c->out, OK);
	put_post_attr(c, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		xdr_put_u32(&c->out, sizes[i]);
	xdr_put_u64(&c->out, INT64_MAX);
	xdr_put_u64(&c->out, 1);
	xdr_put_u32(&c->out, 27);
}

static void do_pathconf(struct call3 *c)
{
	xdr_put_u32(&c->out, OK);
	put_post_attr(c, 0);
	xdr_put_u32(&c->out, 1000);
	xdr_put_u32(&c->out, 255);
	for (int i = 0; i < 4; i++)
		xdr_put_u32(&c->out, 1);
}

static void execute(struct call3 *c, uint32_t proc)
{
	static void (*const procs[FAKE3_PROCS])(struct call3 *) = {
	    [FAKE3_GETATTR] = do_getattr, [FAKE3_SETATTR] = do_setattr,
	    [FAKE3_LOOKUP] = do_lookup,   [FAKE3_ACCESS] = do_access,
	    [FAKE3_READ] = do_read,       [FAKE3_WRITE] = do_write,
	    [FAKE3_CREATE] = do_create,   [FAKE3_MKDIR] = do_mkdir,
	    [FAKE3_SYMLINK] = do_symlink, [FAKE3_MKNOD] = do_mknod,
	    [FAKE3_REMOVE] = do_remove,   [FAKE3_RMDIR] = do_remove,
	    [FAKE3_RENAME] = do_rename,   [FAKE3_LINK] = do_link,
	    [FAKE3_FSINFO] = do_fsinfo,   [FAKE3_PATHCONF] = do_pathconf,
	    [FAKE3_COMMIT] = do_commit,
	};

	if (proc == FAKE3_READDIR || proc == FAKE3_READDIRPLUS)
		do_list(c, proc == FAKE3_READDIRPLUS);
	else if (procs[proc])
		procs[proc](c);
	else
		xdr_put_u32(&c->out, ERR_NOTSUPP);
}

/* Results of every procedure that failed: a status, and no attributes in any
 * of the places where they might be. */
static void put_later(struct call3 *c)
{
	xdr_put_u32(&c->out, ERR_JUKEBOX);
	for (int i = 0; i < 4; i++)
		xdr_put_u32(&c->out, 0);
}

/* --- Connections ---------------------------------------------------------- */

static bool read_all(int fd, void *data, size_t len)
{
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

/* The answer to MNT: the directory, AUTH_SYS. */
static void do_mount(struct call3 *c)
{
	xdr_put_u32(&c->out, OK);
	put_handle(c, 0);
	xdr_put_u32(&c->out, 1);
	xdr_put_u32(&c->out, 1);
}

/* What precedes the results: the record's mark, xid, five words. */
#define HEADER_BYTES 28

/* Fills in the answer; false: the connection is to be closed instead. */
static bool answer(struct call3 *c)
{
	struct fake3 *f = c->f;
	uint32_t xid = xdr_get_u32(&c->in), program, proc;
	size_t len;

	xdr_get_u64(&c->in); /* CALL, RPC version */
	program = xdr_get_u32(&c->in);
	xdr_get_u32(&c->in);
	proc = xdr_get_u32(&c->in);
	for (int i = 0; i < 2; i++) {
		xdr_get_u32(&c->in);
		xdr_get_bytes(&c->in, 400, &len);
	}
	xdr_put_u32(&c->out, 0);
	xdr_put_u32(&c->out, xid);
	xdr_put_u32(&c->out, 1);
	for (int i = 0; i < 4; i++)
		xdr_put_u32(&c->out, 0);
	if (program == MOUNT_PROGRAM) {
		do_mount(c);
		return true;
	}
	if (proc == 0 || proc >= FAKE3_PROCS)
		return proc == 0;
	f->calls[proc]++;
	if (f->later[proc] > 0) {
		f->later[proc]--;
		put_later(c);
		return true;
	}
	execute(c, proc);
	if (f->spoil[proc] > 0) {
		f->spoil[proc]--;
		c->out.len = HEADER_BYTES;
	}
	if (f->drop[proc] == 0)
		return true;
	f->drop[proc]--;
	return false;
}

/* Serves one request; false: the connection is over. */
static bool serve(struct fake3 *f, int fd)
{
	uint32_t mark;
	struct call3 c = {.f = f};
	uint8_t *record;
	size_t len;
	bool good;

	if (!read_all(fd, &mark, sizeof(mark)))
		return false;
	len = ntohl(mark) & 0x7fffffff;
	if (len > REQUEST_MAX)
		return false;
	record = malloc(len);
	good = read_all(fd, record, len);
	if (good && !f->silent) {
		xdr_in_init(&c.in, record, len);
		xdr_out_init(&c.out);
		good = answer(&c);
		xdr_patch_u32(&c.out, 0,
			      0x80000000 | (uint32_t)(c.out.len - 4));
		if (good)
			good = send(fd, c.out.data, c.out.len, MSG_NOSIGNAL) ==
			       (ssize_t)c.out.len;
		xdr_out_done(&c.out);
	}
	free(record);
	return good;
}

static void take_connection(struct fake3 *f)
{
	int fd = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < FAKE3_CONNS; i++) {
		if (f->fds[i] >= 0)
			continue;
		f->fds[i] = fd;
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void *fake3_main(void *arg)
{
	struct fake3 *f = arg;
	struct pollfd fds[FAKE3_CONNS + 1];

	while (!atomic_load(&f->stop)) {
		fds[FAKE3_CONNS] =
		    (struct pollfd){.fd = f->listener, .events = POLLIN};
		for (size_t i = 0; i < FAKE3_CONNS; i++)
			fds[i] =
			    (struct pollfd){.fd = f->fds[i], .events = POLLIN};
		if (poll(fds, FAKE3_CONNS + 1, 20) <= 0)
			continue;
		if (fds[FAKE3_CONNS].revents)
			take_connection(f);
		for (size_t i = 0; i < FAKE3_CONNS; i++) {
			if (fds[i].fd < 0 || !fds[i].revents ||
			    serve(f, fds[i].fd))
				continue;
			close(f->fds[i]);
			f->fds[i] = -1;
		}
	}
	return NULL;
}

void fake3_start(struct fake3 *f)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int r;

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < FAKE3_CONNS; i++)
		f->fds[i] = -1;
	add_object(f, NF_DIR);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	r = bind(f->listener, (struct sockaddr *)&address, len);
	assert(r == 0);
	r = listen(f->listener, 16);
	assert(r == 0);
	r = getsockname(f->listener, (struct sockaddr *)&address, &len);
	assert(r == 0);
	(void)r;
	f->port = ntohs(address.sin_port);
	pthread_create(&f->thread, NULL, fake3_main, f);
}

void fake3_stop(struct fake3 *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
	for (size_t i = 0; i < FAKE3_CONNS; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	close(f->listener);
}
