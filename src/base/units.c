/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"

const char *units_bytes(double bytes, char text[UNITS_TEXT])
{
	static const char *const units[] = {"B",   "KiB", "MiB", "GiB",
					    "TiB", "PiB", "EiB"};
	size_t unit = 0;

	/* From here on one decimal would round to 1024.0. */
	while (bytes >= 1023.95 && unit < ARRAY_SIZE(units) - 1) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, UNITS_TEXT, unit == 0 ? "%.0f %s" : "%.1f %s", bytes,
		 units[unit]);
	return text;
}

const char *units_duration(int64_t ns, char text[UNITS_TEXT])
{
	int64_t s = ns / NS_PER_S;

	if (s >= 3600)
		snprintf(text, UNITS_TEXT, "%" PRId64 ":%02d:%02d", s / 3600,
			 (int)(s / 60 % 60), (int)(s % 60));
	else
		snprintf(text, UNITS_TEXT, "%d:%02d", (int)(s / 60),
			 (int)(s % 60));
	return text;
}
