// SPDX-License-Identifier: Apache-2.0
// A relay of TCP connections to a port of this machine, which on demand passes a request on and
// cuts the connection when its answer comes: the server has acted, the client does not know.
#ifndef TESTS_EDGECONTROLLER_CUTTER_H
#define TESTS_EDGECONTROLLER_CUTTER_H

#include "common/loop/loop.h"

struct cutter;

/* Listens on a free port. Aborts if it cannot. Returns owned. */
struct cutter *cutter_new(struct cor_loop *loop, int server_port);

/* Ends all connections. *cutter becomes NULL; NULL is fine. */
void cutter_free(struct cutter **cutter);

int cutter_port(const struct cutter *cutter);

/* The answer to what a client says next is lost. */
void cutter_arm(struct cutter *cutter);

/* Answers lost so far. */
int cutter_count(const struct cutter *cutter);

#endif
