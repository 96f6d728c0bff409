/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * secret - a text that grows and leaves nothing behind.
 *
 * It lies in pages of its own that no core dump holds (MADV_DONTDUMP)
 * and is overwritten before they are given back. Keys, tokens, the
 * answers that bring them and the requests that carry them are built here.
 *
 * Thread rule: one thread at a time.
 */
#ifndef AWS_SECRET_H
#define AWS_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is an empty one. */
struct secret {
	char *data;  /* `len` bytes and a NUL; NULL while empty */
	size_t len;  /* bytes in use */
	size_t size; /* bytes mapped */
	bool failed; /* something could not be put: out of memory */
};

/* The text, "" while there is none. Valid until the next put. */
static inline const char *secret_text(const struct secret *s)
{
	return s->data ? s->data : "";
}

/* Appends. When out of memory, `failed` is set and later puts do nothing. */
void secret_put(struct secret *s, const void *bytes, size_t len);
void secret_puts(struct secret *s, const char *text);
void secret_printf(struct secret *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends what the file holds, up to `max` bytes: -EFBIG when there is more;
 * other negative errnos of open and read, -ENOMEM. */
int secret_put_file(struct secret *s, const char *path, size_t max);

/* 0, or -ENOMEM when something could not be put. */
int secret_check(const struct secret *s);

/* Forgets the text but keeps the room. */
void secret_clear(struct secret *s);

/* Overwrites and frees; all zero afterwards. */
void secret_done(struct secret *s);

#define CLEANUP_SECRET __attribute__((cleanup(secret_done)))

/*
 * Overwrites what functions that have returned left on the stack: registers
 * that were saved there while they held a piece of a secret.
 */
void secret_scrub_stack(void);

/*
 * Keeps the pages that hold string `text` out of core dumps: for what the
 * kernel put into memory, such as the environment. Best effort.
 */
void secret_hide(const char *text);

/* The same of memory that a library has: for a copy that it keeps. */
void secret_hide_memory(const void *data, size_t len);

/* As free() and realloc(), for libraries that copy secrets: what is given back
 * is overwritten. */
void secret_give_back(void *p);
void *secret_resize(void *p, size_t size);

/* Lets OpenSSL use those two: to be called before anything of it is used, else
 * it has no effect. */
void secret_wipe_openssl(void);

/* From here on OpenSSL keeps private keys in memory that is not dumped. Any
 * number of times; best effort. */
void secret_hide_keys(void);

#endif
