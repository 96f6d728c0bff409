/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "base/log.h"
#include "sync/runner.h"
#include "view/control.h"
#include "view/core.h"
#include "view/dotsync_internal.h"

static const char *const words[] = {
    [CONTROL_START] = "start",   [CONTROL_VERIFY] = "verify",
    [CONTROL_RETRY] = "retry",   [CONTROL_RESCAN] = "rescan",
    [CONTROL_PAUSE] = "pause",   [CONTROL_RESUME] = "resume",
    [CONTROL_CANCEL] = "cancel", [CONTROL_SET] = "set",
};

/* Why the runner did not take a command. */
static const char *refusal(enum control_verb verb, int error)
{
	switch (error) {
	case -EALREADY:
		return verb == CONTROL_PAUSE ? "it is paused already"
					     : "it is not paused";
	case -ESRCH:
		return "nothing is under way";
	case -ESHUTDOWN:
		return "the mount is ending";
	default:
		return strerrordesc_np(-error) ?: "unknown error";
	}
}

static int request(struct view *v, uid_t uid, const struct control_command *c)
{
	static const enum runner_kind kinds[] = {
	    [CONTROL_START] = RUN_ALL,
	    [CONTROL_VERIFY] = RUN_VERIFY,
	    [CONTROL_RETRY] = RUN_RETRY,
	    [CONTROL_RESCAN] = RUN_PATH,
	};
	CLEANUP_FREE char *path = c->path ? escape_name(c->path) : NULL;
	uint64_t execution;
	int r = runner_request(v->setup.runner, kinds[c->verb],
			       c->path ? c->path : "", &execution);

	if (r == 0)
		log_notice("control: %s%s%s by uid %u: execution %" PRIu64,
			   words[c->verb], path ? " /" : "", path ? path : "",
			   (unsigned)uid, execution);
	return r;
}

/* An option: what its new value is was understood, or it would not be here. */
static int change(struct view *v, uid_t uid, const struct control_command *c)
{
	char error[300];
	int r = runner_set(v->setup.runner, c->word, c->value, error,
			   sizeof(error));

	if (r == 0)
		log_notice("control: %s=%s by uid %u", c->word, c->value,
			   (unsigned)uid);
	return r;
}

static int obey_one(struct view *v, uid_t uid, const struct control_command *c)
{
	struct runner *runner = v->setup.runner;
	int r;

	switch (c->verb) {
	case CONTROL_START:
	case CONTROL_VERIFY:
	case CONTROL_RETRY:
	case CONTROL_RESCAN:
		return request(v, uid, c);
	case CONTROL_PAUSE:
		r = runner_pause(runner);
		break;
	case CONTROL_RESUME:
		r = runner_resume(runner);
		break;
	case CONTROL_CANCEL:
		r = runner_cancel(runner);
		break;
	default:
		return change(v, uid, c);
	}
	if (r == 0)
		log_notice("control: %s by uid %u", words[c->verb],
			   (unsigned)uid);
	return r;
}

int dotsync_obey(struct view *v, uid_t uid, const char *text, size_t size)
{
	struct control_command commands[CONTROL_COMMANDS_MAX];
	char error[300];
	size_t count;
	int r =
	    control_parse(text, size, commands, &count, error, sizeof(error));

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		log_warning("control: nothing done for uid %u: %s",
			    (unsigned)uid, error);
		return r;
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = obey_one(v, uid, &commands[i]);
		if (r < 0)
			log_warning("control: %s by uid %u: not done: %s",
				    words[commands[i].verb], (unsigned)uid,
				    refusal(commands[i].verb, r));
	}
	control_done(commands, count);
	/* Who looks now wants to see what came of it. */
	dotsync_text_forget(v->dotsync);
	return r;
}
