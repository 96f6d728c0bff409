/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * certificate - the TLS client certificate that tells EFS who connects.
 *
 * EFS takes no password and no token: the certificate, signed by its own key,
 * has the file system's id, the access point, and a request "Connect" signed
 * with the caller's AWS keys in extensions of Amazon's; that request names the
 * hash of the certificate's public key, so that nobody else can use it. Source:
 * the mount helper efs-utils, of which this makes the same certificate, but in
 * memory.
 *
 * It lives three hours and is made anew after one, or when the keys that
 * signed it expire. A connection that exists keeps its own. The private key is
 * kept out of core dumps. The session token is part of the certificate: TLS
 * 1.2 shows it to the wire, and it is worth nothing without its secret key.
 *
 * Thread rule: any thread.
 */
#ifndef AWS_CERTIFICATE_H
#define AWS_CERTIFICATE_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "aws/sigv4.h"

struct certificate;
struct credentials;
struct identity;
struct secret;

struct certificate_options {
	const char *file_system;  /* "fs-0123456789abcdef0" */
	const char *access_point; /* "fsap-..", or NULL for none */
	const char *region;       /* of the file system; with keys only */
	struct credentials *credentials; /* NULL: not as anybody; borrowed */
};

/*
 * Makes a private key, which takes about a second; the certificate comes with
 * the first get. -EINVAL with a sentence when an id is none; -ENOMEM, -EIO.
 */
int certificate_new(const struct certificate_options *options,
		    struct certificate **ret, char *error, size_t error_size);
/* NULL is let through; returns NULL. */
struct certificate *certificate_free(struct certificate *c);

/*
 * The certificate as it should be now, and its key, each with a reference for
 * the caller. Made anew when it is due, by one thread, while the others have
 * the old one; when that fails, the old one serves for what is left of its
 * three hours. May block for seconds, for keys. A negative errno with a
 * sentence.
 */
int certificate_get(struct certificate *c, X509 **ret_certificate,
		    EVP_PKEY **ret_key, char *error, size_t error_size);

/* --- The pieces ----------------------------------------------------------- */

/* 40 lower-case digits and a NUL. */
#define CERTIFICATE_HASH_SIZE 41

/* SHA-1 of the public key: of the content of its BIT STRING. -EIO. */
int certificate_key_hash(EVP_PKEY *key, char ret[CERTIFICATE_HASH_SIZE]);

/*
 * The request that the certificate carries the signature of, appended to `to`.
 * It is no canonical request as AWS describes them: the host is the bare id of
 * the file system, there is no blank line behind it, and a blank in the query
 * is '+'.
 */
int certificate_request(const struct certificate_options *options,
			const struct identity *id, const char *key_hash,
			int64_t now_s, struct secret *to);

/* What one certificate is made of. */
struct certificate_subject {
	const char *name;    /* of this machine; 64 bytes of it are used */
	const char *source;  /* of the client, 1 to 100 letters */
	const char *version; /* of the client */
	int64_t serial;
	int64_t now_s; /* seconds since 1970 */
};

/* Makes and signs it; `id` is NULL without keys. -EIO, -ENOMEM. */
int certificate_make(const struct certificate_options *options,
		     const struct certificate_subject *subject,
		     const struct identity *id, EVP_PKEY *key, X509 **ret);

#endif
