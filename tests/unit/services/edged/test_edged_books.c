// SPDX-License-Identifier: Apache-2.0
// What of what edged tells the API is counted as what.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edged/books.h"

enum { STEPS = 8, SENT = -1, STOP = -2 };

static void a_state_ends_in_one_way(void **state)
{
    static const struct {
        int steps[STEPS]; /* SENT, or how it ended; STOP */
        struct cor_ledger_counts n;
    } ROWS[] = {
        {{STOP}, {0}},
        {{SENT, STOP}, {.offered = 1, .accepted = 1, .stored = 1}},
        {{SENT, BOOKS_ARRIVED, STOP}, {.offered = 1, .accepted = 1, .delivered = 1}},
        {{SENT, BOOKS_REFUSED, STOP}, {.offered = 1, .accepted = 1, .dropped = 1}},
        {{SENT, BOOKS_AGAIN, SENT, BOOKS_ARRIVED, STOP},
         {.offered = 2, .accepted = 2, .delivered = 1, .superseded = 1}},
        {{SENT, BOOKS_AGAIN, SENT, BOOKS_AGAIN, BOOKS_OBSOLETE, STOP},
         {.offered = 2, .accepted = 2, .superseded = 2}},
        {{SENT, BOOKS_ARRIVED, BOOKS_OBSOLETE, STOP},
         {.offered = 1, .accepted = 1, .delivered = 1}},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_ledger_counts n = {0};
        struct books_state it = {0};
        for (size_t at = 0; ROWS[i].steps[at] != STOP; at++) {
            if (ROWS[i].steps[at] == SENT) {
                books_sent(&n, &it);
            } else {
                books_ended(&n, &it, (enum books_end)ROWS[i].steps[at]);
            }
            assert_int_equal(cor_ledger_gap(&n), 0);
            assert_int_equal(cor_ledger_offer_gap(&n), 0);
        }
        assert_memory_equal(&n, &ROWS[i].n, sizeof(n));
    }
}

static void events_wait_arrive_or_are_dropped(void **state)
{
    (void)state;
    struct edged_books books = {0};
    books_open(&books, NULL);
    books_event(books.events);
    books_event(books.events);
    books_event(books.events);
    books_event_ended(books.events, true);
    books_event_ended(books.events, false);
    assert_int_equal(books.events->accepted, 3);
    assert_int_equal(books.events->delivered, 1);
    assert_int_equal(books.events->dropped, 1);
    assert_int_equal(books.events->stored, 1);
    auto_(cor_json_free) struct cor_json *json = cor_ledger_json(books.ledger);
    assert_int_equal(cor_json_int_at(json, "balance", -1), 0);
    books_close(&books);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_ends_in_one_way),
        cmocka_unit_test(events_wait_arrive_or_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
