/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS on a stream, against a server made of OpenSSL's own blocking calls: bytes
 * arrive whole in both directions, sessions are resumed, the client certificate
 * is presented, and each way in which verification fails is told.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "nfs/stream.h"
#include "nfs/tls.h"

#define HOST     "fs-0123abcd.efs.us-east-1.amazonaws.com"
#define DEADLINE (20 * NS_PER_S)

/* More than sockets and OpenSSL hold together, and no multiple of a record. */
#define MANY (9 * 1024 * 1024 + 77)

enum manner {
	MANNER_ECHO,   /* sends back what comes */
	MANNER_PLAIN,  /* knows no TLS: answers in clear text */
	MANNER_CLOSE,  /* closes at once */
	MANNER_OLD,    /* TLS 1.1 at most */
	MANNER_DEMAND, /* asks for a client certificate, checks its name */
	MANNER_REFUSE, /* asks for one and takes none */
	MANNER_CUT,    /* closes after the handshake without a word */
	MANNERS
};

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
	char file[64]; /* it as PEM */
};

struct server {
	int listener;
	uint16_t port;
	enum manner manner;
	unsigned connections; /* that it serves before it ends */
	int version;          /* TLS1_2_VERSION, or 0: the newest */
	SSL_CTX *context;
	pthread_t thread;
	unsigned presented; /* client certificates that were seen */
};

static struct authority authority, stranger;

/* --- Certificates --------------------------------------------------------- */

static X509 *make_certificate(EVP_PKEY *key, const char *name,
			      const struct authority *by, long from_s,
			      long until_s)
{
	X509 *x = X509_new();
	X509_EXTENSION *e;
	X509_NAME *n;
	char text[256];

	assert_non_null(x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), from_s);
	X509_gmtime_adj(X509_getm_notAfter(x), until_s);
	X509_set_pubkey(x, key);
	n = X509_get_subject_name(x);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x,
			     by ? X509_get_subject_name(by->certificate) : n);
	snprintf(text, sizeof(text), "DNS:%s", name);
	e = by ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text)
	       : X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
				     "critical,CA:TRUE");
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	assert_true(X509_sign(x, by ? by->key : key, EVP_sha256()) > 0);
	return x;
}

static void make_authority(struct authority *a, const char *name)
{
	int fd;
	FILE *f;

	a->key = EVP_RSA_gen(2048);
	assert_non_null(a->key);
	a->certificate = make_certificate(a->key, name, NULL, -3600, 86400);
	strcpy(a->file, "/tmp/test_tls.XXXXXX");
	fd = mkstemp(a->file);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	PEM_write_X509(f, a->certificate);
	fclose(f);
}

static void free_authority(struct authority *a)
{
	unlink(a->file);
	EVP_PKEY_free(a->key);
	X509_free(a->certificate);
}

static int make_authorities(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	make_authority(&authority, "our authority");
	make_authority(&stranger, "somebody");
	return 0;
}

static int free_authorities(void **state)
{
	(void)state;
	free_authority(&authority);
	free_authority(&stranger);
	return 0;
}

/* --- The server ----------------------------------------------------------- */

static void echo(SSL *ssl)
{
	uint8_t bytes[20000];
	int n;

	while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0)
		if (SSL_write(ssl, bytes, n) != n)
			break;
}

static void note_presented(struct server *s, SSL *ssl)
{
	X509 *x = SSL_get1_peer_certificate(ssl);
	char name[64] = "";

	if (!x)
		return;
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName,
				  name, sizeof(name));
	if (!strcmp(name, "client"))
		s->presented++;
	X509_free(x);
}

static void serve_tls(struct server *s, int fd)
{
	SSL *ssl = SSL_new(s->context);

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		note_presented(s, ssl);
		if (s->manner != MANNER_CUT) {
			echo(ssl);
			SSL_shutdown(ssl);
		}
	} else {
		/* With bytes unread the end would be a reset, which takes the
		 * alert away. */
		char bytes[512];

		shutdown(fd, SHUT_WR);
		while (read(fd, bytes, sizeof(bytes)) > 0)
			;
	}
	SSL_free(ssl);
}

static void *serve(void *arg)
{
	struct server *s = arg;

	for (unsigned i = 0; i < s->connections; i++) {
		CLEANUP_CLOSE int fd = accept(s->listener, NULL, NULL);
		char bytes[512];

		if (fd < 0)
			break;
		if (s->manner == MANNER_PLAIN) {
			(void)!read(fd, bytes, sizeof(bytes));
			(void)!write(fd, "HTTP/1.0 400 Bad request\r\n", 26);
		} else if (s->manner != MANNER_CLOSE)
			serve_tls(s, fd);
	}
	return NULL;
}

static int take_any(int ok, X509_STORE_CTX *context)
{
	(void)ok;
	(void)context;
	return 1;
}

static int take_none(int ok, X509_STORE_CTX *context)
{
	(void)ok;
	X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static void set_manner(struct server *s)
{
	if (s->version)
		SSL_CTX_set_max_proto_version(s->context, s->version);
	if (s->manner == MANNER_OLD) {
		SSL_CTX_set_security_level(s->context, 0);
		SSL_CTX_set_min_proto_version(s->context, TLS1_VERSION);
		SSL_CTX_set_max_proto_version(s->context, TLS1_1_VERSION);
	}
	if (s->manner == MANNER_DEMAND)
		SSL_CTX_set_verify(s->context,
				   SSL_VERIFY_PEER |
				       SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   take_any);
	if (s->manner == MANNER_REFUSE)
		SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, take_none);
	SSL_CTX_set_session_id_context(s->context, (const uint8_t *)"t", 1);
}

/* With a certificate for `name`, by `by`, valid between the two times. */
static void start(struct server *s, const char *name,
		  const struct authority *by, long from_s, long until_s)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *x;

	assert_non_null(key);
	x = make_certificate(key, name, by, from_s, until_s);
	s->context = SSL_CTX_new(TLS_server_method());
	assert_non_null(s->context);
	assert_int_equal(SSL_CTX_use_certificate(s->context, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s->context, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	set_manner(s);
	s->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(s->listener >= 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(s->listener, 4), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len),
			 0);
	s->port = ntohs(a.sin_port);
	if (!s->connections)
		s->connections = 1;
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void start_good(struct server *s)
{
	start(s, HOST, &authority, -60, 3600);
}

static void stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
	SSL_CTX_free(s->context);
}

/* --- The client ----------------------------------------------------------- */

static struct tls *make_tls(const struct tls_options *o)
{
	struct tls *t;
	char error[512] = "";

	if (tls_new(o, &t, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	return t;
}

static void wait_for(struct stream *s, bool want_write, int64_t deadline)
{
	struct pollfd p = {.fd = stream_get_fd(s),
			   .events = stream_events(s, want_write)};

	assert_true(clock_now_ns() < deadline);
	poll(&p, 1, 1000);
	if (p.revents & POLLOUT)
		stream_flush(s);
}

/* The result of connecting; what is wrong stays in `*ret`. */
static int connect_to(const struct server *server, struct tls *t,
		      struct stream **ret)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(server->port),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int64_t deadline = clock_now_ns() + DEADLINE;
	int r = stream_connect((struct sockaddr *)&a, sizeof(a), t, ret);

	assert_int_equal(r, 0);
	while ((r = stream_advance(*ret)) == -EAGAIN)
		wait_for(*ret, true, deadline);
	return r;
}

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

/* Sends and receives at once, in pieces of odd lengths. */
static void exchange(struct stream *s, size_t total)
{
	int64_t deadline = clock_now_ns() + DEADLINE;
	CLEANUP_FREE uint8_t *out = malloc(total), *in = malloc(total);
	size_t sent = 0, got = 0;

	assert_true(out && in);
	for (size_t i = 0; i < total; i++)
		out[i] = byte_at(i);
	while (got < total) {
		size_t left = total - sent;
		size_t head = left < 33 ? left : 33;
		struct iovec iov[] = {{out + sent, head},
				      {NULL, 0},
				      {out + sent + head, left - head}};
		ssize_t n = left ? stream_writev(s, iov, 3) : 0;
		ssize_t m = stream_read(s, in + got, total - got);

		assert_true(n >= 0 || n == -EAGAIN);
		assert_true(m > 0 || m == -EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		got += m > 0 ? (size_t)m : 0;
		if (n <= 0 && m <= 0)
			wait_for(s, sent < total, deadline);
	}
	assert_memory_equal(out, in, total);
}

static const struct tls_options trusting = {.host = HOST, .ca = authority.file};

static void test_bytes(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct server server = {.version = versions[i]};
		struct tls *t = make_tls(&trusting);
		struct stream *s;

		start_good(&server);
		assert_int_equal(connect_to(&server, t, &s), 0);
		exchange(s, 1);
		exchange(s, 16384);
		exchange(s, MANY);
		stream_free(s);
		stop(&server);
		tls_free(t);
	}
}

/* One server, several connections: all but the first resume. */
static void test_resumed(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct server server = {.version = versions[i],
					.connections = 3};
		struct tls *t = make_tls(&trusting);

		start_good(&server);
		for (unsigned k = 0; k < 3; k++) {
			struct stream *s;

			assert_int_equal(connect_to(&server, t, &s), 0);
			/* Tickets come with the first bytes. */
			exchange(s, 100);
			assert_int_equal(stream_is_resumed(s), k > 0);
			stream_free(s);
		}
		stop(&server);
		tls_free(t);
	}
}

/* What a refused connection is, and that its sentence has `words`. */
static void expect_refusal(struct server *server, const struct tls_options *o,
			   int result, const char *words)
{
	struct tls *t = make_tls(o);
	struct stream *s;
	int r = connect_to(server, t, &s);
	ssize_t n = 0;
	char byte;

	/* With TLS 1.3 a server refuses after the client thinks it is done. */
	if (r == 0) {
		int64_t deadline = clock_now_ns() + DEADLINE;

		while ((n = stream_read(s, &byte, 1)) == -EAGAIN)
			wait_for(s, false, deadline);
		r = (int)n;
	}
	if (r != result || !strstr(stream_get_error(s), words))
		fail_msg("%d, \"%s\"", r, stream_get_error(s));
	stream_free(s);
	tls_free(t);
	stop(server);
}

static void test_verification(void **state)
{
	const struct tls_options address = {.host = "127.0.0.1",
					    .ca = authority.file};
	struct server other = {0}, alien = {0}, old = {0}, early = {0},
		      numbered = {0}, deeper = {0};

	(void)state;
	start(&other, "fs-0123abce.efs.us-east-1.amazonaws.com", &authority,
	      -60, 3600);
	expect_refusal(&other, &trusting, -EKEYREJECTED,
		       "certificate is not for " HOST);
	start(&alien, HOST, &stranger, -60, 3600);
	expect_refusal(&alien, &trusting, -EKEYREJECTED, "ca=FILE");
	start(&old, HOST, &authority, -7200, -3600);
	expect_refusal(&old, &trusting, -EKEYREJECTED, "has expired");
	start(&early, HOST, &authority, 3600, 7200);
	expect_refusal(&early, &trusting, -EKEYREJECTED, "not valid yet");
	start(&numbered, HOST, &authority, -60, 3600);
	expect_refusal(&numbered, &address, -EKEYREJECTED,
		       "certificate is not for 127.0.0.1");
	/* A star stands for one label. */
	start(&deeper, "*.us-east-1.amazonaws.com", &authority, -60, 3600);
	expect_refusal(&deeper, &trusting, -EKEYREJECTED,
		       "certificate is not for " HOST);
}

static void test_wildcard(void **state)
{
	struct server server = {0};
	struct tls *t = make_tls(&trusting);
	struct stream *s;

	(void)state;
	start(&server, "*.efs.us-east-1.amazonaws.com", &authority, -60, 3600);
	assert_int_equal(connect_to(&server, t, &s), 0);
	exchange(s, 5);
	stream_free(s);
	stop(&server);
	tls_free(t);
}

static void test_no_tls(void **state)
{
	struct server plain = {.manner = MANNER_PLAIN};
	struct server closing = {.manner = MANNER_CLOSE};
	struct server old = {.manner = MANNER_OLD};

	(void)state;
	start_good(&plain);
	expect_refusal(&plain, &trusting, -EPROTO,
		       "does not speak TLS on this port");
	start_good(&closing);
	expect_refusal(&closing, &trusting, -ECONNRESET, "");
	start_good(&old);
	expect_refusal(&old, &trusting, -EPROTO, "TLS 1.2 or later");
}

/* The end of the stream is not the end of a file. */
static void test_cut(void **state)
{
	struct server server = {.manner = MANNER_CUT};

	(void)state;
	start_good(&server);
	expect_refusal(&server, &trusting, -ECONNRESET, "");
}

static int supply(void *user, X509 **ret_certificate, EVP_PKEY **ret_key,
		  char *error)
{
	unsigned *calls = user;

	++*calls;
	if (*calls == 3) {
		snprintf(error, TLS_ERROR, "no credentials today");
		return -ENOKEY;
	}
	*ret_key = EVP_RSA_gen(2048);
	assert_non_null(*ret_key);
	*ret_certificate =
	    make_certificate(*ret_key, "client", NULL, -900, 10800);
	return 0;
}

/* Each handshake asks for it anew; without one nothing is sent. */
static void test_identity(void **state)
{
	struct server server = {.manner = MANNER_DEMAND, .connections = 2};
	unsigned calls = 0;
	struct tls_options o = trusting;
	struct tls *t;
	struct stream *s;

	(void)state;
	o.identity = supply;
	o.user = &calls;
	t = make_tls(&o);
	start_good(&server);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(connect_to(&server, t, &s), 0);
		exchange(s, 3);
		stream_free(s);
		assert_int_equal(calls, i);
	}
	stop(&server);
	assert_int_equal(server.presented, 2);

	server = (struct server){0};
	start_good(&server);
	assert_int_equal(connect_to(&server, t, &s), -ENOKEY);
	assert_string_equal(stream_get_error(s), "no credentials today");
	stream_free(s);
	stop(&server);
	tls_free(t);
}

static void test_identity_refused(void **state)
{
	unsigned calls = 0;
	struct tls_options o = trusting;
	struct server server = {.manner = MANNER_REFUSE,
				.version = TLS1_2_VERSION};
	struct server newer = {.manner = MANNER_REFUSE};

	(void)state;
	o.identity = supply;
	o.user = &calls;
	start_good(&server);
	expect_refusal(&server, &o, -EACCES, "does not accept our certificate");
	start_good(&newer);
	expect_refusal(&newer, &o, -EACCES, "does not accept our certificate");
}

static void test_bad_trust(void **state)
{
	struct tls_options o = {.host = HOST, .ca = "/nonexistent/ca.pem"};
	struct tls *t;
	char error[512] = "";

	(void)state;
	assert_int_equal(tls_new(&o, &t, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "/nonexistent/ca.pem"));
	o.ca = "/dev/null";
	assert_int_equal(tls_new(&o, &t, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "/dev/null"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_resumed),
	    cmocka_unit_test(test_verification),
	    cmocka_unit_test(test_wildcard),
	    cmocka_unit_test(test_no_tls),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_identity_refused),
	    cmocka_unit_test(test_bad_trust),
	};

	return cmocka_run_group_tests(tests, make_authorities,
				      free_authorities);
}
