// SPDX-License-Identifier: Apache-2.0
// The only place that asks the clocks: a simulation links its own in place of this file.
#include <time.h>

#include "common/base/must.h"
#include "common/clock/clock.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    must(clock_gettime(id, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct cor_mono cor_mono_now(void)
{
    return (struct cor_mono){read_clock(CLOCK_MONOTONIC)};
}

struct cor_wall cor_wall_now(void)
{
    return (struct cor_wall){read_clock(CLOCK_REALTIME)};
}
