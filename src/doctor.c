/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "doctor_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "volume/location.h"

#define ERROR_SIZE 1024
#define TEXT_SIZE  1024

/* A round trip beyond this makes everything slow that is one after another. */
#define FAR_NS (200 * NS_PER_MS)

/* Whoever asks how a side is does not want to wait for it as long as a run
 * does. */
#define PATIENCE_NS (60 * NS_PER_S)

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = {
	    [DOCTOR_OK] = "OK",
	    [DOCTOR_WARN] = "WARN",
	    [DOCTOR_FAIL] = "FAIL",
	};

	return names[level];
}

__attribute__((format(printf, 3, 0))) static void tell(struct doctor *d,
						       struct doctor_finding *f,
						       const char *format,
						       va_list args)
{
	char text[TEXT_SIZE];

	vsnprintf(text, sizeof(text), format, args);
	f->text = text;
	if (f->level > d->worst)
		d->worst = f->level;
	d->setup->found(d->setup->user, f);
}

void doctor_say(struct doctor *d, const char *check, enum side side,
		enum doctor_level level, const char *remedy, const char *format,
		...)
{
	struct doctor_finding f = {
	    .check = check, .side = side, .level = level, .remedy = remedy};
	va_list args;

	va_start(args, format);
	tell(d, &f, format, args);
	va_end(args);
}

void doctor_tell(struct doctor *d, const char *check, enum side side,
		 enum doctor_level level, const char *remedy, const char *unit,
		 double value, const char *format, ...)
{
	struct doctor_finding f = {
	    .check = check,
	    .side = side,
	    .level = level,
	    .remedy = remedy,
	    .unit = unit,
	    .value = value,
	};
	va_list args;

	va_start(args, format);
	tell(d, &f, format, args);
	va_end(args);
}

void doctor_count(struct doctor *d, const char *check, enum side side,
		  enum doctor_level level, const char *remedy, const char *unit,
		  uint64_t value, const char *format, ...)
{
	struct doctor_finding f = {
	    .check = check,
	    .side = side,
	    .level = level,
	    .remedy = remedy,
	    .unit = unit,
	    .value = (double)value,
	    .whole = true,
	};
	va_list args;

	va_start(args, format);
	tell(d, &f, format, args);
	va_end(args);
}

bool doctor_is_cancelled(const struct doctor *d)
{
	return d->setup->cancelled(d->setup->user);
}

uint32_t doctor_uid(const struct doctor *d, enum side side)
{
	const struct location *l = d->setup->location[side];

	return l->uid >= 0 ? (uint32_t)l->uid : (uint32_t)geteuid();
}

/* --- Reaching ------------------------------------------------------------- */

struct reaching {
	const struct location *location;
	struct volume *volume;
	int64_t took_ns;
	int result;
	char error[ERROR_SIZE];
};

static void *reach_one(void *arg)
{
	struct reaching *r = arg;
	int64_t before = clock_now_ns();

	r->result = volume_open_location(r->location, &r->volume, r->error,
					 sizeof(r->error));
	if (r->result == 0)
		volume_set_patience(r->volume, PATIENCE_NS);
	r->took_ns = clock_now_ns() - before;
	return NULL;
}

/* Over a network there are a few reasons, and the error names the symptom. */
static const char *reach_remedy(const struct location *l, int error)
{
	if (l->kind == LOCATION_DIRECTORY)
		return "Make the directory, or mount what should be there.";
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return "Make the directory on the server, or correct the path.";
	case -EACCES:
	case -EPERM:
		return "Let this address and user in: the export, or the file "
		       "system policy and access point of EFS.";
	default:
		return "See that the host name is right, that a security group "
		       "or firewall lets TCP port 2049 through, and that this "
		       "machine has a route to it.";
	}
}

static void tell_reached(struct doctor *d, enum side side,
			 const struct reaching *r)
{
	const struct volume_info *info;
	double rtt_ms;

	if (r->result < 0) {
		doctor_say(d, "reach", side, DOCTOR_FAIL,
			   reach_remedy(r->location, r->result), "%s",
			   r->error);
		return;
	}
	info = volume_get_info(r->volume);
	doctor_say(d, "reach", side, DOCTOR_OK, NULL,
		   "%s: reached as %s in %.1f ms", r->location->text,
		   info->protocol, (double)r->took_ns / (double)NS_PER_MS);
	if (r->location->kind == LOCATION_DIRECTORY)
		return;
	rtt_ms = (double)info->rtt_ns / (double)NS_PER_MS;
	doctor_tell(d, "round-trip", side,
		    info->rtt_ns > FAR_NS ? DOCTOR_WARN : DOCTOR_OK,
		    info->rtt_ns > FAR_NS
			? "Run efsbridge nearer to this side, or between both."
			: NULL,
		    "Milliseconds", rtt_ms, "the round trip takes %.1f ms",
		    rtt_ms);
}

/* Both at the same time: what cannot be reached takes its time to tell. */
static bool reach(struct doctor *d)
{
	struct reaching r[SIDES] = {
	    {.location = d->setup->location[SOURCE]},
	    {.location = d->setup->location[DESTINATION]},
	};
	pthread_t thread;
	bool threaded =
	    pthread_create(&thread, NULL, reach_one, &r[SOURCE]) == 0;

	reach_one(&r[DESTINATION]);
	if (threaded)
		pthread_join(thread, NULL);
	else
		reach_one(&r[SOURCE]);
	for (enum side side = 0; side < SIDES; side++) {
		tell_reached(d, side, &r[side]);
		d->volume[side] = r[side].volume;
	}
	return d->volume[SOURCE] && d->volume[DESTINATION];
}

/* --- The whole ------------------------------------------------------------ */

static void examine(struct doctor *d)
{
	doctor_read(d, SOURCE);
	if (!doctor_is_cancelled(d))
		doctor_write(d);
	if (!doctor_is_cancelled(d))
		doctor_room(d);
}

int doctor_run(const struct doctor_setup *setup, enum doctor_level *ret_worst)
{
	struct doctor d = {.setup = setup};
	int r = -ENOTCONN;

	if (reach(&d)) {
		r = 0;
		if (doctor_root(&d))
			examine(&d);
	}
	for (enum side side = 0; side < SIDES; side++)
		volume_free(d.volume[side]);
	*ret_worst = d.worst;
	return doctor_is_cancelled(&d) ? -ECANCELED : r;
}
