/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls - encryption on a connection's own byte stream, from its first byte, as
 * Amazon EFS has it on the NFS port (there is no STARTTLS; RFC 9289 is another
 * thing). There is no relay and no local port that others could reach.
 *
 * TLS 1.2 or later; the server's chain and name are verified as the EFS mount
 * helper has them verified; sessions are resumed; every handshake presents the
 * client certificate that `identity` supplies then, so that a renewed one is
 * used from the next connection on.
 *
 * Thread rule: a struct tls from any thread; a struct tls_stream by one thread
 * at a time.
 */
#ifndef NFS_TLS_H
#define NFS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct evp_pkey_st;
struct x509_st;
struct tls;
struct tls_stream;

/* Room for a sentence on what is wrong with a handshake. */
#define TLS_ERROR 256

struct tls_options {
	const char *host; /* whom the server's certificate must name */
	const char *ca;   /* file of trusted certificates; NULL: the system's */
	/*
	 * Supplies a certificate and its key, references that are the
	 * caller's then. 0, or a negative errno with a sentence in
	 * `error[TLS_ERROR]`. Called from the thread of a connection, and may
	 * take its time. NULL: no client certificate.
	 */
	int (*identity)(void *user, struct x509_st **ret_certificate,
			struct evp_pkey_st **ret_key, char *error);
	void *user;
};

/* -EINVAL with a sentence in `error` when `ca` cannot be used; -ENOMEM. */
int tls_new(const struct tls_options *options, struct tls **ret, char *error,
	    size_t error_size);
/* No stream may be left. */
struct tls *tls_free(struct tls *t);

/* A stream on `fd`, a connected non-blocking socket, which is borrowed. 0 or
 * a negative errno with a sentence in `error[TLS_ERROR]`. */
int tls_stream_new(struct tls *t, int fd, struct tls_stream **ret, char *error);
struct tls_stream *tls_stream_free(struct tls_stream *s);

/*
 * 0 once the handshake is done, -EAGAIN: wait for tls_stream_events().
 * Otherwise there is a sentence in `error[TLS_ERROR]`, and it is -EKEYREJECTED
 * for a server that is not whom it should be, -EACCES for one that does not
 * take our certificate, -EPROTO for one that speaks no TLS that we do, or an
 * errno of the socket.
 */
int tls_stream_advance(struct tls_stream *s, char *error);

/* The poll(2) events to wait for. */
short tls_stream_events(const struct tls_stream *s, bool want_write);

/* As stream_read(); with a sentence in `error[TLS_ERROR]` when the server said
 * that it does not take our certificate: with TLS 1.3 the handshake is done for
 * us before the server has seen it. */
ssize_t tls_stream_read(struct tls_stream *s, void *data, size_t len,
			char *error);
ssize_t tls_stream_writev(struct tls_stream *s, const struct iovec *iov,
			  size_t count);

/* Sends on what tls_stream_writev() has taken and could not send yet: to be
 * called when the socket is writable. 0, -EAGAIN or another errno. */
int tls_stream_flush(struct tls_stream *s);

/* Whether an earlier session was resumed; for tests and the log. */
bool tls_stream_is_resumed(const struct tls_stream *s);

#endif
