/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "view/picture.h"

#include <stdlib.h>

void picture_done(struct picture *p)
{
	for (size_t i = 0; i < p->error_count; i++)
		free(p->errors[i].path);
	for (size_t i = 0; i < p->execution_count; i++) {
		free(p->executions[i].status);
		free(p->executions[i].summary);
	}
	free(p->errors);
	free(p->executions);
	snapshot_done(&p->snapshot);
	*p = (struct picture){0};
}

bool picture_is_running(const struct picture *p)
{
	const struct snapshot *s = &p->snapshot;

	return s->execution != 0 &&
	       !(s->ended && s->ended_execution >= s->execution);
}
