/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Servers with several addresses, and addresses of several servers; names that
 * come to mean another address. getaddrinfo(3) is ours: it knows the names that
 * a test gives it.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/blob.h"
#include "base/clock.h"
#include "fakeserver.h"
#include "nfs/client.h"
#include "nfs/endpoint.h"

#define FIRST  INADDR_LOOPBACK
#define SECOND (INADDR_LOOPBACK + 1)

/* --- Names ---------------------------------------------------------------- */

static _Atomic uint32_t moving = FIRST; /* what "moving" means; 0: nothing */
static atomic_uint lookups;

int getaddrinfo(const char *node, const char *service,
		const struct addrinfo *hints, struct addrinfo **res)
{
	struct addrinfo *a;
	struct sockaddr_in *in;
	struct in_addr address;

	(void)hints;
	lookups++;
	if (!strcmp(node, "moving"))
		address.s_addr = htonl(moving);
	else if (inet_pton(AF_INET, node, &address) != 1)
		return EAI_NONAME;
	if (address.s_addr == 0)
		return EAI_AGAIN;
	a = calloc(1, sizeof(*a) + sizeof(*in));
	if (!a)
		return EAI_MEMORY;
	in = (struct sockaddr_in *)(a + 1);
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(service));
	in->sin_addr = address;
	a->ai_addr = (struct sockaddr *)in;
	a->ai_addrlen = sizeof(*in);
	*res = a;
	return 0;
}

void freeaddrinfo(struct addrinfo *res)
{
	free(res);
}

/* Lookups are not made in a hurry: for tests time runs ahead. */
static _Atomic int64_t ahead_s;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(
		    RTLD_NEXT, "clock_gettime");
	r = real(clock, ret);
	ret->tv_sec += ahead_s;
	return r;
}

/* --- The client ----------------------------------------------------------- */

static struct client *open_client(const char *hosts, uint16_t port)
{
	struct client_options o = {
	    .host = hosts,
	    .port = port,
	    .conns = 2,
	    .deadline_s = 60,
	};
	struct client *c;
	char error[512] = "";

	if (client_open(&o, &c, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	client_settle(c);
	return c;
}

/* Several calls, so that both connections have some. */
static void run_calls(struct client *c)
{
	for (int i = 0; i < 8; i++) {
		struct call call = {.compound = compound_new()};

		assert_non_null(call.compound);
		compound_putrootfh(call.compound);
		call.compound->changes = true;
		assert_int_equal(client_run(c, &call), 0);
		blob_unref(call.reply.blob);
		compound_free(call.compound);
	}
}

static unsigned number_of_address(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohl(a.sin_addr.s_addr) - FIRST;
}

/* One server under two addresses: a connection to each, one client id. */
static void test_spread(void **state)
{
	struct fake f = {.everywhere = true};
	struct client *c;
	bool at[2] = {false, false};

	(void)state;
	fake_start(&f);
	c = open_client("127.0.0.1,127.0.0.2", f.port);
	run_calls(c);
	assert_int_equal(f.sessions, 2);
	assert_int_equal(client_get_generation(c), 1);
	for (unsigned i = 0; i < FAKE_CONNS; i++)
		if (f.fds[i] >= 0)
			at[number_of_address(f.fds[i])] = true;
	assert_true(at[0] && at[1]);
	client_free(c);
	fake_stop(&f);
}

/* Two servers: all stay with the first one, until it is gone. */
static void test_other_server(void **state)
{
	struct fake a = {.name = "a"};
	struct fake b = {.name = "b", .address = SECOND};
	struct client *c;

	(void)state;
	fake_start(&a);
	b.port = a.port;
	fake_start(&b);
	c = open_client("127.0.0.1,127.0.0.2", a.port);
	run_calls(c);
	assert_int_equal(b.sessions, 0);
	assert_int_equal(client_get_generation(c), 1);
	fake_stop(&a);
	run_calls(c);
	assert_true(b.sessions > 0);
	assert_int_equal(client_get_generation(c), 2);
	/* And with that one, though the first is back. */
	fake_start(&a);
	run_calls(c);
	assert_int_equal(client_get_generation(c), 2);
	client_free(c);
	fake_stop(&a);
	fake_stop(&b);
}

/* A host that nobody knows is no harm beside one that is there. */
static void test_unknown_beside(void **state)
{
	struct fake f = {0};
	struct client *c;

	(void)state;
	fake_start(&f);
	c = open_client("nobody,,127.0.0.1", f.port);
	run_calls(c);
	client_free(c);
	fake_stop(&f);
}

/* A server that moved to another address is found by its name. */
static void test_moving(void **state)
{
	struct fake a = {.name = "one"};
	struct fake b = {.name = "one", .address = SECOND};
	struct client *c;

	(void)state;
	moving = FIRST;
	fake_start(&a);
	b.port = a.port;
	c = open_client("moving", a.port);
	run_calls(c);
	fake_stop(&a);
	fake_start(&b);
	moving = SECOND;
	ahead_s += 11;
	run_calls(c);
	assert_true(b.sessions > 0);
	client_free(c);
	fake_stop(&b);
}

/* --- The endpoint --------------------------------------------------------- */

static uint32_t address_of(struct endpoint *e, size_t i)
{
	struct address a = endpoint_get(e, i);

	return ntohl(((struct sockaddr_in *)&a.bytes)->sin_addr.s_addr);
}

static void wait_for_address(struct endpoint *e, uint32_t address)
{
	int64_t deadline = clock_now_ns() + 20 * NS_PER_S;

	while (address_of(e, 0) != address && clock_now_ns() < deadline)
		usleep(200);
	assert_int_equal(address_of(e, 0), address);
}

static void test_refresh(void **state)
{
	struct endpoint *e;
	char error[256];
	unsigned before;

	(void)state;
	moving = FIRST;
	assert_int_equal(endpoint_new("moving", 1, &e, error, 256), 0);
	assert_int_equal(endpoint_count(e), 1);
	moving = SECOND;
	before = lookups;
	endpoint_refresh(e);
	assert_int_equal(lookups, before);
	assert_int_equal(address_of(e, 0), FIRST);
	ahead_s += 11;
	endpoint_refresh(e);
	wait_for_address(e, SECOND);
	/* What has no address now keeps the one that it had. */
	moving = 0;
	before = lookups;
	ahead_s += 11;
	endpoint_refresh(e);
	while (lookups == before)
		usleep(200);
	assert_int_equal(address_of(e, 0), SECOND);
	endpoint_free(e);
}

static void test_lists(void **state)
{
	struct endpoint *e;
	char error[256];
	char text[ENDPOINT_TEXT];
	struct address a;

	(void)state;
	assert_int_equal(
	    endpoint_new(",127.0.0.3,,nobody,127.0.0.4,", 7, &e, error, 256),
	    0);
	assert_int_equal(endpoint_count(e), 2);
	assert_int_equal(endpoint_hosts(e), 3);
	assert_int_equal(endpoint_find_host(e, 0), 0);
	assert_int_equal(endpoint_find_host(e, 1), 0);
	assert_int_equal(endpoint_find_host(e, 2), 1);
	assert_int_equal(endpoint_find_host(e, 5), 1);
	a = endpoint_get(e, 3);
	assert_string_equal(endpoint_format(&a, text), "127.0.0.4 port 7");
	endpoint_free(e);
	assert_int_equal(endpoint_new("", 7, &e, error, 256), -EINVAL);
	assert_int_equal(endpoint_new("nobody", 7, &e, error, 256),
			 -EHOSTUNREACH);
	assert_non_null(strstr(error, "nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_spread),
	    cmocka_unit_test(test_other_server),
	    cmocka_unit_test(test_unknown_beside),
	    cmocka_unit_test(test_moving),
	    cmocka_unit_test(test_refresh),
	    cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
