// SPDX-License-Identifier: Apache-2.0
// Bounds the lines that somebody else can cause: some at once, then one a second; the others are
// counted, and told with the next line. Pure. One thread at a time.
#ifndef COR_LOG_LIMIT_H
#define COR_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock/clock.h"

/* Lines that are written at once. */
enum { COR_LOG_BURST = 20 };

/* All 0: none was written yet. */
struct cor_log_limit {
    struct cor_mono since; /* the places of lines until then are given */
    unsigned used;         /* of COR_LOG_BURST */
    uint64_t unsaid;
};

/* Whether a line may be written now. unsaid_r: lines that were not written since the last one. */
bool cor_log_limit(struct cor_log_limit *limit, struct cor_mono now, uint64_t *unsaid_r);

#endif
