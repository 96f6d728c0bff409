/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a user may write for a volume, and what is said about the rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "volume/location.h"

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X250 X50 X50 X50 X50 X50

/* Servers that parse. Without `port` it is 2049. */
static const struct {
	const char *text, *canonical, *host, *path;
	uint16_t port;
} servers[] = {
    {"host:/", "host:/", "host", "/", 0},
    {"host:/a/b", "host:/a/b", "host", "/a/b", 0},
    {"host:/a//b/./c/", "host:/a/b/c", "host", "/a/b/c", 0},
    {"host:/...", "host:/...", "host", "/...", 0},
    {"host:/..a/b..", "host:/..a/b..", "host", "/..a/b..", 0},
    {"HOST.Example.COM:/X", "host.example.com:/X", "host.example.com", "/X", 0},
    {"my_host-1:/", "my_host-1:/", "my_host-1", "/", 0},
    {"host.:/", "host.:/", "host.", "/", 0},
    {"192.0.2.1:/x", "192.0.2.1:/x", "192.0.2.1", "/x", 0},
    {"host:/a%20b?c&d#e", "host:/a%20b?c&d#e", "host", "/a%20b?c&d#e", 0},
    {"host:/a b\n:/c", "host:/a b\n:/c", "host", "/a b\n:/c", 0},
    {"host:/\xff", "host:/\xff", "host", "/\xff", 0},
    {"host:/" X250 "12345", "host:/" X250 "12345", "host", "/" X250 "12345", 0},
    {"[2001:db8::1]:/x", "[2001:db8::1]:/x", "2001:db8::1", "/x", 0},
    {"[2001:DB8:0::1]:/", "[2001:db8::1]:/", "2001:db8::1", "/", 0},
    {"[::]:/", "[::]:/", "::", "/", 0},
    {"[::ffff:192.0.2.1]:/", "[::ffff:192.0.2.1]:/", "::ffff:192.0.2.1", "/",
     0},
    {"[fe80::1%eth0]:/", "[fe80::1%eth0]:/", "fe80::1%eth0", "/", 0},
    {"[fe80::1%2500]:/", "[fe80::1%2500]:/", "fe80::1%2500", "/", 0},
    {"nfs://[fe80::1%252500]/", "[fe80::1%2500]:/", "fe80::1%2500", "/", 0},
    {"fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com:/",
     "fs-0123456789abcdef0:/", "fs-0123456789abcdef0", "/", 0},
    {"FS-0123ABCD:/x", "fs-0123abcd:/x", "fs-0123abcd", "/x", 0},
    {"fs-backup:/x", "fs-backup:/x", "fs-backup", "/x", 0},
    {"fs-0123abcd.example.org:/", "fs-0123abcd.example.org:/",
     "fs-0123abcd.example.org", "/", 0},
    {"nfs://fs-0123abcd:2050/x", "nfs://fs-0123abcd:2050/x", "fs-0123abcd",
     "/x", 2050},
    {"nfs://fs-0123abcd/a?accesspoint=fsap-0123456789abcdef0",
     "nfs://fs-0123abcd/a?accesspoint=fsap-0123456789abcdef0", "fs-0123abcd",
     "/a", 0},
    {"fs-server:/", "fs-server:/", "fs-server", "/", 0},
    {"nfs:/x", "nfs:/x", "nfs", "/x", 0},
    {"nfs://host", "host:/", "host", "/", 0},
    {"nfs://host/", "host:/", "host", "/", 0},
    {"NFS://host/", "host:/", "host", "/", 0},
    {"nfs://host:2049/a", "host:/a", "host", "/a", 0},
    {"nfs://host:2050/a", "nfs://host:2050/a", "host", "/a", 2050},
    {"nfs://host:1", "nfs://host:1/", "host", "/", 1},
    {"nfs://host:65535/", "nfs://host:65535/", "host", "/", 65535},
    {"nfs://host/a%20b", "host:/a b", "host", "/a b", 0},
    {"nfs://host/a%2520b", "host:/a%20b", "host", "/a%20b", 0},
    {"nfs://host/%41%c3%A4", "host:/A\xc3\xa4", "host", "/A\xc3\xa4", 0},
    {"nfs://host/%3F%23%26", "host:/?#&", "host", "/?#&", 0},
    {"nfs://host/%2e/x", "host:/x", "host", "/x", 0},
    {"nfs://host//x//", "host:/x", "host", "/x", 0},
    {"nfs://host:99/a b\xff%3F%25", "nfs://host:99/a%20b%FF%3F%25", "host",
     "/a b\xff?%", 99},
    {"nfs://[::1]", "[::1]:/", "::1", "/", 0},
    {"nfs://[::1]/x", "[::1]:/x", "::1", "/x", 0},
    {"nfs://[::1]:2050/x", "nfs://[::1]:2050/x", "::1", "/x", 2050},
    {"nfs://[fe80::1%25eth0]:3/", "nfs://[fe80::1%25eth0]:3/", "fe80::1%eth0",
     "/", 3},
    {"nfs://host/x?vers=4.1", "host:/x", "host", "/x", 0},
    {"nfs://host/x?vers=3", "host:/x", "host", "/x", 0},
    {"nfs://host/x?nfsport=2050", "nfs://host:2050/x", "host", "/x", 2050},
    {"nfs://host:2050/x?nfsport=2050", "nfs://host:2050/x", "host", "/x", 2050},
    {"nfs://host?conns=4", "host:/", "host", "/", 0},
};

static const struct {
	const char *text;
	unsigned conns, deadline_s;
	int64_t uid, gid;
} optioned[] = {
    {"nfs://h/", 0, 0, -1, -1},
    {"nfs://h/?vers=4.1", 0, 0, -1, -1},
    {"nfs://h/?conns=1", 1, 0, -1, -1},
    {"nfs://h/?conns=16", 16, 0, -1, -1},
    {"nfs://h/?conns=04", 4, 0, -1, -1},
    {"nfs://h/?deadline=1", 0, 1, -1, -1},
    {"nfs://h/?deadline=86400", 0, 86400, -1, -1},
    {"nfs://h/?uid=0", 0, 0, 0, -1},
    {"nfs://h/?gid=0", 0, 0, -1, 0},
    {"nfs://h/?uid=4294967294&gid=65534", 0, 0, 4294967294, 65534},
    {"nfs://h/?gid=7&deadline=30&vers=4.1&uid=8&conns=2", 2, 30, 8, 7},
    {"nfs://h/?uid=%31%32", 0, 0, 12, -1},
};

static const struct {
	const char *text;
	enum location_version version;
	bool has_port;
	uint16_t port, mount_port;
} versions[] = {
    {"h:/", LOCATION_V41, false, 2049, 0},
    {"nfs://h/", LOCATION_V41, false, 2049, 0},
    {"nfs://h/?vers=4.1", LOCATION_V41, false, 2049, 0},
    {"nfs://h/?vers=4.0", LOCATION_V40, false, 2049, 0},
    {"nfs://h/?vers=3", LOCATION_V3, false, 2049, 0},
    {"nfs://h:2049/?vers=3", LOCATION_V3, true, 2049, 0},
    {"nfs://h/?vers=3&nfsport=2049", LOCATION_V3, true, 2049, 0},
    {"nfs://h/?nfsport=1&vers=4.0", LOCATION_V40, true, 1, 0},
    {"nfs://h/?vers=3&mountport=20048", LOCATION_V3, false, 2049, 20048},
    {"nfs://h/?mountport=65535&vers=3&nfsport=9", LOCATION_V3, true, 9, 65535},
};

/* What is refused, and what the sentence names. */
static const struct {
	const char *text, *names;
} bad[] = {
    {"", "empty"},
    {"host", "neither"},
    {"host:", "path is missing"},
    {"host:path", "neither"},
    {"host:path/x", "neither"},
    {"dir/sub", "starts with / or ./"},
    {"~/dir", "starts with / or ./"},
    {":/", "host is missing"},
    {":/path", "host is missing"},
    {"a b:/", "\"a b\""},
    {"h\xc3\xb6st:/", "is no host name"},
    {"dir/sub:/x", "starts with / or ./"},
    {"user@host:/", "user name"},
    {"nfs://user@host/", "user name"},
    {"host..name:/", "between dots"},
    {".host:/", "between dots"},
    {X50 "xxxxxxxxxxxxxx:/", "1 to 63"},
    {X50 "." X50 "." X50 "." X50 "." X50 ":/", "longer than 253"},
    {"1.2.3:/", "IPv4"},
    {"1.2.3.256:/", "IPv4"},
    {"12345:/", "IPv4"},
    {"2001:db8::1:/x", "brackets"},
    {"::1:/x", "brackets"},
    {"host:2050:/x", "nfs://host:port/path"},
    {"[::1:/x", "is no host name"},
    {"[::1]/x", "neither"},
    {"[::1]x:/", "is no host name"},
    {"[]:/", "IPv6"},
    {"[host]:/", "IPv6"},
    {"[1.2.3.4]:/", "IPv6"},
    {"[::1::]:/", "IPv6"},
    {"[fe80::1%]:/", "network interface"},
    {"[fe80::1%a b]:/", "network interface"},
    {"[fe80::1%abcdefghijklmnop]:/", "network interface"},
    {"[" X50 "]:/", "IPv6"},
    {"host:/..", "\"..\""},
    {"host:/a/../b", "\"..\""},
    {"nfs://host/a/%2e%2e/b", "\"..\""},
    {"host:/" X250 "123456", "256 bytes"},
    {"nfs://host/" X250 "123456", "256 bytes"},
    {"/" X250 "123456", "256 bytes"},
    {"nfs://h/?iam", "iam is for EFS"},
    {"nfs://h/?region=eu-west-1", "region is for EFS"},
    {"nfs://h/?mounttarget=10.0.0.1", "mounttarget is for EFS"},
    {"nfs://h/?tls=perhaps", "say yes or no"},
    {"nfs://h/?tls&tls", "twice"},
    {"nfs://h/?tls&vers=3", "NFSv4.1 only"},
    {"nfs://h/?ca=/x", "ca= is for TLS"},
    {"nfs://h/?tls&ca=x", "from the root"},
    {"nfs://h/?tls&ca=", "ca= is empty"},
    {"nfs://h/?conns", "has no value"},
    {"nfs://fs-0123abcd/?vers=4.0", "NFSv4.1"},
    {"nfs://fs-0123abcd/?accesspoint=fsap-1", "no access point"},
    {"nfs://fs-0123abcd/?accesspoint=fsap-0123456789ABCDEF0", "no access"},
    {"nfs://fs-0123abcd/?iam&tls=no", "needs TLS"},
    {"nfs://fs-0123abcd/?accesspoint=fsap-0123456789abcdef0&tls=off",
     "needs TLS"},
    {"nfs://fs-0123abcd/?region=Mars", "no region"},
    {"nfs://fs-0123abcd/?az=a.b", "no availability zone"},
    {"nfs://fs-0123abcd/?mounttarget=10.0.0.1;x", "commas"},
    {"nfs://fs-0123abcd.efs.eu-west-1.amazonaws.com/?region=us-east-1",
     "another region"},
    {"nfs://use1-az1.fs-0123abcd.efs.eu-west-1.amazonaws.com/?az=use1-az2",
     "another zone"},
    {"http://host/", "\"http://\""},
    {"s3://bucket/x", "\"s3://\""},
    {"nfs4://host/x", "\"nfs4://\""},
    {"file:///x", "\"file://\""},
    {"host://path", "\"host://\""},
    {"nfs://", "host is missing"},
    {"nfs:///path", "host is missing"},
    {"nfs://:2049/", "host is missing"},
    {"nfs://?conns=1", "host is missing"},
    {"nfs://host:/x", "port="},
    {"nfs://host:0/x", "port=0"},
    {"nfs://host:65536/x", "port=65536"},
    {"nfs://host:nfs/x", "port=nfs"},
    {"nfs://host:-1/x", "port=-1"},
    {"nfs://host:+1/x", "port=+1"},
    {"nfs://host:99999999999999999999/x", "port="},
    {"nfs://::1/x", "brackets"},
    {"nfs://2001:db8::1/x", "brackets"},
    {"nfs://[::1]2050/x", "is no host name"},
    {"nfs://host/%", "\"%\" in the path"},
    {"nfs://host/%2", "\"%\" in the path"},
    {"nfs://host/%zz", "\"%\" in the path"},
    {"nfs://host/100%/x", "\"%\" in the path"},
    {"nfs://host/a%00b", "%00"},
    {"nfs://host/a%2Fb", "%2F"},
    {"nfs://host/a%2fb", "%2F"},
    {"nfs://host/a#b", "\"#\""},
    {"nfs://host/?", "option is empty"},
    {"nfs://host/?conns=1&", "option is empty"},
    {"nfs://host/?&conns=1", "option is empty"},
    {"nfs://host/?conns", "\"conns\" has no value"},
    {"nfs://host/?=1", "option \"\" is not known"},
    {"nfs://host/?CONNS=1", "\"CONNS\" is not known"},
    {"nfs://host/?con=1", "\"con\" is not known"},
    {"nfs://host/?tls=1", "say yes or no"},
    {"nfs://host/?conns=1&conns=1", "conns is given twice"},
    {"nfs://host/?vers=4.1&vers=4.1", "vers is given twice"},
    {"nfs://host/?conns=", "conns="},
    {"nfs://host/?conns=0", "conns=0 is not a number from 1 to 16"},
    {"nfs://host/?conns=17", "conns=17 is not a number from 1 to 16"},
    {"nfs://host/?conns=two", "conns=two"},
    {"nfs://host/?conns=1.5", "conns=1.5"},
    {"nfs://host/?conns= 1", "conns= 1"},
    {"nfs://host/?conns=-1", "conns=-1"},
    {"nfs://host/?uid=4294967295", "uid=4294967295"},
    {"nfs://host/?uid=-1", "uid=-1"},
    {"nfs://host/?gid=root", "gid=root"},
    {"nfs://host/?gid=18446744073709551616", "gid=18446744073709551616"},
    {"nfs://host/?deadline=0", "deadline=0"},
    {"nfs://host/?deadline=86401", "from 1 to 86400"},
    {"nfs://host/?deadline=%zz", "\"%\" in the options"},
    {"nfs://host/?vers=4", "vers=4 is not spoken; vers=3, vers=4.0 and"},
    {"nfs://host/?vers=3.0", "vers=3.0"},
    {"nfs://host/?nfsport=0", "nfsport=0 is not a number from 1 to 65535"},
    {"nfs://host/?nfsport=65536", "nfsport="},
    {"nfs://host:5/?nfsport=6", "nfsport=6 is another port than the 5"},
    {"nfs://host/?vers=3&mountport=", "mountport="},
    {"nfs://host/?batch=0", "batch=0 is not a number from 1 to 64"},
    {"nfs://host/?depth=65", "depth=65 is not a number from 1 to 64"},
    {"nfs://host/?batch=1&vers=3", "batch= and depth= are for vers=4.1"},
    {"nfs://host/?depth=1&vers=4.0", "batch= and depth= are for vers=4.1"},
    {"nfs://host/?mountport=5", "mountport= is for vers=3"},
    {"nfs://host/?mountport=5&vers=4.0", "mountport= is for vers=3"},
    {"nfs://host/?vers=4.2", "vers=4.2"},
    {"nfs://host/?vers=", "vers="},
};

static struct location *must_parse(const char *text)
{
	char error[512] = "";
	struct location *l = NULL;

	if (location_parse(text, &l, error, sizeof(error)))
		fail_msg("%s", error);
	return l;
}

static void test_servers(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
		struct location *l = must_parse(servers[i].text);
		struct location *again = must_parse(l->text);

		assert_int_equal(l->kind, LOCATION_NFS);
		assert_string_equal(l->text, servers[i].canonical);
		assert_string_equal(l->host, servers[i].host);
		assert_string_equal(l->path, servers[i].path);
		assert_int_equal(l->port,
				 servers[i].port ? servers[i].port : 2049);
		/* The canonical text means the same, and is its own. */
		assert_string_equal(again->text, l->text);
		assert_string_equal(again->host, l->host);
		assert_string_equal(again->path, l->path);
		assert_int_equal(again->port, l->port);
		location_free(again);
		location_free(l);
	}
}

static void test_versions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct location *l = must_parse(versions[i].text);

		assert_int_equal(l->version, versions[i].version);
		assert_int_equal(l->has_port, versions[i].has_port);
		assert_int_equal(l->port, versions[i].port);
		assert_int_equal(l->mount_port, versions[i].mount_port);
		location_free(l);
	}
}

static void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void test_efs(void **state)
{
	static const struct {
		const char *text;
		const char *region, *zone, *targets, *access_point;
		bool tls, iam;
	} efs[] = {
	    {"fs-0123abcd:/", NULL, NULL, NULL, NULL, true, false},
	    {"nfs://fs-0123abcd/?tls=no", NULL, NULL, NULL, NULL, false, false},
	    {"fs-0123abcd.efs.eu-west-1.amazonaws.com:/", "eu-west-1", NULL,
	     NULL, NULL, true, false},
	    {"use1-az1.fs-0123abcd.efs.us-east-1.amazonaws.com:/", "us-east-1",
	     "use1-az1", NULL, NULL, true, false},
	    {"fs-0123abcd.efs.cn-north-1.amazonaws.com.cn:/", "cn-north-1",
	     NULL, NULL, NULL, true, false},
	    {"nfs://fs-0123abcd/?iam&region=eu-west-1&az=eu-west-1a&tls",
	     "eu-west-1", "eu-west-1a", NULL, NULL, true, true},
	    {"nfs://fs-0123abcd.efs.eu-west-1.amazonaws.com/?region=eu-west-1",
	     "eu-west-1", NULL, NULL, NULL, true, false},
	    {"nfs://fs-0123abcd/?mounttarget=10.0.0.1,10.0.1.1&iam=no", NULL,
	     NULL, "10.0.0.1,10.0.1.1", NULL, true, false},
	    {"nfs://fs-0123abcd/?accesspoint=fsap-0123456789abcdef0", NULL,
	     NULL, NULL, "fsap-0123456789abcdef0", true, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(efs); i++) {
		struct location *l = must_parse(efs[i].text);

		assert_string_equal(l->file_system, "fs-0123abcd");
		assert_text(l->region, efs[i].region);
		assert_text(l->zone, efs[i].zone);
		assert_text(l->mount_targets, efs[i].targets);
		assert_text(l->access_point, efs[i].access_point);
		assert_int_equal(l->tls, efs[i].tls);
		assert_int_equal(l->iam, efs[i].iam);
		location_free(l);
	}
}

static void test_tls(void **state)
{
	struct location *l = must_parse("nfs://h/?tls&ca=/etc/ca.pem");

	(void)state;
	assert_true(l->tls);
	assert_string_equal(l->ca, "/etc/ca.pem");
	assert_null(l->file_system);
	location_free(l);
	l = must_parse("nfs://h/");
	assert_false(l->tls);
	location_free(l);
}

static void test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(optioned); i++) {
		struct location *l = must_parse(optioned[i].text);

		assert_int_equal(l->conns, optioned[i].conns);
		assert_int_equal(l->deadline_s, optioned[i].deadline_s);
		assert_true(l->uid == optioned[i].uid);
		assert_true(l->gid == optioned[i].gid);
		/* How it is reached is no part of what it is. */
		assert_string_equal(l->text, "h:/");
		location_free(l);
	}
}

static void test_measuring(void **state)
{
	struct location *l = must_parse("nfs://h/?batch=1&depth=64");

	(void)state;
	assert_int_equal(l->batch, 1);
	assert_int_equal(l->depth, 64);
	assert_string_equal(l->text, "h:/");
	location_free(l);
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct location *l = (struct location *)1;
		char error[1024] = "";

		assert_int_equal(
		    location_parse(bad[i].text, &l, error, sizeof(error)),
		    -EINVAL);
		assert_ptr_equal(l, (struct location *)1);
		if (!strstr(error, bad[i].names))
			fail_msg("%s: the message does not name %s: %s",
				 bad[i].text, bad[i].names, error);
		if (strncmp(error, bad[i].text, strnlen(bad[i].text, 200)) != 0)
			fail_msg("the message does not begin with the "
				 "location: %s",
				 error);
	}
}

/* A message that does not fit is cut, not overrun. */
static void test_short_error(void **state)
{
	struct location *l;
	char error[16];

	(void)state;
	for (size_t size = 1; size < sizeof(error); size++) {
		memset(error, '!', sizeof(error));
		assert_int_equal(location_parse("host", &l, error, size),
				 -EINVAL);
		assert_int_equal(error[size - 1], '\0');
		assert_int_equal(error[size], '!');
	}
	assert_int_equal(location_parse("host", &l, NULL, 0), -EINVAL);
}

/* Local directories: absolute (up -1), below the working directory (0), or
 * below one that is `up` levels above it. */
static const struct {
	const char *text, *tail;
	int up;
} locals[] = {
    {"/", "/", -1},
    {"//", "/", -1},
    {"/a", "/a", -1},
    {"/a//b/./c/", "/a/b/c", -1},
    {"/a/../b", "/a/../b", -1}, /* a may be a symlink */
    {"/..", "/..", -1},
    {"/host:/x", "/host:/x", -1},
    {"/a%20b?c=d", "/a%20b?c=d", -1},
    {"/\xff\n", "/\xff\n", -1},
    {".", "", 0},
    {"./", "", 0},
    {"./a", "/a", 0},
    {"././a/./b//", "/a/b", 0},
    {"./a/../b", "/a/../b", 0},
    {"..", "", 1},
    {"../a", "/a", 1},
    {"./../a", "/a", 1},
    {"../../../../../../../../../../a", "/a", 2},
    {"../a/..", "/a/..", 1},
    {"./host:/x", "/host:/x", 0},
};

static void test_local(void **state)
{
	char made[] = "/tmp/location-XXXXXX";
	char base[4096], above[4096];
	char old[4096], error[512];
	struct location *gone;

	(void)state;
	assert_non_null(getcwd(old, sizeof(old)));
	assert_non_null(mkdtemp(made));
	assert_int_equal(chdir(made), 0);
	assert_non_null(getcwd(base, sizeof(base)));
	strcpy(above, base);
	*strrchr(above, '/') = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(locals); i++) {
		struct location *l = must_parse(locals[i].text);
		struct location *again = must_parse(l->text);
		char want[8192];

		snprintf(want, sizeof(want), "%s%s",
			 locals[i].up == 0   ? base
			 : locals[i].up == 1 ? above
					     : "",
			 locals[i].tail);
		assert_int_equal(l->kind, LOCATION_DIRECTORY);
		assert_string_equal(l->path, want);
		assert_string_equal(l->text, want);
		assert_string_equal(again->text, want);
		assert_null(l->host);
		location_free(again);
		location_free(l);
	}
	/* A working directory that is gone. */
	assert_int_equal(rmdir(base), 0);
	assert_int_equal(location_parse("./x", &gone, error, sizeof(error)),
			 -EINVAL);
	assert_non_null(strstr(error, "working directory"));
	assert_int_equal(chdir(old), 0);
}

static void test_free_nothing(void **state)
{
	(void)state;
	assert_null(location_free(NULL));
}

/* Options beside the text mean what they mean in a URL. */
static void test_more_options(void **state)
{
	static const struct {
		const char *text, *more, *error;
	} refused[] = {
	    {"host:/", "conns=99", "conns=99 is not a number"},
	    {"host:/", "colour=red", "\"colour\" is not known"},
	    {"host:/", "conns=2&conns=3", "conns is given twice"},
	    {"nfs://host/?uid=0", "uid=0", "uid is given twice"},
	    {"/tmp", "conns=2", "takes no options"},
	    {"host:/", "", "an option is empty"},
	};
	char error[300];
	struct location *l;

	(void)state;
	assert_int_equal(location_parse_with("host:/a?conns=9",
					     "conns=2&deadline=%37", &l, error,
					     sizeof(error)),
			 0);
	assert_string_equal(l->text, "host:/a?conns=9");
	assert_int_equal(l->conns, 2);
	assert_int_equal(l->deadline_s, 7);
	location_free(l);
	assert_int_equal(location_parse_with("nfs://host/?uid=5", "gid=6", &l,
					     error, sizeof(error)),
			 0);
	assert_int_equal(l->uid, 5);
	assert_int_equal(l->gid, 6);
	location_free(l);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		assert_int_equal(location_parse_with(refused[i].text,
						     refused[i].more, &l, error,
						     sizeof(error)),
				 -EINVAL);
		assert_non_null(strstr(error, refused[i].error));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_more_options),
	    cmocka_unit_test(test_servers),
	    cmocka_unit_test(test_efs),
	    cmocka_unit_test(test_tls),
	    cmocka_unit_test(test_options),
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_measuring),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_short_error),
	    cmocka_unit_test(test_local),
	    cmocka_unit_test(test_free_nothing),
	};

	return cmocka_run_group_tests_name("location", tests, NULL, NULL);
}
