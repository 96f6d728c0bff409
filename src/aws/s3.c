// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * A file goes in one PutObject, or, when it is large, in parts: one request
 * begins a multipart upload and gives it an id, each part answers with an ETag,
 * and the last request lists them. An upload that failed is aborted, for parts
 * that lie about cost money.
 *
 * The bucket is part of the host's name, as AWS wants it, unless the server is
 * one of the user's or the name has dots, which certificates do not cover.
 */
#include "aws/s3.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "aws/answer.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/region.h"
#include "aws/secret.h"
#include "aws/service.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define PART_SIZE ((size_t)64 << 20)
#define PARTS_MAX 10000
#define KEY_MAX   1024

/* Attempts at one request, and the waits between them: 0.5 s, doubled. */
#define ATTEMPTS 5
#define PAUSE_MS 500

/* For the parts of an upload that failed. */
#define ABORT_MS 3000

#define READ_SIZE ((size_t)256 << 10)

struct s3 {
	struct s3_options options;
	struct service service;
	struct http *http;
	char *bucket;
	char *prefix; /* without slashes at the ends; "" for none */
	bool path_style;
	char host[320]; /* of the bucket, unless path_style */
	int attempts;   /* at one request */
};

/* The object that is being uploaded. */
struct object {
	struct s3 *s3;
	struct secret path; /* of the request, encoded */
	struct secret key;
	const char *type;
	int fd;
	size_t size;
	char *error;
	size_t error_size;
};

/* One request about it. */
struct step {
	const char *method;
	const struct sigv4_pair *params;
	size_t param_count;
	const char *type; /* Content-Type, or NULL */
	const char *body; /* or of the file: */
	int64_t offset;
	size_t size;
};

/* What must arrive, in the two forms that it is sent in. */
struct digests {
	char sha256[SIGV4_HEX_SIZE];
	char md5[32]; /* base64; "" where OpenSSL must not make one */
};

/* --- The URL -------------------------------------------------------------- */

bool s3_is_url(const char *text)
{
	return strncasecmp(text, "s3://", 5) == 0;
}

static bool is_bucket(const char *name, size_t len)
{
	if (len < 3 || len > 63 || *name == '-' || *name == '.' ||
	    name[len - 1] == '-' || name[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') &&
		    !(name[i] >= '0' && name[i] <= '9') && name[i] != '-' &&
		    name[i] != '.')
			return false;
	return true;
}

static int take_url(struct s3 *s, const char *url, char *error,
		    size_t error_size)
{
	const char *bucket, *prefix, *end;
	size_t len;

	if (!s3_is_url(url)) {
		snprintf(error, error_size,
			 "\"%.200s\" is not of the form s3://bucket/prefix",
			 url);
		return -EINVAL;
	}
	bucket = url + 5;
	len = strcspn(bucket, "/");
	if (!is_bucket(bucket, len)) {
		snprintf(error, error_size,
			 "%.200s: \"%.*s\" is not the name of a bucket", url,
			 (int)(len > 100 ? 100 : len), bucket);
		return -EINVAL;
	}
	prefix = bucket + len + strspn(bucket + len, "/");
	end = prefix + strlen(prefix);
	while (end > prefix && end[-1] == '/')
		end--;
	s->bucket = strndup(bucket, len);
	s->prefix = strndup(prefix, (size_t)(end - prefix));
	return s->bucket && s->prefix ? 0 : -ENOMEM;
}

/* The region is another one: of the first host, or what S3 says later. */
static int set_region(struct s3 *s, const char *region, char *error,
		      size_t error_size)
{
	int r = service_init(&s->service, "s3", "s3", "AWS_ENDPOINT_URL_S3",
			     region, error, error_size);

	if (r < 0)
		return r;
	s->path_style = s->service.is_given || strchr(s->bucket, '.');
	snprintf(s->host, sizeof(s->host), "%s.%s", s->bucket, s->service.host);
	return 0;
}

int s3_new(const char *url, const struct s3_options *options, struct s3 **ret,
	   char *error, size_t error_size)
{
	const struct http_options http = {.cancel = options->cancel};
	char region[REGION_SIZE];
	struct s3 *s = calloc(1, sizeof(*s));
	int r = s ? take_url(s, url, error, error_size) : -ENOMEM;

	if (r == 0) {
		s->options = *options;
		s->options.region = s->options.profile = NULL;
		s->attempts = ATTEMPTS;
		if (s->options.part_size == 0)
			s->options.part_size = PART_SIZE;
		r = region_find(options->region, NULL, options->profile, region,
				error, error_size);
	}
	if (r == 0)
		r = set_region(s, region, error, error_size);
	if (r == 0)
		r = http_new(&http, &s->http);
	if (r == -ENOMEM)
		snprintf(error, error_size, "out of memory");
	if (r < 0) {
		s3_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct s3 *s3_free(struct s3 *s)
{
	if (s) {
		http_free(s->http);
		free(s->bucket);
		free(s->prefix);
		free(s);
	}
	return NULL;
}

/* --- Digests -------------------------------------------------------------- */

static int update(EVP_MD_CTX *sha256, EVP_MD_CTX *md5, const void *data,
		  size_t size)
{
	if (!EVP_DigestUpdate(sha256, data, size) ||
	    (md5 && !EVP_DigestUpdate(md5, data, size)))
		return -EIO;
	return 0;
}

/* The bytes of a step, wherever they are. */
static int update_from(const struct object *o, const struct step *step,
		       EVP_MD_CTX *sha256, EVP_MD_CTX *md5)
{
	CLEANUP_FREE char *buffer = malloc(READ_SIZE);
	size_t done = 0;

	if (!buffer)
		return -ENOMEM;
	if (step->body)
		return update(sha256, md5, step->body, step->size);
	while (done < step->size) {
		size_t want = step->size - done;
		ssize_t n =
		    pread(o->fd, buffer, want < READ_SIZE ? want : READ_SIZE,
			  step->offset + (int64_t)done);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBUSY;
		r = update(sha256, md5, buffer, (size_t)n);
		if (r < 0)
			return r;
		done += (size_t)n;
	}
	return 0;
}

static int digest(const struct object *o, const struct step *step,
		  struct digests *ret)
{
	EVP_MD_CTX *sha256 = EVP_MD_CTX_new(), *md5 = EVP_MD_CTX_new();
	uint8_t hash[EVP_MAX_MD_SIZE];
	int r = -EIO;

	ret->md5[0] = '\0';
	/* Where FIPS rules there is no MD5: SHA-256 does alone then. */
	if (md5 && !EVP_DigestInit_ex(md5, EVP_md5(), NULL)) {
		EVP_MD_CTX_free(md5);
		md5 = NULL;
	}
	if (sha256 && EVP_DigestInit_ex(sha256, EVP_sha256(), NULL))
		r = update_from(o, step, sha256, md5);
	if (r == 0 && md5 && EVP_DigestFinal_ex(md5, hash, NULL))
		EVP_EncodeBlock((uint8_t *)ret->md5, hash, 16);
	if (r == 0 && !EVP_DigestFinal_ex(sha256, hash, NULL))
		r = -EIO;
	for (size_t i = 0; r == 0 && i < 32; i++)
		snprintf(ret->sha256 + 2 * i, 3, "%02x", hash[i]);
	EVP_MD_CTX_free(sha256);
	EVP_MD_CTX_free(md5);
	return r;
}

/* --- One request ---------------------------------------------------------- */

/* "s3://bucket/key: why" */
__attribute__((format(printf, 3, 4))) static int
fail(const struct object *o, int r, const char *format, ...)
{
	char why[512];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snprintf(o->error, o->error_size, "s3://%s/%s: %s", o->s3->bucket,
		 secret_text(&o->key), why);
	return r;
}

/* Waits before attempt number `attempt`; false when cancelled. */
static bool pause_before(const struct s3 *s, int attempt)
{
	static const struct timespec tick = {.tv_nsec = 50 * NS_PER_MS};
	int64_t end = clock_now_ns();
	uint8_t random = 0;

	if (attempt > 0) {
		/* Some less, so that many do not come back together. */
		getentropy(&random, 1);
		end += (PAUSE_MS << (attempt - 1)) * NS_PER_MS *
		       (512 - random) / 512;
	}
	for (;;) {
		if (s->options.cancel && atomic_load(s->options.cancel))
			return false;
		if (clock_now_ns() >= end)
			return true;
		nanosleep(&tick, NULL);
	}
}

static int send(const struct object *o, const struct step *step,
		const struct digests *digests, const char *query,
		const struct identity *id, struct http_answer *answer,
		char *why, size_t why_size)
{
	struct sigv4_pair headers[2];
	struct s3 *s = o->s3;
	const struct service_call call = {
	    .path = o->path.data,
	    .path_verbatim = true,
	    .query = query,
	    .host = s->path_style ? NULL : s->host,
	    .payload_hash = digests->sha256,
	};
	struct http_request request = {
	    .method = step->method,
	    .headers = headers,
	    .has_body = strcmp(step->method, "DELETE") != 0,
	    .body = step->body,
	    .body_size = step->size,
	    .fd = o->fd,
	    .offset = step->offset,
	};

	if (step->type)
		headers[request.header_count++] =
		    (struct sigv4_pair){"Content-Type", step->type};
	if (request.has_body && *digests->md5)
		headers[request.header_count++] =
		    (struct sigv4_pair){"Content-MD5", digests->md5};
	return service_perform(&s->service, s->http, id, &call, &request,
			       answer, why, why_size);
}

/* What the last attempt came to, when it is not worth another. */
static int verdict(const struct object *o, const struct http_answer *answer)
{
	char why[320];

	answer_refusal(&answer->body, why, sizeof(why));
	fail(o, 0, "S3 answered with status %u%s%s", answer->status,
	     *why ? ": " : "", why);
	if (answer->status == 404)
		return -ENOENT;
	return answer->status == 401 || answer->status == 403 ? -EACCES : -EIO;
}

/*
 * Whether an answer that is no success is worth another attempt, and what has
 * to change for it: the keys, or the region, which S3 tells to who asked in the
 * wrong one.
 */
static bool is_worth_it(const struct object *o, struct http_answer *answer,
			const struct identity *id)
{
	struct s3 *s = o->s3;
	char code[64] = "", ignored[256];

	answer_get_text(&answer->body, "Code", code, sizeof(code));
	if (strcmp(code, "ExpiredToken") == 0 ||
	    strcmp(code, "InvalidToken") == 0) {
		credentials_reject(s->options.credentials, id);
		return true;
	}
	if (*answer->region && region_is_valid(answer->region) &&
	    strlen(answer->region) < REGION_SIZE &&
	    strcmp(answer->region, s->service.region) != 0 &&
	    !s->service.is_given)
		return set_region(s, answer->region, ignored,
				  sizeof(ignored)) == 0;
	return strcmp(code, "RequestTimeout") == 0 ||
	       service_is_passing(0, answer->status);
}

/* A success may say in its body that it is none: CompleteMultipartUpload. */
static bool is_good(const struct http_answer *answer)
{
	char code[64];

	return answer->status / 100 == 2 &&
	       !answer_get_text(&answer->body, "Code", code, sizeof(code));
}

/* Sends a request until it succeeds or it is time to give up. */
static int perform(const struct object *o, const struct step *step,
		   struct http_answer *answer)
{
	CLEANUP_SECRET struct secret query = {0};
	struct digests digests;
	char why[640] = "";
	int r = sigv4_query(&query, step->params, step->param_count);

	if (r == 0)
		r = digest(o, step, &digests);
	if (r < 0)
		return fail(o, r, "cannot read the file: %s",
			    r == -EBUSY ? "it became shorter" : strerror(-r));
	for (int attempt = 0; attempt < o->s3->attempts; attempt++) {
		CLEANUP_IDENTITY struct identity *id = NULL;

		if (!pause_before(o->s3, attempt))
			return fail(o, -ECANCELED, "cancelled");
		r = credentials_get(o->s3->options.credentials, &id, why,
				    sizeof(why));
		if (r < 0)
			return fail(o, r, "%s", why);
		r = send(o, step, &digests, secret_text(&query), id, answer,
			 why, sizeof(why));
		if (r == 0 && is_good(answer))
			return 0;
		if (r == 0 && !is_worth_it(o, answer, id) &&
		    answer->status / 100 != 2)
			break;
		if (r < 0 && !service_is_passing(r, 0))
			break;
	}
	return r < 0 ? fail(o, r, "%s", why) : verdict(o, answer);
}

/* --- Uploads -------------------------------------------------------------- */

static int put_whole(const struct object *o)
{
	const struct step step = {
	    .method = "PUT", .type = o->type, .size = o->size};
	CLEANUP_ANSWER struct http_answer answer = {0};

	return perform(o, &step, &answer);
}

static int begin_parts(const struct object *o, struct secret *upload_id)
{
	static const struct sigv4_pair uploads = {"uploads", ""};
	const struct step step = {
	    .method = "POST",
	    .params = &uploads,
	    .param_count = 1,
	    .type = o->type,
	    .body = "",
	};
	CLEANUP_ANSWER struct http_answer answer = {0};
	int r = perform(o, &step, &answer);

	if (r == 0 && (answer_get(&answer.body, "UploadId", upload_id) < 0 ||
		       upload_id->len == 0))
		r = fail(o, -EPROTO,
			 "the answer to CreateMultipartUpload has no UploadId");
	return r;
}

/* Sends part `number` and adds a line about it to the list. */
static int put_part(const struct object *o, const char *upload_id,
		    unsigned number, size_t part_size, struct secret *list)
{
	char digits[16];
	const struct sigv4_pair params[] = {
	    {"partNumber", digits},
	    {"uploadId", upload_id},
	};
	struct step step = {
	    .method = "PUT",
	    .params = params,
	    .param_count = ARRAY_SIZE(params),
	    .offset = (int64_t)((number - 1) * part_size),
	    .size = part_size,
	};
	CLEANUP_ANSWER struct http_answer answer = {0};
	int r;

	if (step.size > o->size - (size_t)step.offset)
		step.size = o->size - (size_t)step.offset;
	snprintf(digits, sizeof(digits), "%u", number);
	r = perform(o, &step, &answer);
	if (r < 0)
		return r;
	/* It goes into XML as it is; a good one is digits within quotes. */
	if (!*answer.etag || strpbrk(answer.etag, "<>&"))
		return fail(o, -EPROTO, "part %u was answered without an ETag",
			    number);
	secret_printf(list,
		      "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>",
		      number, answer.etag);
	return secret_check(list);
}

static int put_parts(const struct object *o, const char *upload_id,
		     size_t part_size)
{
	const struct sigv4_pair id = {"uploadId", upload_id};
	CLEANUP_SECRET struct secret list = {0};
	CLEANUP_ANSWER struct http_answer answer = {0};
	struct step step = {
	    .method = "POST",
	    .params = &id,
	    .param_count = 1,
	    .type = "application/xml",
	};
	size_t count = (o->size + part_size - 1) / part_size;
	int r = 0;

	secret_puts(&list, "<CompleteMultipartUpload xmlns=\"http://"
			   "s3.amazonaws.com/doc/2006-03-01/\">");
	for (unsigned i = 1; r == 0 && i <= count; i++)
		r = put_part(o, upload_id, i, part_size, &list);
	secret_puts(&list, "</CompleteMultipartUpload>");
	if (r == 0)
		r = secret_check(&list);
	if (r < 0)
		return r;
	step.body = list.data;
	step.size = list.len;
	return perform(o, &step, &answer);
}

/*
 * The parts go: once, for a short time, and also when the user has cancelled. A
 * failure of this is not told, there is another to tell.
 */
static void abort_parts(const struct object *o, const char *upload_id)
{
	static const struct http_options brief = {.connect_ms = ABORT_MS,
						  .total_ms = ABORT_MS};
	const struct sigv4_pair id = {"uploadId", upload_id};
	const struct step step = {
	    .method = "DELETE", .params = &id, .param_count = 1, .body = ""};
	CLEANUP_ANSWER struct http_answer answer = {0};
	CLEANUP_HTTP struct http *http = NULL;
	char ignored[64];
	struct s3 once = *o->s3;
	struct object quiet = *o;

	if (http_new(&brief, &http) < 0)
		return;
	once.http = http;
	once.options.cancel = NULL;
	once.attempts = 1;
	quiet.s3 = &once;
	quiet.error = ignored;
	quiet.error_size = sizeof(ignored);
	perform(&quiet, &step, &answer);
}

static int upload_in_parts(const struct object *o)
{
	CLEANUP_SECRET struct secret upload_id = {0};
	size_t part_size = o->s3->options.part_size;
	int r = begin_parts(o, &upload_id);

	if (r < 0)
		return r;
	while (o->size / part_size >= PARTS_MAX)
		part_size *= 2;
	r = put_parts(o, upload_id.data, part_size);
	if (r < 0)
		abort_parts(o, upload_id.data);
	return r;
}

/* The key, and the path of requests about it. */
static int make_path(struct object *o, const char *name)
{
	const struct s3 *s = o->s3;

	secret_printf(&o->key, "%s%s%s", s->prefix, *s->prefix ? "/" : "",
		      name);
	if (s->path_style)
		secret_printf(&o->path, "/%s", s->bucket);
	secret_puts(&o->path, "/");
	sigv4_encode(&o->path, secret_text(&o->key), true);
	if (secret_check(&o->key) < 0 || secret_check(&o->path) < 0)
		return -ENOMEM;
	if (o->key.len == 0 || o->key.len > KEY_MAX)
		return fail(o, -EINVAL, "keys have 1 to %d bytes", KEY_MAX);
	return 0;
}

static int open_file(struct object *o, const char *path)
{
	struct stat st;

	o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (o->fd < 0 || fstat(o->fd, &st) < 0)
		return fail(o, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(o, -EINVAL, "%s is not a regular file", path);
	o->size = (size_t)st.st_size;
	return 0;
}

int s3_upload(struct s3 *s, const char *path, const char *name,
	      const char *type, char *error, size_t error_size)
{
	struct object o = {
	    .s3 = s,
	    .type = type,
	    .fd = -1,
	    .error = error,
	    .error_size = error_size,
	};
	int r = make_path(&o, name);

	if (r == -ENOMEM)
		snprintf(error, error_size, "out of memory");
	if (r == 0)
		r = open_file(&o, path);
	if (r == 0)
		r = o.size > s->options.part_size ? upload_in_parts(&o)
						  : put_whole(&o);
	if (o.fd >= 0)
		close(o.fd);
	secret_done(&o.path);
	secret_done(&o.key);
	return r;
}
