// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The extensions of Amazon's, below 1.3.6.1.4.1.4843.7, none of them critical,
 * in this order behind the identifier of the key:
 *
 *	.1	the access point, UTF8String
 *	.2	SEQUENCE of access key id, UTF8String; signature, its 64 digits
 *		as OCTET STRING; time, UTCTime; [0] session token, UTF8String
 *	.3	the file system, UTF8String
 *	.4	SEQUENCE of two UTF8Strings: what the client is, its version
 *
 * Their content is simple enough to be written as DER by hand; it holds a
 * token, and so is built in a secret.
 */
#include "aws/certificate.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "aws/credentials.h"
#include "aws/identity.h"
#include "aws/secret.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define KEY_BITS 3072

/* Before and behind the time at which it is made, and when it is due. */
#define BEFORE_S (15 * 60)
#define BEHIND_S (3 * 3600)
#define DUE_S    3600

/* When to try again after a failure, and how long before the keys' end. */
#define AGAIN_S  30
#define MARGIN_S 60

#define SERVICE   "elasticfilesystem"
#define ARC       "1.3.6.1.4.1.4843.7"
#define NAME_SIZE 64
#define SHA1_SIZE 20

struct certificate {
	struct certificate_options options; /* strings are ours; read-only */
	char name[NAME_SIZE + 1];
	EVP_PKEY *key;

	/* Guards what follows; a leaf, not held while one is made. */
	pthread_mutex_t lock;
	pthread_cond_t made;
	X509 *current; /* or NULL */
	int64_t due_s;
	int64_t end_s;
	int64_t serial; /* of the next one */
	bool making;
	unsigned attempts; /* that have ended */
	int result;        /* of the last one, with its sentence */
	char why[1024];
};

/* --- The request ---------------------------------------------------------- */

int certificate_key_hash(EVP_PKEY *key, char ret[CERTIFICATE_HASH_SIZE])
{
	X509_PUBKEY *public = NULL;
	uint8_t hash[SHA1_SIZE];
	const uint8_t *bits;
	int size;
	bool good =
	    X509_PUBKEY_set(&public, key) &&
	    X509_PUBKEY_get0_param(NULL, &bits, &size, NULL, public) &&
	    EVP_Digest(bits, (size_t)size, hash, NULL, EVP_sha1(), NULL);

	X509_PUBKEY_free(public);
	if (!good)
		return -EIO;
	for (size_t i = 0; i < SHA1_SIZE; i++)
		snprintf(ret + 2 * i, 3, "%02x", hash[i]);
	return 0;
}

/* Appends `query` with "+" for each "%20", which stands for nothing else. */
static void put_plus(struct secret *to, const char *query)
{
	for (; *query; query++) {
		if (strncmp(query, "%20", 3) == 0) {
			secret_put(to, "+", 1);
			query += 2;
		} else {
			secret_put(to, query, 1);
		}
	}
}

static int put_query(const struct certificate_options *options,
		     const struct identity *id, const char *key_hash,
		     int64_t now_s, struct secret *to)
{
	CLEANUP_SECRET struct secret credential = {0};
	CLEANUP_SECRET struct secret query = {0};
	char time[SIGV4_TIME_SIZE];
	int r;

	sigv4_time(now_s, time);
	secret_printf(&credential, "%s/%.8s/%s/" SERVICE "/aws4_request",
		      id->key_id, time, options->region);
	if (secret_check(&credential) < 0)
		return -ENOMEM;
	const struct sigv4_pair params[] = {
	    {"Action", "Connect"},
	    {"PublicKeyHash", key_hash},
	    {"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
	    {"X-Amz-Credential", credential.data},
	    {"X-Amz-Date", time},
	    {"X-Amz-Expires", "86400"},
	    {"X-Amz-SignedHeaders", "host"},
	    /* Last, since it may be missing. */
	    {"X-Amz-Security-Token", id->token},
	};

	r = sigv4_query(&query, params, ARRAY_SIZE(params) - !id->token);
	if (r == 0)
		put_plus(to, secret_text(&query));
	return r;
}

int certificate_request(const struct certificate_options *options,
			const struct identity *id, const char *key_hash,
			int64_t now_s, struct secret *to)
{
	int r;

	secret_puts(to, "GET\n/\n");
	r = put_query(options, id, key_hash, now_s, to);
	if (r < 0)
		return r;
	secret_printf(to, "\nhost:%s\nhost\n" SIGV4_EMPTY_HASH,
		      options->file_system);
	return secret_check(to);
}

/* --- DER ------------------------------------------------------------------ */

/* Tag, length, content (X.690 section 8.1). */
static void put_der(struct secret *to, int tag, const void *content, size_t len)
{
	uint8_t head[6] = {(uint8_t)tag};
	size_t n = 1;

	if (len < 0x80) {
		head[n++] = (uint8_t)len;
	} else {
		size_t bytes = len > 0xffff ? 3 : len > 0xff ? 2 : 1;

		head[n++] = (uint8_t)(0x80 | bytes);
		while (bytes-- > 0)
			head[n++] = (uint8_t)(len >> 8 * bytes);
	}
	secret_put(to, head, n);
	secret_put(to, content, len);
}

static void put_string(struct secret *to, int tag, const char *text)
{
	put_der(to, tag, text, strlen(text));
}

static void put_sequence(struct secret *to, const struct secret *content)
{
	put_der(to, V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED, secret_text(content),
		content->len);
}

/* The extension that holds what the keys have signed. */
static int put_auth(const struct certificate_options *options,
		    const struct identity *id, EVP_PKEY *key, int64_t now_s,
		    struct secret *to)
{
	const struct sigv4_scope scope = {options->region, SERVICE, now_s};
	CLEANUP_SECRET struct secret request = {0};
	CLEANUP_SECRET struct secret content = {0};
	CLEANUP_SECRET struct secret token = {0};
	char hash[CERTIFICATE_HASH_SIZE], signature[SIGV4_HEX_SIZE];
	char time[SIGV4_TIME_SIZE], utc[14];
	int r = certificate_key_hash(key, hash);

	if (r == 0)
		r = certificate_request(options, id, hash, now_s, &request);
	if (r == 0)
		r = sigv4_sign(&scope, id->secret_key, &request, signature);
	if (r < 0)
		return r;
	/* "YYMMDDhhmmssZ" out of "YYYYMMDDThhmmssZ". */
	sigv4_time(now_s, time);
	snprintf(utc, sizeof(utc), "%.6s%s", time + 2, time + 9);
	put_string(&content, V_ASN1_UTF8STRING, id->key_id);
	put_string(&content, V_ASN1_OCTET_STRING, signature);
	put_string(&content, V_ASN1_UTCTIME, utc);
	if (id->token) {
		put_string(&token, V_ASN1_UTF8STRING, id->token);
		put_der(&content, V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED,
			secret_text(&token), token.len);
	}
	put_sequence(to, &content);
	r = secret_check(&token);
	if (r == 0)
		r = secret_check(&content);
	return r < 0 ? r : secret_check(to);
}

/* --- The certificate ------------------------------------------------------ */

/* The certificate goes to the server, which may know it; who finds a core dump
 * may not: the session token is in it. */
static void hide_last_extension(X509 *x)
{
	X509_EXTENSION *extension = X509_get_ext(x, X509_get_ext_count(x) - 1);
	const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(extension);

	secret_hide_memory(ASN1_STRING_get0_data(data),
			   (size_t)ASN1_STRING_length(data));
}

static int add_extension(X509 *x, const char *oid, const struct secret *content)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension = NULL;
	bool good =
	    object && data && secret_check(content) == 0 &&
	    ASN1_OCTET_STRING_set(data, (const uint8_t *)secret_text(content),
				  (int)content->len);

	if (good)
		extension = X509_EXTENSION_create_by_OBJ(NULL, object, 0, data);
	good = extension && X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	if (good)
		hide_last_extension(x);
	ASN1_OCTET_STRING_free(data);
	ASN1_OBJECT_free(object);
	return good ? 0 : -EIO;
}

static int add_text(X509 *x, const char *oid, const char *text)
{
	CLEANUP_SECRET struct secret content = {0};

	put_string(&content, V_ASN1_UTF8STRING, text);
	return add_extension(x, oid, &content);
}

static int add_key_identifier(X509 *x)
{
	CLEANUP_SECRET struct secret content = {0};
	uint8_t hash[SHA1_SIZE];

	if (!X509_pubkey_digest(x, EVP_sha1(), hash, NULL))
		return -EIO;
	put_der(&content, V_ASN1_OCTET_STRING, hash, sizeof(hash));
	return add_extension(x, "2.5.29.14", &content);
}

static int add_client(X509 *x, const struct certificate_subject *subject)
{
	CLEANUP_SECRET struct secret content = {0};
	CLEANUP_SECRET struct secret sequence = {0};

	put_string(&content, V_ASN1_UTF8STRING, subject->source);
	put_string(&content, V_ASN1_UTF8STRING, subject->version);
	put_sequence(&sequence, &content);
	return add_extension(x, ARC ".4", &sequence);
}

static int add_extensions(const struct certificate_options *options,
			  const struct certificate_subject *subject,
			  const struct identity *id, EVP_PKEY *key, X509 *x)
{
	CLEANUP_SECRET struct secret auth = {0};
	int r = add_key_identifier(x);

	if (r == 0 && options->access_point)
		r = add_text(x, ARC ".1", options->access_point);
	if (r == 0 && id)
		r = put_auth(options, id, key, subject->now_s, &auth);
	if (r == 0 && id)
		r = add_extension(x, ARC ".2", &auth);
	if (r == 0)
		r = add_text(x, ARC ".3", options->file_system);
	return r < 0 ? r : add_client(x, subject);
}

/* Everything but the extensions and the signature. */
static int set_fields(X509 *x, const struct certificate_subject *subject,
		      EVP_PKEY *key)
{
	X509_NAME *name = X509_NAME_new();
	size_t len = strnlen(subject->name, NAME_SIZE);
	bool good =
	    name &&
	    X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
				       (const uint8_t *)subject->name, (int)len,
				       -1, 0) &&
	    X509_set_version(x, X509_VERSION_3) &&
	    ASN1_INTEGER_set_int64(X509_get_serialNumber(x), subject->serial) &&
	    X509_set_subject_name(x, name) && X509_set_issuer_name(x, name) &&
	    ASN1_TIME_set(X509_getm_notBefore(x), subject->now_s - BEFORE_S) &&
	    ASN1_TIME_set(X509_getm_notAfter(x), subject->now_s + BEHIND_S) &&
	    X509_set_pubkey(x, key);

	X509_NAME_free(name);
	return good ? 0 : -EIO;
}

int certificate_make(const struct certificate_options *options,
		     const struct certificate_subject *subject,
		     const struct identity *id, EVP_PKEY *key, X509 **ret)
{
	X509 *x = X509_new();
	int r = x ? set_fields(x, subject, key) : -ENOMEM;

	if (r == 0)
		r = add_extensions(options, subject, id, key, x);
	if (r == 0 && X509_sign(x, key, EVP_sha256()) == 0)
		r = -EIO;
	if (r < 0) {
		X509_free(x);
		return r;
	}
	*ret = x;
	return 0;
}

/* --- One that is kept fresh ----------------------------------------------- */

/* `prefix` and hexadecimal digits: `digits` of them, or any number. */
static bool is_id(const char *text, const char *prefix, size_t digits)
{
	size_t n = strlen(prefix), len = strlen(text);

	return strncmp(text, prefix, n) == 0 && len > n && len <= n + 40 &&
	       strspn(text + n, "0123456789abcdef") == len - n &&
	       (digits == 0 || len - n == digits);
}

static int check_options(const struct certificate_options *o, char *error,
			 size_t error_size)
{
	const char *bad = NULL;

	if (!is_id(o->file_system, "fs-", 0)) {
		bad = o->file_system;
		snprintf(error, error_size,
			 "\"%.60s\" is not the id of a file system (fs-..)",
			 bad);
	} else if (o->access_point && !is_id(o->access_point, "fsap-", 17)) {
		bad = o->access_point;
		snprintf(
		    error, error_size,
		    "\"%.60s\" is not the id of an access point (fsap- and "
		    "17 hexadecimal digits)",
		    bad);
	} else if (o->credentials && !o->region) {
		bad = "";
		snprintf(error, error_size,
			 "the region of the file system is not known");
	}
	return bad ? -EINVAL : 0;
}

static bool copy(const char *from, const char **ret)
{
	*ret = from ? strdup(from) : NULL;
	return !from || *ret;
}

int certificate_new(const struct certificate_options *options,
		    struct certificate **ret, char *error, size_t error_size)
{
	struct certificate *c;
	int r = check_options(options, error, error_size);

	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->made, NULL);
	if (gethostname(c->name, NAME_SIZE) < 0 || !*c->name)
		snprintf(c->name, sizeof(c->name), "localhost");
	c->options.credentials = options->credentials;
	if (!copy(options->file_system, &c->options.file_system) ||
	    !copy(options->access_point, &c->options.access_point) ||
	    !copy(options->region, &c->options.region)) {
		certificate_free(c);
		return -ENOMEM;
	}
	secret_hide_keys();
	c->key = EVP_RSA_gen(KEY_BITS);
	if (!c->key) {
		snprintf(error, error_size, "cannot make a private key");
		certificate_free(c);
		return -EIO;
	}
	*ret = c;
	return 0;
}

struct certificate *certificate_free(struct certificate *c)
{
	if (!c)
		return NULL;
	X509_free(c->current);
	EVP_PKEY_free(c->key);
	pthread_cond_destroy(&c->made);
	pthread_mutex_destroy(&c->lock);
	free((void *)c->options.file_system);
	free((void *)c->options.access_point);
	free((void *)c->options.region);
	free(c);
	return NULL;
}

/* A new one, and when the keys that signed it expire. Without the lock. */
static int make(const struct certificate *c, int64_t serial, int64_t now,
		X509 **ret, int64_t *ret_expires_s, char *error,
		size_t error_size)
{
	const struct certificate_subject subject = {
	    .name = c->name,
	    .source = PACKAGE_NAME,
	    .version = PACKAGE_VERSION,
	    .serial = serial,
	    .now_s = now,
	};
	CLEANUP_IDENTITY struct identity *id = NULL;
	int r = 0;

	if (c->options.credentials)
		r = credentials_get(c->options.credentials, &id, error,
				    error_size);
	if (r < 0)
		return r;
	r = certificate_make(&c->options, &subject, id, c->key, ret);
	*ret_expires_s = id ? id->expires_s : IDENTITY_FOREVER;
	if (r < 0)
		snprintf(error, error_size,
			 "cannot make a TLS client certificate: %s",
			 strerror(-r));
	return r;
}

/* With the lock held, which is given up meanwhile. */
static void renew(struct certificate *c, int64_t now)
{
	char why[sizeof(c->why)] = "";
	int64_t serial = c->serial, expires_s = 0;
	X509 *x = NULL;
	int r;

	c->making = true;
	pthread_mutex_unlock(&c->lock);
	r = make(c, serial, now, &x, &expires_s, why, sizeof(why));
	pthread_mutex_lock(&c->lock);
	c->making = false;
	c->attempts++;
	c->result = r;
	memcpy(c->why, why, sizeof(why));
	if (r == 0) {
		X509_free(c->current);
		c->current = x;
		c->serial = serial + 1;
		c->end_s = now + BEHIND_S;
		c->due_s = now + DUE_S;
		if (expires_s - MARGIN_S < c->due_s)
			c->due_s = expires_s - MARGIN_S;
		/* Keys that have expired by our clock: not at every call. */
		if (c->due_s < now + AGAIN_S)
			c->due_s = now + AGAIN_S;
	} else {
		c->due_s = now + AGAIN_S;
	}
	pthread_cond_broadcast(&c->made);
}

int certificate_get(struct certificate *c, X509 **ret_certificate,
		    EVP_PKEY **ret_key, char *error, size_t error_size)
{
	unsigned before;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	before = c->attempts;
	for (;;) {
		int64_t now = clock_wall_ns() / NS_PER_S;
		/* A clock that was set back makes it one of the future. */
		bool good = c->current && now < c->end_s &&
			    now >= c->end_s - BEHIND_S - BEFORE_S;

		if (good && (c->making || now < c->due_s))
			break;
		if (c->making) {
			pthread_cond_wait(&c->made, &c->lock);
		} else if (c->attempts == before) {
			renew(c, now);
		} else {
			r = c->result < 0 ? c->result : -EAGAIN;
			snprintf(error, error_size, "%s", c->why);
			break;
		}
	}
	if (r == 0) {
		X509_up_ref(c->current);
		EVP_PKEY_up_ref(c->key);
		*ret_certificate = c->current;
		*ret_key = c->key;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}
