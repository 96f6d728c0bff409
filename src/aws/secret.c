// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Whole pages, because advice to the kernel is given for pages: an allocation
 * of malloc() would hide its neighbours and be shown with them. Growing is a
 * new mapping and a copy; the old one is overwritten. Texts are few and short,
 * so that the system calls do not matter.
 */
#include "aws/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/cleanup.h"

/* What OpenSSL's secure heap holds in all, and its smallest piece: room for
 * some dozens of RSA keys and many handshakes. */
#define HEAP_SIZE  ((size_t)1 << 20)
#define HEAP_PIECE 32

/* As deep as what is called with a secret goes. */
#define SCRUB_SIZE ((size_t)32 << 10)

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void unmap(char *data, size_t len, size_t size)
{
	if (!data)
		return;
	OPENSSL_cleanse(data, len);
	munmap(data, size);
}

/* Room for `more` bytes and the NUL. */
static bool reserve(struct secret *s, size_t more)
{
	size_t page = page_size();
	size_t need, size;
	char *data;

	if (s->failed)
		return false;
	if (__builtin_add_overflow(s->len, more, &need) ||
	    need > SIZE_MAX / 4) {
		s->failed = true;
		return false;
	}
	if (need < s->size)
		return true;
	size = (2 * need + page) / page * page;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED) {
		s->failed = true;
		return false;
	}
	/* Refused by kernels that were built without it only. */
	madvise(data, size, MADV_DONTDUMP);
	if (s->len > 0)
		memcpy(data, s->data, s->len);
	unmap(s->data, s->len, s->size);
	s->data = data;
	s->size = size;
	return true;
}

void secret_put(struct secret *s, const void *bytes, size_t len)
{
	if (!reserve(s, len))
		return;
	if (len > 0)
		memcpy(s->data + s->len, bytes, len);
	s->len += len;
	s->data[s->len] = '\0';
}

void secret_puts(struct secret *s, const char *text)
{
	secret_put(s, text, strlen(text));
}

void secret_printf(struct secret *s, const char *format, ...)
{
	va_list args, again;
	int n;

	va_start(args, format);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, format, args);
	if (n < 0)
		s->failed = true;
	else if (reserve(s, (size_t)n)) {
		vsnprintf(s->data + s->len, (size_t)n + 1, format, again);
		s->len += (size_t)n;
	}
	va_end(again);
	va_end(args);
}

int secret_put_file(struct secret *s, const char *path, size_t max)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t sum = 0;

	if (fd < 0)
		return -errno;
	while (reserve(s, max - sum + 1)) {
		/* One byte more than is wanted tells that there is more. */
		ssize_t n = read(fd, s->data + s->len, max - sum + 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s->len += (size_t)n;
		s->data[s->len] = '\0';
		sum += (size_t)n;
		if (sum > max)
			return -EFBIG;
		if (n == 0)
			return 0;
	}
	return -ENOMEM;
}

int secret_check(const struct secret *s)
{
	return s->failed ? -ENOMEM : 0;
}

void secret_clear(struct secret *s)
{
	if (s->data)
		OPENSSL_cleanse(s->data, s->len);
	s->len = 0;
	s->failed = false;
}

void secret_done(struct secret *s)
{
	unmap(s->data, s->len, s->size);
	memset(s, 0, sizeof(*s));
}

/* No call from here: it would be the next to save registers. */
__attribute__((noinline)) void secret_scrub_stack(void)
{
	uintptr_t below[SCRUB_SIZE / sizeof(uintptr_t)];
	volatile uintptr_t *p = below;

	for (size_t i = 0; i < ARRAY_SIZE(below); i++)
		p[i] = 0;
}

void secret_hide_memory(const void *data, size_t len)
{
	uintptr_t page = page_size();
	uintptr_t begin = (uintptr_t)data / page * page;
	uintptr_t end = ((uintptr_t)data + len + page) / page * page;

	madvise((void *)begin, end - begin, MADV_DONTDUMP);
}

void secret_hide(const char *text)
{
	secret_hide_memory(text, strlen(text));
}

void secret_give_back(void *p)
{
	if (p)
		OPENSSL_cleanse(p, malloc_usable_size(p));
	free(p);
}

void *secret_resize(void *p, size_t size)
{
	size_t old = p ? malloc_usable_size(p) : 0;
	void *new;

	if (p && size <= old)
		return p;
	new = malloc(size);
	if (new &&p) {
		memcpy(new, p, old);
		secret_give_back(p);
	}
	return new;
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return size ? malloc(size) : NULL;
}

static void *openssl_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	if (size)
		return secret_resize(p, size);
	secret_give_back(p);
	return NULL;
}

static void openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	secret_give_back(p);
}

void secret_wipe_openssl(void)
{
	(void)CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc,
				       openssl_free);
}

static void hide_keys(void)
{
	if (!CRYPTO_secure_malloc_initialized())
		CRYPTO_secure_malloc_init(HEAP_SIZE, HEAP_PIECE);
}

void secret_hide_keys(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, hide_keys);
}
