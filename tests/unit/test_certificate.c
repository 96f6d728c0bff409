/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client certificate for EFS: its request against what the mount helper
 * makes of the same input, its extensions byte by byte.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "aws/certificate.h"
#include "aws/credentials.h"
#include "aws/identity.h"
#include "aws/secret.h"
#include "base/cleanup.h"

#define KEY_ID "FAKE_AWS_ACCESS_KEY_ID"
#define SECRET "FAKE_AWS_SECRET_ACCESS_KEY"

#define T2000 946728000  /* 2000-01-01T12:00:00Z */
#define T2026 1795521600 /* 2026-11-24T12:00:00Z */

#define HASH "d9c2a68f2c4de49982e310d95e539a89abd6bc13"

static const struct certificate_options plain = {.file_system = "fs-deadbeef",
						 .region = "us-east-1"};

static struct identity *identity(const char *token)
{
	struct identity *id;

	assert_int_equal(
	    identity_new(KEY_ID, SECRET, token, "test", IDENTITY_FOREVER, &id),
	    0);
	return id;
}

static void test_vectors(void **state)
{
	static const struct {
		const char *key_hash, *token;
		int64_t now_s;
		const char *request_hash, *signature;
	} vectors[] = {
	    {HASH, NULL, T2000,
	     "ffbd83907f0f517fff1d703e17ffbe7eac76fac318334e6764a80cf1bf42bc1e",
	     "2dac14f3502501eb8f8c7b31489f10ae208309303262228d02ab1db77b19d98"
	     "5"},
	    {HASH, "FAKE_SESSION_TOKEN", T2000,
	     "e7d4cf8cc49eba46358d4bba8d3d88bb982455602211c8a0692296a198f8ee04",
	     "6ecac889393bad36373b96bd95e7ba94f0692e0e46d65c5c1773ad2460e19be"
	     "9"},
	    {HASH, "FwoGZXIvYXdzEBYaD+/=abc", T2000,
	     "010f5f5c2d2758763f4f5c8de5b663ad4d27b35ea884b75e22af291ce164f534",
	     "c790112921e9d8b3b19a5ac023807790f9e52ff2dade215d1f9ddd4c3bb2fa1"
	     "f"},
	    {"71cfb7499fa6893ffeed8d1b6e3e996fcdca9e8e", "FAKE_SESSION_TOKEN",
	     T2026,
	     "17c54cb4315ea53b95e635fce5fdc5501b9b726b64efe673908607593437010b",
	     "94954a2eb9c0ac99b10040e0a8a0580ce7827d591d3b3a9dd7e6ba6c3d3e59f"
	     "3"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		const struct sigv4_scope scope = {
		    "us-east-1", "elasticfilesystem", vectors[i].now_s};
		CLEANUP_IDENTITY struct identity *id =
		    identity(vectors[i].token);
		CLEANUP_SECRET struct secret request = {0};
		char hash[SIGV4_HEX_SIZE];

		assert_int_equal(
		    certificate_request(&plain, id, vectors[i].key_hash,
					vectors[i].now_s, &request),
		    0);
		assert_int_equal(sigv4_hash(request.data, request.len, hash),
				 0);
		assert_string_equal(hash, vectors[i].request_hash);
		assert_int_equal(sigv4_sign(&scope, SECRET, &request, hash), 0);
		assert_string_equal(hash, vectors[i].signature);
	}
}

/* --- The certificate ------------------------------------------------------ */

struct fixture {
	EVP_PKEY *key;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->key = EVP_RSA_gen(2048);
	*state = f;
	return f->key ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	EVP_PKEY_free(f->key);
	free(f);
	return 0;
}

/* The content of extension `oid` in hexadecimal digits, NULL without; heap. */
static char *extension(const X509 *x, const char *oid)
{
	for (int i = 0; i < X509_get_ext_count(x); i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(e);
		char name[64], *text;
		size_t len = (size_t)data->length;

		OBJ_obj2txt(name, sizeof(name), X509_EXTENSION_get_object(e),
			    1);
		if (strcmp(name, oid) != 0)
			continue;
		assert_false(X509_EXTENSION_get_critical(e));
		text = calloc(2 * len + 1, 1);
		assert_non_null(text);
		for (size_t k = 0; k < len; k++)
			snprintf(text + 2 * k, 3, "%02X", data->data[k]);
		return text;
	}
	return NULL;
}

static X509 *make(struct fixture *f, const struct certificate_options *options,
		  const struct identity *id)
{
	static const struct certificate_subject subject = {.name = "host",
							   .source = "unknown",
							   .version = "3.2.0",
							   .now_s = T2026};
	X509 *x;

	assert_int_equal(certificate_make(options, &subject, id, f->key, &x),
			 0);
	return x;
}

static void test_fields(void **state)
{
	struct fixture *f = *state;
	X509 *x = make(f, &plain, NULL);
	X509_NAME *name = X509_get_subject_name(x);
	X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, 0);
	char hash[CERTIFICATE_HASH_SIZE];
	CLEANUP_FREE char *ski = extension(x, "2.5.29.14");
	CLEANUP_FREE char *fs = extension(x, "1.3.6.1.4.1.4843.7.3");
	CLEANUP_FREE char *info = extension(x, "1.3.6.1.4.1.4843.7.4");

	assert_int_equal(X509_verify(x, f->key), 1);
	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_int_equal(ASN1_INTEGER_get(X509_get0_serialNumber(x)), 0);
	assert_int_equal(X509_NAME_entry_count(name), 1);
	assert_int_equal(X509_NAME_ENTRY_get_data(entry)->type,
			 V_ASN1_UTF8STRING);
	assert_int_equal(X509_NAME_cmp(name, X509_get_issuer_name(x)), 0);
	assert_string_equal((const char *)X509_get0_notBefore(x)->data,
			    "261124114500Z");
	assert_string_equal((const char *)X509_get0_notAfter(x)->data,
			    "261124150000Z");
	assert_int_equal(X509_get_signature_nid(x),
			 NID_sha256WithRSAEncryption);

	assert_int_equal(X509_get_ext_count(x), 3);
	assert_int_equal(certificate_key_hash(f->key, hash), 0);
	assert_memory_equal(ski, "0414", 4);
	assert_int_equal(strcasecmp(ski + 4, hash), 0);
	assert_string_equal(fs, "0C0B66732D6465616462656566");
	assert_string_equal(info, "30100C07756E6B6E6F776E0C05332E322E30");
	X509_free(x);
}

static void test_extensions(void **state)
{
	static const struct certificate_options options = {
	    .file_system = "fs-deadbeef",
	    .access_point = "fsap-0123456789abcdef0",
	    .region = "us-east-1"};
	CLEANUP_IDENTITY struct identity *id = identity("FAKE_SESSION_TOKEN");
	X509 *x = make(*state, &options, id);
	CLEANUP_FREE char *ap = extension(x, "1.3.6.1.4.1.4843.7.1");
	CLEANUP_FREE char *auth = extension(x, "1.3.6.1.4.1.4843.7.2");

	assert_int_equal(X509_get_ext_count(x), 5);
	assert_string_equal(ap, "0C16667361702D30313233343536373839616263646566"
				"30");
	/* As given for the last of the vectors, but for the signature. */
	assert_int_equal(strlen(auth), 2 * 129);
	assert_memory_equal(auth,
			    "307F0C1646414B455F4157535F4143434553535F4B45595F49"
			    "440440",
			    2 * (2 + 24 + 2));
	assert_string_equal(auth + 2 * (2 + 24 + 66),
			    "170D3236313132343132303030305A"
			    "A0140C1246414B455F53455353494F4E5F544F4B454E");
	X509_free(x);
}

/* Tokens of STS have a kilobyte and more: lengths of two bytes. */
static void test_long_token(void **state)
{
	CLEANUP_IDENTITY struct identity *id = NULL;
	char token[1501];
	CLEANUP_FREE char *auth = NULL;
	X509 *x;

	memset(token, 'x', 1500);
	token[1500] = '\0';
	id = identity(token);
	x = make(*state, &plain, id);
	auth = extension(x, "1.3.6.1.4.1.4843.7.2");
	/* 24 + 66 + 15, and 4 + 4 + 1500 of the token. */
	assert_memory_equal(auth, "3082064D", 8);
	assert_int_equal(strlen(auth), 2 * (4 + 0x64d));
	assert_memory_equal(auth + 2 * (4 + 105), "A08205E00C8205DC78", 18);
	X509_free(x);
}

/* The whole: made once, given out again, with a key nobody else has. */
static void test_get(void **state)
{
	struct certificate *c;
	char error[256];
	X509 *first, *again;
	EVP_PKEY *key, *same;

	(void)state;
	assert_int_equal(certificate_new(&plain, &c, error, sizeof(error)), 0);
	assert_int_equal(certificate_get(c, &first, &key, error, sizeof(error)),
			 0);
	assert_int_equal(
	    certificate_get(c, &again, &same, error, sizeof(error)), 0);
	assert_ptr_equal(first, again);
	assert_ptr_equal(key, same);
	assert_int_equal(EVP_PKEY_get_bits(key), 3072);
	assert_int_equal(X509_verify(first, key), 1);
	/* What was given out outlives its maker. */
	assert_null(certificate_free(c));
	assert_int_equal(X509_check_private_key(again, same), 1);
	X509_free(first);
	X509_free(again);
	EVP_PKEY_free(key);
	EVP_PKEY_free(same);
	assert_null(certificate_free(NULL));
}

/* Without keys there is no certificate, and it is said why. */
static void test_no_keys(void **state)
{
	const struct credentials_options who = {.profile = "nobody"};
	struct certificate_options options = plain;
	struct certificate *c;
	char error[256];
	EVP_PKEY *key;
	X509 *x;

	(void)state;
	setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
	setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
	assert_int_equal(credentials_new(&who, &options.credentials), 0);
	assert_int_equal(certificate_new(&options, &c, error, sizeof(error)),
			 0);
	assert_int_equal(certificate_get(c, &x, &key, error, sizeof(error)),
			 -ENOENT);
	assert_string_equal(error, "AWS credentials: there is no AWS profile "
				   "\"nobody\"");
	certificate_free(c);
	credentials_free(options.credentials);
}

static void test_bad_ids(void **state)
{
	static const struct {
		const char *file_system, *access_point, *text;
	} bad[] = {
	    {"fs-", NULL, "not the id of a file system"},
	    {"fs-xyz", NULL, "not the id of a file system"},
	    {"fs-ABC", NULL, "not the id of a file system"},
	    {"fs-1\n", NULL, "not the id of a file system"},
	    {"fs-1", "fsap-0123456789abcdef", "not the id of an access point"},
	    {"fs-1", "fsap-0123456789abcdefg", "not the id of an access point"},
	    {"fs-1", "fs-1", "not the id of an access point"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const struct certificate_options options = {
		    .file_system = bad[i].file_system,
		    .access_point = bad[i].access_point};
		struct certificate *c;
		char error[256];

		assert_int_equal(
		    certificate_new(&options, &c, error, sizeof(error)),
		    -EINVAL);
		assert_non_null(strstr(error, bad[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_extensions),
	    cmocka_unit_test(test_long_token),
	    cmocka_unit_test(test_get),
	    cmocka_unit_test(test_no_keys),
	    cmocka_unit_test(test_bad_ids),
	};

	return cmocka_run_group_tests_name("certificate", tests, setup,
					   teardown);
}
