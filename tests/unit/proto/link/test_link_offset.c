// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/link/offset.h"

/* A machine whose clock is so far ahead asks at a moment; each way takes so long. */
static bool ask(struct px_offset *offset, int64_t ahead, int64_t at, int64_t there, int64_t back)
{
    enum { PEER_EPOCH = 1000000 };
    struct px_offset_sample sample = {.asked = {at},
                                      .answered = {at + there + back},
                                      .wall = {COR_SEC(PEER_EPOCH) + at + there + back + ahead},
                                      .peer = {COR_SEC(PEER_EPOCH) + at + there}};
    return px_offset_take(offset, &sample);
}

static void known_to_half_a_round_trip(void **state)
{
    static const struct {
        int64_t ahead, there, back;
    } ROWS[] = {{0, 0, 0},
                {COR_SEC(3600), 50000, 50000},
                {-COR_SEC(900000), 50000, 50000}, /* since it was switched on, in 1970 */
                {COR_MS(20), 0, 80000},
                {COR_MS(20), 80000, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct px_offset offset = {0};
        assert_true(ask(&offset, ROWS[i].ahead, COR_SEC(5), ROWS[i].there, ROWS[i].back));
        assert_true(offset.known);
        assert_int_equal(offset.error_us, (ROWS[i].there + ROWS[i].back) / 2);
        assert_in_range(offset.ahead_us - ROWS[i].ahead + offset.error_us, 0, 2 * offset.error_us);
    }
}

static void a_slow_answer_does_not_replace_a_quick_one(void **state)
{
    struct px_offset offset = {0};
    (void)state;
    assert_true(ask(&offset, 700, COR_SEC(1), 500, 500));
    assert_int_equal(offset.ahead_us, 700);
    assert_false(ask(&offset, 700, COR_SEC(20), 0, 900000));
    assert_int_equal(offset.ahead_us, 700);
    assert_true(ask(&offset, 700, COR_SEC(40), 300, 300));
    assert_int_equal(offset.error_us, 300);
    /* but it does when what is known has become worse than that */
    assert_true(ask(&offset, 700, COR_SEC(20000), 450000, 450000));
    assert_int_equal(offset.error_us, 450000);
}

static void a_clock_that_was_set_is_seen_at_once(void **state)
{
    struct px_offset offset = {0};
    (void)state;
    assert_true(ask(&offset, 0, COR_SEC(1), 500, 500));
    assert_true(ask(&offset, COR_SEC(3), COR_SEC(20), 400000, 400000));
    assert_int_equal(offset.ahead_us, COR_SEC(3));
}

static void odd_answers_tell_nothing(void **state)
{
    struct px_offset offset = {0};
    struct px_offset_sample early = {.asked = {1000}, .answered = {0}};
    struct px_offset_sample before = {.wall = {COR_SEC(1)}, .peer = {-1}};
    struct px_offset_sample after = {.wall = {COR_SEC(1)}, .peer = {INT64_MAX}};
    (void)state;
    assert_false(px_offset_take(&offset, &early));
    assert_false(px_offset_take(&offset, &before));
    assert_false(px_offset_take(&offset, &after));
    assert_false(offset.known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_to_half_a_round_trip),
        cmocka_unit_test(a_slow_answer_does_not_replace_a_quick_one),
        cmocka_unit_test(a_clock_that_was_set_is_seen_at_once),
        cmocka_unit_test(odd_answers_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
