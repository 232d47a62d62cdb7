// SPDX-License-Identifier: Apache-2.0
// An outbox of devicetwin on twin-bus, with a sink that the test plays; store and sockets are real.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/outbox/outbox.h"
#include "tests/support/stage/places.h"
#include "tests/support/stage/stage.h"

enum { NUMBER = 3, GOT_MAX = 4096 };

static const char *const MIGRATIONS[] = {COR_OUTBOX_MIGRATION, COR_OUTBOX_MIGRATION_2};
static const char *const SQL[] = {
    [0] = "SELECT count(*) FROM outbox",
    [1] = "INSERT INTO outbox VALUES (3, ?, 0, 141, ?)",
    [2] = "INSERT INTO outbox_stream VALUES (3, 77, 10)",
    [3] = COR_OUTBOX_SQL,
};

struct world {
    struct stage *stage;
    struct cor_log *log;
    struct cor_store *store;
    struct cor_outbox *outbox;
    struct cor_policy policy;
    struct cor_bus *origin_bus, *sink_bus;
    struct cor_port *origin, *sink;
    struct stage_places places;
    int writing;
    struct {
        uint64_t stream, seq, skip;
        char topic[16];
    } got[GOT_MAX];
    size_t got_count, want;
    bool mute; /* the sink commits nothing */
};

static enum cor_code on_out(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    struct world *w = self;
    const struct px_mqtt_out *out = body;
    assert_true(w->got_count < GOT_MAX);
    w->got[w->got_count].stream = in->head->stream;
    w->got[w->got_count].seq = in->head->seq;
    w->got[w->got_count].skip = in->head->skip;
    (void)snprintf(w->got[w->got_count].topic, sizeof(w->got[0].topic), "%.*s",
                   COR_VIEW_ARG(out->topic));
    w->got_count++;
    if (!w->mute) {
        (void)stage_places_take(&w->places, in);
    }
    return COR_OK;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    return stage_places_open(&((struct world *)self)->places, open);
}

static void on_up(void *self, struct cor_port *port)
{
    struct world *w = self;
    if (w->outbox != NULL) {
        cor_outbox_up(w->outbox, port);
    }
}

static void on_down(void *self, struct cor_port *port)
{
    (void)port;
    struct world *w = self;
    if (w->outbox != NULL) {
        cor_outbox_down(w->outbox);
    }
}

static const struct cor_handler HANDLERS[] = {{PX_mqtt_out, on_out}};
static const struct cor_port_ops SINK = {
    .committed = committed, .handlers = HANDLERS, .handler_count = 1};
static const struct cor_port_ops ORIGIN = {.up = on_up, .down = on_down};

/* A batch on its way to the store. */
struct writing {
    struct world *w;
    struct cor_outbox_batch *batch;
    bool fails;
};

static enum cor_code run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct writing *writing = self;
    enum cor_code code = cor_outbox_batch_run(writing->batch, db, err);
    return writing->fails ? cor_err_set(err, COR_INVALID, "undone") : code;
}

static void ran(void *self, enum cor_code code, const struct cor_err *err)
{
    (void)err;
    struct writing *writing = self;
    writing->w->writing--;
    cor_outbox_batch_end(&writing->batch, code == COR_OK);
    cor_free(writing);
}

/* Adds messages "first" to "first + count - 1" with bodies of some bytes to a stream. Returns how
 * many were not refused. */
static int put(struct world *w, const char *stream, int first, int count, size_t bytes)
{
    struct writing *writing = cor_alloc(sizeof(*writing));
    auto_(cor_freep) char *payload = cor_alloc(bytes + 1);
    int taken = 0;
    writing->w = w;
    writing->batch = cor_outbox_batch_new(w->outbox);
    for (int i = 0; i < count; i++) {
        char topic[16];
        auto_(cor_buf_free) struct cor_buf body = {0};
        (void)snprintf(topic, sizeof(topic), "%d", first + i);
        struct px_mqtt_out out = {.topic = cor_view_of(topic), .payload = {payload, bytes}};
        cor_encode(&px_mqtt_out_table, &out, &body);
        taken += cor_outbox_batch_add(writing->batch, cor_view_of(stream), 0, PX_mqtt_out, &body) ==
                         COR_OK
                     ? 1
                     : 0;
    }
    writing->fails = first < 0;
    cor_outbox_batch_seal(writing->batch);
    w->writing++;
    assert_int_equal(cor_store_write(w->store, run, ran, writing, NULL), COR_OK);
    return taken;
}

static void open_store(struct world *w, size_t migrations)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/x.db", w->stage->dir);
    struct cor_store_spec spec = {.path = path,
                                  .migrations = MIGRATIONS,
                                  .migration_count = migrations,
                                  .statements = SQL,
                                  .statement_count = COR_COUNT(SQL)};
    assert_int_equal(cor_store_open(&spec, &w->store, &err), COR_OK);
    cor_store_start(w->store, w->stage->loop);
}

static void open_outbox(struct world *w)
{
    struct cor_err err = COR_ERR_NONE;
    open_store(w, COR_COUNT(MIGRATIONS));
    struct cor_outbox_spec spec = {.store = w->store,
                                   .loop = w->stage->loop,
                                   .log = w->log,
                                   .messages = px_messages(),
                                   .policy = &w->policy,
                                   .statements = 3,
                                   .number = NUMBER,
                                   .flow = "publications",
                                   .streams_max = 20};
    assert_int_equal(cor_outbox_new(&spec, &w->outbox, &err), COR_OK);
    if (cor_port_is_up(w->origin)) {
        cor_outbox_up(w->outbox, w->origin);
    }
}

static void close_outbox(struct world *w)
{
    cor_store_close(&w->store);
    cor_outbox_free(&w->outbox);
}

static const char *const RULES[] = {
    "newest/# max-bytes=2k full=drop-newest",
    "oldest/# max-bytes=2k",
    "refuse/# max-bytes=2k full=refuse",
    "high/# priority=high",
    "low/# priority=low",
    "aged/# max-age=1s",
};

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    struct cor_err err = COR_ERR_NONE;
    w->stage = stage_new();
    w->log = cor_log_new("test", COR_LEVEL_ERROR);
    assert_int_equal(cor_policy_parse(RULES, COR_COUNT(RULES), 1 << 20, &w->policy, &err), COR_OK);
    w->origin_bus = stage_bus(w->stage, "devicetwin");
    w->sink_bus = stage_bus(w->stage, "eventbus");
    assert_int_equal(cor_port_open(w->origin_bus, px_endpoint(PX_ENDPOINT_TWIN_BUS), &ORIGIN, w,
                                   &w->origin, &err),
                     COR_OK);
    open_outbox(w);
    *state = w;
    return 0;
}

/* Whatever a test does, the books balance: what the store has is counted anew. */
static void check_books(struct world *w)
{
    auto_(cor_ledger_free) struct cor_ledger *ledger = cor_ledger_new(NULL, "x");
    cor_ledger_source(ledger, (void (*)(void *, struct cor_ledger_writer *))cor_outbox_books,
                      w->outbox);
    auto_(cor_json_free) struct cor_json *json = cor_ledger_json(ledger);
    auto_(cor_freep) char *text = cor_json_text(json);
    if (cor_json_int_at(json, "balance", -1) != 0) {
        fail_msg("%s", text);
    }
    int64_t stored = 0;
    const struct cor_json *rows = cor_json_get(json, "rows");
    for (size_t i = 0; i < cor_json_count(rows); i++) {
        stored += cor_json_int_at(cor_json_item(rows, i), "stored", 0);
    }
    bool found = false;
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(w->store), 0);
    assert_int_equal(cor_stmt_next(stmt, &found, NULL), COR_OK);
    int64_t there = cor_stmt_i64(stmt, 0);
    cor_stmt_reset(stmt);
    assert_int_equal(stored, there);
    assert_int_equal(cor_outbox_count(w->outbox), there);
}

static bool is_written(void *self)
{
    struct world *w = self;
    return w->writing == 0 && cor_store_pending(w->store) == 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    assert_true(stage_until(w->stage, is_written, w));
    check_books(w);
    close_outbox(w);
    cor_port_close(&w->sink);
    cor_port_close(&w->origin);
    cor_bus_free(&w->sink_bus);
    cor_bus_free(&w->origin_bus);
    cor_policy_free(&w->policy);
    cor_log_free(&w->log);
    stage_free(&w->stage);
    cor_free(w);
    return 0;
}

static void sink_comes(struct world *w)
{
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(
        cor_port_open(w->sink_bus, px_endpoint(PX_ENDPOINT_TWIN_BUS), &SINK, w, &w->sink, &err),
        COR_OK);
}

static bool has_got(void *self)
{
    const struct world *w = self;
    return w->got_count >= w->want;
}

static void until_got(struct world *w, size_t count)
{
    w->want = count;
    assert_true(stage_until(w->stage, has_got, w));
}

static bool is_forgotten(void *self)
{
    const struct world *w = self;
    return cor_outbox_count(w->outbox) == 0 && is_written(self);
}

static int64_t count_of(struct world *w, const char *stream, const char *what)
{
    auto_(cor_json_free) struct cor_json *json = cor_outbox_queue(w->outbox);
    const struct cor_json *streams = cor_json_get(json, "streams");
    for (size_t i = 0; i < cor_json_count(streams); i++) {
        const struct cor_json *one = cor_json_item(streams, i);
        if (strcmp(cor_json_str_at(one, "stream", ""), stream) == 0) {
            return cor_json_int_at(one, what, -1);
        }
    }
    return -1;
}

/* Of the messages that did not wait. */
static int64_t confirmed(struct world *w, const char *what)
{
    auto_(cor_json_free) struct cor_json *json = cor_outbox_queue(w->outbox);
    return cor_json_int_at(cor_json_get(json, "confirmed"), what, -1);
}

/* Messages of a stream come with rising numbers, and what is left out is said. */
static void check_order(const struct world *w)
{
    uint64_t last[64] = {0};
    uint64_t ids[64] = {0};
    for (size_t i = 0; i < w->got_count; i++) {
        size_t at = 0;
        while (ids[at] != 0 && ids[at] != w->got[i].stream) {
            at++;
        }
        ids[at] = w->got[i].stream;
        assert_int_equal(w->got[i].seq - w->got[i].skip, last[at] + 1);
        last[at] = w->got[i].seq;
    }
}

static void what_waited_arrives_in_order_and_is_forgotten(void **state)
{
    struct world *w = *state;
    (void)put(w, "a", 1, 300, 10);
    (void)put(w, "b", 1, 300, 10);
    assert_true(stage_until(w->stage, is_written, w));
    check_books(w);
    sink_comes(w);
    until_got(w, 600);
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_int_equal(confirmed(w, "count"), 0);
    (void)put(w, "a", 301, 5, 10);
    until_got(w, 605);
    check_order(w);
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_int_equal(confirmed(w, "count"), 5);
    assert_in_range(confirmed(w, "p50Us"), 1, confirmed(w, "p99Us"));
    assert_int_equal(count_of(w, "a", "delivered"), 305);
}

static void a_restart_goes_on_where_it_was(void **state)
{
    struct world *w = *state;
    sink_comes(w);
    (void)put(w, "a", 1, 5, 10);
    until_got(w, 5);
    assert_true(stage_until(w->stage, is_forgotten, w));
    cor_port_close(&w->sink);
    (void)put(w, "a", 6, 1, 10);
    assert_true(stage_until(w->stage, is_written, w));
    close_outbox(w);
    open_outbox(w);
    (void)put(w, "a", 7, 1, 10);
    sink_comes(w);
    until_got(w, 7);
    check_order(w);
    assert_string_equal(w->got[6].topic, "7");
    assert_int_equal(count_of(w, "a", "accepted"), 7);
}

/* Acknowledged, and killed before that was stored: the sink's place counts. */
static void a_lost_ack_doubles_nothing(void **state)
{
    struct world *w = *state;
    sink_comes(w);
    (void)put(w, "a", 1, 5, 10);
    until_got(w, 5);
    cor_port_close(&w->sink);
    close_outbox(w); /* what is gathered is not stored */
    open_outbox(w);
    assert_int_equal(cor_outbox_count(w->outbox), 5);
    sink_comes(w);
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_int_equal(w->got_count, 5);
    assert_int_equal(count_of(w, "a", "delivered"), 5);
}

static void a_write_that_fails_is_skipped(void **state)
{
    struct world *w = *state;
    sink_comes(w);
    (void)put(w, "a", 1, 1, 10);
    (void)put(w, "a", -9, 2, 10);
    (void)put(w, "a", 2, 1, 10);
    until_got(w, 2);
    assert_int_equal(w->got[1].skip, 2);
    check_order(w);
}

static void a_full_stream_does_what_its_rule_says(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "newest/a", 1, 30, 100), 30);
    assert_true(put(w, "refuse/a", 1, 30, 100) < 30);
    for (int i = 1; i <= 30; i++) {
        assert_int_equal(put(w, "oldest/a", i, 1, 100), 1);
        assert_true(stage_until(w->stage, is_written, w));
    }
    assert_int_equal(put(w, "b", 1, 30, 100), 30); /* has room of its own */
    assert_true(stage_until(w->stage, is_written, w));
    check_books(w);
    assert_true(count_of(w, "newest/a", "dropped") > 0);
    assert_int_equal(count_of(w, "newest/a", "accepted"), 30);
    assert_int_equal(count_of(w, "refuse/a", "dropped"), 0);
    assert_true(count_of(w, "refuse/a", "refused") > 0);
    assert_true(count_of(w, "oldest/a", "dropped") > 0);
    assert_int_equal(count_of(w, "b", "dropped"), 0);
    assert_true(count_of(w, "oldest/a", "bytes") <= 2048);
    sink_comes(w);
    assert_true(stage_until(w->stage, is_forgotten, w));
    check_order(w);
}

/* What is under way is never dropped, whatever it costs. */
static void what_the_sink_may_have_is_not_dropped(void **state)
{
    struct world *w = *state;
    w->mute = true;
    sink_comes(w);
    (void)put(w, "oldest/a", 1, 10, 100);
    until_got(w, 10);
    for (int i = 11; i <= 40; i++) {
        (void)put(w, "oldest/a", i, 1, 100);
        assert_true(stage_until(w->stage, is_written, w));
    }
    check_books(w);
    cor_port_close(&w->sink);
    w->mute = false;
    w->got_count = 0;
    sink_comes(w);
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_string_equal(w->got[0].topic, "1");
    check_order(w);
}

/* The whole is full: the least important streams lose first. */
static void the_least_important_loses_first(void **state)
{
    struct world *w = *state;
    (void)put(w, "low/a", 1, 400, 1000);
    (void)put(w, "b", 1, 400, 1000);
    assert_true(stage_until(w->stage, is_written, w));
    (void)put(w, "high/c", 1, 400, 1000);
    assert_true(stage_until(w->stage, is_written, w));
    check_books(w);
    assert_true(count_of(w, "low/a", "dropped") > 100);
    assert_int_equal(count_of(w, "b", "dropped"), 0);
    assert_int_equal(count_of(w, "high/c", "dropped"), 0);
}

/* A flood does not keep another stream waiting behind all of it, nor a less important one before.
 */
static void streams_take_turns_by_priority(void **state)
{
    struct world *w = *state;
    (void)put(w, "low/z", 1, 10, 10);
    (void)put(w, "flood", 1, 2000, 10);
    (void)put(w, "quiet", 1, 10, 10);
    (void)put(w, "high/x", 1, 10, 10);
    assert_true(stage_until(w->stage, is_written, w));
    sink_comes(w);
    until_got(w, 2030);
    check_order(w);
    uint64_t flood = 0;
    size_t at[3] = {0}; /* where the last of high, quiet and low came */
    static const char *const NAMES[] = {"high/x", "quiet", "low/z"};
    for (size_t i = 0; i < w->got_count; i++) {
        for (size_t p = 0; p < w->places.count; p++) {
            const struct stage_place *place = &w->places.items[p];
            for (size_t n = 0; n < 3 && place->stream == w->got[i].stream; n++) {
                at[n] = strcmp(place->name, NAMES[n]) == 0 ? i : at[n];
            }
            flood += place->stream == w->got[i].stream && strcmp(place->name, "flood") == 0;
        }
    }
    assert_int_equal(flood, 2000);
    assert_true(at[0] < 600);
    assert_true(at[1] < 1000);
    assert_true(at[2] > at[0]);
}

static void too_many_streams_share_one(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 40; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "s/%d", i);
        (void)put(w, name, 1, 1, 10);
    }
    assert_true(stage_until(w->stage, is_written, w));
    assert_int_equal(count_of(w, "others", "messages"), 20);
    sink_comes(w);
    until_got(w, 40);
    check_order(w);
}

static bool has_expired(void *self)
{
    struct world *w = self;
    return count_of(w, "aged/a", "expired") >= (int64_t)w->want;
}

static void on_tick(void *self)
{
    (void)self;
}

/* Age counts on the time that processes have seen: what was taken before a restart is no older
 * after it than it was, and what the sink may have is not touched. */
static void what_is_too_old_expires(void **state)
{
    struct world *w = *state;
    (void)put(w, "aged/a", 1, 10, 10);
    (void)put(w, "b", 1, 10, 10);
    assert_true(stage_until(w->stage, is_written, w));
    struct cor_timer *tick = cor_timer_new(w->stage->loop, on_tick, NULL);
    cor_timer_repeat(tick, COR_MS(50));
    w->want = 10;
    assert_true(stage_until(w->stage, has_expired, w));
    cor_timer_free(&tick);
    assert_true(stage_until(w->stage, is_written, w));
    check_books(w);
    assert_int_equal(count_of(w, "aged/a", "messages"), 0);
    assert_int_equal(count_of(w, "b", "messages"), 10);
    (void)put(w, "aged/a", 11, 1, 10);
    sink_comes(w);
    until_got(w, 11);
    check_order(w);
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_int_equal(count_of(w, "aged/a", "delivered"), 1);
}

static enum cor_code old_rows(struct cor_db *db, void *self, struct cor_err *err)
{
    (void)self;
    assert_int_equal(cor_stmt_run(cor_db_use(db, 2), err), COR_OK);
    for (int i = 11; i <= 15; i++) {
        char topic[16];
        auto_(cor_buf_free) struct cor_buf body = {0};
        (void)snprintf(topic, sizeof(topic), "%d", i);
        struct px_mqtt_out out = {.topic = cor_view_of(topic)};
        cor_encode(&px_mqtt_out_table, &out, &body);
        struct cor_stmt *stmt = cor_db_use(db, 1);
        cor_stmt_bind(stmt, 1, COR_INT(i));
        cor_stmt_bind(stmt, 2, COR_BLOB(cor_buf_as_view(&body)));
        assert_int_equal(cor_stmt_run(stmt, err), COR_OK);
    }
    return COR_OK;
}

static void rows_of_v0_1_0_are_kept(void **state)
{
    struct world *w = *state;
    auto_(cor_freep) char *path = cor_sprintf("%s/x.db", w->stage->dir);
    close_outbox(w);
    (void)remove(path);
    open_store(w, 1);
    assert_int_equal(cor_store_write_now(w->store, old_rows, NULL, NULL), COR_OK);
    cor_store_close(&w->store);
    open_outbox(w);
    assert_int_equal(cor_outbox_count(w->outbox), 5);
    check_books(w);
    (void)put(w, "a", 1, 1, 10);
    sink_comes(w);
    until_got(w, 6);
    assert_int_equal(w->places.items[0].incarnation, 77);
    assert_int_equal(count_of(w, "#3", "accepted"), 15);
    assert_true(stage_until(w->stage, is_forgotten, w));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What the owner does not make because it would be dropped counts as if it had. */
static void what_is_spared_counts_as_dropped(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "spare", 1, 5, 100), 5);
    assert_true(stage_until(w->stage, is_written, w));
    struct writing *writing = cor_alloc(sizeof(*writing));
    writing->w = w;
    writing->batch = cor_outbox_batch_new(w->outbox);
    assert_false(cor_outbox_batch_spare(writing->batch, COR_VIEW("spare"), 10000, 3));
    assert_true(cor_outbox_batch_is_empty(writing->batch));
    assert_true(cor_outbox_batch_spare(writing->batch, COR_VIEW("spare"), 100, 3));
    cor_outbox_batch_seal(writing->batch);
    w->writing++;
    assert_int_equal(cor_store_write(w->store, run, ran, writing, NULL), COR_OK);
    assert_true(stage_until(w->stage, is_written, w));
    assert_int_equal(count_of(w, "spare", "accepted"), 8);
    assert_int_equal(count_of(w, "spare", "dropped"), 3);
    check_books(w);
    close_outbox(w);
    open_outbox(w);
    assert_int_equal(count_of(w, "spare", "dropped"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_waited_arrives_in_order_and_is_forgotten),
        T(a_restart_goes_on_where_it_was),
        T(a_lost_ack_doubles_nothing),
        T(a_write_that_fails_is_skipped),
        T(a_full_stream_does_what_its_rule_says),
        T(what_the_sink_may_have_is_not_dropped),
        T(the_least_important_loses_first),
        T(streams_take_turns_by_priority),
        T(too_many_streams_share_one),
        T(what_is_too_old_expires),
        T(rows_of_v0_1_0_are_kept),
        T(what_is_spared_counts_as_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
