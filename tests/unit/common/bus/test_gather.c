// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/bus/gather.h"

/* Acks that come due every step_us for a second, each when it may: how many go. */
static unsigned sent_in_a_second(int64_t step_us)
{
    struct cor_gather g = {0};
    unsigned sent = 0;
    int64_t blocked_until = 0;
    for (int64_t us = COR_SEC(5); us < COR_SEC(6); us += step_us) {
        if (us < blocked_until) {
            continue;
        }
        int64_t wait = cor_gather_wait(&g, (struct cor_mono){us});
        assert_in_range(wait, 0, COR_GATHER_US);
        blocked_until = us + wait;
        g.sent += wait == 0 ? 1 : 0;
        sent += wait == 0 ? 1 : 0;
    }
    return sent;
}

static void few_go_at_once(void **state)
{
    (void)state;
    assert_int_equal(sent_in_a_second(10000), 100);
    assert_int_equal(sent_in_a_second(2000), 500);
}

static void many_go_together(void **state)
{
    (void)state;
    const unsigned windows = COR_SEC(1) / COR_GATHER_US;
    assert_in_range(sent_in_a_second(100), windows, windows * (COR_GATHER_AT_ONCE + 1));
}

static void a_wait_ends_with_its_window(void **state)
{
    (void)state;
    struct cor_gather g = {.began = {1000}, .sent = COR_GATHER_AT_ONCE};
    assert_int_equal(cor_gather_wait(&g, (struct cor_mono){1500}), COR_GATHER_US - 500);
    assert_int_equal(cor_gather_wait(&g, (struct cor_mono){1000 + COR_GATHER_US}), 0);
    assert_int_equal(g.sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_go_at_once),
        cmocka_unit_test(many_go_together),
        cmocka_unit_test(a_wait_ends_with_its_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
