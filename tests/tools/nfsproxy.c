/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nfsproxy - stands between NFS clients and a server, counts and delays.
 *
 *	nfsproxy --listen PORT --connect HOST:PORT [--delay MS]
 *		 [--port-file FILE] [--stats FILE] [--fault FAULT] [--plain]
 *		 [--victim PID] [--window BYTES]
 *
 * It makes a distant server out of a near one: each RPC record leaves half of
 * the delay after it came, in both directions, in order, with any number of
 * them under way; a longer cable, not a thinner one. With --window it takes no
 * more once it holds that much of a connection in one direction, so that each
 * connection has its limit, as by TCP's window. And it counts what passes
 * (rpcstat.h): numbers that carry no noise, unlike times.
 *
 * PORT 0 takes a free port of the loopback address. The port file appears when
 * the proxy listens. SIGUSR1 writes the statistics, SIGTERM and SIGINT write
 * them and end the proxy. Both files appear whole, by rename. SIGUSR2 cuts all
 * connections, with what is on the line.
 *
 * With --fault it does one thing wrong, see fault.h; the statistics say how
 * often, and whether the server did anything twice, see once.h. SIGHUP: it does
 * nothing wrong from then on. With --victim, a fault that ends a connection
 * kills that process, the server, before.
 *
 * With --plain it looks at nothing and only delays what comes, as it comes:
 * less work, for measurements; of statistics it has bytes alone.
 *
 * One thread, one poll loop. A connection is a `pair` of sockets and two `way`s
 * through the proxy:
 *
 *	from -> record reader -> rpcstat -> delay line -> to
 *
 * The end of a stream is passed on when the line behind it is empty; a broken
 * socket breaks the other one at once.
 */
#include "delayline.h"
#include "fault.h"
#include "once.h"
#include "record.h"
#include "rpcstat.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A way that holds this much reads no more until some of it has left; less
 * with --window. */
#define HOLD_BYTES ((size_t)256 << 20)

/* What is read at once with --plain. */
#define PLAIN_BYTES ((size_t)256 << 10)

enum direction {
	UP,   /* client to server */
	DOWN, /* server to client */
	DIRECTIONS
};

struct way {
	int from;
	int to;
	struct record_reader reader;
	struct delayline line;
	size_t window; /* of what the line may hold */
	bool ended;    /* `from` will send no more */
	bool finished; /* and `to` was told so */
	int64_t late;  /* nothing goes on before that */
};

struct pair {
	LIST_ENTRY(pair) next;
	struct way way[DIRECTIONS];
	uint64_t id;   /* among all there were */
	size_t polled; /* index of the client's socket, the server's follows */
};

struct proxy {
	int listener;
	int signals;
	struct addrinfo *server;
	int64_t delay_ns; /* of one direction */
	size_t window;
	const char *stats_path;
	struct rpcstat stat;
	struct fault *fault; /* NULL: none */
	struct once *once;   /* with a fault */
	bool plain;
	struct record *spare; /* to read into, with `plain` */
	pid_t victim;         /* 0: nobody dies of it */
	LIST_HEAD(, pair) pairs;
	struct pollfd *polls; /* listener, signals, two of each pair */
	size_t npolls;
	size_t pairs_count;
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Let a file of one text appear under its name. */
static void publish(const char *path, const char *text)
{
	char *temporary;
	FILE *stream;

	if (asprintf(&temporary, "%s.new", path) < 0)
		err(1, "%s", path);
	stream = fopen(temporary, "we");
	if (!stream || fputs(text, stream) == EOF || fclose(stream) == EOF ||
	    rename(temporary, path) < 0)
		err(1, "%s", temporary);
	free(temporary);
}

static void publish_stats(const struct proxy *proxy)
{
	char *text;
	size_t size;
	FILE *stream;

	if (!proxy->stats_path)
		return;
	stream = open_memstream(&text, &size);
	if (!stream)
		err(1, "open_memstream");
	rpcstat_print(&proxy->stat, stream);
	if (proxy->fault) {
		fprintf(stream, "faults %ju\n",
			(uintmax_t)fault_count(proxy->fault));
		fprintf(stream, "places %ju\n",
			(uintmax_t)fault_places(proxy->fault));
		once_print(proxy->once, stream);
	}
	if (fclose(stream) == EOF)
		err(1, "open_memstream");
	publish(proxy->stats_path, text);
	free(text);
}

/* --- Connections --------------------------------------------------------- */

static void prepare_socket(int fd)
{
	int on = 1;

	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
		err(1, "socket");
}

/*
 * Connecting blocks the loop. The server is near: its kernel accepts or
 * refuses at once, also while the process is stopped.
 */
static int connect_server(const struct proxy *proxy)
{
	const struct addrinfo *a = proxy->server;
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	warn("cannot reach the server");
	close(fd);
	return -1;
}

static void way_init(struct way *way, int from, int to, size_t window)
{
	*way = (struct way){.from = from, .to = to, .window = window};
	record_reader_init(&way->reader);
	delayline_init(&way->line);
}

static void pair_free(struct proxy *proxy, struct pair *pair)
{
	if (proxy->fault)
		fault_ended(proxy->fault, pair->id);
	for (size_t i = 0; i < DIRECTIONS; i++) {
		record_reader_done(&pair->way[i].reader);
		delayline_done(&pair->way[i].line);
		close(pair->way[i].from);
	}
	LIST_REMOVE(pair, next);
	proxy->pairs_count--;
	free(pair);
}

/* A client came: give it a connection of its own, or let it go. */
static void accept_client(struct proxy *proxy)
{
	struct pair *pair;
	int client, server;

	client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0) {
		warn("accept");
		return;
	}
	server = connect_server(proxy);
	if (server < 0) {
		close(client);
		return;
	}
	prepare_socket(client);
	prepare_socket(server);

	pair = calloc(1, sizeof(*pair));
	if (!pair)
		err(1, "calloc");
	way_init(&pair->way[UP], client, server, proxy->window);
	way_init(&pair->way[DOWN], server, client, proxy->window);
	LIST_INSERT_HEAD(&proxy->pairs, pair, next);
	proxy->pairs_count++;
	pair->id = ++proxy->stat.connections;
}

/* --- Records ------------------------------------------------------------- */

/* Every record passes here: count it, and put it on the line. */
static void pass_record(struct proxy *proxy, struct pair *pair,
			enum direction direction, struct record *record)
{
	struct way *way = &pair->way[direction];
	const unsigned char *payload;
	size_t size;
	int64_t due;

	if (direction == UP)
		proxy->stat.bytes_up += record->size;
	else
		proxy->stat.bytes_down += record->size;

	payload = record_payload(record, &size);
	if (direction == UP)
		rpcstat_up(&proxy->stat, payload, size);
	else
		rpcstat_down(&proxy->stat, payload, size);
	due = now_ns() + proxy->delay_ns;
	delayline_push(&way->line, record, due > way->late ? due : way->late);
}

/* What truly goes to the server or comes from it. */
static void count_once(struct proxy *proxy, struct pair *pair,
		       enum direction direction, struct record *record)
{
	size_t size;
	const unsigned char *payload = record_payload(record, &size);

	if (direction == UP)
		once_up(proxy->once, pair->id, payload, size);
	else
		once_down(proxy->once, pair->id, payload, size);
}

/* The same by way of the fault. -ECONNRESET: the connection is to end. */
static int pass_with_fault(struct proxy *proxy, struct pair *pair,
			   enum direction direction, struct record *record)
{
	struct way *way = &pair->way[direction];
	enum fault_verdict verdict = FAULT_PASS;

	if (proxy->fault && direction == DOWN)
		count_once(proxy, pair, direction, record);
	if (proxy->fault)
		verdict = direction == UP
			      ? fault_up(proxy->fault, pair->id, &record)
			      : fault_down(proxy->fault, pair->id, &record);
	switch (verdict) {
	case FAULT_LATE:
		way->late = now_ns() + FAULT_LATE_MS * INT64_C(1000000);
		/* Fall through. */
	case FAULT_PASS:
		if (proxy->fault && direction == UP)
			count_once(proxy, pair, direction, record);
		pass_record(proxy, pair, direction, record);
		return 0;
	case FAULT_ANSWER:
		pass_record(proxy, pair, DOWN, record);
		return 0;
	case FAULT_SWALLOW:
		free(record);
		return 0;
	case FAULT_HALF:
		(void)!send(way->to, record->bytes, record->size / 2,
			    MSG_NOSIGNAL);
		break;
	case FAULT_CUT:
		break;
	}
	free(record);
	if (proxy->victim && kill(proxy->victim, SIGKILL) < 0)
		warn("kill");
	return -ECONNRESET;
}

/* What was read into the spare piece: itself when much of it is used, which
 * spares moving it, else a copy. */
static struct record *take_piece(struct proxy *proxy, size_t size)
{
	struct record *piece = proxy->spare;

	if (size >= PLAIN_BYTES / 2) {
		proxy->spare = NULL;
	} else {
		piece = malloc(sizeof(*piece) + size);
		if (!piece)
			return NULL;
		memcpy(piece->bytes, proxy->spare->bytes, size);
	}
	piece->size = size;
	return piece;
}

/* The same as it comes, whatever it is. */
static int way_receive_plain(struct proxy *proxy, struct way *way,
			     enum direction direction)
{
	struct record *piece;
	ssize_t n;

	if (!proxy->spare)
		proxy->spare = malloc(sizeof(*piece) + PLAIN_BYTES);
	if (!proxy->spare)
		return -ENOMEM;
	n = read(way->from, proxy->spare->bytes, PLAIN_BYTES);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	way->ended = n == 0;
	if (n == 0)
		return 0;
	piece = take_piece(proxy, (size_t)n);
	if (!piece)
		return -ENOMEM;
	if (direction == UP)
		proxy->stat.bytes_up += (size_t)n;
	else
		proxy->stat.bytes_down += (size_t)n;
	delayline_push(&way->line, piece, now_ns() + proxy->delay_ns);
	return 0;
}

/* Take what has arrived. Negative: this connection is over. */
static int way_receive(struct proxy *proxy, struct pair *pair,
		       enum direction direction)
{
	struct way *way = &pair->way[direction];
	struct record *record;
	int r;

	if (proxy->plain)
		return way_receive_plain(proxy, way, direction);
	r = record_reader_fill(&way->reader, way->from);
	if (r == -EAGAIN || r == -EINTR)
		return 0;
	if (r < 0)
		return r;
	if (r == 0)
		way->ended = true;
	while ((r = record_reader_next(&way->reader, &record)) == 0 && record) {
		r = pass_with_fault(proxy, pair, direction, record);
		if (r < 0)
			return r;
	}
	if (r < 0)
		warnx("what comes is not a stream of RPC records");
	return r;
}

/* Send what is due, and the end when all is sent. */
static int way_send(struct way *way, int64_t now)
{
	int r = delayline_flush(&way->line, way->to, now);

	if (r == -EAGAIN || r == -EINTR)
		return 0;
	if (r < 0)
		return r;
	if (way->ended && !way->finished && way->line.bytes == 0) {
		way->finished = true;
		shutdown(way->to, SHUT_WR);
	}
	return 0;
}

/* --- The loop ------------------------------------------------------------ */

static bool way_wants_input(const struct way *way)
{
	return !way->ended && way->line.bytes < way->window;
}

/*
 * What to wait for on the socket where `in` begins and `out` ends. A socket
 * with nothing to ask for is left out, else its hang-up would spin the loop.
 */
static struct pollfd poll_of(const struct way *in, const struct way *out,
			     int64_t now)
{
	struct pollfd p = {.fd = in->from};

	if (way_wants_input(in))
		p.events |= POLLIN;
	if (delayline_due_ns(&out->line) <= now)
		p.events |= POLLOUT;
	if (!p.events)
		p.fd = -1;
	return p;
}

/* Fill the array for poll; returns when the next record is due. */
static int64_t prepare_polls(struct proxy *proxy, int64_t now)
{
	int64_t due, next = INT64_MAX;
	struct pair *pair;
	size_t n = 2;

	if (proxy->npolls < 2 + 2 * proxy->pairs_count) {
		proxy->npolls = 2 * (2 + 2 * proxy->pairs_count);
		proxy->polls = reallocarray(proxy->polls, proxy->npolls,
					    sizeof(*proxy->polls));
		if (!proxy->polls)
			err(1, "reallocarray");
	}
	proxy->polls[0] = (struct pollfd){proxy->listener, POLLIN, 0};
	proxy->polls[1] = (struct pollfd){proxy->signals, POLLIN, 0};
	LIST_FOREACH(pair, &proxy->pairs, next) {
		struct way *up = &pair->way[UP], *down = &pair->way[DOWN];

		pair->polled = n;
		proxy->polls[n++] = poll_of(up, down, now);
		proxy->polls[n++] = poll_of(down, up, now);
		for (size_t i = 0; i < DIRECTIONS; i++) {
			due = delayline_due_ns(&pair->way[i].line);
			if (due > now && due < next)
				next = due;
		}
	}
	return next;
}

/* Wait for a socket, a signal, or the moment `until_ns`. */
static void wait_polls(struct proxy *proxy, int64_t now, int64_t until_ns)
{
	int64_t left = until_ns - now;
	struct timespec ts = {left / 1000000000, left % 1000000000};
	size_t n = 2 + 2 * proxy->pairs_count;

	if (ppoll(proxy->polls, n, until_ns == INT64_MAX ? NULL : &ts, NULL) <
		0 &&
	    errno != EINTR)
		err(1, "poll");
}

/* Serve one connection after poll; false when it is over. */
static bool pair_serve(struct proxy *proxy, struct pair *pair)
{
	const struct pollfd *polls = proxy->polls + pair->polled;

	for (size_t i = 0; i < DIRECTIONS; i++)
		if (way_wants_input(&pair->way[i]) &&
		    (polls[i].revents & ~POLLOUT) &&
		    way_receive(proxy, pair, i) < 0)
			return false;
	for (size_t i = 0; i < DIRECTIONS; i++)
		if (way_send(&pair->way[i], now_ns()) < 0)
			return false;
	return !pair->way[UP].finished || !pair->way[DOWN].finished;
}

static void cut_all(struct proxy *proxy)
{
	struct pair *pair;

	while ((pair = LIST_FIRST(&proxy->pairs)))
		pair_free(proxy, pair);
}

/* True when the signal that came ends the proxy. */
static bool handle_signal(struct proxy *proxy)
{
	struct signalfd_siginfo info;

	if (read(proxy->signals, &info, sizeof(info)) != sizeof(info))
		err(1, "signalfd");
	if (info.ssi_signo == SIGUSR2) {
		cut_all(proxy);
		return false;
	}
	if (info.ssi_signo == SIGHUP) {
		if (proxy->fault)
			fault_stop(proxy->fault);
		return false;
	}
	publish_stats(proxy);
	return info.ssi_signo != SIGUSR1;
}

static void run(struct proxy *proxy)
{
	struct pair *pair, *next;
	int64_t now, due;

	for (;;) {
		now = now_ns();
		due = prepare_polls(proxy, now);
		wait_polls(proxy, now, due);

		for (pair = LIST_FIRST(&proxy->pairs); pair; pair = next) {
			next = LIST_NEXT(pair, next);
			if (!pair_serve(proxy, pair))
				pair_free(proxy, pair);
		}
		if (proxy->polls[0].revents)
			accept_client(proxy);
		if (proxy->polls[1].revents && handle_signal(proxy))
			break;
	}
	cut_all(proxy);
}

/* --- The start ----------------------------------------------------------- */

static int listen_on(uint16_t port, const char *port_file)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[16];

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, size) < 0 ||
	    listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		err(1, "port %u", port);
	if (port_file) {
		snprintf(text, sizeof(text), "%u\n", ntohs(address.sin_port));
		publish(port_file, text);
	}
	return fd;
}

/* HOST:PORT, where HOST may be an IPv6 address: the last colon counts. */
static struct addrinfo *find_server(char *name)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *ret;
	char *colon = strrchr(name, ':');
	int r;

	if (!colon)
		errx(2, "%s: give HOST:PORT", name);
	*colon = '\0';
	r = getaddrinfo(name, colon + 1, &hints, &ret);
	if (r != 0)
		errx(2, "%s: %s", name, gai_strerror(r));
	return ret;
}

static int catch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		err(1, "sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		err(1, "signalfd");
	return fd;
}

static double number_of(const char *option, const char *text, double max)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || *end || !(number >= 0 && number <= max))
		errx(2, "--%s: a number up to %.0f, not `%s`", option, max,
		     text);
	return number;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"connect", required_argument, NULL, 'c'},
	    {"delay", required_argument, NULL, 'd'},
	    {"window", required_argument, NULL, 'w'},
	    {"listen", required_argument, NULL, 'l'},
	    {"plain", no_argument, NULL, 'P'},
	    {"port-file", required_argument, NULL, 'p'},
	    {"stats", required_argument, NULL, 's'},
	    {"fault", required_argument, NULL, 'f'},
	    {"victim", required_argument, NULL, 'v'},
	    {0},
	};
	struct proxy proxy = {.pairs = LIST_HEAD_INITIALIZER(proxy.pairs),
			      .window = HOLD_BYTES};
	const char *port_file = NULL;
	double port = -1;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'w':
			proxy.window =
			    (size_t)number_of("window", optarg, HOLD_BYTES);
			break;
		case 'c':
			proxy.server = find_server(optarg);
			break;
		case 'd':
			proxy.delay_ns =
			    (int64_t)(number_of("delay", optarg, 60000) * 1e6 /
				      2);
			break;
		case 'f':
			proxy.fault = fault_new(optarg);
			if (!proxy.fault)
				errx(2, "%s: no such fault", optarg);
			break;
		case 'l':
			port = number_of("listen", optarg, UINT16_MAX);
			break;
		case 'P':
			proxy.plain = true;
			break;
		case 'p':
			port_file = optarg;
			break;
		case 's':
			proxy.stats_path = optarg;
			break;
		case 'v':
			proxy.victim =
			    (pid_t)number_of("victim", optarg, INT32_MAX);
			break;
		default:
			return 2;
		}
	}
	if (!proxy.server || port < 0 || optind < argc)
		errx(2, "usage: nfsproxy --listen PORT --connect HOST:PORT "
			"[--delay MS] [--port-file FILE] [--stats FILE] "
			"[--fault FAULT] [--plain] [--victim PID] "
			"[--window BYTES]");

	if (proxy.fault)
		proxy.once = once_new();
	proxy.signals = catch_signals();
	proxy.listener = listen_on((uint16_t)port, port_file);
	run(&proxy);

	close(proxy.listener);
	close(proxy.signals);
	freeaddrinfo(proxy.server);
	free(proxy.polls);
	free(proxy.fault);
	once_free(proxy.once);
	free(proxy.spare);
	return 0;
}
