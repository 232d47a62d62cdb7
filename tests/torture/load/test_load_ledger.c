// SPDX-License-Identifier: Apache-2.0
// The ledger notices each kind of fault: a harness that cannot fail proves nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "ledger.h"

/* Publishes three messages of device 0, all acknowledged. */
static struct ledger *three(void)
{
    struct ledger *l = ledger_new(2);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        assert_int_equal(ledger_publish(l, 0, 1000), seq);
        ledger_acked(l, 0, seq);
    }
    return l;
}

static void all_arrive_in_order(void **state)
{
    (void)state;
    auto_(ledger_free) struct ledger *l = three();
    auto_(cor_buf_free) struct cor_buf out = {0};
    assert_int_equal(ledger_missing(l), 3);
    ledger_arrived(l, 0, 1, COR_VIEW("a"), 3000);
    ledger_arrived(l, 0, 2, COR_VIEW("b"), 3000);
    ledger_arrived(l, 0, 2, COR_VIEW("b"), 3000); /* a repeat that the target can know */
    assert_false(ledger_is_good(l));
    ledger_mark(l, 900);
    ledger_arrived(l, 0, 3, COR_VIEW("c"), 5000);
    assert_true(ledger_is_good(l));
    ledger_recoveries(l, &out);
    assert_string_equal(out.data, "recovery 1 4.10\n");
    ledger_report(l, &out);
    assert_non_null(strstr(out.data, "\"delivered\":3,\"lost\":0"));
    assert_non_null(strstr(out.data, "\"repeats\":1"));
    assert_non_null(strstr(out.data, "\"marks\":1,\"recoveryP50Ms\":4.10"));
    assert_non_null(strstr(out.data, "\"latencyP50Ms\":2.00"));
    assert_non_null(strstr(out.data, "\"latencyMaxMs\":4.00"));
}

static void each_fault_is_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct {
            uint64_t seq;
            const char *key;
        } arrivals[4];
    } ROWS[] = {
        {"\"lost\":1", {{1, "a"}, {3, "c"}}},
        {"\"reorders\":1", {{1, "a"}, {3, "c"}, {2, "b"}}},
        {"\"duplicates\":1", {{1, "a"}, {2, "b"}, {3, "c"}, {3, "d"}}},
        {"\"strange\":1", {{1, "a"}, {2, "b"}, {3, "c"}, {9, "x"}}},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(ledger_free) struct ledger *l = three();
        auto_(cor_buf_free) struct cor_buf out = {0};
        for (size_t at = 0; at < 4 && ROWS[i].arrivals[at].seq != 0; at++) {
            ledger_arrived(l, 0, ROWS[i].arrivals[at].seq, cor_view_of(ROWS[i].arrivals[at].key),
                           2000);
        }
        assert_false(ledger_is_good(l));
        ledger_report(l, &out);
        assert_non_null(strstr(out.data, ROWS[i].name));
    }
}

/* MQTT itself may publish twice what was not acknowledged when the connection broke. */
static void doubles_of_the_publisher_are_told_apart(void **state)
{
    (void)state;
    auto_(ledger_free) struct ledger *l = ledger_new(1);
    auto_(cor_buf_free) struct cor_buf out = {0};
    (void)ledger_publish(l, 0, 0);
    ledger_disturbed(l);
    ledger_acked(l, 0, 1);
    ledger_arrived(l, 0, 1, COR_VIEW("a"), 1);
    ledger_arrived(l, 0, 1, COR_VIEW("b"), 1);
    assert_true(ledger_is_good(l));
    ledger_report(l, &out);
    assert_non_null(strstr(out.data, "\"doubled\":1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_arrive_in_order),
        cmocka_unit_test(each_fault_is_noticed),
        cmocka_unit_test(doubles_of_the_publisher_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
