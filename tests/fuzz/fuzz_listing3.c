/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory as an NFSv3 server lists it, through the waist: READDIRPLUS, or
 * READDIR, and LOOKUP and GETATTR of what came bare; or as one of NFSv4.0 does.
 * Then some other questions. Answers are decoded by libnfs as on a connection;
 * this file is the connection, and it is libnfs where calls are handed over.
 *
 * The input is the answers, each behind its length. When there is none left,
 * the server is gone. The first byte says which questions are asked.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "listed.h"
#include "volume/libnfs_v3.h"
#include "volume/libnfs_v40.h"
#include "volume/libnfs_zdr.h"

/* The result of the call that was sent last: libnfs's decoder of it. */
static zdrproc_t decoder;
static size_t result_size;

static struct input answers;
static TAILQ_HEAD(, ln_request) queue = TAILQ_HEAD_INITIALIZER(queue);
static bool draining;
static struct rpc_context *context;

/* --- libnfs --------------------------------------------------------------- */

#define SENT(type)                         \
	do {                               \
		(void)rpc;                 \
		(void)cb;                  \
		(void)args;                \
		(void)user;                \
		decoder = (zdrproc_t)type; \
	} while (0)

#ifdef EB_LIBNFS_TASKS
#	define CALL(name, args_type, res_type)                \
		struct rpc_pdu *rpc_##name##_task(             \
		    struct rpc_context *rpc, rpc_cb cb,        \
		    struct args_type *args, void *user)        \
		{                                              \
			SENT(zdr_##res_type);                  \
			result_size = sizeof(struct res_type); \
			return (struct rpc_pdu *)&decoder;     \
		}
#else
#	define CALL(name, args_type, res_type)                            \
		int rpc_##name##_async(struct rpc_context *rpc, rpc_cb cb, \
				       struct args_type *args, void *user) \
		{                                                          \
			SENT(zdr_##res_type);                              \
			result_size = sizeof(struct res_type);             \
			return 0;                                          \
		}
#endif

CALL(nfs3_readdirplus, READDIRPLUS3args, READDIRPLUS3res)
CALL(nfs3_readdir, READDIR3args, READDIR3res)
CALL(nfs3_lookup, LOOKUP3args, LOOKUP3res)
CALL(nfs3_getattr, GETATTR3args, GETATTR3res)
CALL(nfs3_readlink, READLINK3args, READLINK3res)
CALL(nfs4_compound, COMPOUND4args, COMPOUND4res)
#ifndef EB_LIBNFS_TASKS
CALL(nfs3_read, READ3args, READ3res)
#endif

void ln_answered(struct rpc_context *rpc, int status, void *data, void *user)
{
	(void)rpc;
	(void)status;
	(void)data;
	(void)user;
	abort();
}

/* --- The connection ------------------------------------------------------- */

static void answer(struct ln_request *r)
{
	size_t len = 0;
	const uint8_t *data = input_piece(&answers, &len);
	CLEANUP_FREE char *copy = malloc(len + 1);
	CLEANUP_FREE void *result = calloc(1, result_size);
	ZDR zdr;

	check(copy && result);
	memcpy(copy, data, len);
	zdrmem_create(&zdr, copy, (uint32_t)len, ZDR_DECODE);
	if (decoder(&zdr, result))
		r->done(r, 0, result);
	else
		r->done(r, -EPROTO, NULL);
	zdr_destroy(&zdr);
}

/* One after the other, not within each other. */
void ln_conn_submit(struct ln_conn *c, struct ln_request *r)
{
	r->conn = c;
	TAILQ_INSERT_TAIL(&queue, r, link);
	if (draining)
		return;
	draining = true;
	while ((r = TAILQ_FIRST(&queue))) {
		TAILQ_REMOVE(&queue, r, link);
		if (answers.left == 0) {
			r->done(r, -ENOTCONN, NULL);
			continue;
		}
		check(r->send(r, context));
		answer(r);
	}
	draining = false;
}

struct ln_conn *ln_conn_new(struct ln_server *server)
{
	(void)server;
	return NULL;
}

void ln_conn_stop(struct ln_conn *c)
{
	(void)c;
}

struct ln_conn *ln_conn_free(struct ln_conn *c)
{
	(void)c;
	return NULL;
}

unsigned ln_conn_get_load(const struct ln_conn *c)
{
	(void)c;
	return 0;
}

int64_t ln_conn_get_silent_ns(const struct ln_conn *c)
{
	(void)c;
	return 0;
}

bool ln_conn_is_down(const struct ln_conn *c)
{
	(void)c;
	return false;
}

void ln_conn_forgive(struct ln_conn *c)
{
	(void)c;
}

/* --- The volume ----------------------------------------------------------- */

static struct ln ln;

/* As the backend's start, of which nothing else is seen from outside: what
 * failed returns nothing. */
static void run(struct volume *v, enum volume_verb verb, void *items,
		size_t count)
{
	(void)v;
	check(count == 1);
	if (ln_run(&ln, ln.verbs[verb], items))
		volume_items_done(verb, items, 1);
}

/* What is asked of one name. */
static void ask_more(void)
{
	struct volume_lookup name = {.dir = ln.root, .name = "a"};
	struct volume_getattr attr = {.handle = ln.root};
	struct volume_readlink link = {.handle = ln.root};

	volume_run(&ln.volume, VOLUME_LOOKUP, &name, 1);
	check(name.result <= 0 && !name.result == !!name.ret_handle);
	volume_items_done(VOLUME_LOOKUP, &name, 1);
	volume_run(&ln.volume, VOLUME_GETATTR, &attr, 1);
	check(attr.result <= 0 && attr.ret_attr.mode <= 07777);
	volume_run(&ln.volume, VOLUME_READLINK, &link, 1);
	check(link.result <= 0 && !link.result == !!link.ret_target);
	volume_items_done(VOLUME_READLINK, &link, 1);
}

#ifndef EB_LIBNFS_TASKS
static void read_some(void)
{
	struct volume_read r = {.handle = ln.root, .len = 20};
	uint8_t copy[20];

	volume_run(&ln.volume, VOLUME_READ, &r, 1);
	check(r.result <= 0 && r.ret_len <= r.len);
	if (r.ret_len > 0)
		memcpy(copy, r.ret_data, r.ret_len);
	volume_items_done(VOLUME_READ, &r, 1);
}
#else
static void read_some(void)
{
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct volume_backend backend = {.name = "fuzz",
						      .run = run};
	unsigned how;

	if (!ln.root) {
		ln.volume.backend = &backend;
		ln.read_max = VOLUME_RANGE;
		ln.conns[0] = (struct ln_conn *)&ln;
		ln.conn_count = 1;
		ln.root = handle_new("root", 4);
		ln.volume.info.root = ln.root;
		context = ln_zdr_context();
		check(ln.root && context);
	}
	answers = (struct input){data, size};
	how = input_byte(&answers);
	ln.verbs = how & 2 ? v40_verbs : v3_verbs;
	atomic_store(&ln.no_readdirplus, how & 1);
	if (!(how & 4))
		list_all(&ln.volume);
	ask_more();
	read_some();
	check(TAILQ_EMPTY(&queue));
	return 0;
}
