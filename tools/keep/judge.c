// SPDX-License-Identifier: Apache-2.0
#include "tools/keep/judge.h"

enum {
    SIGNAL_KILL = 9,
    KILLED_CS =
        100, /* what had run so long is not why it was killed, and a start a second no load */
    SOUND_CS = 1000, /* what had run so long works */
    /* s6-supervise (2.11) starts a service again at once that was ready a second ago. When that was
     * it does not say; a service that takes longer than a second to be ready waits that second. */
    BY_ITSELF_CS = 200,
    TRIES = 3, /* of an upgrade's new program */
    FREE_FAILURES = 3,
    WAIT_SHIFT_MAX = 3
};

struct keep_verdict keep_judge(const struct keep_end *end)
{
    struct keep_verdict verdict = {.failures = end->failures};
    if (end->code == 0 || end->lived >= SOUND_CS ||
        (end->signal == SIGNAL_KILL && end->lived >= KILLED_CS)) {
        verdict.failures = 0;
    }
    verdict.failures += end->code != 0 ? 1 : 0;
    verdict.trial_over = end->trial && end->lived >= SOUND_CS;
    verdict.roll_back = end->trial && !verdict.trial_over && end->trial_runs &&
                        (end->code == KEEP_CODE_CONFIG || verdict.failures >= TRIES);
    return verdict;
}

enum keep_next keep_next(int code, int64_t lived)
{
    if (code == KEEP_CODE_CONFIG) {
        return KEEP_STAYS_DOWN;
    }
    return lived >= BY_ITSELF_CS ? KEEP_BY_ITSELF : KEEP_ASK;
}

int keep_wait_s(int64_t failures)
{
    int64_t shift = failures - FREE_FAILURES - 1;
    if (shift < 0) {
        return 0;
    }
    return 1 << (shift < WAIT_SHIFT_MAX ? shift : WAIT_SHIFT_MAX);
}
