// SPDX-License-Identifier: Apache-2.0
// One world from its beginning to its verdict.
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

/* One seed of so many sets its cluster up itself, with faults from the first moment; the others
 * begin with the same world, set up once for all of them. */
enum { SIM_FRESH_EVERY = 8 };

struct sim_plan {
    uint64_t seed;
    double hours;
    const char *faults; /* NULL: all kinds */
    bool calm;
    bool verbose;
};

/* What a world tells its parent. */
struct sim_outcome {
    uint64_t hash;
    uint64_t events;
    unsigned crashes;
    double agreed_s; /* after the end of the faults */
};

/* Sets a cluster and its node up in this process, in the working folder: the same each time. What
 * sim_live runs in forks of it begins there. */
void sim_boot(bool verbose);

/* Runs the world of a seed to its end, in the working folder (after sim_boot: a copy of its files);
 * once per process. Returns whether all properties hold. */
bool sim_live(const struct sim_plan *plan, struct sim_outcome *outcome_r);

#endif
