// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/clock/backoff.h"
#include "common/clock/clock.h"

/* random 0 gives half of the step; 500 ms doubling to 30 s. */
static void doubles_to_the_last(void **state)
{
    (void)state;
    static const int64_t half_ms[] = {250, 500, 1000, 2000, 4000, 8000, 15000, 15000};
    struct cor_backoff backoff = {.first_us = COR_MS(500), .last_us = COR_SEC(30)};
    for (size_t i = 0; i < COR_COUNT(half_ms); i++) {
        assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(half_ms[i]));
    }
    cor_backoff_reset(&backoff);
    assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(250));
}

static void jitter_stays_within_the_step(void **state)
{
    (void)state;
    struct cor_backoff backoff = {.first_us = 1000, .last_us = 1000};
    int64_t delay = cor_backoff_next(&backoff, 0.999999);
    assert_in_range(delay, 990, 1000);
    assert_int_equal(cor_backoff_next(&backoff, 0.5), 750);
}

static void begins_again_after_what_was_good(void **state)
{
    (void)state;
    static const struct {
        int steps; /* before it succeeded; 200 ms doubling */
        int64_t lasted_ms;
        int64_t half_ms; /* of the next step */
    } ROWS[] = {
        {1, 199, 200},   {1, 200, 100},  {2, 399, 400},    {2, 400, 100},
        {5, 3199, 3200}, {5, 3200, 100}, {8, 9999, 15000}, {8, 10000, 100},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_backoff backoff = {.first_us = COR_MS(200), .last_us = COR_SEC(30)};
        for (int n = 0; n < ROWS[i].steps; n++) {
            (void)cor_backoff_next(&backoff, 0.0);
        }
        cor_backoff_lost(&backoff, COR_MS(ROWS[i].lasted_ms));
        assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(ROWS[i].half_ms));
    }
}

/* An outage of some seconds is tried often; a success that holds gives tries back, one that breaks
 * at once does not. */
static void quick_tries_before_it_doubles(void **state)
{
    (void)state;
    static const int64_t half_ms[] = {50, 100, 200, 300, 300, 300, 600, 1200};
    struct cor_backoff backoff = {
        .first_us = COR_MS(100), .last_us = COR_SEC(30), .quick_us = COR_MS(600), .quick_tries = 3};
    for (size_t i = 0; i < COR_COUNT(half_ms); i++) {
        assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(half_ms[i]));
    }
    cor_backoff_lost(&backoff, COR_MS(299)); /* goes on to double */
    assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(2400));
    cor_backoff_lost(&backoff, COR_MS(700)); /* two tries */
    assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(300));
    assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(300));
    assert_int_equal(cor_backoff_next(&backoff, 0.0), COR_MS(600));
    cor_backoff_lost(&backoff, COR_SEC(10));
    assert_int_equal(backoff.quick_used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_to_the_last),
        cmocka_unit_test(jitter_stays_within_the_step),
        cmocka_unit_test(begins_again_after_what_was_good),
        cmocka_unit_test(quick_tries_before_it_doubles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
