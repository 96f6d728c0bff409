/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "volume/efs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/certificate.h"
#include "aws/credentials.h"
#include "aws/region.h"
#include "base/cleanup.h"
#include "nfs/tls.h"
#include "volume/location.h"

struct efs {
	const struct location *location; /* while it is made */
	bool encrypted;
	char region[REGION_SIZE]; /* "": not needed */
	char *name;  /* the DNS name; NULL: not EFS, or no region */
	char *hosts; /* to connect to */
	struct credentials *credentials; /* NULL: not as anybody */
	struct certificate *certificate; /* NULL: none */
	struct tls_options tls;
};

static int out_of_memory(char *error, size_t error_size)
{
	snprintf(error, error_size, "out of memory");
	return -ENOMEM;
}

/* --- Names ---------------------------------------------------------------- */

/* The name by which the certificate of the server goes has no zone in it. */
static int set_names(struct efs *e)
{
	const struct location *l = e->location;
	const char *suffix = region_suffix(e->region);

	if (asprintf(&e->name, "%s.efs.%s.%s", l->file_system, e->region,
		     suffix) < 0) {
		e->name = NULL;
		return -ENOMEM;
	}
	if (l->mount_targets)
		e->hosts = strdup(l->mount_targets);
	else if (!l->zone)
		e->hosts = strdup(e->name);
	else if (asprintf(&e->hosts, "%s.%s", l->zone, e->name) < 0)
		e->hosts = NULL;
	return e->hosts ? 0 : -ENOMEM;
}

static int find_names(struct efs *e, char *error, size_t error_size)
{
	const struct location *l = e->location;
	int r = region_find(l->region, NULL, l->aws_profile, e->region, error,
			    error_size);

	if (r < 0)
		return r;
	return set_names(e) < 0 ? out_of_memory(error, error_size) : 0;
}

/* --- Who we are ----------------------------------------------------------- */

static int supply(void *user, X509 **ret_certificate, EVP_PKEY **ret_key,
		  char *error)
{
	struct efs *e = user;

	return certificate_get(e->certificate, ret_certificate, ret_key, error,
			       TLS_ERROR);
}

/* Keys are asked for once, to say early what is wrong. */
static int set_credentials(struct efs *e, char *error, size_t error_size)
{
	const struct location *l = e->location;
	const struct credentials_options options = {
	    .profile = l->aws_profile,
	    .role_arn = l->role_arn,
	    .region = e->region,
	};
	CLEANUP_IDENTITY struct identity *id = NULL;
	int r = credentials_new(&options, &e->credentials);

	if (r < 0)
		return out_of_memory(error, error_size);
	return credentials_get(e->credentials, &id, error, error_size);
}

/* EFS is shown a certificate whatever else, as by its mount helper: it says
 * which file system is meant. */
static int set_certificate(struct efs *e, char *error, size_t error_size)
{
	const struct location *l = e->location;
	struct certificate_options options = {
	    .file_system = l->file_system,
	    .access_point = l->access_point,
	    .region = e->region,
	};
	int r = 0;

	if (l->iam)
		r = set_credentials(e, error, error_size);
	if (r < 0)
		return r;
	options.credentials = e->credentials;
	r = certificate_new(&options, &e->certificate, error, error_size);
	if (r == 0) {
		e->tls.identity = supply;
		e->tls.user = e;
	}
	return r;
}

/* --- Life ----------------------------------------------------------------- */

static int set_up(struct efs *e, char *error, size_t error_size)
{
	const struct location *l = e->location;
	int r = 0;

	if (!l->file_system) {
		e->hosts = strdup(l->host);
		r = e->hosts ? 0 : out_of_memory(error, error_size);
	} else if (l->mount_targets && !l->tls) {
		/* Nothing has to be known of the file system. */
		e->hosts = strdup(l->mount_targets);
		r = e->hosts ? 0 : out_of_memory(error, error_size);
	} else {
		r = find_names(e, error, error_size);
	}
	if (r < 0 || !l->tls)
		return r;
	e->encrypted = true;
	e->tls.host = e->name ? e->name : l->host;
	e->tls.ca = l->ca;
	return l->file_system ? set_certificate(e, error, error_size) : 0;
}

int efs_new(const struct location *l, struct efs **ret, char *error,
	    size_t error_size)
{
	struct efs *e = calloc(1, sizeof(*e));
	char why[512];
	int r;

	if (!e)
		return out_of_memory(error, error_size);
	e->location = l;
	r = set_up(e, why, sizeof(why));
	if (r < 0) {
		snprintf(error, error_size, "%s: %s", l->text, why);
		efs_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

struct efs *efs_free(struct efs *e)
{
	if (!e)
		return NULL;
	certificate_free(e->certificate);
	credentials_free(e->credentials);
	free(e->hosts);
	free(e->name);
	free(e);
	return NULL;
}

const char *efs_get_hosts(const struct efs *e)
{
	return e->hosts;
}

const struct tls_options *efs_get_tls(const struct efs *e)
{
	return e->encrypted ? &e->tls : NULL;
}
