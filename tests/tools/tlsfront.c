/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A TLS front before an NFS server, as Amazon EFS has: TLS from the first byte,
 * a client certificate demanded, what it says judged by another program.
 *
 *	tlsfront --connect HOST:PORT --port-file FILE --certificate PEM
 *		 --key PEM --log FILE [--check PROGRAM] [--tls VERSION]
 *
 * PROGRAM gets the client's certificate (PEM) on standard input and lets it in
 * with status 0. The log has a line for each handshake: the version, "resumed"
 * or "full", and "certificate" or "none"; or "refused". --tls 1.2 speaks no
 * later version.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/cleanup.h"

#define BLOCK (256 * 1024)

static struct {
	const char *connect, *port_file, *certificate, *key, *log, *check;
	bool old;
} options;

static struct sockaddr_in target;
static FILE *log_file;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void set_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* --- Judging -------------------------------------------------------------- */

/* Gives the certificate to the program; true when it lets it in. */
static bool ask_program(X509 *certificate)
{
	FILE *f;
	int status;

	f = popen(options.check, "w");
	if (!f)
		return false;
	PEM_write_X509(f, certificate);
	status = pclose(f);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int judge(X509_STORE_CTX *context, void *arg)
{
	X509 *certificate = X509_STORE_CTX_get0_cert(context);

	(void)arg;
	if (!options.check || ask_program(certificate))
		return 1;
	X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
	fprintf(log_file, "refused\n");
	return 0;
}

static void note_handshake(SSL *ssl)
{
	X509 *certificate = SSL_get1_peer_certificate(ssl);

	fprintf(log_file, "%s %s %s\n", SSL_get_version(ssl),
		SSL_session_reused(ssl) ? "resumed" : "full",
		certificate ? "certificate" : "none");
	X509_free(certificate);
}

/* --- Relaying ------------------------------------------------------------- */

/* Bytes on their way in one direction. */
struct pipe {
	char bytes[BLOCK];
	size_t at, len;
};

struct relay {
	SSL *ssl;
	int client, server;
	struct pipe up, down;
	short want; /* of the client's socket, for OpenSSL */
};

/* False at the end. */
static bool ssl_went(struct relay *r, int result)
{
	switch (SSL_get_error(r->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		r->want |= POLLIN;
		return true;
	case SSL_ERROR_WANT_WRITE:
		r->want |= POLLOUT;
		return true;
	default:
		return false;
	}
}

static bool went(ssize_t result)
{
	return result > 0 ||
	       (result < 0 && (errno == EAGAIN || errno == EINTR));
}

/* From the client to the server, as far as it goes now. */
static bool move_up(struct relay *r, bool *moved)
{
	struct pipe *p = &r->up;

	if (p->len == 0) {
		int n = SSL_read(r->ssl, p->bytes, sizeof(p->bytes));

		if (n <= 0)
			return ssl_went(r, n);
		p->at = 0;
		p->len = (size_t)n;
	}
	ssize_t n = send(r->server, p->bytes + p->at, p->len, 0);

	if (n > 0) {
		p->at += (size_t)n;
		p->len -= (size_t)n;
		*moved = true;
	}
	return went(n);
}

static bool move_down(struct relay *r, bool *moved)
{
	struct pipe *p = &r->down;

	if (p->len == 0) {
		ssize_t n = recv(r->server, p->bytes, sizeof(p->bytes), 0);

		if (n <= 0)
			return went(n);
		p->at = 0;
		p->len = (size_t)n;
	}
	int n = SSL_write(r->ssl, p->bytes + p->at, (int)p->len);

	if (n <= 0)
		return ssl_went(r, n);
	p->at += (size_t)n;
	p->len -= (size_t)n;
	*moved = true;
	return true;
}

static void relay_all(struct relay *r)
{
	for (;;) {
		bool moved = false;

		r->want = 0;
		if (!move_up(r, &moved) || !move_down(r, &moved))
			return;
		if (moved)
			continue;
		struct pollfd p[] = {
		    {r->client, r->want, 0},
		    {r->server,
		     (short)((r->up.len ? POLLOUT : 0) |
			     (r->down.len ? 0 : POLLIN)),
		     0},
		};
		poll(p, 2, -1);
	}
}

static void *serve(void *arg)
{
	struct relay *r = arg;

	r->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL_set_fd(r->ssl, r->client);
	if (SSL_accept(r->ssl) == 1 && r->server >= 0 &&
	    connect(r->server, (struct sockaddr *)&target, sizeof(target)) ==
		0) {
		note_handshake(r->ssl);
		set_nodelay(r->server);
		fcntl(r->client, F_SETFL, O_NONBLOCK);
		fcntl(r->server, F_SETFL, O_NONBLOCK);
		relay_all(r);
	} else {
		char rest[512];

		/* With bytes unread the end would be a reset, which takes the
		 * alert away. */
		shutdown(r->client, SHUT_WR);
		while (read(r->client, rest, sizeof(rest)) > 0)
			;
	}
	SSL_free(r->ssl);
	close(r->client);
	if (r->server >= 0)
		close(r->server);
	free(r);
	return NULL;
}

/* --- Set-up --------------------------------------------------------------- */

static SSL_CTX *make_context(void)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());

	if (!c ||
	    SSL_CTX_use_certificate_chain_file(c, options.certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(c, options.key, SSL_FILETYPE_PEM) != 1)
		die("certificate or key");
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE |
				SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	if (options.old)
		SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_default_read_buffer_len(c, BLOCK);
	SSL_CTX_set_session_id_context(c, (const unsigned char *)"front", 5);
	SSL_CTX_set_cert_verify_callback(c, judge, NULL);
	SSL_CTX_set_verify(
	    c,
	    SSL_VERIFY_PEER |
		(options.check ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
	    NULL);
	return c;
}

static int start_listening(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 ||
	    listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		die("listen");
	f = fopen(options.port_file, "w");
	if (!f)
		die(options.port_file);
	fprintf(f, "%u\n", ntohs(a.sin_port));
	fclose(f);
	return fd;
}

static void parse(int argc, char **argv)
{
	static const struct option long_options[] = {
	    {"connect", required_argument, NULL, 'c'},
	    {"port-file", required_argument, NULL, 'p'},
	    {"certificate", required_argument, NULL, 'x'},
	    {"key", required_argument, NULL, 'k'},
	    {"log", required_argument, NULL, 'l'},
	    {"check", required_argument, NULL, 'r'},
	    {"tls", required_argument, NULL, 't'},
	    {0},
	};
	char *colon;
	int opt;

	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			options.connect = optarg;
			break;
		case 'p':
			options.port_file = optarg;
			break;
		case 'x':
			options.certificate = optarg;
			break;
		case 'k':
			options.key = optarg;
			break;
		case 'l':
			options.log = optarg;
			break;
		case 'r':
			options.check = optarg;
			break;
		case 't':
			options.old = !strcmp(optarg, "1.2");
			break;
		default:
			exit(2);
		}
	}
	if (!options.connect || !options.port_file || !options.certificate ||
	    !options.key || !options.log) {
		fprintf(stderr, "tlsfront: an option is missing\n");
		exit(2);
	}
	colon = strrchr(options.connect, ':');
	if (!colon)
		exit(2);
	*colon = '\0';
	target.sin_family = AF_INET;
	target.sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, options.connect, &target.sin_addr) != 1)
		exit(2);
}

int main(int argc, char **argv)
{
	SSL_CTX *context;
	int listener;

	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	log_file = fopen(options.log, "a");
	if (!log_file)
		die(options.log);
	setvbuf(log_file, NULL, _IOLBF, 0);
	context = make_context();
	listener = start_listening();
	for (;;) {
		struct relay *r;
		pthread_t thread;
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			continue;
		set_nodelay(fd);
		r = calloc(1, sizeof(*r));
		if (!r)
			die("out of memory");
		r->client = fd;
		r->ssl = SSL_new(context);
		if (!r->ssl)
			die("out of memory");
		if (pthread_create(&thread, NULL, serve, r) != 0)
			die("thread");
		pthread_detach(thread);
	}
}
