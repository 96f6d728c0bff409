/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view/plot.h"

#include "base/clock.h"
#include "base/human.h"
#include "sync/snapshot.h"

/* In units of the view box; the margins hold the numbers. */
#define WIDTH  520
#define HEIGHT 210
#define LEFT   78
#define RIGHT  14
#define TOP    12
#define BOTTOM 26
#define STEPS  4

#define PLOT_WIDTH  (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)

struct point {
	double s; /* since the beginning */
	double rate;
};

/* What is drawn: points, and what the axes reach to. */
struct curve {
	struct point point[PLOT_POINTS_MAX];
	size_t count;
	double most_s, most;
};

double plot_step(double most, bool bytes)
{
	static const double tens[] = {1, 2, 5};
	double power = 1, step = 1;

	/* What is neither positive nor finite gets a grid all the same. */
	if (!(most > 0) || most > 1e30)
		return 1;
	if (bytes) {
		while (step * STEPS < most)
			step *= 2;
		return step;
	}
	for (;;) {
		for (size_t i = 0; i < 3; i++)
			if (tens[i] * power * STEPS >= most)
				return tens[i] * power;
		power *= 10;
	}
}

static uint64_t value(const struct plot *p, size_t i)
{
	return p->bytes ? p->samples[i].bytes : p->samples[i].files;
}

/* Neighbours become one point where there are more than can be seen. */
static void gather(const struct plot *p, struct curve *c)
{
	size_t intervals = p->count > 1 ? p->count - 1 : 0;
	size_t group = (intervals + PLOT_POINTS_MAX - 1) / PLOT_POINTS_MAX;

	for (size_t from = 0; from < intervals; from += group) {
		size_t to = from + group < intervals ? from + group : intervals;
		int64_t ns =
		    p->samples[to].elapsed_ns - p->samples[from].elapsed_ns;
		uint64_t a = value(p, from), b = value(p, to);
		struct point *point = &c->point[c->count];

		if (ns <= 0)
			continue;
		point->s = (double)p->samples[to].elapsed_ns / NS_PER_S;
		point->rate =
		    b > a ? (double)(b - a) * NS_PER_S / (double)ns : 0;
		if (point->rate > c->most)
			c->most = point->rate;
		c->most_s = point->s;
		c->count++;
	}
}

static double x_of(const struct curve *c, double s)
{
	return LEFT + (c->most_s > 0 ? s / c->most_s : 0) * PLOT_WIDTH;
}

static double y_of(double top, double rate)
{
	return TOP + (1 - rate / top) * PLOT_HEIGHT;
}

static void draw_grid(FILE *f, const struct plot *p, double step)
{
	char text[HUMAN_SIZE];

	for (int i = 0; i <= STEPS; i++) {
		double y = y_of(STEPS * step, i * step);

		fprintf(f,
			"<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" "
			"y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
			"text-anchor=\"end\">%s%s</text>\n",
			i == 0 ? "axis" : "grid", LEFT, WIDTH - RIGHT, y, y,
			LEFT - 8, y + 4,
			p->bytes ? human_bytes(i * step, text)
				 : human_number(i * step, text),
			i == 0 ? "" : "/s");
	}
}

/* The time at the beginning, the middle and the end. */
static void draw_times(FILE *f, const struct curve *c)
{
	static const char *const anchors[] = {"start", "middle", "end"};
	char text[HUMAN_SIZE] = "0";

	for (int i = 0; i <= 2; i++) {
		if (i > 0)
			human_duration((int64_t)(c->most_s * i / 2 * NS_PER_S),
				       text);
		fprintf(f,
			"<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%s"
			"</text>\n",
			LEFT + i * PLOT_WIDTH / 2, HEIGHT - 6, anchors[i],
			text);
	}
}

/* From the axis to the first point it is level: that is what the first rate
 * means. */
static void draw_points(FILE *f, const struct curve *c, double top)
{
	fprintf(f, "%d,%.1f", LEFT, y_of(top, c->point[0].rate));
	for (size_t i = 0; i < c->count; i++)
		fprintf(f, " %.1f,%.1f", x_of(c, c->point[i].s),
			y_of(top, c->point[i].rate));
}

void plot_draw(FILE *f, const struct plot *p)
{
	struct curve c = {.count = 0};
	char most[HUMAN_SIZE];
	double step;

	gather(p, &c);
	step = plot_step(c.most, p->bytes);
	fprintf(f,
		"<svg id=\"%s\" class=\"%s\" viewBox=\"0 0 %d %d\" "
		"role=\"img\" data-points=\"%zu\" aria-label=\"%s, at most "
		"%s/s\">\n",
		p->id, p->style, WIDTH, HEIGHT, c.count, p->label,
		p->bytes ? human_bytes(c.most, most)
			 : human_number(c.most, most));
	draw_grid(f, p, step);
	draw_times(f, &c);
	if (c.count > 0) {
		fprintf(f, "<polygon class=\"area\" points=\"%d,%d ", LEFT,
			TOP + PLOT_HEIGHT);
		draw_points(f, &c, STEPS * step);
		fprintf(f, " %d,%d\"/>\n<polyline class=\"line\" points=\"",
			LEFT + PLOT_WIDTH, TOP + PLOT_HEIGHT);
		draw_points(f, &c, STEPS * step);
		fputs("\"/>\n", f);
	}
	fputs("</svg>\n", f);
}
