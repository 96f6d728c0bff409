// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * One easy handle a struct, reset before each request; what outlives the reset
 * is its connections. libcurl is told to take its memory from functions that
 * overwrite what they free: headers with tokens, and answers with keys, pass
 * through its buffers.
 */
#include "aws/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "aws/sigv4.h"
#include "base/cleanup.h"

#define CONNECT_MS 10000
#define STALL_S    30

struct http {
	CURL *curl;
	struct http_options options;

	/* Of the request under way. */
	const struct http_request *request;
	struct http_answer *answer;
	size_t read; /* bytes of the body that libcurl has */
	char curl_error[CURL_ERROR_SIZE];
};

/* --- libcurl's memory ----------------------------------------------------- */

static CURLcode global_result = CURLE_FAILED_INIT;

static void global_init(void)
{
	global_result =
	    curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, secret_give_back,
				 secret_resize, strdup, calloc);
}

/* --- Callbacks ------------------------------------------------------------ */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http *h = arg;
	size_t max = h->request->answer_max;
	struct secret *body = &h->answer->body;

	size *= count;
	if (body->len + size > (max ? max : HTTP_ANSWER_MAX))
		return 0;
	secret_put(body, data, size);
	return secret_check(body) < 0 ? 0 : size;
}

/* Takes the value of header `name` into `value`, if it is this one. */
static void take_header(const char *line, size_t len, const char *name,
			char value[HTTP_VALUE_SIZE])
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
		return;
	line += n + 1;
	len -= n + 1;
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len > 0 && (uint8_t)line[len - 1] <= ' ')
		len--;
	if (len >= HTTP_VALUE_SIZE)
		return;
	memcpy(value, line, len);
	value[len] = '\0';
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http *h = arg;

	size *= count;
	take_header(line, size, "etag", h->answer->etag);
	take_header(line, size, "x-amz-bucket-region", h->answer->region);
	return size;
}

static size_t on_read(char *to, size_t size, size_t count, void *arg)
{
	struct http *h = arg;
	const struct http_request *q = h->request;
	size_t left = q->body_size - h->read;
	ssize_t n;

	size *= count;
	if (size > left)
		size = left;
	if (size == 0)
		return 0;
	if (q->body) {
		memcpy(to, (const char *)q->body + h->read, size);
		n = (ssize_t)size;
	} else {
		n = pread(q->fd, to, size, q->offset + (off_t)h->read);
	}
	/* A file that became shorter meanwhile is not what was announced. */
	if (n <= 0)
		return CURL_READFUNC_ABORT;
	h->read += (size_t)n;
	return (size_t)n;
}

/* When a kept connection turns out to be dead, the body is sent again. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http *h = arg;

	if (origin != SEEK_SET || offset < 0 ||
	    (size_t)offset > h->request->body_size)
		return CURL_SEEKFUNC_FAIL;
	h->read = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

static int on_progress(void *arg, curl_off_t down, curl_off_t downed,
		       curl_off_t up, curl_off_t upped)
{
	struct http *h = arg;

	(void)down, (void)downed, (void)up, (void)upped;
	return h->options.cancel && atomic_load(h->options.cancel);
}

/* --- The request ---------------------------------------------------------- */

int http_new(const struct http_options *options, struct http **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h;

	pthread_once(&once, global_init);
	if (global_result != CURLE_OK)
		return -ENOMEM;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->options = *options;
	h->curl = curl_easy_init();
	if (!h->curl) {
		free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

struct http *http_free(struct http *h)
{
	if (h) {
		curl_easy_cleanup(h->curl);
		free(h);
	}
	return NULL;
}

static int add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

/* The request's headers; those that libcurl would add on its own are not
 * wanted: an Expect costs a round trip. */
static int make_headers(const struct http_request *request,
			struct curl_slist **list)
{
	int r = add_header(list, "Expect:");

	for (size_t i = 0; r == 0 && i < request->header_count; i++) {
		CLEANUP_SECRET struct secret line = {0};

		secret_printf(&line, "%s: %s", request->headers[i].name,
			      request->headers[i].value);
		r = secret_check(&line);
		if (r == 0)
			r = add_header(list, line.data);
	}
	return r;
}

static void set_limits(struct http *h)
{
	const struct http_options *o = &h->options;
	const char *bundle = getenv("AWS_CA_BUNDLE");

	curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(h->curl, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS,
			 o->connect_ms ? (long)o->connect_ms : CONNECT_MS);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)o->total_ms);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME,
			 o->stall_s ? (long)o->stall_s : STALL_S);
	curl_easy_setopt(h->curl, CURLOPT_SSLVERSION,
			 (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(h->curl, CURLOPT_USERAGENT,
			 PACKAGE_NAME "/" PACKAGE_VERSION);
	if (o->no_proxy)
		curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
	if (bundle && *bundle)
		curl_easy_setopt(h->curl, CURLOPT_CAINFO, bundle);
}

static void set_callbacks(struct http *h)
{
	curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->curl_error);
	curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, h);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, h);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
}

static void set_request(struct http *h, struct curl_slist *headers)
{
	const struct http_request *q = h->request;

	curl_easy_setopt(h->curl, CURLOPT_URL, q->url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	/* The path was signed as it is. */
	curl_easy_setopt(h->curl, CURLOPT_PATH_AS_IS, 1L);
	if (q->has_body) {
		curl_easy_setopt(h->curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h->curl, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(h->curl, CURLOPT_READDATA, h);
		curl_easy_setopt(h->curl, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(h->curl, CURLOPT_SEEKDATA, h);
		curl_easy_setopt(h->curl, CURLOPT_INFILESIZE_LARGE,
				 (curl_off_t)q->body_size);
	}
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, q->method);
}

static int to_errno(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_ABORTED_BY_CALLBACK:
		return -ECANCELED;
	case CURLE_WRITE_ERROR:
		return -EMSGSIZE;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EINVAL;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_WEIRD_SERVER_REPLY:
		return -EPROTO;
	default:
		return -EIO;
	}
}

/* "PUT http://host: why". What stands behind the host may be a secret: that of
 * a container's keys is as good as the keys. */
static void explain(const struct http *h, CURLcode code, char *error,
		    size_t error_size)
{
	const struct http_request *q = h->request;
	const char *why = h->curl_error, *host;

	if (code == CURLE_WRITE_ERROR)
		why = "the answer is too large";
	else if (!*why)
		why = curl_easy_strerror(code);
	host = strstr(q->url, "//");
	host = host ? host + 2 : q->url;
	snprintf(error, error_size, "%s %.*s: %s", q->method,
		 (int)(host - q->url + (ptrdiff_t)strcspn(host, "/?#")), q->url,
		 why);
}

int http_perform(struct http *h, const struct http_request *request,
		 struct http_answer *ret, char *error, size_t error_size)
{
	struct curl_slist *headers = NULL;
	long status = 0;
	CURLcode code;
	int r;

	secret_clear(&ret->body);
	ret->etag[0] = ret->region[0] = h->curl_error[0] = '\0';
	h->request = request;
	h->answer = ret;
	h->read = 0;
	r = make_headers(request, &headers);
	if (r == 0) {
		curl_easy_reset(h->curl);
		set_limits(h);
		set_callbacks(h);
		set_request(h, headers);
		code = curl_easy_perform(h->curl);
		curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
		ret->status = (unsigned)status;
		r = to_errno(code);
		if (r < 0)
			explain(h, code, error, error_size);
		/* Nothing of this request stays in the handle. */
		curl_easy_reset(h->curl);
	} else {
		snprintf(error, error_size, "out of memory");
	}
	curl_slist_free_all(headers);
	return r;
}

void http_answer_done(struct http_answer *a)
{
	secret_done(&a->body);
}
