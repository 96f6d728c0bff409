/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/csv.h"

#include <string.h>

void csv_put(FILE *f, const char *text)
{
	putc('"', f);
	if (*text && strchr("=+-@\t\r", *text))
		putc(' ', f);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', f);
		putc(*text, f);
	}
	putc('"', f);
}
