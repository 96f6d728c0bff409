/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes are a configuration file of the AWS command line: what is said of a
 * profile is one line without blanks around it, and only of one that exists.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aws/profile.h"
#include "aws/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
	if (!holds)
		abort();
}

/* A file in memory, which the variables name; made once. */
static int open_file(void)
{
	static int fd = -1;
	char path[32];

	if (fd < 0) {
		fd = memfd_create("profile", MFD_CLOEXEC);
		check(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		setenv("AWS_CONFIG_FILE", path, 1);
		setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
	}
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"default", "a", "a b"};
	struct profiles *p = NULL;
	char error[256];
	int fd = open_file();

	check(ftruncate(fd, 0) == 0);
	check(pwrite(fd, data, size, 0) == (ssize_t)size);
	check(profile_open(&p, error, sizeof(error)) == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct secret value = {0};

		if (profile_get(p, names[i], "key", &value) == 0) {
			check(profile_exists(p, names[i]));
			check(value.len > 0);
			check(!strchr(value.data, '\n'));
			check(!strchr(" \t", value.data[0]));
			check(!strchr(" \t", value.data[value.len - 1]));
		}
		secret_done(&value);
	}
	profile_close(p);
	return 0;
}
