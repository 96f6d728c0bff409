/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The conformance test of the waist: every backend passes it, unchanged.
 *
 *   volume_conformance [LOCATION [BACKING]]
 *
 * or by EFSBRIDGE_TEST_LOCATION and EFSBRIDGE_TEST_BACKING. Without either, a
 * fresh local directory is tested. LOCATION must be a directory where entries
 * may be made; what is made there is removed again. BACKING is the local
 * directory that a server exports as LOCATION. Arguments after "--" choose
 * tests by their name (cmocka's pattern, with * and ?).
 *
 * EFSBRIDGE_TEST_WRITER is another location of the same directory, for a
 * LOCATION that only reads. What callers may not do is not tested then.
 */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "volume/location.h"

/* A fresh local directory as both location and backing. */
static void use_local_directory(void)
{
	const char *base = getenv("TMPDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/conformance-XXXXXX",
		 base && *base == '/' ? base : "/tmp");
	/* An ordinary user must get through, see denied.c. */
	if (!mkdtemp(path) || chmod(path, 0755)) {
		perror(path);
		exit(2);
	}
	fixture.location = strdup(path);
	fixture.backing = strdup(path);
}

static const char *argument(int argc, char **argv, int i, const char *variable)
{
	const char *value = argc > i ? argv[i] : getenv(variable);

	return value && *value ? value : NULL;
}

static struct volume *open_location(const char *text, struct location **ret)
{
	struct volume *volume;
	char error[1024];

	if (location_parse(text, ret, error, sizeof(error)) ||
	    volume_open_location(*ret, &volume, error, sizeof(error))) {
		fprintf(stderr, "%s\n", error);
		exit(2);
	}
	return volume;
}

/* Opens what is tested; true when a directory must be removed afterwards. */
static bool open_fixture(const char *text, const char *backing)
{
	const char *writer = argument(0, NULL, 0, "EFSBRIDGE_TEST_WRITER");
	struct location *location;

	if (text) {
		fixture.location = strdup(text);
		fixture.backing = backing ? strdup(backing) : NULL;
	} else {
		use_local_directory();
	}
	if (writer) {
		fixture.writer = open_location(writer, &location);
		location_free(location);
	}
	fixture.volume = open_location(fixture.location, &location);
	fixture.local = location->kind == LOCATION_DIRECTORY;
	if (fixture.local && !fixture.backing)
		fixture.backing = strdup(location->path);
	location_free(location);
	return !text;
}

int main(int argc, char **argv)
{
	const struct {
		const struct CMUnitTest *tests;
		size_t count;
	} parts[] = {
	    {attr_tests, attr_test_count},     {call_tests, call_test_count},
	    {denied_tests, denied_test_count}, {held_tests, held_test_count},
	    {list_tests, list_test_count},     {name_tests, name_test_count},
	    {range_tests, range_test_count},   {swap_tests, swap_test_count},
	    {tree_tests, tree_test_count},     {whole_tests, whole_test_count},
	};
	struct CMUnitTest tests[128];
	size_t count = 0;
	bool fresh;
	int failed;

	if (argc > 2 && !strcmp(argv[argc - 2], "--")) {
		cmocka_set_test_filter(argv[argc - 1]);
		argc -= 2;
	}
	fresh = open_fixture(argument(argc, argv, 1, "EFSBRIDGE_TEST_LOCATION"),
			     argument(argc, argv, 2, "EFSBRIDGE_TEST_BACKING"));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (fixture.writer && parts[i].tests == denied_tests)
			continue;
		for (size_t j = 0; j < parts[i].count; j++)
			if (count < ARRAY_SIZE(tests))
				tests[count++] = parts[i].tests[j];
	}
	failed = _cmocka_run_group_tests("volume", tests, count, NULL, NULL);
	volume_free(fixture.volume);
	volume_free(fixture.writer);
	if (fresh && rmdir(fixture.backing)) {
		perror(fixture.backing);
		failed++;
	}
	free(fixture.location);
	free(fixture.backing);
	return failed ? 1 : 0;
}
