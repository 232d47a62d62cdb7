// SPDX-License-Identifier: Apache-2.0
// Which messages are taken for ones that came before.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/eventbus/recent.h"

static uint64_t hash(const char *payload)
{
    return eb_recent_hash(COR_VIEW("t"), cor_view_of(payload));
}

/* Three messages were committed under the ids 1 to 3; their acknowledgements are uncertain. */
static void three(struct eb_recent *recent)
{
    eb_recent_add(recent, 1, hash("a"));
    eb_recent_add(recent, 2, hash("b"));
    eb_recent_add(recent, 3, hash("c"));
}

static void the_end_of_what_was_sent_comes_again(void **state)
{
    static const struct {
        const char *ids, *payloads, *again; /* one character each */
    } ROWS[] = {
        {"123", "abc", "yyy"}, /* nothing was acknowledged */
        {"23", "bc", "yy"},    /* the first was */
        {"34", "cd", "yn"},    /* then something new */
        {"45", "de", "nn"},    /* everything was */
        {"413", "dac", "nnn"}, /* new things never come first */
        {"1", "x", "n"},       /* an id used anew */
        {"321", "cba", "ynn"}, /* the broker keeps the order */
        {"2233", "bbcc", "ynnn"},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(eb_recent_free) struct eb_recent recent = {0};
        three(&recent);
        eb_recent_begin(&recent);
        for (size_t m = 0; ROWS[i].ids[m] != '\0'; m++) {
            char payload[2] = {ROWS[i].payloads[m], '\0'};
            bool again =
                eb_recent_is_again(&recent, (uint16_t)(ROWS[i].ids[m] - '0'), hash(payload));
            if (again != (ROWS[i].again[m] == 'y')) {
                fail_msg("row %zu message %zu", i, m);
            }
        }
    }
}

static void within_a_connection_nothing_comes_again(void **state)
{
    (void)state;
    auto_(eb_recent_free) struct eb_recent recent = {0};
    three(&recent);
    assert_false(eb_recent_is_again(&recent, 1, hash("a")));
}

static void what_the_broker_has_had_is_forgotten(void **state)
{
    (void)state;
    auto_(eb_recent_free) struct eb_recent recent = {0};
    three(&recent);
    uint64_t end = eb_recent_end(&recent);
    eb_recent_add(&recent, 4, hash("d"));
    eb_recent_confirmed(&recent, end);
    eb_recent_begin(&recent);
    assert_false(eb_recent_is_again(&recent, 3, hash("c")));
    eb_recent_begin(&recent);
    assert_true(eb_recent_is_again(&recent, 4, hash("d")));
    eb_recent_confirmed(&recent, eb_recent_end(&recent));
    eb_recent_begin(&recent);
    assert_false(eb_recent_is_again(&recent, 4, hash("d")));
}

/* The first half has come again and is confirmed; the second half still comes. */
static void what_still_comes_is_not_forgotten(void **state)
{
    (void)state;
    auto_(eb_recent_free) struct eb_recent recent = {0};
    three(&recent);
    eb_recent_begin(&recent);
    assert_int_equal(eb_recent_reached(&recent), 0);
    assert_true(eb_recent_is_again(&recent, 1, hash("a")));
    assert_int_equal(eb_recent_reached(&recent), 1);
    eb_recent_confirmed(&recent, eb_recent_reached(&recent));
    assert_true(eb_recent_is_again(&recent, 2, hash("b")));
    assert_true(eb_recent_is_again(&recent, 3, hash("c")));
    assert_false(eb_recent_is_again(&recent, 4, hash("d")));
    eb_recent_add(&recent, 4, hash("d"));
    assert_int_equal(eb_recent_reached(&recent), 4);
}

static void it_is_kept_over_a_restart(void **state)
{
    (void)state;
    auto_(eb_recent_free) struct eb_recent recent = {0};
    auto_(eb_recent_free) struct eb_recent later = {0};
    auto_(cor_buf_free) struct cor_buf first = {0};
    auto_(cor_buf_free) struct cor_buf second = {0};
    three(&recent);
    eb_recent_write(&recent, 0, &first);
    uint64_t end = eb_recent_end(&recent);
    eb_recent_add(&recent, 4, hash("d"));
    eb_recent_add(&recent, 0, hash("not of QoS 1"));
    eb_recent_write(&recent, end, &second);
    assert_true(eb_recent_read(&later, cor_buf_as_view(&first), end));
    assert_true(eb_recent_read(&later, cor_buf_as_view(&second), eb_recent_end(&recent)));
    assert_int_equal(eb_recent_end(&later), 4);
    eb_recent_begin(&later);
    assert_true(eb_recent_is_again(&later, 2, hash("b")));
    assert_true(eb_recent_is_again(&later, 3, hash("c")));
    assert_true(eb_recent_is_again(&later, 4, hash("d")));
    assert_false(eb_recent_read(&later, COR_VIEW("torn"), 5));
    assert_false(eb_recent_read(&later, cor_buf_as_view(&first), 2));
}

static void topic_and_payload_are_kept_apart(void **state)
{
    (void)state;
    assert_int_not_equal(eb_recent_hash(COR_VIEW("ab"), COR_VIEW("c")),
                         eb_recent_hash(COR_VIEW("a"), COR_VIEW("bc")));
}

static void it_is_bounded(void **state)
{
    (void)state;
    auto_(eb_recent_free) struct eb_recent recent = {0};
    for (int i = 0; i < 3 * EB_RECENT_MAX; i++) {
        eb_recent_add(&recent, (uint16_t)(1 + i % EB_RECENT_MAX), hash("x"));
    }
    assert_true(recent.count <= EB_RECENT_MAX);
    assert_int_equal(eb_recent_end(&recent), 3 * EB_RECENT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_what_was_sent_comes_again),
        cmocka_unit_test(within_a_connection_nothing_comes_again),
        cmocka_unit_test(what_the_broker_has_had_is_forgotten),
        cmocka_unit_test(what_still_comes_is_not_forgotten),
        cmocka_unit_test(it_is_kept_over_a_restart),
        cmocka_unit_test(topic_and_payload_are_kept_apart),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
