// SPDX-License-Identifier: Apache-2.0
// The books of a service: what balances, what does not, and how much of it an answer holds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/ledger/ledger.h"

static void gaps_are_what_is_missing(void **state)
{
    static const struct {
        struct cor_ledger_counts n;
        int64_t offer, gap;
    } ROWS[] = {
        {{0}, 0, 0},
        {{.offered = 5, .accepted = 4, .refused = 1, .delivered = 4}, 0, 0},
        {{.offered = 6,
          .accepted = 6,
          .delivered = 1,
          .stored = 1,
          .expired = 1,
          .dropped = 2,
          .superseded = 1},
         0,
         0},
        {{.offered = 5, .accepted = 4, .delivered = 4}, 1, 0},
        {{.offered = 4, .accepted = 4, .delivered = 3}, 0, 1},
        {{.offered = 4, .accepted = 4, .delivered = 5}, 0, -1},
        {{.offered = 1, .accepted = 1, .stored = 1, .duplicates = 9, .repeats = 9}, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(cor_ledger_offer_gap(&ROWS[i].n), ROWS[i].offer);
        assert_int_equal(cor_ledger_gap(&ROWS[i].n), ROWS[i].gap);
    }
}

static void an_account_is_found_again(void **state)
{
    (void)state;
    auto_(cor_ledger_free) struct cor_ledger *ledger = cor_ledger_new(NULL, "x");
    struct cor_ledger_counts *a =
        cor_ledger_account(ledger, "uploads", COR_LEDGER_SINK, COR_VIEW("topic/a"));
    a->offered++;
    a->accepted++;
    assert_ptr_equal(a,
                     cor_ledger_account(ledger, "uploads", COR_LEDGER_SINK, COR_VIEW("topic/a")));
    assert_ptr_not_equal(
        a, cor_ledger_account(ledger, "uploads", COR_LEDGER_ORIGIN, COR_VIEW("topic/a")));
    auto_(cor_json_free) struct cor_json *json = cor_ledger_json(ledger);
    assert_int_equal(cor_json_int_at(json, "balance", -1), 1);
    assert_int_equal(cor_json_count(cor_json_get(json, "rows")), 2);
    a->delivered++;
    cor_json_free(&json);
    json = cor_ledger_json(ledger);
    assert_int_equal(cor_json_int_at(json, "balance", -1), 0);
}

/* Two streams that are wrong in opposite ways. */
static void tell_two_wrongs(void *self, struct cor_ledger_writer *out)
{
    int *count = self;
    for (int i = 0; i < *count; i++) {
        struct cor_ledger_row row = {.flow = "f",
                                     .role = COR_LEDGER_ORIGIN,
                                     .durable = true,
                                     .stream = COR_VIEW("s"),
                                     .n = {.offered = 2, .accepted = 2, .delivered = 2}};
        row.n.delivered += i == *count - 2 ? 1 : 0;
        row.n.delivered -= i == *count - 1 ? 1 : 0;
        cor_ledger_row(out, &row);
    }
}

static void wrongs_do_not_cancel_out(void **state)
{
    static const int COUNTS[] = {2, 10, 4000}; /* the last: beyond what an answer lists */
    (void)state;
    for (size_t i = 0; i < COR_COUNT(COUNTS); i++) {
        auto_(cor_ledger_free) struct cor_ledger *ledger = cor_ledger_new(NULL, "x");
        int count = COUNTS[i];
        cor_ledger_source(ledger, tell_two_wrongs, &count);
        auto_(cor_json_free) struct cor_json *json = cor_ledger_json(ledger);
        assert_int_equal(cor_json_int_at(json, "balance", -1), 2);
        auto_(cor_freep) char *text = cor_json_text(json);
        assert_true(cor_view_of(text).len < 1u << 20);
    }
}

static void accounts_are_bounded(void **state)
{
    (void)state;
    auto_(cor_ledger_free) struct cor_ledger *ledger = cor_ledger_new(NULL, "x");
    for (int i = 0; i < 5000; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t/%d", i);
        cor_ledger_account(ledger, "f", COR_LEDGER_HOP, cor_view_of(name))->offered++;
    }
    assert_int_equal(cor_ledger_account(ledger, "f", COR_LEDGER_HOP, COR_VIEW("others"))->offered,
                     5000 - 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_are_what_is_missing),
        cmocka_unit_test(an_account_is_found_again),
        cmocka_unit_test(wrongs_do_not_cancel_out),
        cmocka_unit_test(accounts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
