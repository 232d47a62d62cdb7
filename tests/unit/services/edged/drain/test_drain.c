// SPDX-License-Identifier: Apache-2.0
#include "services/edged/drain/drain.h"

#include "../fixture.h"

static void critical_pods_have_the_rest_of_the_time(void **state)
{
    (void)state;
    static const struct {
        int64_t total, critical, plain;
    } ROWS[] = {{30, 10, 20}, {30, 0, 30}, {10, 10, 0}, {10, 20, 0}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(drain_period(ROWS[i].total, ROWS[i].critical, false), ROWS[i].plain);
        assert_int_equal(drain_period(ROWS[i].total, ROWS[i].critical, true), ROWS[i].critical);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(critical_pods_have_the_rest_of_the_time)};
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
