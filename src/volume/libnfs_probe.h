/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libnfs_probe - what is asked of a server before libnfs comes in: at which
 * ports its programs listen (portmapper, RFC 1833), whether it speaks the
 * version of NFS that the location wants, and the root handle of the export
 * (MNT, RFC 1813 appendix I).
 *
 * These calls are made without libnfs (libnfs_exchange.h), so that what goes
 * wrong can be told in words.
 *
 * Thread rule: blocks its caller, up to the deadline of opening.
 */
#ifndef VOLUME_LIBNFS_PROBE_H
#define VOLUME_LIBNFS_PROBE_H

#include <stddef.h>
#include <stdint.h>

struct endpoint;
struct handle;
struct ln_server;
struct location;

struct ln_probe {
	const struct location *location;
	const struct ln_server *server; /* whose credential is used */
	char *error;                    /* for the sentence on failure */
	size_t error_size;
};

/*
 * Finds the NFS port and asks for program NFS, version `version`. 0 with
 * `ret_endpoint` the server's addresses at that port (the caller's to free,
 * also on failure) and `ret_rtt_ns` the time of a round trip.
 */
int ln_probe_nfs(struct ln_probe *p, uint32_t version,
		 struct endpoint **ret_endpoint, int64_t *ret_rtt_ns);

/*
 * The root handle of the export that the location's path lies in. Exports are
 * not told apart from directories by their names: the whole path is tried
 * first, then what remains of it without its last name, and so on. The first
 * `*ret_done` bytes of the path led to the handle.
 */
int ln_probe_mount(struct ln_probe *p, struct handle **ret, size_t *ret_done);

#endif
