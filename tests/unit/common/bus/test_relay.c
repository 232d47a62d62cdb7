// SPDX-License-Identifier: Apache-2.0
// Streams through a relay: origin, relay and sink in one process over real sockets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/bus/bus.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

struct item {
    uint64_t value;
};

static const struct cor_field ITEM_FIELDS[] = {
    {.name = "value", .offset = offsetof(struct item, value), .key = 1, .type = COR_T_U64}};
static const struct cor_table ITEM = {"item", ITEM_FIELDS, 1, sizeof(struct item)};
enum { M_EVENT = 100, STREAMS = 60, EACH = 20 };
static const struct cor_message ROWS[] = {
    {.name = "event", .body = &ITEM, .number = M_EVENT, .class_ = COR_EVENT}};
static const struct cor_messages MESSAGES = {ROWS, 1};

static const struct cor_endpoint TO_RELAY = {
    .name = "o-r", .binder = "r", .connector = "o", .window = 16, .queue = 4, .max_bytes = 4096};
static const struct cor_endpoint TO_SINK = {
    .name = "r-s", .binder = "r", .connector = "s", .window = 8, .queue = 4, .max_bytes = 4096};

struct world;

/* A stream at its origin: messages 1 to EACH, of which every 5th was dropped by policy. */
struct source {
    struct world *w;
    struct cor_origin *origin;
    uint64_t acked;
};

/* And at its sink, whose store outlives its process. */
struct place {
    uint64_t committed;
    unsigned got;
};

struct world {
    char *dir;
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_bus *o_bus, *r_bus, *s_bus;
    struct cor_port *out, *in, *on, *end; /* origin's, relay's two, sink's */
    struct source sources[STREAMS];
    struct place places[STREAMS];
    uint64_t dropped; /* by the relay */
    bool wrong;
    bool named;
};

/* ---- origin ---- */

static bool is_dropped(uint64_t seq)
{
    return seq % 5 == 0 && seq != EACH;
}

static void resume(void *self, uint64_t after)
{
    struct source *s = self;
    uint64_t skip = 0;
    for (uint64_t seq = after + 1; seq <= EACH; seq++) {
        struct item item = {seq};
        if (is_dropped(seq)) {
            skip++;
            continue;
        }
        struct cor_event event = {.seq = seq, .skip = skip, .number = M_EVENT, .body = &item};
        if (cor_origin_send(s->origin, &event) != COR_OK) {
            return;
        }
        skip = 0;
    }
}

static void acked(void *self, uint64_t seq)
{
    ((struct source *)self)->acked = seq;
}

/* ---- relay ---- */

static enum cor_code pass_event(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    (void)body;
    (void)err;
    struct world *w = self;
    struct cor_event event = {
        .seq = in->head->seq, .skip = in->head->skip, .number = M_EVENT, .raw = in->raw};
    if (cor_relay_event(w->on, in->head->stream + 1000, &event) == COR_BUSY) {
        w->dropped++;
        cor_port_pause(w->in, true);
    }
    return COR_OK;
}

static void pass_open(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    struct world *w = self;
    struct cor_wire_open onward = *open;
    onward.stream += 1000;
    cor_relay_open(w->on, &onward);
}

static void pass_ack(void *self, struct cor_port *port, const struct cor_wire_ack *ack)
{
    (void)port;
    struct world *w = self;
    struct cor_wire_ack onward = *ack;
    onward.stream -= 1000;
    cor_relay_ack(w->in, &onward);
}

/* There is room again: what was dropped is asked for. */
static void relay_room(void *self, struct cor_port *port)
{
    (void)port;
    struct world *w = self;
    cor_port_pause(w->in, false);
    for (uint64_t i = 0; i < STREAMS; i++) {
        struct cor_wire_ack again = {.stream = i + 1, .resume = true};
        cor_relay_ack(w->in, &again);
    }
}

/* The sink has come: its origins must open their streams anew. */
static void relay_up(void *self, struct cor_port *port)
{
    (void)port;
    struct world *w = self;
    cor_relay_reopen(w->in);
}

/* ---- sink ---- */

static enum cor_code take_event(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    (void)err;
    struct world *w = self;
    const struct item *item = body;
    struct place *p = &w->places[in->head->stream - 1001];
    w->wrong = w->wrong || item->value != in->head->seq || item->value <= p->committed ||
               is_dropped(item->value);
    p->committed = item->value;
    p->got++;
    cor_commit(in->port, in->head->stream, in->head->seq);
    return COR_OK;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    struct world *w = self;
    w->named = w->named || cor_view_is(open->name, "flow-7");
    return w->places[open->stream - 1001].committed;
}

/* ---- all three ---- */

static struct cor_bus *bus_of(struct world *w, const char *name)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_bus *bus = NULL;
    struct cor_bus_spec spec = {name, w->dir, NULL, w->loop, w->log, &MESSAGES};
    assert_int_equal(cor_bus_new(&spec, &bus, &err), COR_OK);
    return bus;
}

static void start_sink(struct world *w)
{
    static const struct cor_handler HANDLERS[] = {{M_EVENT, take_event}};
    static const struct cor_port_ops OPS = {
        .committed = committed, .handlers = HANDLERS, .handler_count = 1};
    struct cor_err err = COR_ERR_NONE;
    w->s_bus = bus_of(w, "s");
    assert_int_equal(cor_port_open(w->s_bus, &TO_SINK, &OPS, w, &w->end, &err), COR_OK);
}

static void stop_sink(struct world *w)
{
    cor_port_close(&w->end);
    cor_bus_free(&w->s_bus);
}

static int setup(void **state)
{
    static const struct cor_port_ops NOTHING = {0};
    static const struct cor_handler HANDLERS[] = {{M_EVENT, pass_event}};
    static const struct cor_port_ops IN = {
        .relay_open = pass_open, .handlers = HANDLERS, .handler_count = 1};
    static const struct cor_port_ops ON = {
        .up = relay_up, .room = relay_room, .relay_ack = pass_ack};
    struct world *w = cor_alloc(sizeof(*w));
    struct cor_err err = COR_ERR_NONE;
    w->dir = test_dir_new();
    w->loop = cor_loop_new();
    w->log = cor_log_new("test", COR_LEVEL_ERROR);
    w->o_bus = bus_of(w, "o");
    w->r_bus = bus_of(w, "r");
    assert_int_equal(cor_port_open(w->o_bus, &TO_RELAY, &NOTHING, w, &w->out, &err), COR_OK);
    assert_int_equal(cor_port_open(w->r_bus, &TO_SINK, &ON, w, &w->on, &err), COR_OK);
    assert_int_equal(cor_port_open(w->r_bus, &TO_RELAY, &IN, w, &w->in, &err), COR_OK);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < STREAMS; i++) {
        cor_origin_free(&w->sources[i].origin);
    }
    stop_sink(w);
    cor_port_close(&w->out);
    cor_port_close(&w->in);
    cor_port_close(&w->on);
    cor_bus_free(&w->o_bus);
    cor_bus_free(&w->r_bus);
    cor_log_free(&w->log);
    cor_loop_free(&w->loop);
    test_dir_free(&w->dir);
    cor_free(w);
    return 0;
}

static void add_sources(struct world *w)
{
    static const struct cor_origin_ops OPS = {resume, acked};
    for (unsigned i = 0; i < STREAMS; i++) {
        auto_(cor_freep) char *name = cor_sprintf("flow-%u", i);
        struct cor_origin_spec spec = {
            .stream = i + 1, .name = name, .incarnation = 9, .last = EACH};
        w->sources[i].w = w;
        w->sources[i].origin = cor_origin_new(w->out, &spec, &OPS, &w->sources[i]);
    }
}

static bool all_acked(void *self)
{
    struct world *w = self;
    unsigned done = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        done += w->sources[i].acked == EACH;
    }
    return done == STREAMS;
}

static bool some_acked(void *self)
{
    struct world *w = self;
    unsigned done = 0;
    for (unsigned i = 0; i < STREAMS; i++) {
        done += w->places[i].got > 0;
    }
    return done > 3;
}

static void check_all(struct world *w)
{
    assert_false(w->wrong);
    for (unsigned i = 0; i < STREAMS; i++) {
        assert_int_equal(w->places[i].got, EACH - EACH / 5 + 1);
    }
}

/* More streams than may be opened at once, a way out that is half as wide as the way in. */
static void many_streams_pass_in_order_without_loss(void **state)
{
    struct world *w = *state;
    add_sources(w);
    start_sink(w);
    test_wait(w->loop, w->dir, all_acked, w);
    check_all(w);
    assert_true(w->named);
    assert_true(w->dropped > 0); /* the relay did have to drop */
}

static void sink_that_restarts_gets_the_rest(void **state)
{
    struct world *w = *state;
    add_sources(w);
    start_sink(w);
    test_wait(w->loop, w->dir, some_acked, w);
    stop_sink(w);
    start_sink(w);
    test_wait(w->loop, w->dir, all_acked, w);
    check_all(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_streams_pass_in_order_without_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(sink_that_restarts_gets_the_rest, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
