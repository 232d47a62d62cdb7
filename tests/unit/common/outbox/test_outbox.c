// SPDX-License-Identifier: Apache-2.0
// An outbox of devicetwin on twin-bus, with a sink that the test plays; store and sockets are real.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/outbox/outbox.h"
#include "tests/support/stage/stage.h"

enum { STREAM = 3, MAX = 50 };

static const char *const MIGRATIONS[] = {COR_OUTBOX_MIGRATION};
static const char *const SQL[] = {[0] = "SELECT count(*) FROM outbox", [1] = COR_OUTBOX_SQL};

struct world {
    struct stage *stage;
    struct cor_log *log;
    struct cor_store *store;
    struct cor_outbox *outbox;
    struct cor_outbox_spec spec;
    struct cor_bus *origin_bus, *sink_bus;
    struct cor_port *origin, *sink;
    int inserting;
    uint64_t got, committed; /* at the sink */
    bool in_order;
    uint64_t want;
};

static enum cor_code on_out(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    struct world *w = self;
    const struct px_mqtt_out *out = body;
    uint64_t number = 0;
    w->got++;
    w->in_order = w->in_order && cor_view_u64(out->topic, &number) && number == w->got &&
                  in->head->seq == w->got;
    w->committed = in->head->seq;
    cor_commit(in->port, in->head->stream, in->head->seq);
    return COR_OK;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)open;
    (void)port;
    return ((struct world *)self)->committed;
}

static const struct cor_handler HANDLERS[] = {{PX_mqtt_out, on_out}};
static const struct cor_port_ops SINK = {
    .committed = committed, .handlers = HANDLERS, .handler_count = 1};
static const struct cor_port_ops ORIGIN = {0};

/* One message on its way to the store. */
struct insertion {
    struct world *w;
    struct cor_buf body;
    uint64_t seq;
    bool fails;
};

static enum cor_code insert(struct cor_db *db, void *self, struct cor_err *err)
{
    struct insertion *i = self;
    enum cor_code code =
        cor_outbox_insert(db, &i->w->spec, 0, PX_mqtt_out, cor_buf_as_view(&i->body), &i->seq, err);
    return i->fails ? cor_err_set(err, COR_INVALID, "undone") : code;
}

static void inserted(void *self, enum cor_code code, const struct cor_err *err)
{
    (void)err;
    struct insertion *i = self;
    i->w->inserting--;
    cor_outbox_committed(i->w->outbox, code == COR_OK ? i->seq : 0);
    cor_buf_free(&i->body);
    cor_free(i);
}

static bool put(struct world *w, int number, bool fails)
{
    if (!cor_outbox_room(w->outbox)) {
        return false;
    }
    char topic[16];
    (void)snprintf(topic, sizeof(topic), "%d", number);
    struct px_mqtt_out out = {.topic = cor_view_of(topic)};
    struct insertion *i = cor_alloc(sizeof(*i));
    i->w = w;
    i->fails = fails;
    cor_encode(&px_mqtt_out_table, &out, &i->body);
    w->inserting++;
    assert_int_equal(cor_store_write(w->store, insert, inserted, i, NULL), COR_OK);
    return true;
}

static void open_outbox(struct world *w)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/x.db", w->stage->dir);
    struct cor_store_spec spec = {.path = path,
                                  .migrations = MIGRATIONS,
                                  .migration_count = 1,
                                  .statements = SQL,
                                  .statement_count = COR_COUNT(SQL)};
    assert_int_equal(cor_store_open(&spec, &w->store, &err), COR_OK);
    cor_store_start(w->store, w->stage->loop);
    w->spec = (struct cor_outbox_spec){.store = w->store,
                                       .statements = 1,
                                       .stream = STREAM,
                                       .max = MAX,
                                       .messages = px_messages(),
                                       .log = w->log};
    assert_int_equal(cor_outbox_new(&w->spec, &w->outbox, &err), COR_OK);
    cor_outbox_attach(w->outbox, w->origin);
}

static void close_outbox(struct world *w)
{
    cor_store_close(&w->store);
    cor_outbox_free(&w->outbox);
}

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    struct cor_err err = COR_ERR_NONE;
    w->stage = stage_new();
    w->log = cor_log_new("test", COR_LEVEL_ERROR);
    w->in_order = true;
    w->origin_bus = stage_bus(w->stage, "devicetwin");
    w->sink_bus = stage_bus(w->stage, "eventbus");
    assert_int_equal(cor_port_open(w->origin_bus, px_endpoint(PX_ENDPOINT_TWIN_BUS), &ORIGIN, w,
                                   &w->origin, &err),
                     COR_OK);
    open_outbox(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    close_outbox(w);
    cor_port_close(&w->sink);
    cor_port_close(&w->origin);
    cor_bus_free(&w->sink_bus);
    cor_bus_free(&w->origin_bus);
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
    return w->got >= w->want;
}

static bool is_written(void *self)
{
    return ((struct world *)self)->inserting == 0;
}

static bool is_forgotten(void *self)
{
    const struct world *w = self;
    return cor_outbox_count(w->outbox) == 0 && cor_store_pending(w->store) == 0;
}

static int64_t rows(struct world *w)
{
    bool found = false;
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(w->store), 0);
    assert_int_equal(cor_stmt_next(stmt, &found, NULL), COR_OK);
    int64_t count = cor_stmt_i64(stmt, 0);
    cor_stmt_reset(stmt);
    return count;
}

static void what_waited_arrives_in_order_and_is_forgotten(void **state)
{
    struct world *w = *state;
    for (int i = 1; i <= 20; i++) {
        assert_true(put(w, i, false));
    }
    assert_true(stage_until(w->stage, is_written, w));
    assert_int_equal(rows(w), 20);
    sink_comes(w);
    w->want = 20;
    assert_true(stage_until(w->stage, has_got, w));
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_true(w->in_order);
    assert_int_equal(rows(w), 0);
}

static void a_restart_goes_on_where_it_was(void **state)
{
    struct world *w = *state;
    sink_comes(w);
    for (int i = 1; i <= 5; i++) {
        assert_true(put(w, i, false));
    }
    w->want = 5;
    assert_true(stage_until(w->stage, has_got, w));
    assert_true(stage_until(w->stage, is_forgotten, w));
    cor_port_close(&w->sink);
    assert_true(put(w, 6, false));
    assert_true(stage_until(w->stage, is_written, w));
    close_outbox(w);
    open_outbox(w);
    assert_true(put(w, 7, false));
    sink_comes(w);
    w->want = 7;
    assert_true(stage_until(w->stage, has_got, w));
    assert_true(w->in_order);
}

static void a_write_that_fails_leaves_no_hole(void **state)
{
    struct world *w = *state;
    sink_comes(w);
    assert_true(put(w, 1, false));
    assert_true(put(w, 99, true));
    assert_true(put(w, 2, false));
    w->want = 2;
    assert_true(stage_until(w->stage, has_got, w));
    assert_true(w->in_order);
}

static void a_full_outbox_refuses(void **state)
{
    struct world *w = *state;
    for (int i = 1; i <= MAX; i++) {
        assert_true(put(w, i, false));
    }
    assert_false(put(w, MAX + 1, false));
    sink_comes(w);
    assert_true(stage_until(w->stage, is_forgotten, w));
    assert_true(put(w, MAX + 1, false));
    w->want = MAX + 1;
    assert_true(stage_until(w->stage, has_got, w));
    assert_true(w->in_order);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_waited_arrives_in_order_and_is_forgotten),
        T(a_restart_goes_on_where_it_was),
        T(a_write_that_fails_leaves_no_hole),
        T(a_full_outbox_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
