// SPDX-License-Identifier: Apache-2.0
#include "common/outbox/delays.h"

#include <stdlib.h>
#include <string.h>

void cor_delays_add(struct cor_delays *delays, int64_t us)
{
    us = us < 0 ? 0 : us;
    delays->us[delays->count++ % COR_DELAYS] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

size_t cor_delays_known(const struct cor_delays *delays)
{
    return delays->count < COR_DELAYS ? (size_t)delays->count : COR_DELAYS;
}

static int by_length(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

uint32_t cor_delays_at(const struct cor_delays *delays, unsigned percent)
{
    uint32_t sorted[COR_DELAYS];
    size_t known = cor_delays_known(delays);
    if (known == 0) {
        return 0;
    }
    memcpy(sorted, delays->us, known * sizeof(sorted[0]));
    qsort(sorted, known, sizeof(sorted[0]), by_length);
    return sorted[(known * percent + 99) / 100 - 1];
}
