// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/outbox/delays.h"

static void percentiles(void **state)
{
    struct cor_delays delays = {0};
    (void)state;
    assert_int_equal(cor_delays_at(&delays, 50), 0);
    for (int64_t us = 100; us >= 1; us--) {
        cor_delays_add(&delays, us);
    }
    assert_int_equal(cor_delays_known(&delays), 100);
    assert_int_equal(cor_delays_at(&delays, 1), 1);
    assert_int_equal(cor_delays_at(&delays, 50), 50);
    assert_int_equal(cor_delays_at(&delays, 99), 99);
    assert_int_equal(cor_delays_at(&delays, 100), 100);
}

static void only_the_last_count(void **state)
{
    struct cor_delays delays = {0};
    (void)state;
    cor_delays_add(&delays, 1000000);
    for (int i = 0; i < COR_DELAYS; i++) {
        cor_delays_add(&delays, 7);
    }
    assert_int_equal(cor_delays_known(&delays), COR_DELAYS);
    assert_int_equal(cor_delays_at(&delays, 100), 7);
}

static void what_does_not_fit_is_the_bound(void **state)
{
    struct cor_delays delays = {0};
    (void)state;
    cor_delays_add(&delays, -5);
    cor_delays_add(&delays, INT64_MAX);
    assert_int_equal(cor_delays_at(&delays, 1), 0);
    assert_int_equal(cor_delays_at(&delays, 100), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles),
        cmocka_unit_test(only_the_last_count),
        cmocka_unit_test(what_does_not_fit_is_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
