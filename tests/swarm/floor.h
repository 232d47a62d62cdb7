// SPDX-License-Identifier: Apache-2.0
// What the machine gives at best: a server that is nothing but OpenSSL and epoll, in a process of
// its own, sends bytes to all clients and reads what each answers, then answers heartbeats; the
// clients are conn.h's. Beside it the figures of cloudhub can be judged.
#ifndef TESTS_SWARM_FLOOR_H
#define TESTS_SWARM_FLOOR_H

#include <stddef.h>
#include <stdint.h>

/* Connects so many clients, broadcasts so many times, beats for so many seconds; prints what it
 * took. Failures abort. */
void floor_run(size_t clients, uint64_t rounds, uint64_t seconds);

#endif
