// SPDX-License-Identifier: Apache-2.0
// A round trip over ipc between two processes, raw and ours.
#ifndef BENCH_IPC_H
#define BENCH_IPC_H

#include <stddef.h>
#include <stdint.h>

/* What is to be measured. */
struct trips {
    size_t bytes;     /* of the payload */
    size_t count;     /* round trips, one at a time */
    int64_t pause_us; /* before each: machines are slower when they have rested */
};

/* Round trips between this process and a forked one, with sockets in dir; the time of each in
 * microseconds goes to us. */
void raw_round_trips(const char *dir, const struct trips *trips, int64_t *us);

/* The same as a CALL and its REPLY over a port of common/bus. */
void our_round_trips(const char *dir, const struct trips *trips, int64_t *us);

#endif
