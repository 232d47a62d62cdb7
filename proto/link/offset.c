// SPDX-License-Identifier: Apache-2.0
#include "proto/link/offset.h"

/* Clocks of cheap machines differ by some 20 to 100 us a second. */
enum { DRIFT_PPM = 100 };

/* The year 10000: differences of moments before it fit. */
#define END_US 253402300800000000

bool px_offset_take(struct px_offset *offset, const struct px_offset_sample *sample)
{
    int64_t half = cor_mono_since(sample->answered, sample->asked) / 2;
    struct px_offset now = {.known = true, .error_us = half, .at = sample->answered};
    if (half < 0 || sample->peer.us < 0 || sample->peer.us >= END_US) {
        return false;
    }
    now.ahead_us = sample->wall.us - half - sample->peer.us;
    int64_t age = cor_mono_since(now.at, offset->at);
    int64_t error = offset->error_us + age / 1000000 * DRIFT_PPM;
    int64_t apart = now.ahead_us - offset->ahead_us;
    bool is_set = apart > error + half || apart < -error - half;
    if (offset->known && half > error && !is_set) {
        return false;
    }
    *offset = now;
    return true;
}
