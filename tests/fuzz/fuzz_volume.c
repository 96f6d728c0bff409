/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every verb of the waist on an NFSv4.1 server of which some answers are
 * spoiled: bytes changed, cut short, results fewer or more than are there.
 * Whatever comes of it, the items hold what volume.h promises.
 *
 * The input is the verbs; between them, for each answer, what is wrong with it.
 */
#include <errno.h>
#include <string.h>

#include "../unit/fake_client.h"
#include "base/cleanup.h"
#include "fuzz.h"
#include "listed.h"
#include "volume/location.h"

/* Requests after which the server is gone: it may say "later" for ever. */
#define CALLS_MAX 100

static struct input input;
static struct volume *volume;
static const struct handle *root;
static const char *const names[] = {"a", "b", "c", "d", "e/", ".."};

static void spoil(struct fake_client *s, struct call *call)
{
	unsigned what = input_byte(&input);
	struct xdr_in *in = &call->reply.in;

	if (s->calls > CALLS_MAX) {
		blob_unref(call->reply.blob);
		call->reply = (struct reply){0};
		call->result = -ENOTCONN;
		return;
	}
	call->again = what & 0x80;
	for (unsigned i = what & 7; i > 0; i--) {
		size_t at = (size_t)input_number(&input, 2);

		if (at < in->len)
			call->reply.blob->data[at] =
			    (uint8_t)input_byte(&input);
	}
	if (what & 0x10)
		in->len = (size_t)input_number(&input, 2) % (in->len + 1);
	if (what & 0x20)
		call->reply.left = input_byte(&input);
}

static void check_handle(int result, const struct handle *h)
{
	check(result <= 0 && (result == 0) == (h != NULL));
	check(!h || (h->len >= 1 && h->len <= 128));
}

static const char *pick_name(void)
{
	return names[input_byte(&input) % ARRAY_SIZE(names)];
}

static void check_bytes(int result, const uint8_t *data, size_t len, size_t max)
{
	unsigned sum = 0;

	check(result <= 0 && (result == 0 || len == 0) && len <= max);
	/* For the sanitizer. */
	for (size_t i = 0; i < len; i++)
		sum += data[i];
	check(sum <= 255 * len);
}

/* --- Verbs ---------------------------------------------------------------- */

static struct handle *look_up(void)
{
	struct volume_lookup v = {.dir = root, .name = pick_name()};
	struct handle *h;

	volume_run(volume, VOLUME_LOOKUP, &v, 1);
	check_handle(v.result, v.ret_handle);
	h = steal(v.ret_handle);
	volume_items_done(VOLUME_LOOKUP, &v, 1);
	return h ? h : handle_dup(root);
}

static void do_look(void)
{
	CLEANUP_FREE struct handle *h = look_up();
	struct volume_getattr a = {.handle = h};
	struct volume_readlink l = {.handle = h};

	volume_run(volume, VOLUME_GETATTR, &a, 1);
	check(a.result <= 0 && a.ret_attr.mode <= 07777);
	volume_run(volume, VOLUME_READLINK, &l, 1);
	check(l.result <= 0 && (l.result == 0) == (l.ret_target != NULL));
	volume_items_done(VOLUME_READLINK, &l, 1);
}

static void do_read_whole(void)
{
	CLEANUP_FREE struct handle *h = look_up();
	struct volume_read_whole items[3] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		items[i].handle = h;
		items[i].expect = input_byte(&input) * 16u;
	}
	volume_run(volume, VOLUME_READ_WHOLE, items, ARRAY_SIZE(items));
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		check_bytes(items[i].result, items[i].ret_data,
			    items[i].ret_len, VOLUME_WHOLE_MAX);
	volume_items_done(VOLUME_READ_WHOLE, items, ARRAY_SIZE(items));
}

static void do_read(void)
{
	CLEANUP_FREE struct handle *h = look_up();
	struct volume_read r = {.handle = h,
				.offset = input_byte(&input),
				.len = 1 + input_byte(&input) * 64u};

	volume_run(volume, VOLUME_READ, &r, 1);
	check_bytes(r.result, r.ret_data, r.ret_len, r.len);
	volume_items_done(VOLUME_READ, &r, 1);
}

static void do_write_whole(void)
{
	static const uint8_t data[3000] = "some";
	struct volume_write_whole items[2] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		items[i].dir = root;
		items[i].temp_name = i ? ".t1" : ".t0";
		items[i].name = pick_name();
		items[i].data = data;
		items[i].len = input_byte(&input) * 11u;
		items[i].set = (struct attr_set){
		    .which = input_byte(&input) & ~ATTR_SET_SIZE & 0x3fu};
	}
	volume_run(volume, VOLUME_WRITE_WHOLE, items, ARRAY_SIZE(items));
	for (size_t i = 0; i < ARRAY_SIZE(items); i++)
		check_handle(items[i].result, items[i].ret_handle);
	volume_items_done(VOLUME_WRITE_WHOLE, items, ARRAY_SIZE(items));
}

static void do_make(void)
{
	unsigned type = input_byte(&input);
	struct volume_make m = {
	    .dir = root,
	    .temp_name = type & 0x10 ? ".t2" : NULL,
	    .name = pick_name(),
	    .type = type % 4 == 0   ? ENTRY_DIRECTORY
		    : type % 4 == 1 ? ENTRY_SYMLINK
				    : ENTRY_FIFO,
	    .target = "../somewhere",
	};

	if (m.type == ENTRY_DIRECTORY)
		m.temp_name = NULL;
	volume_run(volume, VOLUME_MAKE, &m, 1);
	check_handle(m.result, m.ret_handle);
	volume_items_done(VOLUME_MAKE, &m, 1);
}

static void do_names(void)
{
	CLEANUP_FREE struct handle *h = look_up();
	struct volume_link l = {
	    .handle = h, .dir = root, .temp_name = ".t3", .name = pick_name()};
	struct volume_rename n = {.dir = root,
				  .name = pick_name(),
				  .to_dir = root,
				  .to_name = pick_name()};
	struct volume_remove r = {.dir = root, .name = pick_name()};

	volume_run(volume, VOLUME_LINK, &l, 1);
	volume_run(volume, VOLUME_RENAME, &n, 1);
	volume_run(volume, VOLUME_REMOVE, &r, 1);
	check(l.result <= 0 && n.result <= 0 && r.result <= 0);
}

static void do_setattr(void)
{
	CLEANUP_FREE struct handle *h = look_up();
	struct volume_setattr s = {.handle = h,
				   .set = {.which = input_byte(&input) & 0x37}};
	struct volume_statfs f = {0};

	volume_run(volume, VOLUME_SETATTR, &s, 1);
	volume_run(volume, VOLUME_STATFS, &f, 1);
	check(s.result <= 0 && f.result <= 0);
}

static void do_file(void)
{
	static const uint8_t data[2000];
	struct volume_open o = {
	    .dir = root, .name = pick_name(), .create = input_byte(&input) & 1};
	struct volume_write w = {.offset = input_byte(&input),
				 .data = data,
				 .len = 1 + input_byte(&input) * 7u};
	struct volume_commit c;
	struct volume_close e;

	volume_run(volume, VOLUME_OPEN, &o, 1);
	check(o.result <= 0 && (o.result == 0) == (o.ret_file != NULL));
	if (o.result)
		return;
	w.file = o.ret_file;
	c = (struct volume_commit){.file = o.ret_file};
	e = (struct volume_close){.file = o.ret_file};
	volume_run(volume, VOLUME_WRITE, &w, 1);
	volume_run(volume, VOLUME_COMMIT, &c, 1);
	volume_run(volume, VOLUME_CLOSE, &e, 1);
	check(w.result <= 0 && c.result <= 0 && e.result <= 0);
	volume_items_done(VOLUME_OPEN, &o, 1);
}

static void do_hold(void)
{
	CLEANUP_FREE struct handle *h = look_up();
	struct volume_open o = {.handle = h};
	struct volume_read r = {.handle = h, .len = 100};
	struct volume_close e;

	volume_run(volume, VOLUME_OPEN, &o, 1);
	check(o.result <= 0 && (o.result == 0) == (o.ret_file != NULL));
	if (o.result)
		return;
	r.file = o.ret_file;
	e = (struct volume_close){.file = o.ret_file};
	volume_run(volume, VOLUME_READ, &r, 1);
	check_bytes(r.result, r.ret_data, r.ret_len, r.len);
	volume_items_done(VOLUME_READ, &r, 1);
	volume_run(volume, VOLUME_CLOSE, &e, 1);
	volume_items_done(VOLUME_OPEN, &o, 1);
}

static void do_list(void)
{
	list_all(volume);
}

/* Opens below a directory, which may be spoiled as well. */
static void open_volume(bool spoiled)
{
	struct location *l = NULL;
	char error[512] = "";

	fake_reset();
	fake_make("a", "abcdefgh", 8);
	fake_make("b", names, 40);
	fake.spoil = spoiled ? spoil : NULL;
	check(!location_parse("host:/", &l, error, sizeof(error)));
	volume = NULL;
	if (volume_open_location(l, &volume, error, sizeof(error)))
		check(spoiled && !volume && *error);
	fake.spoil = spoil;
	location_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const verbs[])(void) = {
	    do_list, do_look,  do_read_whole, do_read, do_write_whole,
	    do_make, do_names, do_setattr,    do_file, do_hold,
	};

	input = (struct input){data, size};
	open_volume(input_byte(&input) & 1);
	if (!volume)
		return 0;
	root = volume_get_info(volume)->root;
	while (input.left > 0 && fake.calls < CALLS_MAX)
		verbs[input_byte(&input) % ARRAY_SIZE(verbs)]();
	fake.spoil = NULL;
	volume = volume_free(volume);
	return 0;
}
