// SPDX-License-Identifier: Apache-2.0
// How far this machine's clock is ahead of the peer's, from questions and answers on the link: the
// peer's time was read between the question and its answer, so it is known to half a round trip.
// Pure. One thread at a time.
#ifndef PX_LINK_OFFSET_H
#define PX_LINK_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock/clock.h"

/* All zero: not known. */
struct px_offset {
    bool known;
    int64_t ahead_us; /* negative: behind */
    int64_t error_us; /* that it may be off by, when it was measured */
    struct cor_mono at;
};

/* A question and its answer. */
struct px_offset_sample {
    struct cor_mono asked, answered;
    struct cor_wall wall; /* when answered */
    struct cor_wall peer; /* said in the answer */
};

/* Takes what a sample tells (nothing when the peer lives before 1970 or after 9999), unless what is
 * known already is better: a slow answer tells less. What is known gets worse by 100 us a second,
 * and is dropped when a clock has been set. False: nothing has changed. */
bool px_offset_take(struct px_offset *offset, const struct px_offset_sample *sample);

#endif
