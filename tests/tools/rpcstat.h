/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What passed between an NFSv4 client and its server, counted: RPCs, COMPOUNDs,
 * and each operation in them. Not thread-safe.
 */
#ifndef TOOLS_RPCSTAT_H
#define TOOLS_RPCSTAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Operations have numbers below this, in NFSv4.0 to 4.2. */
#define RPCSTAT_OPS 76

struct rpcstat {
	uint64_t connections;
	uint64_t bytes_up;      /* client to server, as on the wire */
	uint64_t bytes_down;    /* server to client */
	uint64_t calls;         /* from the client, of any procedure */
	uint64_t replies;       /* to the client */
	uint64_t callbacks;     /* calls from the server */
	uint64_t compounds;     /* calls of the procedure COMPOUND */
	uint64_t sequence_only; /* of them, those that keep a lease alive */
	uint64_t undecoded;     /* of them, those not understood to the end */
	uint64_t ops_most;      /* operations in the longest of them */
	uint64_t ops[RPCSTAT_OPS];
};

/* One message that went up, without its record marks. */
void rpcstat_up(struct rpcstat *stat, const unsigned char *bytes, size_t size);

/* One message that came down. */
void rpcstat_down(struct rpcstat *stat, const unsigned char *bytes,
		  size_t size);

/* An operation of a COMPOUND. */
struct rpcstat_place {
	uint32_t op;
	uint32_t index;  /* from 0 */
	size_t offset;   /* where it begins, in the message */
	size_t end;      /* .. and what follows it does */
	size_t count_at; /* where the number of operations stands */
};

/* Calls `each` for the operations of a message that is a COMPOUND, as far as it
 * is understood and `each` returns true. */
void rpcstat_each(const unsigned char *bytes, size_t size,
		  bool (*each)(const struct rpcstat_place *place, void *user),
		  void *user);

/* The number of the operation with this name, or -1. */
int rpcstat_op(const char *name);

/*
 * All counters as lines `key value`; operations as `op_READ 12`, and only
 * those that occurred.
 */
void rpcstat_print(const struct rpcstat *stat, FILE *stream);

#endif
