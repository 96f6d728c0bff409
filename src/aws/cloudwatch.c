// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Messages wait in a list. The thread takes a batch off its front, after the
 * first of it has waited for company, and keeps it until the service has it:
 *
 *	sent		the next batch
 *	refused		(a parameter is wrong) no try will make it better: it
 *			is counted and left
 *	no such group	both are made, and it is sent again
 *	or stream
 *	anything else	(no keys, no network, too many requests, not allowed)
 *			again after a pause that doubles up to half a minute;
 *			the user is told once, and once more when it works
 *
 * Limits of PutLogEvents (CloudWatch Logs API Reference): 10,000 events; 1 MiB,
 * each event counting its text and 26 bytes; sorted by time; all within 24
 * hours. What is older than 14 days or more than 2 hours ahead is refused event
 * by event, and the answer says how many.
 *
 * At the end everything goes out without waiting for company; when the time is
 * over, the request under way is cancelled.
 */
#include "aws/cloudwatch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "aws/answer.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/region.h"
#include "aws/service.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/jsonout.h"

#define QUEUE_BYTES ((size_t)32 << 20)
#define LINGER_MS   1000

#define BATCH_EVENTS 10000
#define BATCH_BYTES  ((size_t)1 << 20)
#define EVENT_BYTES  26
#define MESSAGE_MAX  (((size_t)256 << 10) - EVENT_BYTES)
#define SPAN_MS      INT64_C(86400000)

#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 30000
#define TOTAL_MS     30000

#define NAME_MAX_SIZE 512

struct event {
	STAILQ_ENTRY(event) next;
	int64_t wall_ms;
	uint32_t index; /* in its batch: equal times stay in order */
	uint32_t len;
	char text[]; /* and a NUL */
};

STAILQ_HEAD(events, event);

/* What is being sent: the thread's own. */
struct batch {
	struct event **events;
	size_t count;
	char *body; /* the request; heap */
	size_t size;
};

struct cloudwatch {
	/* Read-only. */
	struct credentials *credentials;
	char *group, *stream, *region, *profile;
	size_t queue_bytes;
	unsigned linger_ms;
	void (*notice)(void *arg, const char *sentence);
	void *arg;
	pthread_t thread;

	/* The thread's own. */
	struct service service;
	bool located; /* `service` is good */
	struct http *http;
	bool failing; /* and the user was told */

	atomic_bool cancel; /* the time is over */

	/* Guards what follows; a leaf. */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* there is something to send, or the end */
	struct events queue;
	size_t waiting;     /* events in the queue */
	size_t bytes;       /* of the queue and the batch, in memory */
	size_t batch_bytes; /* of the batch, in memory */
	int64_t first_ns;   /* when the queue was empty last */
	uint64_t lost;      /* dropped since the stream was told so */
	bool closing;
	bool ended;                      /* the thread has nothing more to do */
	struct cloudwatch_counts counts; /* `queued` is set when asked for */
	size_t in_batch;
};

/* --- The queue ------------------------------------------------------------ */

static size_t cost(const struct event *e)
{
	return sizeof(*e) + e->len + 1;
}

/* The length of `text` up to MESSAGE_MAX, not within a letter. */
static size_t cut(const char *text, size_t len)
{
	if (len <= MESSAGE_MAX)
		return len;
	len = MESSAGE_MAX;
	while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static struct event *event_new(int64_t wall_ms, const char *text, size_t len)
{
	struct event *e = malloc(sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	*e = (struct event){.wall_ms = wall_ms > 0 ? wall_ms : 0,
			    .len = (uint32_t)len};
	for (size_t i = 0; i < len; i++)
		e->text[i] = text[i] ? text[i] : ' ';
	e->text[len] = '\0';
	return e;
}

void cloudwatch_put(struct cloudwatch *c, int64_t wall_ms, const char *text,
		    size_t len)
{
	struct event *e;
	size_t size;

	len = cut(text, len);
	if (len == 0)
		return;
	e = event_new(wall_ms, text, len);
	pthread_mutex_lock(&c->lock);
	if (!e || c->closing || c->bytes + cost(e) > c->queue_bytes) {
		c->counts.dropped++;
		c->lost++;
		pthread_mutex_unlock(&c->lock);
		free(e);
		return;
	}
	if (STAILQ_EMPTY(&c->queue))
		c->first_ns = clock_now_ns();
	STAILQ_INSERT_TAIL(&c->queue, e, next);
	c->bytes += cost(e);
	/* The thread looks when the first one comes, and when a batch is full;
	 * in between it waits for the time, and while it sends it looks
	 * anyway. */
	size = c->bytes - c->batch_bytes;
	if (c->waiting++ == 0 || c->waiting == BATCH_EVENTS ||
	    (size > BATCH_BYTES && size - cost(e) <= BATCH_BYTES))
		pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void cloudwatch_get_counts(struct cloudwatch *c, struct cloudwatch_counts *ret)
{
	pthread_mutex_lock(&c->lock);
	*ret = c->counts;
	ret->queued = c->waiting + c->in_batch;
	pthread_mutex_unlock(&c->lock);
}

/* --- Waiting -------------------------------------------------------------- */

/* Waits for a change until `deadline_ns`; with the lock held. */
static void wait_until(struct cloudwatch *c, int64_t deadline_ns)
{
	struct timespec at = clock_split_ns(deadline_ns);

	pthread_cond_timedwait(&c->changed, &c->lock, &at);
}

/* Waits for a batch: false when there will be none. With the lock held. */
static bool wait_for_batch(struct cloudwatch *c)
{
	for (;;) {
		int64_t due = c->first_ns + c->linger_ms * NS_PER_MS;

		if (c->waiting == 0 && c->lost == 0) {
			if (c->closing)
				return false;
			pthread_cond_wait(&c->changed, &c->lock);
			continue;
		}
		if (c->closing || c->waiting >= BATCH_EVENTS ||
		    c->bytes > BATCH_BYTES || clock_now_ns() >= due)
			return true;
		wait_until(c, due);
	}
}

/* A pause between attempts; the end cuts it short once. False when the time is
 * over. */
static bool pause_for(struct cloudwatch *c, unsigned ms)
{
	int64_t end = clock_now_ns() + ms * NS_PER_MS;
	bool was_closing;

	pthread_mutex_lock(&c->lock);
	was_closing = c->closing;
	while (!atomic_load(&c->cancel) && clock_now_ns() < end &&
	       c->closing == was_closing)
		wait_until(c, end);
	pthread_mutex_unlock(&c->lock);
	return !atomic_load(&c->cancel);
}

__attribute__((format(printf, 2, 3))) static void tell(struct cloudwatch *c,
						       const char *format, ...)
{
	char sentence[1024];
	va_list args;

	if (!c->notice)
		return;
	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	c->notice(c->arg, sentence);
}

/* --- A batch -------------------------------------------------------------- */

/* What the text counts as: bytes that are no UTF-8 become three. */
static size_t sent_bytes(const struct event *e)
{
	size_t sum = EVENT_BYTES;

	for (const char *s = e->text; *s;) {
		size_t n = escape_utf8_length(s);

		sum += n ? n : 3;
		s += n ? n : 1;
	}
	return sum;
}

/* Moves events off the queue's front, as many as one request takes. With the
 * lock held. */
static void take_events(struct cloudwatch *c, struct batch *b)
{
	int64_t min = INT64_MAX, max = INT64_MIN;
	size_t size = 0;
	struct event *e;

	while ((e = STAILQ_FIRST(&c->queue)) && b->count < BATCH_EVENTS) {
		int64_t low = e->wall_ms < min ? e->wall_ms : min;
		int64_t high = e->wall_ms > max ? e->wall_ms : max;
		size_t more = sent_bytes(e);

		if (b->count > 0 &&
		    (size + more > BATCH_BYTES || high - low > SPAN_MS))
			break;
		STAILQ_REMOVE_HEAD(&c->queue, next);
		min = low;
		max = high;
		size += more;
		e->index = (uint32_t)b->count;
		b->events[b->count++] = e;
		c->batch_bytes += cost(e);
	}
	c->waiting -= b->count;
	c->in_batch = b->count;
	/* What stays has been there for less than it may. */
	c->first_ns = clock_now_ns();
}

static int by_time(const void *va, const void *vb)
{
	const struct event *a = *(struct event *const *)va;
	const struct event *b = *(struct event *const *)vb;

	if (a->wall_ms != b->wall_ms)
		return a->wall_ms < b->wall_ms ? -1 : 1;
	return a->index < b->index ? -1 : 1;
}

static int make_body(const struct cloudwatch *c, struct batch *b)
{
	FILE *f = open_memstream(&b->body, &b->size);
	struct jsonout j = jsonout_to(f, false);
	bool failed;

	if (!f)
		return -ENOMEM;
	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "logGroupName", c->group);
	jsonout_string(&j, "logStreamName", c->stream);
	jsonout_begin_array(&j, "logEvents");
	for (size_t i = 0; i < b->count; i++) {
		jsonout_begin_object(&j, NULL);
		jsonout_uint(&j, "timestamp", (uint64_t)b->events[i]->wall_ms);
		jsonout_string(&j, "message", b->events[i]->text);
		jsonout_end_object(&j);
	}
	jsonout_end_array(&j);
	jsonout_end_object(&j);
	failed = ferror(f);
	return fclose(f) != 0 || failed ? -ENOMEM : 0;
}

/* Where messages are missing, the stream says so; with the lock held. */
static void put_word(struct cloudwatch *c)
{
	struct event *word;
	char text[128];

	snprintf(text, sizeof(text),
		 "%" PRIu64 " messages were dropped here: the queue was full",
		 c->lost);
	c->lost = 0;
	word = event_new(clock_wall_ns() / NS_PER_MS, text, strlen(text));
	if (!word)
		return;
	STAILQ_INSERT_TAIL(&c->queue, word, next);
	c->waiting++;
	c->bytes += cost(word);
}

/* Takes the next batch; one of no events when the end has come. */
static void batch_take(struct cloudwatch *c, struct batch *b)
{
	pthread_mutex_lock(&c->lock);
	while (b->count == 0 && wait_for_batch(c)) {
		if (c->lost > 0)
			put_word(c);
		take_events(c, b);
	}
	pthread_mutex_unlock(&c->lock);
	qsort(b->events, b->count, sizeof(*b->events), by_time);
}

/* The batch has come to its end: so many were taken, the others refused. */
static void batch_end(struct cloudwatch *c, struct batch *b, size_t sent,
		      size_t refused)
{
	pthread_mutex_lock(&c->lock);
	c->counts.sent += sent;
	c->counts.refused += refused;
	c->counts.dropped += b->count - sent - refused;
	c->bytes -= c->batch_bytes;
	c->batch_bytes = 0;
	c->in_batch = 0;
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < b->count; i++)
		free(b->events[i]);
	free(b->body);
	b->body = NULL;
	b->count = 0;
}

/* --- Requests ------------------------------------------------------------- */

/* Where the service is; asked until it is known. */
static int locate(struct cloudwatch *c, char *why, size_t why_size)
{
	char region[REGION_SIZE];
	int r;

	if (c->located)
		return 0;
	r = region_find(c->region, NULL, c->profile, region, why, why_size);
	if (r == 0)
		r = service_init(&c->service, "logs", "logs",
				 "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", region,
				 why, why_size);
	c->located = r == 0;
	return r;
}

/* One request; `operation` is that of the API. */
static int call(struct cloudwatch *c, const char *operation, const char *body,
		size_t size, struct http_answer *answer, char *why,
		size_t why_size)
{
	static const struct service_call root = {.path = "/"};
	CLEANUP_IDENTITY struct identity *id = NULL;
	char target[64], code[64] = "";
	const struct sigv4_pair headers[] = {
	    {"Content-Type", "application/x-amz-json-1.1"},
	    {"X-Amz-Target", target},
	};
	const struct http_request request = {
	    .method = "POST",
	    .headers = headers,
	    .header_count = ARRAY_SIZE(headers),
	    .has_body = true,
	    .body = body,
	    .body_size = size,
	};
	int r = locate(c, why, why_size);

	if (r == 0)
		r = credentials_get(c->credentials, &id, why, why_size);
	if (r < 0)
		return r;
	snprintf(target, sizeof(target), "Logs_20140328.%s", operation);
	r = service_perform(&c->service, c->http, id, &root, &request, answer,
			    why, why_size);
	if (r < 0 || answer->status == 200)
		return r;
	answer_refusal(&answer->body, why, why_size);
	snprintf(code, sizeof(code), "%.*s", (int)strcspn(why, ":"), why);
	if (strcmp(code, "ResourceNotFoundException") == 0)
		return -ENOENT;
	if (strcmp(code, "ResourceAlreadyExistsException") == 0)
		return -EEXIST;
	if (strcmp(code, "InvalidParameterException") == 0 ||
	    answer->status == 413)
		return -EINVAL;
	if (strcmp(code, "ExpiredTokenException") == 0 ||
	    strcmp(code, "UnrecognizedClientException") == 0)
		credentials_reject(c->credentials, id);
	if (!*why)
		snprintf(why, why_size, "status %u", answer->status);
	return -EACCES;
}

/* Makes group or stream; that it exists is as good. */
static int create(struct cloudwatch *c, const char *operation, bool stream,
		  char *why, size_t why_size)
{
	CLEANUP_ANSWER struct http_answer answer = {0};
	CLEANUP_FREE char *body = NULL;
	size_t size;
	FILE *f = open_memstream(&body, &size);
	struct jsonout j = jsonout_to(f, false);
	int r;

	if (!f)
		return -ENOMEM;
	jsonout_begin_object(&j, NULL);
	jsonout_string(&j, "logGroupName", c->group);
	if (stream)
		jsonout_string(&j, "logStreamName", c->stream);
	jsonout_end_object(&j);
	if (fclose(f) != 0)
		return -ENOMEM;
	r = call(c, operation, body, size, &answer, why, why_size);
	return r == -EEXIST ? 0 : r;
}

/* Who may not make groups may still make a stream in one that exists. */
static int create_both(struct cloudwatch *c, char *why, size_t why_size)
{
	char ignored[512];
	int group = create(c, "CreateLogGroup", false, why, why_size);
	int r = create(c, "CreateLogStream", true, group < 0 ? ignored : why,
		       group < 0 ? sizeof(ignored) : why_size);

	return r < 0 && group < 0 ? group : r;
}

static int put_events(struct cloudwatch *c, const struct batch *b,
		      size_t *ret_refused, char *why, size_t why_size)
{
	CLEANUP_ANSWER struct http_answer answer = {0};
	char number[24];
	size_t old = 0, expired = 0, new = b->count;
	int r =
	    call(c, "PutLogEvents", b->body, b->size, &answer, why, why_size);

	if (r < 0)
		return r;
	/* Those before one index and those from another on. */
	if (answer_get_text(&answer.body, "tooOldLogEventEndIndex", number,
			    sizeof(number)))
		old = strtoul(number, NULL, 10);
	if (answer_get_text(&answer.body, "expiredLogEventEndIndex", number,
			    sizeof(number)))
		expired = strtoul(number, NULL, 10);
	if (answer_get_text(&answer.body, "tooNewLogEventStartIndex", number,
			    sizeof(number)))
		new = strtoul(number, NULL, 10);
	old = old > expired ? old : expired;
	old = old < b->count ? old : b->count;
	new = new < b->count ? new : b->count;
	*ret_refused = old + (b->count - new);
	if (*ret_refused > b->count)
		*ret_refused = b->count;
	return 0;
}

/* --- The thread ----------------------------------------------------------- */

static void note_failure(struct cloudwatch *c, const char *why)
{
	if (!c->failing)
		tell(c,
		     "CloudWatch Logs: %s; messages wait, up to %zu MiB of "
		     "them, and are sent when it works again",
		     why, c->queue_bytes >> 20);
	c->failing = true;
}

static void note_success(struct cloudwatch *c)
{
	struct cloudwatch_counts counts;

	if (!c->failing)
		return;
	c->failing = false;
	cloudwatch_get_counts(c, &counts);
	tell(c, "CloudWatch Logs: it works again; %" PRIu64 " messages dropped",
	     counts.dropped);
}

/* Tries until the batch is gone or the time is over. */
static void send_batch(struct cloudwatch *c, struct batch *b)
{
	unsigned pause_ms = PAUSE_MIN_MS;
	bool created = false;
	char why[512] = "";

	if (make_body(c, b) < 0) {
		batch_end(c, b, 0, 0);
		return;
	}
	while (!atomic_load(&c->cancel)) {
		size_t refused = 0;
		int r = put_events(c, b, &refused, why, sizeof(why));

		if (r == -ENOENT && !created) {
			r = create_both(c, why, sizeof(why));
			created = r == 0;
			if (created)
				continue;
		}
		if (r == 0 || r == -EINVAL) {
			if (r < 0)
				refused = b->count;
			if (refused > 0)
				tell(c,
				     "CloudWatch Logs: %zu messages were "
				     "refused%s%s",
				     refused,
				     r < 0 ? ": "
					   : " as too old or "
					     "too new",
				     r < 0 ? why : "");
			note_success(c);
			batch_end(c, b, b->count - refused, refused);
			return;
		}
		if (r == -ECANCELED)
			break;
		note_failure(c, *why ? why : strerror(-r));
		created = false;
		if (!pause_for(c, pause_ms))
			break;
		pause_ms =
		    pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
	}
	batch_end(c, b, 0, 0);
}

static void *main_loop(void *arg)
{
	struct cloudwatch *c = arg;
	struct batch b = {.events = calloc(BATCH_EVENTS, sizeof(*b.events))};

	pthread_setname_np(pthread_self(), "cloudwatch");
	while (b.events) {
		batch_take(c, &b);
		if (b.count == 0)
			break;
		send_batch(c, &b);
	}
	free(b.events);
	pthread_mutex_lock(&c->lock);
	c->ended = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- Beginning and end ---------------------------------------------------- */

/* What the service takes as names: of groups also a slash, of streams all but
 * ':' and '*'. */
static bool is_name(const char *text, bool stream)
{
	size_t len = strlen(text);

	if (len == 0 || len > NAME_MAX_SIZE)
		return false;
	if (stream)
		return !strpbrk(text, ":*");
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
			    "XYZ0123456789_-/.#") == len;
}

static bool copy(const char *from, char **ret)
{
	*ret = from && *from ? strdup(from) : NULL;
	return !from || !*from || *ret;
}

static void release(struct cloudwatch *c)
{
	struct event *e;

	while ((e = STAILQ_FIRST(&c->queue))) {
		STAILQ_REMOVE_HEAD(&c->queue, next);
		free(e);
	}
	http_free(c->http);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c->group);
	free(c->stream);
	free(c->region);
	free(c->profile);
	free(c);
}

static void init(struct cloudwatch *c, const struct cloudwatch_options *o)
{
	pthread_condattr_t attr;

	c->credentials = o->credentials;
	c->queue_bytes = o->queue_bytes ? o->queue_bytes : QUEUE_BYTES;
	c->linger_ms = o->linger_ms ? o->linger_ms : LINGER_MS;
	c->notice = o->notice;
	c->arg = o->arg;
	STAILQ_INIT(&c->queue);
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
}

int cloudwatch_new(const struct cloudwatch_options *options,
		   struct cloudwatch **ret, char *error, size_t error_size)
{
	struct http_options http = {.total_ms = TOTAL_MS};
	struct cloudwatch *c;
	int r = 0;

	if (!is_name(options->group, false) ||
	    !is_name(options->stream, true)) {
		bool bad_group = !is_name(options->group, false);

		snprintf(error, error_size,
			 "CloudWatch Logs: \"%.100s\" is not the name of a "
			 "log %s",
			 bad_group ? options->group : options->stream,
			 bad_group ? "group" : "stream");
		return -EINVAL;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	init(c, options);
	http.cancel = &c->cancel;
	if (!copy(options->group, &c->group) ||
	    !copy(options->stream, &c->stream) ||
	    !copy(options->region, &c->region) ||
	    !copy(options->profile, &c->profile))
		r = -ENOMEM;
	if (r == 0)
		r = http_new(&http, &c->http);
	if (r == 0)
		r = -pthread_create(&c->thread, NULL, main_loop, c);
	if (r < 0) {
		snprintf(error, error_size, "CloudWatch Logs: %s",
			 strerror(-r));
		release(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct cloudwatch *cloudwatch_free(struct cloudwatch *c, unsigned timeout_ms,
				   struct cloudwatch_counts *ret)
{
	int64_t deadline = clock_now_ns() + timeout_ms * NS_PER_MS;

	if (!c)
		return NULL;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_broadcast(&c->changed);
	while (!c->ended && clock_now_ns() < deadline)
		wait_until(c, deadline);
	atomic_store(&c->cancel, true);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	/* What the thread did not take. */
	c->counts.dropped += c->waiting;
	c->waiting = 0;
	if (ret)
		cloudwatch_get_counts(c, ret);
	release(c);
	return NULL;
}
