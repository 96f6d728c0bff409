/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What services of AWS, and what claims to be one, answer: to the one who asks
 * for keys (STS, instance metadata, a container's agent), for the region, or
 * uploads a file to S3. This file is HTTP; the input is the answers.
 *
 * Keys that come out can stand in a header; what is said of a failure is one
 * line for people.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/identity.h"
#include "aws/imds.h"
#include "aws/region.h"
#include "aws/s3.h"
#include "aws/sigv4.h"
#include "aws/sts.h"
#include "base/cleanup.h"
#include "fuzz.h"

static struct input answers;
static atomic_bool cancel;

/* --- HTTP ----------------------------------------------------------------- */

int http_new(const struct http_options *options, struct http **ret)
{
	(void)options;
	*ret = (struct http *)&answers;
	return 0;
}

struct http *http_free(struct http *h)
{
	(void)h;
	return NULL;
}

void http_answer_done(struct http_answer *a)
{
	secret_done(&a->body);
}

static bool is_header(const char *text)
{
	return !strpbrk(text, "\r\n");
}

/* What is asked must be one request, whatever was answered before. */
static void check_request(const struct http_request *request)
{
	check(!strncmp(request->url, "http", 4));
	for (const char *s = request->url; *s; s++)
		check(*s > ' ' && *s <= '~');
	for (size_t i = 0; i < request->header_count; i++)
		check(is_header(request->headers[i].name) &&
		      is_header(request->headers[i].value));
}

int http_perform(struct http *h, const struct http_request *request,
		 struct http_answer *ret, char *error, size_t error_size)
{
	static const unsigned statuses[] = {200, 200, 200, 404,
					    403, 400, 307, 503};
	const uint8_t *data;
	size_t len;

	(void)h;
	check_request(request);
	secret_clear(&ret->body);
	*ret->etag = *ret->region = '\0';
	if (answers.left == 0) {
		atomic_store(&cancel, true);
		snprintf(error, error_size, "nobody there");
		return -ECONNREFUSED;
	}
	ret->status = statuses[input_byte(&answers) % ARRAY_SIZE(statuses)];
	data = input_bytes(&answers, input_byte(&answers), &len);
	len = strnlen((const char *)data, len);
	memcpy(ret->region, data, len);
	ret->region[len] = '\0';
	memcpy(ret->etag, data, len);
	ret->etag[len] = '\0';
	data = input_piece(&answers, &len);
	secret_put(&ret->body, data, len);
	/* Who would try again waits before: it is told not to. */
	if (ret->status != 200 || memmem(data, len, "Code", 4))
		atomic_store(&cancel, true);
	return 0;
}

/* Nobody waits before a second try. */
int nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)time;
	(void)left;
	return 0;
}

/* --- Who asks ------------------------------------------------------------- */

/* What is no letter in it, the log replaces. */
static void check_error(const char *error)
{
	check(*error != '\0');
}

static void check_identity(int r, struct identity *id, const char *error)
{
	if (r < 0) {
		check_error(error);
		return;
	}
	check(id && *id->key_id && *id->secret_key);
	check(is_header(id->key_id));
	check(!id->token || (*id->token && is_header(id->token)));
	identity_unref(id);
}

static void ask_sts(void)
{
	static const struct sts_role role = {
	    .arn = "arn:aws:iam::123456789012:role/r",
	    .region = "eu-west-1",
	    .source = "fuzz"};
	struct identity *base = NULL, *id = NULL;
	char error[1024] = "";
	int r;

	check(!identity_new("AKIA", "secret", NULL, "fuzz", IDENTITY_FOREVER,
			    &base));
	r = sts_assume(&role, base, &id, error, sizeof(error));
	check_identity(r, id, error);
	identity_unref(base);
}

static void ask_instance(void)
{
	struct identity *id = NULL;
	char error[1024] = "";
	int r = imds_identity(&id, error, sizeof(error));

	check_identity(r, id, error);
}

static void ask_region(void)
{
	char region[REGION_SIZE] = "", error[1024] = "";

	if (region_find(NULL, NULL, NULL, region, error, sizeof(error)) < 0)
		check_error(error);
	else
		check(region_is_valid(region));
}

static void ask_container(void)
{
	static const struct credentials_options options;
	struct credentials *c = NULL;
	struct identity *id = NULL;
	char error[2048] = "";
	int r;

	check(!credentials_new(&options, &c));
	r = credentials_get(c, &id, error, sizeof(error));
	check_identity(r, id, error);
	credentials_free(c);
}

static void upload(void)
{
	static const struct credentials_options options;
	struct s3_options o = {
	    .region = "eu-west-1", .cancel = &cancel, .part_size = 5};
	static int fd = -1;
	struct credentials *c = NULL;
	struct s3 *s = NULL;
	char error[2048] = "", path[64];

	if (fd < 0) {
		fd = memfd_create("upload", MFD_CLOEXEC);
		check(fd >= 0 && write(fd, "twelve bytes", 12) == 12);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	check(!credentials_new(&options, &c));
	o.credentials = c;
	check(!s3_new("s3://bucket/prefix", &o, &s, error, sizeof(error)));
	if (s3_upload(s, path, "a/b.json", "application/json", error,
		      sizeof(error)) < 0)
		check_error(error);
	s3_free(s);
	credentials_free(c);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(void) = {
	    ask_sts, ask_instance, ask_region, ask_container, upload,
	};
	static bool set;

	if (!set) {
		static const char *const none[] = {
		    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		    "AWS_SESSION_TOKEN", "AWS_PROFILE",
		    "AWS_ROLE_ARN",      "AWS_WEB_IDENTITY_TOKEN_FILE",
		    "AWS_ENDPOINT_URL",  "AWS_EC2_METADATA_DISABLED",
		    "AWS_REGION",        "AWS_DEFAULT_REGION",
		};

		for (size_t i = 0; i < ARRAY_SIZE(none); i++)
			unsetenv(none[i]);
		setenv("AWS_CONFIG_FILE", "/dev/null", 1);
		setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null", 1);
		setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI",
		       "http://127.0.0.1/keys", 1);
		set = true;
	}
	atomic_store(&cancel, false);
	answers = (struct input){data, size};
	all[input_byte(&answers) % ARRAY_SIZE(all)]();
	return 0;
}
