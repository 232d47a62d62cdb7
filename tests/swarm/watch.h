// SPDX-License-Identifier: Apache-2.0
// A few nodes in a process of their own, so that what they measure is the hub's doing and not that
// of thousands beside them: round trips, one after the other, as long as they are connected.
#ifndef TESTS_SWARM_WATCH_H
#define TESTS_SWARM_WATCH_H

#include "fleet.h"

struct watch;

/* What was measured; a trip that was not over counts with the time it had taken. */
struct watch_trips {
    uint64_t count, losses;
    int64_t p50_us, p99_us, most_us;
};

/* Starts the process; its nodes dial at once. spec->loop does not count. Returns owned. */
struct watch *watch_new(const struct fleet_spec *spec);

/* Ends it; *watch becomes NULL. */
void watch_free(struct watch **watch);

/* Measures anew. */
void watch_begin(struct watch *watch);

/* What was measured since. Blocks until the process says so. */
struct watch_trips watch_end(struct watch *watch);

#endif
