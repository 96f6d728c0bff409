/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dashboard - .sync/dashboard.html: one page that needs nothing else, neither
 * another file nor a script. The numbers and the plots are in it as they were
 * when it was made; a browser loads it again every few seconds.
 *
 * dashboard.html is its template, which the build makes an array of: {{word}}
 * is where a part goes that dashboard.c knows under that word.
 *
 * Thread rule: pure, but for the stream.
 */
#ifndef VIEW_DASHBOARD_H
#define VIEW_DASHBOARD_H

#include <stdio.h>

struct picture;

/* Wants a picture with everything in it. 0, -ENOMEM, or -EINVAL: the template
 * has a word that nobody knows. */
int dashboard_render(FILE *f, const struct picture *p);

/* More errors or transfers are only counted. */
#define DASHBOARD_ROWS_MAX 50

/* The template, made by the build. */
extern const char dashboard_html[];

#endif
