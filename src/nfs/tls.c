// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * tls - encryption on a connection's own byte stream.
 *
 * OpenSSL works on the socket itself. SIGPIPE is ignored by the program, so a
 * peer that went away is an errno here too.
 */
#include "nfs/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* The most that one record carries; small pieces are put together up to it. */
#define RECORD_BYTES 16384

struct tls {
	SSL_CTX *context;
	char *host;
	struct tls_options options; /* host and ca are not used */
	pthread_mutex_t lock;       /* guards the next one; a leaf */
	SSL_SESSION *session;       /* the last one; NULL: none */
};

struct tls_stream {
	SSL *ssl;
	struct tls *tls;
	bool done;       /* the handshake is */
	bool want_write; /* to go on reading, or shaking hands */
	size_t pending;  /* bytes in `out` that SSL_write() has not taken */
	size_t pending_at;
	uint8_t out[RECORD_BYTES];
};

/* --- What is shared ------------------------------------------------------- */

/* The first of OpenSSL's errors, in its own words; they are forgotten. */
static const char *first_error(void)
{
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return reason ? reason : "unknown error";
}

/* Keeps the newest session: tickets of TLS 1.3 come after the handshake. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);
	SSL_SESSION *old;

	pthread_mutex_lock(&t->lock);
	old = t->session;
	t->session = session;
	pthread_mutex_unlock(&t->lock);
	SSL_SESSION_free(old);
	return 1; /* the reference is ours */
}

static int set_trust(struct tls *t, const char *ca, char *error,
		     size_t error_size)
{

	if (!ca)
		return SSL_CTX_set_default_verify_paths(t->context) == 1
			   ? 0
			   : -ENOMEM;
	if (SSL_CTX_load_verify_file(t->context, ca) == 1)
		return 0;
	snprintf(error, error_size,
		 "%s: no certificates to trust can be read from it: %s", ca,
		 first_error());
	return -EINVAL;
}

static int set_up(struct tls *t, const char *ca, char *error, size_t error_size)
{
	t->context = SSL_CTX_new(TLS_client_method());
	if (!t->context)
		return -ENOMEM;
	SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
	SSL_CTX_set_options(t->context, SSL_OP_NO_RENEGOTIATION |
					    SSL_OP_NO_COMPRESSION |
					    SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(t->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
	/* More than one record a read(2): most of them are full. */
	SSL_CTX_set_read_ahead(t->context, 1);
	SSL_CTX_set_default_read_buffer_len(t->context, 8 * RECORD_BYTES);
	SSL_CTX_set_session_cache_mode(
	    t->context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(t->context, keep_session);
	return set_trust(t, ca, error, error_size);
}

int tls_new(const struct tls_options *options, struct tls **ret, char *error,
	    size_t error_size)
{
	struct tls *t = calloc(1, sizeof(*t));
	int r = -ENOMEM;

	error[0] = '\0';
	if (t) {
		pthread_mutex_init(&t->lock, NULL);
		t->options = *options;
		t->host = strdup(options->host);
		if (t->host)
			r = set_up(t, options->ca, error, error_size);
	}
	ERR_clear_error();
	if (r < 0) {
		if (error[0] == '\0')
			snprintf(error, error_size, "out of memory");
		tls_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

struct tls *tls_free(struct tls *t)
{
	if (!t)
		return NULL;
	SSL_SESSION_free(t->session);
	SSL_CTX_free(t->context);
	pthread_mutex_destroy(&t->lock);
	free(t->host);
	free(t);
	return NULL;
}

/* --- A stream ------------------------------------------------------------- */

static int present_identity(struct tls_stream *s, char *error)
{
	const struct tls_options *o = &s->tls->options;
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	int r;

	if (!o->identity)
		return 0;
	r = o->identity(o->user, &certificate, &key, error);
	if (r < 0)
		return r;
	if (SSL_use_certificate(s->ssl, certificate) != 1 ||
	    SSL_use_PrivateKey(s->ssl, key) != 1) {
		snprintf(error, TLS_ERROR,
			 "the client certificate cannot be used: %s",
			 first_error());
		r = -EINVAL;
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	return r;
}

static bool is_address(const char *host)
{
	uint8_t bytes[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, bytes) == 1 ||
	       inet_pton(AF_INET6, host, bytes) == 1;
}

/* Whom we want to speak to; an address has no name to be asked for. */
static bool set_peer(SSL *ssl, const char *host)
{
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
						     host) == 1;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, host) == 1 &&
	       SSL_set_tlsext_host_name(ssl, host) == 1;
}

static void resume_session(struct tls_stream *s)
{
	struct tls *t = s->tls;

	pthread_mutex_lock(&t->lock);
	if (t->session)
		(void)SSL_set_session(s->ssl, t->session);
	pthread_mutex_unlock(&t->lock);
}

int tls_stream_new(struct tls *t, int fd, struct tls_stream **ret, char *error)
{
	struct tls_stream *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	snprintf(error, TLS_ERROR, "out of memory");
	if (s) {
		s->tls = t;
		s->ssl = SSL_new(t->context);
	}
	if (s && s->ssl && SSL_set_fd(s->ssl, fd) == 1 &&
	    set_peer(s->ssl, t->host)) {
		SSL_set_app_data(s->ssl, t);
		SSL_set_connect_state(s->ssl);
		r = present_identity(s, error);
	}
	ERR_clear_error();
	if (r < 0) {
		tls_stream_free(s);
		return r;
	}
	resume_session(s);
	*ret = s;
	return 0;
}

struct tls_stream *tls_stream_free(struct tls_stream *s)
{
	if (!s)
		return NULL;
	if (s->done) {
		/* A word of farewell, if it can be had without waiting. */
		(void)SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	SSL_free(s->ssl);
	free(s);
	return NULL;
}

/* --- The handshake -------------------------------------------------------- */

static int explain_verify(const struct tls_stream *s, long result, char *error)
{
	const char *host = s->tls->host;

	switch (result) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		snprintf(error, TLS_ERROR,
			 "the server's certificate is not for %s: is this its "
			 "address?",
			 host);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		snprintf(error, TLS_ERROR,
			 "the certificate of %s %s; is the clock of this host "
			 "right?",
			 host,
			 result == X509_V_ERR_CERT_HAS_EXPIRED
			     ? "has expired"
			     : "is not valid yet");
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		snprintf(error, TLS_ERROR,
			 "the certificate of %s is signed by nobody who is "
			 "trusted here (%s): give the authority's certificate "
			 "with ca=FILE, or install ca-certificates",
			 host, X509_verify_cert_error_string(result));
		break;
	default:
		snprintf(error, TLS_ERROR,
			 "the certificate of %s cannot be verified: %s", host,
			 X509_verify_cert_error_string(result));
	}
	return -EKEYREJECTED;
}

/* The server has said what it does not like. */
static int explain_alert(int reason, char *error)
{
	const char *why = first_error();

	switch (reason) {
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		snprintf(error, TLS_ERROR,
			 "the server does not speak TLS 1.2 or later");
		return -EPROTO;
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		snprintf(error, TLS_ERROR,
			 "the server does not accept our certificate (%s): "
			 "check the access point, the IAM policy and the clock",
			 why);
		return -EACCES;
	default:
		snprintf(error, TLS_ERROR, "the TLS handshake failed: %s", why);
		return -EPROTO;
	}
}

static int explain_failure(const struct tls_stream *s, int kind, int error_no,
			   char *error)
{
	long result = SSL_get_verify_result(s->ssl);
	unsigned long code = ERR_peek_error();

	if (result != X509_V_OK)
		return explain_verify(s, result, error);
	if (kind == SSL_ERROR_SYSCALL && error_no) {
		snprintf(error, TLS_ERROR, "during the TLS handshake: %s",
			 strerror(error_no));
		return -error_no;
	}
	if (kind == SSL_ERROR_SYSCALL || code == 0 ||
	    ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		snprintf(error, TLS_ERROR,
			 "the server ended the connection during the TLS "
			 "handshake: does it speak TLS on this port, and does "
			 "its policy let us in?");
		return -ECONNRESET;
	}
	if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER ||
	    ERR_GET_REASON(code) == SSL_R_PACKET_LENGTH_TOO_LONG) {
		snprintf(error, TLS_ERROR,
			 "the server does not speak TLS on this port");
		return -EPROTO;
	}
	return explain_alert(ERR_GET_REASON(code), error);
}

int tls_stream_advance(struct tls_stream *s, char *error)
{
	int r, kind, error_no;

	if (s->done)
		return 0;
	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(s->ssl);
	error_no = errno;
	if (r == 1) {
		s->done = true;
		s->want_write = false;
		return 0;
	}
	kind = SSL_get_error(s->ssl, r);
	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		s->want_write = kind == SSL_ERROR_WANT_WRITE;
		return -EAGAIN;
	}
	r = explain_failure(s, kind, error_no, error);
	ERR_clear_error();
	return r;
}

short tls_stream_events(const struct tls_stream *s, bool want_write)
{
	if (!s->done)
		return s->want_write ? POLLOUT : POLLIN;
	return want_write || s->want_write || s->pending ? POLLIN | POLLOUT
							 : POLLIN;
}

/* --- Bytes ---------------------------------------------------------------- */

/* What an SSL_read() or SSL_write() that did nothing means. */
static int result_of(struct tls_stream *s, int r, int error_no, char *error)
{
	int kind = SSL_get_error(s->ssl, r);
	int reason = ERR_GET_REASON(ERR_peek_error());

	s->want_write = kind == SSL_ERROR_WANT_WRITE;
	if (kind == SSL_ERROR_SSL && reason >= SSL_AD_REASON_OFFSET)
		return explain_alert(reason, error);
	ERR_clear_error();
	switch (kind) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_SYSCALL:
		return error_no ? -error_no : -ECONNRESET;
	case SSL_ERROR_ZERO_RETURN:
		return -ECONNRESET;
	default:
		return reason == SSL_R_UNEXPECTED_EOF_WHILE_READING
			   ? -ECONNRESET
			   : -EPROTO;
	}
}

/* One after another until there is no more: poll(2) does not know of what
 * OpenSSL has read already. */
ssize_t tls_stream_read(struct tls_stream *s, void *data, size_t len,
			char *error)
{
	size_t got = 0;

	while (got < len) {
		size_t n;
		int r;

		errno = 0;
		r = SSL_read_ex(s->ssl, (uint8_t *)data + got, len - got, &n);
		if (r == 1) {
			got += n;
			continue;
		}
		r = result_of(s, r, errno, error);
		/* What came before an error is delivered first. */
		return got > 0 ? (ssize_t)got : r;
	}
	return (ssize_t)got;
}

/* One call of SSL_write(): how many bytes it took. */
static ssize_t write_some(struct tls_stream *s, const void *data, size_t len)
{
	char error[TLS_ERROR]; /* what reading finds is told */
	size_t n;
	int r;

	errno = 0;
	r = SSL_write_ex(s->ssl, data, len, &n);
	return r == 1 ? (ssize_t)n : result_of(s, r, errno, error);
}

/*
 * Bytes that were put together into one record are the caller's no more, and
 * go before any others: OpenSSL wants to be given the same ones again after it
 * had to wait, and the caller may have thought of something more urgent.
 */
int tls_stream_flush(struct tls_stream *s)
{
	while (s->pending > 0) {
		ssize_t n = write_some(s, s->out + s->pending_at, s->pending);

		if (n < 0)
			return (int)n;
		s->pending -= (size_t)n;
		s->pending_at += (size_t)n;
	}
	return 0;
}

ssize_t tls_stream_writev(struct tls_stream *s, const struct iovec *iov,
			  size_t count)
{
	ssize_t taken = 0;
	size_t i = 0, at = 0;
	int r = tls_stream_flush(s);

	while (r == 0 && i < count) {
		/* As many pieces as one record holds. */
		s->pending_at = 0;
		while (i < count && s->pending < RECORD_BYTES) {
			size_t n = iov[i].iov_len - at;

			if (n > RECORD_BYTES - s->pending)
				n = RECORD_BYTES - s->pending;
			if (n > 0)
				memcpy(s->out + s->pending,
				       (uint8_t *)iov[i].iov_base + at, n);
			s->pending += n;
			at += n;
			taken += (ssize_t)n;
			if (at == iov[i].iov_len) {
				i++;
				at = 0;
			}
		}
		r = tls_stream_flush(s);
	}
	return taken > 0 || r == 0 ? taken : r;
}

bool tls_stream_is_resumed(const struct tls_stream *s)
{
	return SSL_session_reused(s->ssl) == 1;
}
