/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/human.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

const char *human_bytes(double bytes, char text[HUMAN_SIZE])
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	size_t unit = 0;

	/* What would be printed as 1024.0 is one of the next unit. */
	while (bytes >= 1023.95 && unit < 6) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, HUMAN_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", bytes,
		 units[unit]);
	return text;
}

const char *human_count(uint64_t n, char text[HUMAN_SIZE])
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	char *to = text;

	for (int i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

const char *human_number(double n, char text[HUMAN_SIZE])
{
	if (n > 0 && n < 9.95) {
		snprintf(text, HUMAN_SIZE, "%.1f", n);
		return text;
	}
	/* Also of what is no number, or too large for one. */
	return human_count(n >= 1 && n < 1e18 ? (uint64_t)(n + 0.5) : 0, text);
}

const char *human_percent(double share, char text[HUMAN_SIZE])
{
	if (share < 1 && share > 0.999)
		share = 0.999;
	snprintf(text, HUMAN_SIZE, "%.1f %%", share * 100);
	return text;
}

const char *human_seconds(int64_t s, char text[HUMAN_SIZE])
{
	if (s < 0)
		s = 0;
	if (s >= 3600)
		snprintf(text, HUMAN_SIZE, "%" PRId64 ":%02d:%02d", s / 3600,
			 (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(text, HUMAN_SIZE, "%d:%02d", (int)(s / 60),
			 (int)(s % 60));
	return text;
}

const char *human_duration(int64_t ns, char text[HUMAN_SIZE])
{
	int64_t tenths = ns > 0 ? ns / (NS_PER_S / 10) : 0;

	if (tenths >= 100)
		return human_seconds(tenths / 10, text);
	snprintf(text, HUMAN_SIZE, "%.1f s", (double)tenths / 10);
	return text;
}

const char *human_time(int64_t wall_ns, char text[HUMAN_SIZE])
{
	struct timespec ts = clock_split_ns(wall_ns);
	struct tm tm = {0};

	gmtime_r(&ts.tv_sec, &tm);
	strftime(text, HUMAN_SIZE, "%Y-%m-%d %H:%M:%S UTC", &tm);
	return text;
}
