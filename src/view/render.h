/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * render - the texts of the .sync tree, each made of a picture. What each
 * holds is documented in efsbridge-dotsync(5).
 *
 * Whether all could be written is told by ferror() of the stream.
 * Thread rule: pure, but for the stream.
 */
#ifndef VIEW_RENDER_H
#define VIEW_RENDER_H

#include <stdio.h>

struct picture;
struct picture_execution;

/* render_text.c */
void render_status(FILE *f, const struct picture *p);
void render_errors(FILE *f, const struct picture *p);
void render_transferring(FILE *f, const struct picture *p);

/* render_json.c */
void render_status_json(FILE *f, const struct picture *p);
void render_task_json(FILE *f, const struct picture *p);
/* history/<execution>/summary.json */
void render_summary_json(FILE *f, const struct picture_execution *x);

/* render_metrics.c */
void render_metrics(FILE *f, const struct picture *p);

#endif
