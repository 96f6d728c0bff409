/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client certificate for EFS, made with keys of which a service says what
 * they are: OpenSSL reads in it, field by field, what was put in.
 *
 * The input is key id, secret, token, access point, file system, region and
 * the name of this machine, each behind its length.
 */
#include <errno.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "aws/certificate.h"
#include "aws/identity.h"
#include "base/cleanup.h"
#include "fuzz.h"

#define ARC "1.3.6.1.4.1.4843.7"

enum { KEY_ID, SECRET, TOKEN, POINT, SYSTEM, REGION, NAME, TEXTS };

static char *take_text(struct input *in)
{
	size_t len;
	const uint8_t *data = input_piece(in, &len);
	char *text = len ? strndup((const char *)data, len) : strdup("");

	check(text != NULL);
	return text;
}

/* The content of an extension, or NULL without it. */
static const ASN1_OCTET_STRING *extension(const X509 *x, const char *oid)
{
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	int at = X509_get_ext_by_OBJ(x, object, -1);

	ASN1_OBJECT_free(object);
	return at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(x, at));
}

static void check_string(const ASN1_TYPE *t, int type, const char *text)
{
	check(ASN1_TYPE_get(t) == type);
	check(t->value.asn1_string->length == (int)strlen(text));
	check(!memcmp(t->value.asn1_string->data, text, strlen(text)));
}

static void check_text(const X509 *x, const char *oid, const char *text)
{
	const ASN1_OCTET_STRING *content = extension(x, oid);
	const uint8_t *at;
	ASN1_TYPE *t;

	check(!content == !text);
	if (!content)
		return;
	at = content->data;
	t = d2i_ASN1_TYPE(NULL, &at, content->length);
	check(t && at == content->data + content->length);
	check_string(t, V_ASN1_UTF8STRING, text);
	ASN1_TYPE_free(t);
}

/* [0] { UTF8String } */
static void check_token(const ASN1_TYPE *t, const char *token)
{
	const uint8_t *at = t->value.asn1_string->data;
	int tag, class;
	ASN1_TYPE *inner;
	long len;

	check(!(ASN1_get_object(&at, &len, &tag, &class,
				t->value.asn1_string->length) &
		0x80));
	check(tag == 0 && class == V_ASN1_CONTEXT_SPECIFIC);
	inner = d2i_ASN1_TYPE(NULL, &at, len);
	check(inner != NULL);
	check_string(inner, V_ASN1_UTF8STRING, token);
	ASN1_TYPE_free(inner);
}

static void check_auth(const X509 *x, const struct identity *id)
{
	const ASN1_OCTET_STRING *content = extension(x, ARC ".2");
	ASN1_SEQUENCE_ANY *all;
	const uint8_t *at;

	check(content != NULL);
	at = content->data;
	all = d2i_ASN1_SEQUENCE_ANY(NULL, &at, content->length);
	check(all && at == content->data + content->length);
	check(sk_ASN1_TYPE_num(all) == (id->token ? 4 : 3));
	check_string(sk_ASN1_TYPE_value(all, 0), V_ASN1_UTF8STRING, id->key_id);
	check(ASN1_TYPE_get(sk_ASN1_TYPE_value(all, 1)) == V_ASN1_OCTET_STRING);
	check(sk_ASN1_TYPE_value(all, 1)->value.asn1_string->length == 64);
	check_string(sk_ASN1_TYPE_value(all, 2), V_ASN1_UTCTIME,
		     "261123132316Z");
	if (id->token)
		check_token(sk_ASN1_TYPE_value(all, 3), id->token);
	sk_ASN1_TYPE_pop_free(all, ASN1_TYPE_free);
}

static void check_certificate(X509 *made, EVP_PKEY *key,
			      const struct certificate_options *o,
			      const struct identity *id, bool is_told)
{
	uint8_t *der = NULL;
	int size = i2d_X509(made, &der);
	const uint8_t *at = der;
	X509 *x;

	check(size > 0);
	x = d2i_X509(NULL, &at, size);
	check(x && at == der + size && X509_verify(x, key) == 1);
	check_text(x, ARC ".1", o->access_point);
	check_text(x, ARC ".3", o->file_system);
	check_auth(x, id);
	/* Nothing but the signature comes of the secret. */
	check(
	    strlen(id->secret_key) < 12 || is_told ||
	    !memmem(der, (size_t)size, id->secret_key, strlen(id->secret_key)));
	X509_free(x);
	OPENSSL_free(der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static EVP_PKEY *key;
	struct input in = {data, size};
	struct identity *id = NULL;
	char *text[TEXTS];
	X509 *x = NULL;

	if (!key)
		key = EVP_EC_gen("P-256");
	for (size_t i = 0; i < TEXTS; i++)
		text[i] = take_text(&in);
	if (identity_new(text[KEY_ID], text[SECRET], text[TOKEN], "fuzz",
			 IDENTITY_FOREVER, &id) == 0) {
		const struct certificate_options o = {
		    .file_system = text[SYSTEM],
		    .access_point = *text[POINT] ? text[POINT] : NULL,
		    .region = text[REGION]};
		const struct certificate_subject subject = {.name = text[NAME],
							    .source = "fuzz",
							    .version = "1",
							    .serial = 1,
							    .now_s =
								1795440196};
		int r = certificate_make(&o, &subject, id, key, &x);
		bool told = false;

		check(r == 0 || r == -EIO || r == -ENOMEM);
		for (size_t i = 0; i < TEXTS; i++)
			told |= i != SECRET && strstr(text[i], text[SECRET]);
		if (r == 0)
			check_certificate(x, key, &o, id, told);
		X509_free(x);
	}
	identity_unref(id);
	for (size_t i = 0; i < TEXTS; i++)
		free(text[i]);
	return 0;
}
