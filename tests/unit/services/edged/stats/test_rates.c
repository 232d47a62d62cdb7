// SPDX-License-Identifier: Apache-2.0
#include "services/edged/stats/rates.h"

#include <setjmp.h>
#include <stdarg.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/attr.h"

static const int64_t SECOND = 1000000000;

static uint64_t rate(struct rates *rates, const char *key, int64_t time_ns, uint64_t total_ns)
{
    struct stats_cpu cpu = {.time_ns = time_ns, .total_ns = total_ns};
    rates_apply(rates, key, &cpu);
    return cpu.nano_cores;
}

static void rates_are_of_two_samples(void **state)
{
    static const struct {
        int64_t after_ms;
        uint64_t total_ms;
        uint64_t nano_cores;
    } ROWS[] = {
        {0, 100, STATS_UNKNOWN},   /* the first one */
        {500, 200, STATS_UNKNOWN}, /* too soon */
        {1000, 600, 500000000},    /* half a core */
        {1400, 9000, 500000000},   /* too soon: what is known */
        {3000, 4600, 2000000000},  /* two cores, of the sample at 1000 */
        {4000, 10, STATS_UNKNOWN}, /* made anew */
        {5000, 20, 10000000},      {6000, STATS_UNKNOWN, STATS_UNKNOWN}, {7000, 40, 10000000},
    };
    auto_(rates_free) struct rates *rates = rates_new();
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        uint64_t total =
            ROWS[i].total_ms == STATS_UNKNOWN ? STATS_UNKNOWN : ROWS[i].total_ms * 1000000;
        assert_int_equal(rate(rates, "a", SECOND + ROWS[i].after_ms * 1000000, total),
                         ROWS[i].nano_cores);
    }
}

static void what_is_gone_is_forgotten(void **state)
{
    auto_(rates_free) struct rates *rates = rates_new();
    (void)state;
    (void)rate(rates, "a", SECOND, 0);
    (void)rate(rates, "b", SECOND, 0);
    rates_turn(rates);
    assert_int_equal(rate(rates, "a", 2 * SECOND, 1000), 1000);
    rates_turn(rates);
    assert_int_equal(rate(rates, "a", 3 * SECOND, 3000), 2000);
    assert_int_equal(rate(rates, "b", 3 * SECOND, 3000), STATS_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_of_two_samples),
        cmocka_unit_test(what_is_gone_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
