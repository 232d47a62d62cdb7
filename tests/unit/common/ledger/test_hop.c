// SPDX-License-Identifier: Apache-2.0
// The books of a hop: when they balance, and what of a hop that lies they show.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/ledger/hop.h"

enum { STREAM = 7, INCARNATION = 99, STEPS = 8 };

/* What happens to a stream; n is a sequence, or nothing. */
struct step {
    enum { END, OPEN, IN, PASS, DROP, CONFIRM, TELL, OTHER_STORE } what;
    uint64_t n;
};

static void open_stream(struct cor_hop *hop, uint64_t number, const char *name, uint64_t after,
                        uint64_t incarnation)
{
    struct cor_wire_open open = {
        .stream = number, .incarnation = incarnation, .name = cor_view_of(name), .after = after};
    cor_hop_open(hop, &open);
}

static void run(struct cor_hop *hop, const struct step *step)
{
    switch (step->what) {
    case OPEN:
    case OTHER_STORE:
        open_stream(hop, STREAM, "topic/a", step->n, INCARNATION + (step->what == OTHER_STORE));
        break;
    case IN:
        cor_hop_received(hop, STREAM);
        break;
    case PASS:
        cor_hop_passed(hop, STREAM);
        break;
    case DROP:
        cor_hop_refused(hop, STREAM);
        break;
    case CONFIRM:
        cor_hop_confirmed(hop, STREAM, step->n);
        break;
    case TELL:
        cor_hop_told(hop, STREAM, step->n);
        break;
    case END:
        break;
    }
}

static void tell(void *self, struct cor_ledger_writer *out)
{
    cor_hop_books(self, out);
}

static struct cor_json *books_of(struct cor_hop *hop)
{
    auto_(cor_ledger_free) struct cor_ledger *ledger = cor_ledger_new(NULL, "x");
    cor_ledger_source(ledger, tell, hop);
    return cor_ledger_json(ledger);
}

static void books_say_what_happened(void **state)
{
    static const struct {
        const char *name;
        bool later; /* another hop is before this one */
        struct step steps[STEPS];
        int64_t balance, accepted, delivered, refused, place;
    } ROWS[] = {
        {"nothing", false, {{OPEN, 5}}, 0, 0, 0, 0, 5},
        {"an honest one",
         false,
         {{OPEN, 5}, {IN, 0}, {PASS, 0}, {CONFIRM, 6}, {TELL, 6}},
         0,
         1,
         1,
         0,
         6},
        {"the same ack again",
         false,
         {{OPEN, 0}, {CONFIRM, 6}, {TELL, 6}, {CONFIRM, 6}, {TELL, 6}, {CONFIRM, 4}, {TELL, 4}},
         0,
         6,
         6,
         0,
         6},
        {"no room", false, {{OPEN, 5}, {IN, 0}, {DROP, 0}}, 0, 0, 0, 1, 5},
        {"a lie", false, {{OPEN, 5}, {IN, 0}, {PASS, 0}, {TELL, 6}}, 1, 1, 0, 0, 5},
        {"a lie that came true", false, {{OPEN, 5}, {TELL, 6}, {CONFIRM, 6}}, 0, 1, 1, 0, 6},
        {"a lie behind the back of the books",
         false,
         {{OPEN, 5}, {CONFIRM, 6}, {TELL, 6}, {OPEN, 9}, {CONFIRM, 9}, {TELL, 9}},
         3,
         4,
         1,
         0,
         9},
        {"another hop's lie", true, {{OPEN, 5}, {TELL, 6}, {CONFIRM, 6}, {OPEN, 9}}, 0, 1, 1, 0, 9},
        {"an origin that was killed and has not stored the last ack",
         false,
         {{OPEN, 5}, {CONFIRM, 9}, {TELL, 9}, {OPEN, 7}, {CONFIRM, 10}, {TELL, 10}},
         0,
         5,
         5,
         0,
         10},
        {"another store",
         false,
         {{OPEN, 5}, {CONFIRM, 9}, {TELL, 9}, {OTHER_STORE, 2}},
         0,
         4,
         4,
         0,
         2},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_hop_free) struct cor_hop *hop = cor_hop_new("uploads", 10, !ROWS[i].later);
        for (size_t at = 0; at < STEPS; at++) {
            run(hop, &ROWS[i].steps[at]);
        }
        auto_(cor_json_free) struct cor_json *json = books_of(hop);
        const struct cor_json *row = cor_json_item(cor_json_get(json, "rows"), 0);
        print_message("%s\n", ROWS[i].name);
        assert_int_equal(cor_json_int_at(json, "balance", -1), ROWS[i].balance);
        assert_int_equal(cor_json_int_at(row, "accepted", 0), ROWS[i].accepted);
        assert_int_equal(cor_json_int_at(row, "delivered", 0), ROWS[i].delivered);
        assert_int_equal(cor_json_int_at(row, "refused", 0), ROWS[i].refused);
        assert_int_equal(cor_json_int_at(row, "place", 0), ROWS[i].place);
        assert_string_equal(cor_json_str_at(row, "stream", ""), "topic/a");
    }
}

static void streams_beyond_the_bound_are_counted_together(void **state)
{
    (void)state;
    auto_(cor_hop_free) struct cor_hop *hop = cor_hop_new("uploads", 2, true);
    for (uint64_t i = 1; i <= 4; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "t%d", (int)i);
        open_stream(hop, i, name, 0, INCARNATION);
        cor_hop_received(hop, i);
        cor_hop_passed(hop, i);
        cor_hop_confirmed(hop, i, 1);
        cor_hop_told(hop, i, 1);
    }
    struct cor_ledger_counts sum = {0};
    cor_hop_sum(hop, &sum);
    assert_int_equal(sum.received, 4);
    assert_int_equal(sum.passed, 4);
    assert_int_equal(sum.delivered, 2);
    auto_(cor_json_free) struct cor_json *json = books_of(hop);
    assert_int_equal(cor_json_count(cor_json_get(json, "rows")), 3);
    assert_int_equal(cor_json_int_at(json, "balance", -1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(books_say_what_happened),
        cmocka_unit_test(streams_beyond_the_bound_are_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
