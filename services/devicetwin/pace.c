// SPDX-License-Identifier: Apache-2.0
#include "pace.h"

enum { OWN_PART = 10 };

static void enter(struct dt_pace *pace, int64_t second)
{
    if (pace->second != second) {
        *pace = (struct dt_pace){.second = second};
    }
}

bool dt_pace_take(struct dt_pace *all, struct dt_pace *each, uint32_t limit, struct cor_mono now)
{
    int64_t second = now.us / COR_SEC(1);
    enter(all, second);
    enter(each, second);
    if (all->count >= limit && each->count >= limit / OWN_PART) {
        return false;
    }
    all->count++;
    each->count++;
    return true;
}

void dt_pace_count(struct dt_pace *pace, struct cor_mono now)
{
    enter(pace, now.us / COR_SEC(1));
    pace->count++;
}

bool dt_pace_is_used(const struct dt_pace *pace, uint32_t limit, struct cor_mono now)
{
    return pace->second == now.us / COR_SEC(1) && pace->count >= limit;
}
