// SPDX-License-Identifier: Apache-2.0
// When acks go at once, and when those of a while go together. They are cumulative, and one costs
// each hop about as much as its message: few are sent as they come, of many the last of a while.
// Pure.
#ifndef COR_BUS_GATHER_H
#define COR_BUS_GATHER_H

#include <stdint.h>

#include "common/clock/clock.h"

enum { COR_GATHER_AT_ONCE = 16, COR_GATHER_US = 20000 };

/* What was sent since began. Zeroed: nothing yet. */
struct cor_gather {
    struct cor_mono began;
    unsigned sent;
};

/* How many microseconds acks are to wait; 0: send them now, and count each in sent. */
int64_t cor_gather_wait(struct cor_gather *g, struct cor_mono now);

#endif
