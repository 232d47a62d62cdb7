// SPDX-License-Identifier: Apache-2.0
// A TCP proxy inside of a test: counts, cuts after so many bytes, falls silent. Loop thread only.
#ifndef TESTS_CONTRACT_LINK_PROXY_H
#define TESTS_CONTRACT_LINK_PROXY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop/loop.h"

struct proxy;

/* Directions: from who connected, and to it. */
enum { PROXY_UP, PROXY_DOWN };

/* Listens on a free port of 127.0.0.1 and connects on to port. Returns owned. */
struct proxy *proxy_new(struct cor_loop *loop, int port);

/* Ends all connections and frees. *proxy becomes NULL. */
void proxy_free(struct proxy **proxy);

/* Port that is listened on. */
int proxy_port(const struct proxy *proxy);

/* Where new connections go on to. */
void proxy_target(struct proxy *proxy, int port);

/* Cuts all connections as soon as so many more bytes have passed in a direction: what is beyond is
 * lost. 0: at once. */
void proxy_cut_after(struct proxy *proxy, int direction, uint64_t bytes);

/* With on, nothing passes any more, and nobody is told. */
void proxy_freeze(struct proxy *proxy, bool on);

/* From the next connection on passes so many bytes a second in each direction, and keeps few. 0: as
 * fast as it goes. */
void proxy_pace(struct proxy *proxy, uint64_t bytes_a_second);

/* Bytes that have passed in a direction, of all connections. */
uint64_t proxy_bytes(const struct proxy *proxy, int direction);

/* Connections so far. */
unsigned proxy_connections(const struct proxy *proxy);

#endif
