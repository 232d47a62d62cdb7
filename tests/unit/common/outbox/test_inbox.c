// SPDX-License-Identifier: Apache-2.0
// Places of a sink in its streams, on a real store.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/outbox/inbox.h"
#include "tests/support/stage/stage.h"

static const char *const MIGRATIONS[] = {COR_INBOX_MIGRATION};
static const char *const SQL[] = {COR_INBOX_SQL};
static const struct cor_wire_open OPEN = {.stream = 7, .incarnation = 99, .name = COR_VIEW("d")};

struct world {
    struct stage *stage;
    struct cor_store *store;
    struct cor_inbox *inbox;
};

static void open_inbox(struct world *w)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/x.db", w->stage->dir);
    struct cor_store_spec store = {.path = path,
                                   .migrations = MIGRATIONS,
                                   .migration_count = COR_COUNT(MIGRATIONS),
                                   .statements = SQL,
                                   .statement_count = COR_COUNT(SQL)};
    assert_int_equal(cor_store_open(&store, &w->store, &err), COR_OK);
    struct cor_inbox_spec spec = {.store = w->store, .number = 1, .flow = "things"};
    assert_int_equal(cor_inbox_new(&spec, &w->inbox, &err), COR_OK);
}

static void close_inbox(struct world *w)
{
    cor_store_close(&w->store);
    cor_inbox_free(&w->inbox);
}

struct placed {
    struct world *w;
    struct cor_inbox_place place;
};

static enum cor_code put(struct cor_db *db, void *self, struct cor_err *err)
{
    struct placed *placed = self;
    return cor_inbox_run(placed->w->inbox, &placed->place, db, err);
}

/* A message that is on its way to the store is known when it comes again in the next session; the
 * place that is told is that of the store. */
static void what_is_on_its_way_is_taken(void **state)
{
    struct world *w = *state;
    open_inbox(w);
    assert_int_equal(cor_inbox_open(w->inbox, &OPEN), 0);
    assert_false(cor_inbox_is_taken(w->inbox, 7, 1));
    struct placed placed = {w, cor_inbox_place(w->inbox, 7, 3)};
    placed.place.count = 3;
    assert_int_equal(cor_inbox_open(w->inbox, &OPEN), 0);
    assert_true(cor_inbox_is_taken(w->inbox, 7, 3));
    assert_false(cor_inbox_is_taken(w->inbox, 7, 4));
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_write_now(w->store, put, &placed, &err), COR_OK);
    cor_inbox_done(&placed.place);
    assert_int_equal(cor_inbox_open(w->inbox, &OPEN), 3);
    close_inbox(w);
    open_inbox(w);
    assert_int_equal(cor_inbox_open(w->inbox, &OPEN), 3);
    assert_true(cor_inbox_is_taken(w->inbox, 7, 3));
    close_inbox(w);
}

/* Another incarnation is another stream: nothing of it was taken. */
static void an_incarnation_begins_anew(void **state)
{
    struct world *w = *state;
    struct cor_wire_open other = OPEN;
    other.incarnation = 100;
    open_inbox(w);
    (void)cor_inbox_open(w->inbox, &OPEN);
    (void)cor_inbox_place(w->inbox, 7, 3);
    assert_int_equal(cor_inbox_open(w->inbox, &other), 0);
    assert_false(cor_inbox_is_taken(w->inbox, 7, 1));
    close_inbox(w);
}

static void tell(void *self, struct cor_ledger_writer *out)
{
    cor_inbox_books(self, NULL, out);
}

static int64_t told(struct cor_inbox *inbox, const char *column)
{
    auto_(cor_ledger_free) struct cor_ledger *ledger = cor_ledger_new(NULL, "x");
    cor_ledger_source(ledger, tell, inbox);
    auto_(cor_json_free) struct cor_json *json = cor_ledger_json(ledger);
    return cor_json_int_at(cor_json_item(cor_json_get(json, "rows"), 0), column, 0);
}

/* What the origin says is confirmed counts as a place, but not as accepted. */
static void books_tell_the_place(void **state)
{
    struct world *w = *state;
    struct cor_wire_open later = OPEN;
    later.after = 5;
    open_inbox(w);
    (void)cor_inbox_open(w->inbox, &later);
    assert_int_equal(told(w->inbox, "place"), 5);
    assert_int_equal(told(w->inbox, "accepted"), 0);
    struct cor_inbox_place place = cor_inbox_place(w->inbox, 7, 6);
    assert_int_equal(told(w->inbox, "place"), 5);
    cor_inbox_done(&place);
    assert_int_equal(told(w->inbox, "place"), 6);
    assert_int_equal(told(w->inbox, "accepted"), 1);
    close_inbox(w);
}

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    w->stage = stage_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    stage_free(&w->stage);
    cor_free(w);
    return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(what_is_on_its_way_is_taken),
                                       T(an_incarnation_begins_anew), T(books_tell_the_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
