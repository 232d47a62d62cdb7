// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/devicetwin/pace.h"

static uint32_t takes(struct dt_pace *all, struct dt_pace *each, uint32_t tries, int64_t us)
{
    uint32_t got = 0;
    for (uint32_t i = 0; i < tries; i++) {
        got += dt_pace_take(all, each, 500, (struct cor_mono){us}) ? 1 : 0;
    }
    return got;
}

static void a_second_has_its_limit(void **state)
{
    (void)state;
    struct dt_pace all = {0};
    struct dt_pace flood = {0};
    assert_int_equal(takes(&all, &flood, 5000, COR_SEC(7)), 500);
    assert_int_equal(takes(&all, &flood, 5000, COR_SEC(8) - 1), 0);
    assert_int_equal(takes(&all, &flood, 5000, COR_SEC(8)), 500);
}

/* Whoever is quiet is answered beside the one that floods. */
static void each_has_a_tenth(void **state)
{
    (void)state;
    struct dt_pace all = {0};
    struct dt_pace flood = {0};
    struct dt_pace quiet[2] = {0};
    assert_int_equal(takes(&all, &flood, 5000, COR_SEC(7)), 500);
    assert_int_equal(takes(&all, &quiet[0], 3, COR_SEC(7)), 3);
    assert_int_equal(takes(&all, &quiet[1], 5000, COR_SEC(7)), 50);
    assert_int_equal(takes(&all, &quiet[0], 5000, COR_SEC(7)), 47);
}

/* What the quiet ones had before does not come on top of it. */
static void the_own_part_is_of_the_whole(void **state)
{
    (void)state;
    struct dt_pace all = {0};
    struct dt_pace flood = {0};
    struct dt_pace quiet = {0};
    assert_int_equal(takes(&all, &quiet, 60, COR_SEC(7)), 60);
    assert_int_equal(takes(&all, &flood, 5000, COR_SEC(7)), 440);
    assert_int_equal(takes(&all, &quiet, 5, COR_SEC(7)), 0);
}

static void counts_begin_anew_with_each_second(void **state)
{
    (void)state;
    struct dt_pace pace = {0};
    for (int i = 0; i < 8; i++) {
        assert_false(dt_pace_is_used(&pace, 8, (struct cor_mono){COR_SEC(7)}));
        dt_pace_count(&pace, (struct cor_mono){COR_SEC(7) + i});
    }
    assert_true(dt_pace_is_used(&pace, 8, (struct cor_mono){COR_SEC(8) - 1}));
    assert_false(dt_pace_is_used(&pace, 8, (struct cor_mono){COR_SEC(8)}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_has_its_limit),
        cmocka_unit_test(each_has_a_tenth),
        cmocka_unit_test(the_own_part_is_of_the_whole),
        cmocka_unit_test(counts_begin_anew_with_each_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
