/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A directory as an NFSv4.1 server lists it, through the waist: whatever the
 * pages hold, what leaves the lister has names that are good for one directory
 * and goes on, page by page.
 *
 * The input is the pages, each behind its length: the result of READDIR and
 * what follows it. When there is none left, the server is gone; or, if the
 * first byte says so, it begins again with the first, which is noticed.
 */
#include <errno.h>
#include <string.h>

#include "../unit/fake_client.h"
#include "fuzz.h"
#include "listed.h"
#include "nfs/proto.h"
#include "volume/location.h"

/* Pages of a circle, at the most. */
#define CIRCLE 8

/* Pages after which it is gone, since it may say "later" for ever. */
#define TOTAL 200

static struct input pages, first;
static bool again;
static unsigned given, total;

/* PUTFH went well, the rest is the input's. */
static void take_page(struct fake_client *s, struct call *call)
{
	static const uint8_t putfh[8] = {[3] = OP_PUTFH};
	const uint8_t *data;
	size_t len;

	(void)s;
	blob_unref(call->reply.blob);
	call->reply = (struct reply){0};
	if (pages.left == 0 && again && given <= CIRCLE && total < TOTAL)
		pages = first;
	if (pages.left == 0) {
		call->result = -ENOTCONN;
		return;
	}
	if (again && pages.data == first.data)
		given = 0;
	given++;
	total++;
	data = input_piece(&pages, &len);
	call->reply.blob = blob_new(sizeof(putfh) + len);
	check(call->reply.blob != NULL);
	memcpy(call->reply.blob->data, putfh, sizeof(putfh));
	memcpy(call->reply.blob->data + sizeof(putfh), data, len);
	call->reply.left = 2;
	xdr_in_init(&call->reply.in, call->reply.blob->data,
		    sizeof(putfh) + len);
}

static struct volume *open_volume(void)
{
	struct volume *v = NULL;
	struct location *l = NULL;
	char error[256];

	fake_reset();
	check(!location_parse("host:/", &l, error, sizeof(error)));
	check(!volume_open_location(l, &v, error, sizeof(error)));
	location_free(l);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct volume *v;

	if (!v)
		v = open_volume();
	fake.spoil = take_page;
	pages = (struct input){data, size};
	again = input_byte(&pages) & 1;
	first = pages;
	given = total = 0;
	check(list_all(v) < LISTED_PAGES || !again);
	return 0;
}
