// SPDX-License-Identifier: Apache-2.0
// CPU time per time, from two samples with their own times. Pure. One thread at a time.
#ifndef EDGED_RATES_H
#define EDGED_RATES_H

#include "stats.h"

struct rates;

/* Nothing is known yet. Returns owned. */
struct rates *rates_new(void);

/* Frees; *rates becomes NULL. For auto_(). */
void rates_free(struct rates **rates);

/* Sets nano_cores of a sample of what key names: of the time since one that is at least a second
 * older; STATS_UNKNOWN with the first sample, and after the count fell. */
void rates_apply(struct rates *rates, const char *key, struct stats_cpu *cpu);

/* All samples of this time were applied: keys that were not among them are forgotten. */
void rates_turn(struct rates *rates);

#endif
