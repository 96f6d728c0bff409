/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sigv4 - AWS Signature Version 4.
 *
 * Source: AWS IAM User Guide, "AWS Signature Version 4 for API requests". The
 * steps are public one by one, since the certificate for EFS signs a request
 * of its own making (see certificate.h).
 *
 * Thread rule: pure.
 */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct identity;
struct secret;

/* 64 lower-case digits and a NUL. */
#define SIGV4_HEX_SIZE 65

/* "20150830T123600Z" and a NUL. */
#define SIGV4_TIME_SIZE 17

/* SHA-256 of nothing, and the word for a payload that is not signed. */
#define SIGV4_EMPTY_HASH \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SIGV4_UNSIGNED_PAYLOAD "UNSIGNED-PAYLOAD"

/* A name and a value as they are meant: not encoded yet. */
struct sigv4_pair {
	const char *name;
	const char *value;
};

/* What a signature is good for. */
struct sigv4_scope {
	const char *region;  /* "eu-west-1" */
	const char *service; /* "s3" */
	int64_t time_s;      /* seconds since 1970 */
};

struct sigv4_request {
	const char *method;
	const char *path;   /* as it is sent, encoded; begins with '/' */
	bool path_verbatim; /* S3: neither made shorter nor encoded again */
	/* sigv4_query() of its parameters; NULL or "" without any. */
	const char *query;
	/* Host, and all others that are to be signed, in any order and case;
	 * for sigv4_authorize() X-Amz-Date as well. */
	const struct sigv4_pair *headers;
	size_t header_count;
	const char *payload_hash; /* hex, or SIGV4_UNSIGNED_PAYLOAD */
};

/* SHA-256 of `size` bytes. -EIO when OpenSSL fails, as below. */
int sigv4_hash(const void *data, size_t size, char ret[SIGV4_HEX_SIZE]);

/* The time as X-Amz-Date has it; its first 8 letters are the date. */
void sigv4_time(int64_t time_s, char ret[SIGV4_TIME_SIZE]);

/* Appends `s`, percent-encoded but for letters, digits, "-._~" and, when
 * `keep_slash`, '/'. */
void sigv4_encode(struct secret *to, const char *s, bool keep_slash);

/* Appends the parameters, encoded and in the order of the canonical request,
 * which is as good as any other on the wire. */
int sigv4_query(struct secret *to, const struct sigv4_pair *params,
		size_t count);

/* Appends the canonical request; and the names of the signed headers, joined
 * with ';', to `names`. */
int sigv4_canonical(const struct sigv4_request *request, struct secret *to,
		    struct secret *names);

/* Signs a canonical request. */
int sigv4_sign(const struct sigv4_scope *scope, const char *secret_key,
	       const struct secret *canonical, char ret[SIGV4_HEX_SIZE]);

/* Appends the value of the header Authorization. The identity's token has to
 * be among the headers, as X-Amz-Security-Token. */
int sigv4_authorize(const struct sigv4_request *request,
		    const struct sigv4_scope *scope, const struct identity *id,
		    struct secret *to);

/*
 * Appends the query of a presigned URL, good for `expires_s` seconds: the
 * parameters given, those that X-Amz-.. needs, and the signature. The
 * request's own query is not looked at.
 */
int sigv4_presign(const struct sigv4_request *request,
		  const struct sigv4_scope *scope, const struct identity *id,
		  const struct sigv4_pair *params, size_t count,
		  unsigned expires_s, struct secret *to);

#endif
