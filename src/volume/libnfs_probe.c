/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each call has a connection of its own: there are three of them at the most,
 * mostly to different ports.
 */
#include "volume/libnfs_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "nfs/endpoint.h"
#include "nfs/handle.h"
#include "nfs/oncrpc.h"
#include "nfs/recmark.h"
#include "nfs/xdr.h"
#include "volume/libnfs_conn.h"
#include "volume/location.h"

#define PORTMAP_PORT    111
#define PORTMAP_PROGRAM 100000
#define PORTMAP_VERSION 2
#define PORTMAP_GETPORT 3
#define PORTMAP_TCP     6

#define NFS_PROGRAM 100003
#define NFS_NULL    0
#define NFS_PORT    2049

#define MOUNT_PROGRAM 100005
#define MOUNT_VERSION 3
#define MOUNT_MNT     1
#define MOUNT_OK      0
#define MOUNT_PERM    1
#define MOUNT_NOENT   2
#define MOUNT_ACCES   13
#define MOUNT_NOTDIR  20
#define MOUNT_INVAL   22
#define MOUNT_PATH    1024 /* MNTPATHLEN */

#define HANDLE_MAX   64 /* NFS3_FHSIZE */
#define FLAVORS_MAX  64
#define FLAVOR_SYS   1
#define REPLY_MAX    65536
#define OPEN_MAX_NS  (20 * NS_PER_S)
#define RESERVED_TOP 1023
#define RESERVED_LOW 665

/* One call and its answer. */
struct exchange {
	uint16_t port;
	uint32_t program;
	uint32_t version;
	uint32_t proc;
	struct xdr_out args;
	struct blob *reply;
	struct xdr_in results; /* within reply */
	int64_t took_ns;
	char address[ENDPOINT_TEXT]; /* the last one asked */
};

static void exchange_done(struct exchange *e)
{
	xdr_out_done(&e->args);
	blob_unref(e->reply);
	e->reply = NULL;
}

/* --- A connection --------------------------------------------------------- */

static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - clock_now_ns();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)(left / NS_PER_MS + 1));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* Gives the socket a port below 1024; without the right to one, any will do. */
static void bind_reserved(int fd, const struct sockaddr *to)
{
	struct sockaddr_storage from = {.ss_family = to->sa_family};
	bool v6 = to->sa_family == AF_INET6;
	socklen_t len =
	    v6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	const int count = RESERVED_TOP - RESERVED_LOW + 1;
	int first = (int)(clock_now_ns() / 1000 % count);

	for (int i = 0; i < count; i++) {
		uint16_t port =
		    htons((uint16_t)(RESERVED_LOW + (first + i) % count));

		if (v6)
			((struct sockaddr_in6 *)&from)->sin6_port = port;
		else
			((struct sockaddr_in *)&from)->sin_port = port;
		if (!bind(fd, (struct sockaddr *)&from, len) ||
		    errno != EADDRINUSE)
			return;
	}
}

static int dial(const struct address *address, int64_t deadline, int *ret)
{
	const struct sockaddr *a = (const struct sockaddr *)&address->bytes;
	CLEANUP_CLOSE int fd =
	    socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -errno;
	bind_reserved(fd, a);
	if (connect(fd, a, address->len)) {
		if (errno != EINPROGRESS)
			return -errno;
		error = wait_for(fd, POLLOUT, deadline);
		if (error)
			return error;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
			return -errno;
		if (error)
			return -error;
	}
	*ret = fd;
	fd = -1;
	return 0;
}

static int send_all(int fd, const uint8_t *data, size_t len, int64_t deadline)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			int error = wait_for(fd, POLLOUT, deadline);

			if (error)
				return error;
		} else if (n < 0) {
			return -errno;
		} else {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int receive_record(int fd, struct recmark *r, int64_t deadline,
			  struct blob **ret, size_t *ret_len)
{
	for (;;) {
		int got = recmark_next(r, ret, ret_len);
		uint8_t *room;
		size_t len;
		ssize_t n;

		if (got != 0)
			return got < 0 ? got : 0;
		room = recmark_get_room(r, &len);
		n = recv(fd, room, len, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			recmark_add(r, (size_t)n);
		} else if (errno != EAGAIN) {
			return -errno;
		} else {
			int error = wait_for(fd, POLLIN, deadline);

			if (error)
				return error;
		}
	}
}

/* --- A call --------------------------------------------------------------- */

static int call_on(int fd, struct exchange *e, const struct oncrpc_auth *auth,
		   int64_t deadline)
{
	const uint32_t xid = (uint32_t)clock_wall_ns();
	struct xdr_out call;
	struct recmark records;
	uint32_t answered = 0;
	int64_t begin = clock_now_ns();
	size_t len = 0;
	int error;

	xdr_out_init(&call);
	oncrpc_put_call_to(&call, xid, e->program, e->version, e->proc, auth);
	xdr_put_fixed(&call, e->args.data, e->args.len);
	error = call.failed || e->args.failed ? -ENOMEM : 0;
	if (!error) {
		oncrpc_set_mark(&call, 0, 0);
		error = send_all(fd, call.data, call.len, deadline);
	}
	xdr_out_done(&call);
	if (!error)
		error = recmark_init(&records, REPLY_MAX);
	if (error)
		return error;
	error = receive_record(fd, &records, deadline, &e->reply, &len);
	recmark_done(&records);
	if (error)
		return error;
	e->took_ns = clock_now_ns() - begin;
	xdr_in_init(&e->results, e->reply->data, len);
	error = oncrpc_get_reply(&e->results, &answered);
	return !error && answered != xid ? -EPROTO : error;
}

static void make_auth(const struct ln_server *s, struct oncrpc_auth *auth)
{
	oncrpc_auth_init(auth, s->machine, s->uid, s->gid, s->gids,
			 s->gid_count);
}

/* Calls at the addresses of the location's host, one after the other, until
 * one answers. */
static int call(struct ln_probe *p, struct exchange *e,
		struct endpoint *endpoint)
{
	struct oncrpc_auth auth;
	int64_t limit = p->server->deadline_ns;
	int error = -EHOSTUNREACH;

	make_auth(p->server, &auth);
	if (limit > OPEN_MAX_NS)
		limit = OPEN_MAX_NS;
	for (size_t i = 0; i < endpoint_count(endpoint); i++) {
		struct address a = endpoint_get(endpoint, i);
		int64_t deadline = clock_now_ns() + limit;
		CLEANUP_CLOSE int fd = -1;

		endpoint_format(&a, e->address);
		error = dial(&a, deadline, &fd);
		if (!error)
			error = call_on(fd, e, &auth, deadline);
		if (!error)
			return 0;
	}
	return error;
}

static int call_host(struct ln_probe *p, struct exchange *e)
{
	struct endpoint *endpoint = NULL;
	int error = endpoint_new(p->location->host, e->port, &endpoint,
				 p->error, p->error_size);

	if (!error)
		error = call(p, e, endpoint);
	endpoint_free(endpoint);
	return error;
}

/* --- Words ---------------------------------------------------------------- */

static const char *cause_of(int error)
{
	switch (error) {
	case -ETIMEDOUT:
		return "no answer";
	case -EPROTO:
	case -EBADMSG:
	case -EAGAIN:
		return "protocol error";
	case -EPROTONOSUPPORT:
		return "not served there";
	default:
		return strerror(-error);
	}
}

/* --- The portmapper ------------------------------------------------------- */

/* The port of `program`, or a negative errno; -ENOENT: not registered. */
static int get_port(struct ln_probe *p, uint32_t program, uint32_t version)
{
	struct exchange e = {
	    .port = PORTMAP_PORT,
	    .program = PORTMAP_PROGRAM,
	    .version = PORTMAP_VERSION,
	    .proc = PORTMAP_GETPORT,
	};
	uint32_t port = 0;
	int error;

	xdr_out_init(&e.args);
	xdr_put_u32(&e.args, program);
	xdr_put_u32(&e.args, version);
	xdr_put_u32(&e.args, PORTMAP_TCP);
	xdr_put_u32(&e.args, 0);
	error = call_host(p, &e);
	if (!error) {
		port = xdr_get_u32(&e.results);
		if (e.results.failed || port > UINT16_MAX)
			error = -EPROTO;
		else if (port == 0)
			error = -ENOENT;
	}
	exchange_done(&e);
	return error ? error : (int)port;
}

/* --- NFS ------------------------------------------------------------------ */

/* What the user wrote, or what the portmapper says, or the usual one. */
static uint16_t nfs_port(struct ln_probe *p, uint32_t version)
{
	int port;

	/* NFSv4 needs no portmapper (RFC 7530 section 3.1). */
	if (p->location->has_port || version > 3)
		return p->location->port;
	port = get_port(p, NFS_PROGRAM, version);
	return port > 0 ? (uint16_t)port : NFS_PORT;
}

int ln_probe_nfs(struct ln_probe *p, uint32_t version,
		 struct endpoint **ret_endpoint, int64_t *ret_rtt_ns)
{
	struct exchange e = {
	    .port = nfs_port(p, version),
	    .program = NFS_PROGRAM,
	    .version = version,
	    .proc = NFS_NULL,
	};
	int error = endpoint_new(p->location->host, e.port, ret_endpoint,
				 p->error, p->error_size);

	if (error)
		return error;
	xdr_out_init(&e.args);
	error = call(p, &e, *ret_endpoint);
	if (error == -EPROTONOSUPPORT)
		snprintf(p->error, p->error_size,
			 "%s: the server at %s does not speak NFSv%u; choose "
			 "another version with ?vers= in the location",
			 p->location->text, e.address, version);
	else if (error)
		snprintf(p->error, p->error_size,
			 "cannot reach the NFS server at %s: %s; check that it "
			 "runs there (nfsport= names another port) and that no "
			 "firewall is between",
			 e.address, cause_of(error));
	*ret_rtt_ns = e.took_ns;
	exchange_done(&e);
	return error;
}

/* --- MNT ------------------------------------------------------------------ */

static int mount_port(struct ln_probe *p)
{
	int port = p->location->mount_port;

	if (port)
		return port;
	port = get_port(p, MOUNT_PROGRAM, MOUNT_VERSION);
	if (port == -ENOENT)
		snprintf(p->error, p->error_size,
			 "%s: the server's portmapper knows no mount service "
			 "for NFSv3; start it, or name its port with "
			 "mountport=",
			 p->location->text);
	else if (port < 0)
		snprintf(p->error, p->error_size,
			 "%s: cannot ask the server's portmapper, TCP port "
			 "%d, for its mount service: %s; open that port, or "
			 "name the service's port with mountport=",
			 p->location->text, PORTMAP_PORT, cause_of(port));
	return port;
}

static int status_error(uint32_t status)
{
	switch (status) {
	case MOUNT_OK:
		return 0;
	case MOUNT_NOENT:
		return -ENOENT;
	case MOUNT_NOTDIR:
		return -ENOTDIR;
	case MOUNT_PERM:
	case MOUNT_ACCES:
		return -EACCES;
	case MOUNT_INVAL:
		return -EINVAL;
	default:
		return -EIO;
	}
}

/* Reads mountres3: a handle, and which credentials are welcome. */
static int get_handle(struct xdr_in *in, struct handle **ret)
{
	int error = status_error(xdr_get_u32(in));
	const uint8_t *data;
	uint32_t flavors;
	bool welcome;
	size_t len;

	if (in->failed)
		return -EPROTO;
	if (error)
		return error;
	data = xdr_get_bytes(in, HANDLE_MAX, &len);
	flavors = xdr_get_u32(in);
	if (in->failed || len == 0 || flavors > FLAVORS_MAX)
		return -EPROTO;
	welcome = flavors == 0;
	while (flavors-- > 0)
		welcome |= xdr_get_u32(in) == FLAVOR_SYS;
	if (in->failed)
		return -EPROTO;
	if (!welcome)
		return -EKEYREJECTED;
	*ret = handle_new(data, len);
	return *ret ? 0 : -ENOMEM;
}

static int mount_path(struct ln_probe *p, uint16_t port, const char *path,
		      size_t len, struct handle **ret)
{
	struct exchange e = {
	    .port = port,
	    .program = MOUNT_PROGRAM,
	    .version = MOUNT_VERSION,
	    .proc = MOUNT_MNT,
	};
	int error;

	if (len > MOUNT_PATH)
		return -ENOENT;
	xdr_out_init(&e.args);
	xdr_put_bytes(&e.args, path, len);
	error = call_host(p, &e);
	if (error)
		snprintf(p->error, p->error_size,
			 "%s: cannot ask the server's mount service at %s: %s; "
			 "check that it runs there (mountport= names another "
			 "port) and that no firewall is between",
			 p->location->text, e.address, cause_of(error));
	else
		error = get_handle(&e.results, ret);
	exchange_done(&e);
	return error;
}

/* The length of `path` without its last name; 0: none is left. */
static size_t parent_len(const char *path, size_t len)
{
	if (len <= 1)
		return 0;
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : 1;
}

static void explain_mount(struct ln_probe *p, int error)
{
	const char *text = p->location->text;

	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
	case -EINVAL:
		snprintf(p->error, p->error_size,
			 "%s: the server exports no such directory over NFSv3; "
			 "compare with what showmount -e says",
			 text);
		break;
	case -EACCES:
		snprintf(p->error, p->error_size,
			 "%s: the server does not let this host mount it; look "
			 "at its export rules, and whether it wants a port "
			 "below 1024, which takes root",
			 text);
		break;
	case -EKEYREJECTED:
		snprintf(p->error, p->error_size,
			 "%s: the server asks for Kerberos; efsbridge knows "
			 "AUTH_SYS only, which its export rules call sys",
			 text);
		break;
	case -ENOMEM:
		snprintf(p->error, p->error_size, "%s: out of memory", text);
		break;
	default:
		snprintf(p->error, p->error_size,
			 "%s: the server's mount service failed: %s", text,
			 cause_of(error));
	}
}

/* A refusal that may be about the last name alone. */
static bool may_lie_higher(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EACCES ||
	       error == -EINVAL || error == -EIO;
}

int ln_probe_mount(struct ln_probe *p, struct handle **ret, size_t *ret_done)
{
	const char *path = p->location->path;
	size_t len = strlen(path);
	int port = mount_port(p);
	int first = 0, error;

	if (port < 0)
		return port;
	do {
		*p->error = '\0';
		error = mount_path(p, (uint16_t)port, path, len, ret);
		if (!error) {
			*ret_done = len;
			return 0;
		}
		/* The sentence is there when the service did not answer. */
		if (*p->error)
			return error;
		if (!first)
			first = error;
		len = parent_len(path, len);
	} while (may_lie_higher(error) && len > 0);
	explain_mount(p, first);
	return first;
}
