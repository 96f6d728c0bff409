/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A server's side of TLS: bytes of any kind, which never end in a connection;
 * or a handshake by OpenSSL with a certificate made up by the input, that ends
 * in one only if it is the authority's, in its time, and for this host.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "fuzz.h"
#include "nfs/tls.h"
#include "scratch.h"

#define HOST  "files.example.com"
#define DAY   86400
#define STEPS 64 /* of a handshake */
#define NAMES 4
#define BYTES 16384

static EVP_PKEY *key, *stranger;
static X509 *authority;
static char *ca; /* the file of it */

static void sign(X509 *x, EVP_PKEY *by)
{
	check(X509_sign(x, by, EVP_sha256()) > 0);
}

static X509 *make(const char *name, size_t len, const X509_NAME *issuer,
		  int from_days, int until_days)
{
	X509 *x = X509_new();
	X509_NAME *n = X509_NAME_new();

	check(x && n && X509_set_version(x, X509_VERSION_3));
	/* What is no text makes no name; then there is none. */
	X509_NAME_add_entry_by_NID(n, NID_commonName, V_ASN1_UTF8STRING,
				   (const uint8_t *)name, (int)len, -1, 0);
	X509_set_subject_name(x, n);
	X509_set_issuer_name(x, issuer ? issuer : n);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), (long)from_days * DAY);
	X509_gmtime_adj(X509_getm_notAfter(x), (long)until_days * DAY);
	X509_set_pubkey(x, key);
	X509_NAME_free(n);
	return x;
}

static void set_up(void)
{
	X509_EXTENSION *e;
	FILE *f;

	key = EVP_EC_gen("P-256");
	stranger = EVP_EC_gen("P-256");
	authority = make("ours", 4, NULL, -9, 999);
	e = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
				"critical,CA:TRUE");
	check(key && stranger && e && X509_add_ext(authority, e, -1));
	X509_EXTENSION_free(e);
	sign(authority, key);
	check(asprintf(&ca, "%s/ca.pem", scratch()) > 0);
	f = fopen(ca, "w");
	check(f && PEM_write_X509(f, authority) && fclose(f) == 0);
}

/* --- The certificate ------------------------------------------------------ */

/* Whether a name of `len` bytes is for HOST: the same, or a wildcard in place
 * of its first part. */
static bool is_for_host(const char *name, size_t len)
{
	const char *host = HOST;

	if (len > 2 && name[0] == '*' && name[1] == '.') {
		name++;
		len--;
		host = strchr(host, '.');
	}
	return len == strlen(host) && !strncasecmp(name, host, len);
}

struct served {
	X509 *x;
	bool good; /* it may be taken */
};

/* Names of all kinds; whether there is one of a host, and one of this. */
static void add_names(struct input *in, X509 *x, bool *ret_any, bool *ret_good)
{
	static const int kinds[] = {GEN_DNS, GEN_DNS, GEN_DNS, GEN_EMAIL,
				    GEN_URI};
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (unsigned i = input_byte(in) % NAMES; i > 0; i--) {
		int kind = kinds[input_byte(in) % ARRAY_SIZE(kinds)];
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();
		size_t len;
		const uint8_t *data = input_bytes(in, input_byte(in), &len);

		check(names && name && text);
		ASN1_STRING_set(text, data, (int)len);
		GENERAL_NAME_set0_value(name, kind, text);
		sk_GENERAL_NAME_push(names, name);
		if (kind == GEN_DNS) {
			*ret_any = true;
			*ret_good |= is_for_host((const char *)data, len);
		}
	}
	if (sk_GENERAL_NAME_num(names) > 0)
		X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0);
	GENERAL_NAMES_free(names);
}

static struct served make_served(struct input *in)
{
	unsigned how = input_byte(in);
	int from = (int8_t)input_byte(in), until = (int8_t)input_byte(in);
	size_t len;
	const char *name =
	    (const char *)input_bytes(in, input_byte(in) % 65, &len);
	bool ours = how & 1, any = false, good = false;
	struct served s = {0};

	s.x = make(name, len, ours ? X509_get_subject_name(authority) : NULL,
		   from, until);
	add_names(in, s.x, &any, &good);
	if (!any)
		good = is_for_host(name, len);
	sign(s.x, how & 2 ? stranger : key);
	s.good = good && ours && !(how & 2) && from <= 0 && until >= 0;
	return s;
}

/* --- The connection ------------------------------------------------------- */

static void check_error(const char *error)
{
	check(*error != '\0');
	for (; *error; error++)
		check(*error >= ' ' && *error <= '~');
}

static void open_pair(int fds[2])
{
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			  0, fds));
}

static void be_anything(struct input *in, struct tls *t)
{
	char error[TLS_ERROR] = "";
	struct tls_stream *s = NULL;
	const uint8_t *data;
	size_t len;
	int fds[2], r = -EAGAIN;

	open_pair(fds);
	check(!tls_stream_new(t, fds[0], &s, error));
	*error = '\0';
	data = input_bytes(in, BYTES, &len);
	check(tls_stream_advance(s, error) == -EAGAIN);
	check(send(fds[1], data, len, MSG_NOSIGNAL) == (ssize_t)len);
	shutdown(fds[1], SHUT_WR);
	for (int i = 0; i < STEPS && r == -EAGAIN; i++)
		r = tls_stream_advance(s, error);
	check(r < 0 && r != -EAGAIN);
	check_error(error);
	tls_stream_free(s);
	close(fds[0]);
	close(fds[1]);
}

static void be_server(struct input *in, struct tls *t)
{
	struct served served = make_served(in);
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	char error[TLS_ERROR] = "";
	struct tls_stream *s = NULL;
	int fds[2], r = -EAGAIN;
	SSL *ssl;

	open_pair(fds);
	check(context && SSL_CTX_use_certificate(context, served.x) == 1 &&
	      SSL_CTX_use_PrivateKey(context, key) == 1);
	ssl = SSL_new(context);
	check(ssl && SSL_set_fd(ssl, fds[1]));
	SSL_set_accept_state(ssl);
	check(!tls_stream_new(t, fds[0], &s, error));
	*error = '\0';
	for (int i = 0; i < STEPS && r == -EAGAIN; i++) {
		r = tls_stream_advance(s, error);
		(void)SSL_do_handshake(ssl);
		ERR_clear_error();
	}
	check(r != -EAGAIN && (r < 0 || served.good));
	if (r < 0)
		check_error(error);
	tls_stream_free(s);
	SSL_free(ssl);
	SSL_CTX_free(context);
	X509_free(served.x);
	close(fds[0]);
	close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct tls_options options = {.host = HOST};
	char error[512];
	struct tls *t = NULL;

	if (!ca)
		set_up();
	options.ca = ca;
	/* A new one each time, which knows no session. */
	check(!tls_new(&options, &t, error, sizeof(error)));
	if (input_byte(&in) & 1)
		be_server(&in, t);
	else
		be_anything(&in, t);
	tls_free(t);
	return 0;
}
