/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * At the most three questions, each to a port of its own: the portmapper's, the
 * NFS server's, the mount service's.
 */
#include "volume/libnfs_probe.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "nfs/endpoint.h"
#include "nfs/handle.h"
#include "volume/libnfs_conn.h"
#include "volume/libnfs_exchange.h"
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

#define HANDLE_MAX  64 /* NFS3_FHSIZE */
#define FLAVORS_MAX 64
#define FLAVOR_SYS  1
#define OPEN_MAX_NS (20 * NS_PER_S)

static int64_t limit_of(const struct ln_probe *p)
{
	return p->server->deadline_ns < OPEN_MAX_NS ? p->server->deadline_ns
						    : OPEN_MAX_NS;
}

/* Calls the location's host at `port`. */
static int call_host(struct ln_probe *p, struct ln_exchange *e, uint16_t port)
{
	struct endpoint *endpoint = NULL;
	int error = endpoint_new(p->location->host, port, &endpoint, p->error,
				 p->error_size);

	if (!error)
		error = ln_exchange_run(e, p->server, endpoint, limit_of(p));
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
	struct ln_exchange e;
	uint32_t port = 0;
	int error;

	ln_exchange_init(&e, PORTMAP_PROGRAM, PORTMAP_VERSION, PORTMAP_GETPORT);
	xdr_put_u32(&e.args, program);
	xdr_put_u32(&e.args, version);
	xdr_put_u32(&e.args, PORTMAP_TCP);
	xdr_put_u32(&e.args, 0);
	error = call_host(p, &e, PORTMAP_PORT);
	if (!error) {
		port = xdr_get_u32(&e.results);
		if (e.results.failed || port > UINT16_MAX)
			error = -EPROTO;
		else if (port == 0)
			error = -ENOENT;
	}
	ln_exchange_done(&e);
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
	struct ln_exchange e;
	int error = endpoint_new(p->location->host, nfs_port(p, version),
				 ret_endpoint, p->error, p->error_size);

	if (error)
		return error;
	ln_exchange_init(&e, NFS_PROGRAM, version, NFS_NULL);
	error = ln_exchange_run(&e, p->server, *ret_endpoint, limit_of(p));
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
	ln_exchange_done(&e);
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
	struct ln_exchange e;
	int error;

	if (len > MOUNT_PATH)
		return -ENOENT;
	ln_exchange_init(&e, MOUNT_PROGRAM, MOUNT_VERSION, MOUNT_MNT);
	xdr_put_bytes(&e.args, path, len);
	error = call_host(p, &e, port);
	if (error)
		snprintf(p->error, p->error_size,
			 "%s: cannot ask the server's mount service at %s: %s; "
			 "check that it runs there (mountport= names another "
			 "port) and that no firewall is between",
			 p->location->text, e.address, cause_of(error));
	else
		error = get_handle(&e.results, ret);
	ln_exchange_done(&e);
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
