// SPDX-License-Identifier: Apache-2.0
// Numbers, and which of them is in the middle. One thread at a time.
#ifndef TESTS_SWARM_STATS_H
#define TESTS_SWARM_STATS_H

#include <stddef.h>
#include <stdint.h>

struct stats {
    int64_t *items; /* owned */
    size_t count, cap;
};

/* Adds one. */
void stats_add(struct stats *stats, int64_t value);

/* The value that so many of a thousand are not above; 0 when there is none. Sorts. */
int64_t stats_at(struct stats *stats, unsigned thousandth);

/* Forgets them. */
void stats_free(struct stats *stats);

/* Processor time of all threads of a process up to now, microseconds; 0: it is gone. */
int64_t stats_cpu_us(int pid);

/* KiB of a line "name:" of /proc/PID/status; 0: it is not there. */
int64_t stats_kib(int pid, const char *name);

#endif
