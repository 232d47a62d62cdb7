// SPDX-License-Identifier: Apache-2.0
// What follows from the end of a service: failures in a row, upgrades taken back, waiting.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "tools/keep/judge.h"

enum { SIGKILLED = 256 };

static void failures_are_counted(void **state)
{
    (void)state;
    static const struct {
        int code, signal;
        int64_t lived, before, after;
    } ROWS[] = {
        {0, 0, 5, 7, 0},                 /* asked to end */
        {1, 0, 5, 0, 1},                 /* fails at once */
        {1, 0, 5, 2, 3},                 /* again */
        {1, 0, 999, 2, 3},               /* after less than 10 s */
        {1, 0, 1000, 2, 1},              /* it had worked */
        {100, 0, 5, 0, 1},               /* configuration */
        {SIGKILLED, 11, 999, 2, 3},      /* crashes */
        {SIGKILLED, 11, 1000, 2, 1},     /* */
        {SIGKILLED, 9, 99, 2, 3},        /* killed at once */
        {SIGKILLED, 9, 100, 2, 1},       /* killed from outside */
        {SIGKILLED, 9, INT64_MAX, 2, 1}, /* */
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct keep_end end = {.code = ROWS[i].code,
                               .signal = ROWS[i].signal,
                               .lived = ROWS[i].lived,
                               .failures = ROWS[i].before};
        struct keep_verdict verdict = keep_judge(&end);
        if (verdict.failures != ROWS[i].after || verdict.roll_back || verdict.trial_over) {
            fail_msg("row %zu: %d failures", i, (int)verdict.failures);
        }
    }
}

static void upgrades_are_taken_back(void **state)
{
    (void)state;
    static const struct {
        int code;
        int64_t lived, before;
        bool runs, over, back;
    } ROWS[] = {
        {1, 5, 0, true, false, false},   /* it may try again */
        {1, 5, 1, true, false, false},   /* */
        {1, 5, 2, true, false, true},    /* three times in a row */
        {1, 5, 2, false, false, false},  /* somebody else has replaced it */
        {100, 5, 0, true, false, true},  /* it refuses its configuration */
        {0, 5, 2, true, false, false},   /* asked to end */
        {1, 1000, 2, true, true, false}, /* it had worked */
        {0, 1000, 0, true, true, false}, /* */
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct keep_end end = {.code = ROWS[i].code,
                               .lived = ROWS[i].lived,
                               .failures = ROWS[i].before,
                               .trial = true,
                               .trial_runs = ROWS[i].runs};
        struct keep_verdict verdict = keep_judge(&end);
        if (verdict.trial_over != ROWS[i].over || verdict.roll_back != ROWS[i].back) {
            fail_msg("row %zu: over %d, back %d", i, verdict.trial_over, verdict.roll_back);
        }
        end.trial = false;
        verdict = keep_judge(&end);
        assert_false(verdict.trial_over || verdict.roll_back);
    }
}

static void next_start_is_seen_to(void **state)
{
    (void)state;
    assert_int_equal(keep_next(100, 5000), KEEP_STAYS_DOWN);
    assert_int_equal(keep_next(1, 199), KEEP_ASK);
    assert_int_equal(keep_next(0, 0), KEEP_ASK);
    assert_int_equal(keep_next(1, 200), KEEP_BY_ITSELF);
    assert_int_equal(keep_next(0, 200), KEEP_BY_ITSELF);
}

static void starts_back_off(void **state)
{
    (void)state;
    static const int WAITS[] = {0, 0, 0, 0, 1, 2, 4, 8, 8, 8};
    for (size_t i = 0; i < COR_COUNT(WAITS); i++) {
        assert_int_equal(keep_wait_s((int64_t)i), WAITS[i]);
    }
    assert_int_equal(keep_wait_s(INT64_MAX), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_are_counted),
        cmocka_unit_test(upgrades_are_taken_back),
        cmocka_unit_test(next_start_is_seen_to),
        cmocka_unit_test(starts_back_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
