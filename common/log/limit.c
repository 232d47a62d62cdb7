// SPDX-License-Identifier: Apache-2.0
#include "common/log/limit.h"

#define PERIOD_US COR_SEC(1)

bool cor_log_limit(struct cor_log_limit *limit, struct cor_mono now, uint64_t *unsaid_r)
{
    int64_t free = cor_mono_since(now, limit->since) / PERIOD_US;
    if (free > 0) {
        limit->used = free < limit->used ? limit->used - (unsigned)free : 0;
        limit->since = limit->used == 0 ? now : cor_mono_add(limit->since, free * PERIOD_US);
    }
    if (limit->used >= COR_LOG_BURST) {
        limit->unsaid++;
        return false;
    }
    limit->used++;
    *unsaid_r = limit->unsaid;
    limit->unsaid = 0;
    return true;
}
