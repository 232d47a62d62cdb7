// SPDX-License-Identifier: Apache-2.0
#include "common/kube/pace.h"

enum { UNSAID_US = 1000000 };

int64_t cor_pace_wait(const struct cor_pace *pace, struct cor_mono now)
{
    if (now.us < pace->until.us) {
        return pace->until.us - now.us;
    }
    return pace->flying < pace->window ? 0 : -1;
}

void cor_pace_begin(struct cor_pace *pace)
{
    pace->flying++;
}

void cor_pace_end(struct cor_pace *pace)
{
    pace->flying -= pace->flying > 0 ? 1 : 0;
    pace->window += pace->window < pace->most ? 1 : 0;
}

void cor_pace_refused(struct cor_pace *pace, int64_t retry_after_us, struct cor_mono now,
                      double random)
{
    int64_t wait = retry_after_us > 0 ? retry_after_us : UNSAID_US;
    struct cor_mono until = {now.us + wait + (int64_t)((double)wait * random / 4)};
    pace->flying -= pace->flying > 0 ? 1 : 0;
    pace->window = pace->window > 1 ? pace->window / 2 : 1;
    if (until.us > pace->until.us) {
        pace->until = until;
    }
}
