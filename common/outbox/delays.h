// SPDX-License-Identifier: Apache-2.0
// How long the last messages took, from taking them to the sink's confirmation. Pure.
#ifndef COR_OUTBOX_DELAYS_H
#define COR_OUTBOX_DELAYS_H

#include <stddef.h>
#include <stdint.h>

enum { COR_DELAYS = 512 };

/* All zero is none. */
struct cor_delays {
    uint32_t us[COR_DELAYS]; /* a ring: the last COR_DELAYS of count */
    uint64_t count;
};

/* One more, in microseconds; negative ones are 0, what is beyond 71 minutes is that. */
void cor_delays_add(struct cor_delays *delays, int64_t us);

/* The delay that percent (1 to 100) of those in the ring do not exceed, in microseconds; 0: there
 * are none. */
uint32_t cor_delays_at(const struct cor_delays *delays, unsigned percent);

/* How many are in the ring. */
size_t cor_delays_known(const struct cor_delays *delays);

#endif
