// SPDX-License-Identifier: Apache-2.0
// How many a second: for everybody together, and for each one when that is used up. Pure.
#ifndef DT_PACE_H
#define DT_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock/clock.h"

/* What was given in the second that is running. Zeroed is none. */
struct dt_pace {
    int64_t second;
    uint32_t count;
};

/* Gives one in turn of `each`, if less than limit were given to all in this second, or to this one
 * less than a tenth of limit. Both are counted. */
bool dt_pace_take(struct dt_pace *all, struct dt_pace *each, uint32_t limit, struct cor_mono now);

/* Counts one in the second that is running. */
void dt_pace_count(struct dt_pace *pace, struct cor_mono now);

/* Whether limit were counted in the second that is running. */
bool dt_pace_is_used(const struct dt_pace *pace, uint32_t limit, struct cor_mono now);

#endif
