// SPDX-License-Identifier: Apache-2.0
#include "common/clock/backoff.h"

enum { GOOD_US = 10 * 1000 * 1000 };

int64_t cor_backoff_next(struct cor_backoff *backoff, double random)
{
    int64_t step = backoff->now_us == 0                     ? backoff->first_us
                   : backoff->now_us > backoff->last_us / 2 ? backoff->last_us
                                                            : backoff->now_us * 2;
    backoff->now_us = step;
    return step / 2 + (int64_t)((double)(step - step / 2) * random);
}

void cor_backoff_reset(struct cor_backoff *backoff)
{
    backoff->now_us = 0;
}

void cor_backoff_lost(struct cor_backoff *backoff, int64_t lasted_us)
{
    if (lasted_us >= GOOD_US || lasted_us >= backoff->now_us) {
        cor_backoff_reset(backoff);
    }
}
