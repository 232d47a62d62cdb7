// SPDX-License-Identifier: Apache-2.0
// Waits: the sleep action of hooks (core/v1 SleepAction).
#include "common/base/mem.h"
#include "try.h"

struct pause {
    struct probe_try *attempt;
    struct cor_timer *timer;
};

static void on_over(void *self)
{
    const struct pause *pause = self;
    probe_try_tell(pause->attempt, PROBE_PASSED, COR_VIEW(""));
}

static void *begin(struct probe_try *attempt, const struct probe_ask *ask)
{
    struct pause *pause = cor_alloc(sizeof(*pause));
    pause->attempt = attempt;
    pause->timer = cor_timer_new(probe_try_loop(attempt), on_over, pause);
    cor_timer_start(pause->timer, COR_SEC(ask->handler->seconds));
    return pause;
}

static void timed_out(void *act, struct cor_buf *text)
{
    (void)act;
    cor_buf_str(text, "sleep is longer than the grace period");
}

static void end(void *act)
{
    struct pause *pause = act;
    cor_timer_free(&pause->timer);
    cor_free(pause);
}

const struct probe_act probe_act_sleep = {begin, timed_out, end};
