// SPDX-License-Identifier: Apache-2.0
// Delays between tries: doubling from a first to a last value, with jitter so that many clients of
// one server do not come at once. Pure: the random number is a parameter.
#ifndef COR_CLOCK_BACKOFF_H
#define COR_CLOCK_BACKOFF_H

#include <stdint.h>

struct cor_backoff {
    int64_t first_us; /* > 0 */
    int64_t last_us;  /* >= first_us */
    int64_t now_us;   /* 0: the next delay is the first */
    /* Before it doubles beyond this it is tried so many times with it: what is away for some
     * seconds is found soon after it is back. 0: no such tries. */
    int64_t quick_us;
    unsigned quick_tries;
    unsigned quick_used;
};

/* The next delay. random is in [0, 1): the delay is between half of the step and the whole step. */
int64_t cor_backoff_next(struct cor_backoff *backoff, double random);

/* What succeeded was lost after so long. When that was 10 s, or the last step, the next delay is
 * the first again; else it goes on to double: what breaks soon after each success is tried ever
 * less. The quick tries come back with time: one for each 200 ms but the first 300. */
void cor_backoff_lost(struct cor_backoff *backoff, int64_t lasted_us);

/* After success: begin with the first delay again. */
void cor_backoff_reset(struct cor_backoff *backoff);

#endif
