// SPDX-License-Identifier: Apache-2.0
#include "common/clock/backoff.h"

enum { GOOD_US = 10 * 1000 * 1000, QUICK_COST_US = 300 * 1000, QUICK_EACH_US = 200 * 1000 };

int64_t cor_backoff_next(struct cor_backoff *backoff, double random)
{
    int64_t step = backoff->now_us == 0                     ? backoff->first_us
                   : backoff->now_us > backoff->last_us / 2 ? backoff->last_us
                                                            : backoff->now_us * 2;
    if (step > backoff->quick_us && backoff->quick_used < backoff->quick_tries) {
        step = backoff->quick_us;
        backoff->quick_used++;
    }
    backoff->now_us = step;
    return step / 2 + (int64_t)((double)(step - step / 2) * random);
}

void cor_backoff_reset(struct cor_backoff *backoff)
{
    backoff->now_us = 0;
}

void cor_backoff_lost(struct cor_backoff *backoff, int64_t lasted_us)
{
    int64_t again = lasted_us > QUICK_COST_US ? (lasted_us - QUICK_COST_US) / QUICK_EACH_US : 0;
    backoff->quick_used = again < backoff->quick_used ? backoff->quick_used - (unsigned)again : 0;
    if (lasted_us >= GOOD_US || lasted_us >= backoff->now_us) {
        cor_backoff_reset(backoff);
    }
}
