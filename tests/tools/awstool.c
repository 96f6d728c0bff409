/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * awstool - what src/aws does, on the command line, for tests.
 *
 *	awstool keys [-d] [-p PROFILE] [-r ROLE] [-R REGION] [-t THREADS] [-w]
 *		asks for keys and prints "ID SOURCE SECRET-HASH TOKEN-HASH";
 *		with -t in so many threads at once, and with -w again until
 *		they are others, which it prints, too; a minute at most;
 *		with -d, after a signature, the source, and how often secret
 *		key and token are in memory that a core dump would hold
 *	awstool region [-p PROFILE] [HOST [WANTED]]
 *	awstool upload [-c MS] [-s PART-SIZE] FILE URL NAME
 *		uploads a file; with -c it is cancelled after that time
 *	awstool logs [-l LINGER-MS] [-n COUNT] [-q QUEUE-BYTES] [-t TIMEOUT-MS]
 *			GROUP STREAM
 *		sends the lines of standard input, MILLISECONDS and TEXT each;
 *		a line "wait" waits until all before it are gone. With -n,
 *before that, so many messages at once. Prints how many were sent, dropped and
 *refused, and how many microseconds a call took that was slower than 99.9 % of
 *them awstool certificate [-a ACCESS-POINT] [-t SECONDS] FILE-SYSTEM PREFIX
 *		writes PREFIX.crt and PREFIX.key, with the keys that there are,
 *		as of that time
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "aws/certificate.h"
#include "aws/cloudwatch.h"
#include "aws/credentials.h"
#include "aws/region.h"
#include "aws/s3.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dumpable.h"

#define THREADS_MAX 64
#define WAIT_NS     (60 * NS_PER_S)

static struct credentials *credentials;
static bool show_dumpable;

/* --- keys ----------------------------------------------------------------- */

static void print_hash(const char *text)
{
	char hash[SIGV4_HEX_SIZE] = "-";

	if (text && sigv4_hash(text, strlen(text), hash) < 0)
		errx(1, "no hash");
	printf(" %s", hash);
}

static void print_identity(const struct identity *id)
{
	flockfile(stdout);
	printf("%s \"%s\"", id->key_id, id->source);
	print_hash(id->secret_key);
	print_hash(id->token);
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

/* How often the text is in memory that would be dumped. */
static size_t count_dumpable(const char *text)
{
	size_t len = strlen(text);
	CLEANUP_FREE uint8_t *flipped = malloc(len);

	if (!flipped)
		errx(1, "out of memory");
	for (size_t i = 0; i < len; i++)
		flipped[i] = (uint8_t)~text[i];
	return dumpable_count(flipped, len);
}

/* After the keys were used as well. */
static void print_dumpable(const struct identity *id)
{
	static const struct sigv4_scope scope = {"r", "s", 0};
	const struct sigv4_pair token = {"X-Amz-Security-Token",
					 id->token ? id->token : ""};
	const struct sigv4_request request = {
	    .method = "GET",
	    .path = "/",
	    .headers = &token,
	    .header_count = 1,
	    .payload_hash = SIGV4_EMPTY_HASH,
	};
	CLEANUP_SECRET struct secret authorization = {0};

	if (sigv4_authorize(&request, &scope, id, &authorization) < 0)
		errx(1, "no signature");
	printf("%s %zu %zu\n", id->source, count_dumpable(id->secret_key),
	       id->token ? count_dumpable(id->token) : 0);
}

static struct identity *get(void)
{
	char error[1024] = "no sentence";
	struct identity *id;
	int r = credentials_get(credentials, &id, error, sizeof(error));

	if (r < 0)
		errx(1, "%s (%s)", error, strerrorname_np(-r));
	return id;
}

static void *get_and_print(void *arg)
{
	CLEANUP_IDENTITY struct identity *id = get();

	if (show_dumpable)
		print_dumpable(id);
	else
		print_identity(id);
	return arg;
}

static void in_threads(unsigned count)
{
	pthread_t threads[THREADS_MAX];

	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, get_and_print, NULL) != 0)
			errx(1, "no thread");
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

/* Asks again until the keys are others. */
static void wait_for_others(void)
{
	static const struct timespec pause = {.tv_nsec = 20 * NS_PER_MS};
	int64_t end = clock_now_ns() + WAIT_NS;
	CLEANUP_IDENTITY struct identity *first = get();

	print_identity(first);
	while (clock_now_ns() < end) {
		CLEANUP_IDENTITY struct identity *id = get();

		if (strcmp(id->key_id, first->key_id) != 0) {
			print_identity(id);
			return;
		}
		nanosleep(&pause, NULL);
	}
	errx(1, "the keys stayed the same");
}

static int keys(int argc, char **argv)
{
	struct credentials_options options = {0};
	unsigned threads = 1;
	bool others = false;
	int c;

	while ((c = getopt(argc, argv, "dp:r:R:t:w")) != -1) {
		if (c == 'd')
			show_dumpable = true;
		else if (c == 'p')
			options.profile = optarg;
		else if (c == 'r')
			options.role_arn = optarg;
		else if (c == 'R')
			options.region = optarg;
		else if (c == 't')
			threads = (unsigned)atoi(optarg);
		else if (c == 'w')
			others = true;
		else
			return 2;
	}
	if (threads > THREADS_MAX)
		return 2;
	if (credentials_new(&options, &credentials) < 0)
		errx(1, "out of memory");
	if (others)
		wait_for_others();
	else
		in_threads(threads);
	credentials_free(credentials);
	return 0;
}

/* --- region --------------------------------------------------------------- */

static int region(int argc, char **argv)
{
	const char *profile = NULL;
	char found[REGION_SIZE], error[512] = "no sentence";
	int c, r;

	while ((c = getopt(argc, argv, "p:")) != -1) {
		if (c != 'p')
			return 2;
		profile = optarg;
	}
	r = region_find(argc > optind + 1 ? argv[optind + 1] : NULL,
			argc > optind ? argv[optind] : NULL, profile, found,
			error, sizeof(error));
	if (r < 0)
		errx(1, "%s (%s)", error, strerrorname_np(-r));
	puts(found);
	return 0;
}

/* --- upload --------------------------------------------------------------- */

static atomic_bool cancelled;

static void *cancel_later(void *ms)
{
	pthread_detach(pthread_self());
	usleep((useconds_t)atoi(ms) * 1000);
	atomic_store(&cancelled, true);
	return NULL;
}

static int upload(int argc, char **argv)
{
	const struct credentials_options who = {0};
	struct s3_options options = {.cancel = &cancelled};
	char error[1024] = "no sentence";
	pthread_t thread;
	struct s3 *s3;
	int c, r;

	while ((c = getopt(argc, argv, "c:s:")) != -1) {
		if (c == 's')
			options.part_size = (size_t)atol(optarg);
		else if (c != 'c' || pthread_create(&thread, NULL, cancel_later,
						    optarg) != 0)
			return 2;
	}
	if (argc != optind + 3)
		return 2;
	if (credentials_new(&who, &options.credentials) < 0)
		errx(1, "out of memory");
	r = s3_new(argv[optind + 1], &options, &s3, error, sizeof(error));
	if (r < 0)
		errx(1, "%s (%s)", error, strerrorname_np(-r));
	r = s3_upload(s3, argv[optind], argv[optind + 2], "text/plain", error,
		      sizeof(error));
	s3_free(s3);
	credentials_free(options.credentials);
	if (r < 0)
		errx(1, "%s (%s)", error, strerrorname_np(-r));
	return 0;
}

/* --- logs ----------------------------------------------------------------- */

static int64_t *put_ns; /* how long each call took */
static size_t puts_done, puts_room;

static void put(struct cloudwatch *logs, int64_t wall_ms, const char *text)
{
	int64_t begin = clock_now_ns();

	cloudwatch_put(logs, wall_ms, text, strlen(text));
	if (puts_done == puts_room) {
		puts_room = puts_room ? 2 * puts_room : 1024;
		put_ns = realloc(put_ns, puts_room * sizeof(*put_ns));
		if (!put_ns)
			errx(1, "out of memory");
	}
	put_ns[puts_done++] = clock_now_ns() - begin;
}

static void put_many(struct cloudwatch *logs, unsigned count)
{
	char text[201];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < count; i++) {
		snprintf(text, 16, "%014u", i);
		text[14] = ' ';
		put(logs, clock_wall_ns() / NS_PER_MS, text);
	}
}

static void put_lines(struct cloudwatch *logs)
{
	static const struct timespec pause = {.tv_nsec = 5 * NS_PER_MS};
	struct cloudwatch_counts counts;
	CLEANUP_FREE char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		char *text;
		long long ms;

		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (strcmp(line, "wait") == 0) {
			do {
				nanosleep(&pause, NULL);
				cloudwatch_get_counts(logs, &counts);
			} while (counts.queued > 0);
			puts("waited");
			fflush(stdout);
			continue;
		}
		ms = strtoll(line, &text, 10);
		put(logs, ms, text + (*text == ' '));
	}
}

static int by_number(const void *va, const void *vb)
{
	const int64_t *a = va, *b = vb;

	return (*a > *b) - (*a < *b);
}

static void print_notice(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "%s\n", sentence);
}

static int logs(int argc, char **argv)
{
	const struct credentials_options who = {0};
	struct cloudwatch_options options = {.notice = print_notice};
	struct cloudwatch_counts counts;
	unsigned many = 0, timeout_ms = 10000;
	char error[1024] = "no sentence";
	struct cloudwatch *cw;
	int c;

	while ((c = getopt(argc, argv, "l:n:q:t:")) != -1) {
		if (c == 'l')
			options.linger_ms = (unsigned)atoi(optarg);
		else if (c == 'n')
			many = (unsigned)atoi(optarg);
		else if (c == 'q')
			options.queue_bytes = (size_t)atol(optarg);
		else if (c == 't')
			timeout_ms = (unsigned)atoi(optarg);
		else
			return 2;
	}
	if (argc != optind + 2)
		return 2;
	options.group = argv[optind];
	options.stream = argv[optind + 1];
	if (credentials_new(&who, &options.credentials) < 0)
		errx(1, "out of memory");
	if (cloudwatch_new(&options, &cw, error, sizeof(error)) < 0)
		errx(1, "%s", error);
	put_many(cw, many);
	put_lines(cw);
	cloudwatch_free(cw, timeout_ms, &counts);
	credentials_free(options.credentials);
	qsort(put_ns, puts_done, sizeof(*put_ns), by_number);
	printf("sent %ju dropped %ju refused %ju queued %ju slow %jd\n",
	       (uintmax_t)counts.sent, (uintmax_t)counts.dropped,
	       (uintmax_t)counts.refused, (uintmax_t)counts.queued,
	       puts_done
		   ? (intmax_t)put_ns[puts_done - 1 - puts_done / 1000] / 1000
		   : 0);
	free(put_ns);
	return 0;
}

/* --- certificate ---------------------------------------------------------- */

static FILE *create(const char *prefix, const char *suffix)
{
	CLEANUP_FREE char *path = NULL;
	FILE *f;

	if (asprintf(&path, "%s%s", prefix, suffix) < 0)
		errx(1, "out of memory");
	f = fopen(path, "we");
	if (!f)
		err(1, "%s", path);
	return f;
}

static void make_certificate(const struct certificate_options *options,
			     int64_t now_s, const char *prefix)
{
	const struct certificate_subject subject = {
	    .name = "the-host",
	    .source = "efsbridge",
	    .version = "1.2.3",
	    .now_s = now_s,
	};
	CLEANUP_IDENTITY struct identity *id = get();
	EVP_PKEY *key = EVP_RSA_gen(3072);
	FILE *f = create(prefix, ".crt");
	X509 *x;

	if (!key || certificate_make(options, &subject, id, key, &x) < 0 ||
	    !PEM_write_X509(f, x) || fclose(f) != 0)
		errx(1, "no certificate");
	f = create(prefix, ".key");
	if (!PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) ||
	    fclose(f) != 0)
		errx(1, "no key");
	X509_free(x);
	EVP_PKEY_free(key);
}

static int certificate(int argc, char **argv)
{
	const struct credentials_options who = {0};
	struct certificate_options options = {.region = "eu-west-1"};
	int64_t now_s = time(NULL);
	int c;

	while ((c = getopt(argc, argv, "a:t:")) != -1) {
		if (c == 'a')
			options.access_point = optarg;
		else if (c == 't')
			now_s = atoll(optarg);
		else
			return 2;
	}
	if (argc != optind + 2)
		return 2;
	options.file_system = argv[optind];
	if (credentials_new(&who, &credentials) < 0)
		errx(1, "out of memory");
	make_certificate(&options, now_s, argv[optind + 1]);
	credentials_free(credentials);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"keys", keys}, {"region", region},           {"upload", upload},
    {"logs", logs}, {"certificate", certificate},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fputs("usage: awstool keys|region|upload|logs|certificate ..\n",
	      stderr);
	return 2;
}
