/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plot - a rate over time as SVG: an area under a line, a grid with round
 * numbers. Colours come from the style of the page it is put in.
 *
 * Thread rule: pure, but for the stream.
 */
#ifndef VIEW_PLOT_H
#define VIEW_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct snapshot_sample;

/* A line has no more points: two or three pixels each. */
#define PLOT_POINTS_MAX 200

struct plot {
	const char *id;
	const char *style; /* class of the svg element */
	const char *label; /* what it is, for those who cannot see it */
	bool bytes;        /* of samples: bytes/s, else files/s */
	const struct snapshot_sample *samples; /* oldest first */
	size_t count;
};

/* With fewer than two samples there is only the grid. */
void plot_draw(FILE *f, const struct plot *p);

/* A round number, such that four of it reach `most` or further: 1, 2 or 5
 * times a power of ten, or for bytes a power of two. */
double plot_step(double most, bool bytes);

#endif
