// SPDX-License-Identifier: Apache-2.0
// Two services on one loop talk over real ipc sockets in a folder of their own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/bus/bus.h"

/* A small protocol of the test's own. */
struct item {
    struct cor_view key;
    uint64_t value;
};

static const struct cor_field ITEM_FIELDS[] = {
    {.name = "key",
     .key = 1,
     .type = COR_T_STR,
     .max = 64,
     .required = true,
     .is_key = true,
     .offset = offsetof(struct item, key)},
    {.name = "value", .key = 2, .type = COR_T_U64, .offset = offsetof(struct item, value)},
};
static const struct cor_table ITEM = {"item", ITEM_FIELDS, 2, sizeof(struct item)};

enum { M_STATE = 100, M_EVENT = 101, M_ASK = 102, M_ANSWER = 103 };

static const struct cor_message ROWS[] = {
    {.name = "state", .body = &ITEM, .number = M_STATE, .class_ = COR_STATE},
    {.name = "event", .body = &ITEM, .number = M_EVENT, .class_ = COR_EVENT},
    {.name = "ask", .body = &ITEM, .number = M_ASK, .reply = M_ANSWER, .class_ = COR_CALL},
    {.name = "answer", .body = &ITEM, .number = M_ANSWER, .class_ = COR_REPLY},
};
static const struct cor_messages MESSAGES = {ROWS, COR_COUNT(ROWS)};

enum { WINDOW = 8, QUEUE = 16 };
static const struct cor_endpoint ENDPOINT = {.name = "a-b",
                                             .binder = "a",
                                             .connector = "b",
                                             .window = WINDOW,
                                             .queue = QUEUE,
                                             .max_bytes = 4096};

struct side {
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_log *log;
    int ups, downs, rooms;
    uint64_t last_value, sum;
    int states, events, replies, failures;
    enum cor_code code;
    uint64_t committed;
    uint64_t sent_again_from;
    uint64_t acked;
    struct cor_origin *origin;
    struct cor_ticket ticket;
    bool defers;
    uint64_t refuse; /* sequence that cannot be taken for now */
};

struct world {
    char dir[64];
    struct cor_loop *loop;
    struct cor_timer *timer;
    bool expired;
    int raw_fd;
    struct side a, b;
};

static enum cor_code on_state(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct side *s = self;
    const struct item *item = body;
    s->states++;
    s->last_value = item->value;
    return COR_OK;
}

static enum cor_code on_event(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    struct side *s = self;
    const struct item *item = body;
    if (s->refuse != 0 && item->value == s->refuse) {
        return COR_BUSY;
    }
    s->events++;
    s->last_value = item->value;
    s->sum += item->value;
    if (in->head->stream != 0) {
        s->committed = in->head->seq;
        cor_commit(in->port, in->head->stream, in->head->seq);
    }
    return COR_OK;
}

static enum cor_code on_ask(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct side *s = self;
    const struct item *item = body;
    if (item->value == 0) {
        return cor_err_set(err, COR_NOTFOUND, "no such thing as %.*s", COR_VIEW_ARG(item->key));
    }
    if (s->defers) {
        s->ticket = cor_defer(in);
        return COR_OK;
    }
    struct item answer = {item->key, item->value * 2};
    cor_reply(in, &answer);
    return COR_OK;
}

static void on_up(void *self, struct cor_port *port)
{
    (void)port;
    ((struct side *)self)->ups++;
}

static void on_down(void *self, struct cor_port *port)
{
    (void)port;
    ((struct side *)self)->downs++;
}

static void on_room(void *self, struct cor_port *port)
{
    (void)port;
    ((struct side *)self)->rooms++;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)open;
    (void)port;
    return ((struct side *)self)->committed;
}

static const struct cor_handler HANDLERS[] = {
    {M_STATE, on_state}, {M_EVENT, on_event}, {M_ASK, on_ask}};
static const struct cor_port_ops OPS = {.up = on_up,
                                        .down = on_down,
                                        .room = on_room,
                                        .committed = committed,
                                        .handlers = HANDLERS,
                                        .handler_count = 3};

static void start(struct world *w, struct side *side, const char *name)
{
    struct cor_err err = COR_ERR_NONE;
    side->log =
        cor_log_new(name, getenv("COR_TEST_LOG") != NULL ? COR_LEVEL_DEBUG : COR_LEVEL_ERROR);
    struct cor_bus_spec spec = {name, w->dir, NULL, w->loop, side->log, &MESSAGES};
    assert_int_equal(cor_bus_new(&spec, &side->bus, &err), COR_OK);
    assert_int_equal(cor_port_open(side->bus, &ENDPOINT, &OPS, side, &side->port, &err), COR_OK);
}

static void stop(struct side *side)
{
    cor_origin_free(&side->origin);
    cor_port_close(&side->port);
    cor_bus_free(&side->bus);
    cor_log_free(&side->log);
}

static void on_timeout(void *self)
{
    struct world *w = self;
    w->expired = true;
    cor_loop_stop(w->loop);
}

/* Runs the loop until cond(w) or 5 s. The condition is looked at at the end of every round. */
struct until {
    struct world *w;
    bool (*cond)(struct world *w);
};

static bool check(void *self)
{
    struct until *u = self;
    if (u->cond(u->w)) {
        cor_loop_stop(u->w->loop);
        return true; /* a stop asked for here counts only once the loop goes round */
    }
    return false;
}

static void run_until(struct world *w, bool (*cond)(struct world *w))
{
    struct until u = {w, cond};
    w->expired = false;
    cor_timer_start(w->timer, COR_SEC(30));
    struct cor_hook *hook = cor_hook_new(w->loop, check, &u);
    cor_loop_run(w->loop);
    cor_hook_free(&hook);
    assert_false(w->expired);
}

static bool both_up(struct world *w)
{
    return cor_port_is_up(w->a.port) && cor_port_is_up(w->b.port);
}

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    strcpy(w->dir, "/tmp/cor-port-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    w->loop = cor_loop_new();
    w->timer = cor_timer_new(w->loop, on_timeout, w);
    start(w, &w->a, "a");
    start(w, &w->b, "b");
    run_until(w, both_up);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    stop(&w->b);
    stop(&w->a);
    cor_timer_free(&w->timer);
    cor_loop_free(&w->loop);
    auto_(cor_freep) char *paths[] = {NULL};
    (void)paths;
    static const char *const NAMES[] = {"bus/a-b",
                                        "bus/a-b.bind.lock",
                                        "bus/a-b.connect.lock",
                                        "bus/ctl.a.lock",
                                        "bus/ctl.b.lock",
                                        "ctl/a",
                                        "ctl/b",
                                        "bus",
                                        "ctl",
                                        ""};
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", w->dir, NAMES[i]);
        (void)(unlink(path) != 0 && rmdir(path));
    }
    cor_free(w);
    return 0;
}

static void sessions_begin_on_both_sides(void **state)
{
    struct world *w = *state;
    assert_int_equal(w->a.ups, 1);
    assert_int_equal(w->b.ups, 1);
    assert_int_equal(cor_port_epoch(w->a.port), cor_port_epoch(w->b.port));
    assert_int_not_equal(cor_port_epoch(w->a.port), 0);
}

static bool b_has_state(struct world *w)
{
    return w->b.last_value == 99;
}

/* More STATE than the window: the newest value of a key arrives, older ones are superseded, and
 * nothing is lost in between. */
static void state_is_coalesced_under_pressure(void **state)
{
    struct world *w = *state;
    for (uint64_t v = 0; v < 100; v++) {
        struct item item = {COR_VIEW("k"), v};
        assert_int_equal(cor_send(w->a.port, M_STATE, &item), COR_OK);
    }
    run_until(w, b_has_state);
    assert_true(w->b.states <= WINDOW + 2);
    assert_true(w->b.states >= 2);
}

static void state_beyond_the_queue_is_refused(void **state)
{
    struct world *w = *state;
    int refused = 0;
    for (int v = 0; v < WINDOW + QUEUE + 5; v++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", v);
        struct item item = {cor_view_of(key), (uint64_t)v};
        enum cor_code code = cor_send(w->a.port, M_STATE, &item);
        refused += code == COR_BUSY ? 1 : 0;
    }
    assert_int_equal(refused, 5);
}

static bool a_has_room(struct world *w)
{
    return w->a.rooms > 0 && w->b.events == WINDOW;
}

static void events_without_credit_are_refused_until_room(void **state)
{
    struct world *w = *state;
    struct item item = {COR_VIEW("k"), 1};
    for (int i = 0; i < WINDOW; i++) {
        assert_int_equal(cor_send(w->a.port, M_EVENT, &item), COR_OK);
    }
    assert_int_equal(cor_send(w->a.port, M_EVENT, &item), COR_BUSY);
    run_until(w, a_has_room);
    assert_int_equal(cor_send(w->a.port, M_EVENT, &item), COR_OK);
}

static void on_answer(void *self, const void *body, const struct cor_err *err)
{
    struct side *s = self;
    const struct item *item = body;
    s->replies++;
    s->code = err == NULL ? COR_OK : err->code;
    s->failures += body == NULL ? 1 : 0;
    s->last_value = item == NULL ? 0 : item->value;
}

static bool b_answered(struct world *w)
{
    return w->b.replies > 0;
}

static void call_is_answered(void **state)
{
    struct world *w = *state;
    struct item item = {COR_VIEW("k"), 21};
    assert_int_equal(cor_call(w->b.port, M_ASK, &item, COR_SEC(2), on_answer, &w->b), COR_OK);
    run_until(w, b_answered);
    assert_int_equal(w->b.last_value, 42);
    assert_int_equal(w->b.replies, 1);
}

static void call_gets_the_handlers_error(void **state)
{
    struct world *w = *state;
    struct item item = {COR_VIEW("k"), 0};
    assert_int_equal(cor_call(w->b.port, M_ASK, &item, COR_SEC(2), on_answer, &w->b), COR_OK);
    run_until(w, b_answered);
    assert_int_equal(w->b.code, COR_NOTFOUND);
}

static void call_times_out_once(void **state)
{
    struct world *w = *state;
    w->a.defers = true;
    struct item item = {COR_VIEW("k"), 1};
    assert_int_equal(cor_call(w->b.port, M_ASK, &item, COR_MS(30), on_answer, &w->b), COR_OK);
    run_until(w, b_answered);
    assert_int_equal(w->b.code, COR_TIMEOUT);
    cor_ticket_reply(&w->a.ticket, &item); /* too late: nobody hears it */
    w->b.replies = 0;
    w->a.defers = false;
    assert_int_equal(cor_call(w->b.port, M_ASK, &item, COR_SEC(2), on_answer, &w->b), COR_OK);
    run_until(w, b_answered);
    assert_int_equal(w->b.replies, 1);
    assert_int_equal(w->b.code, COR_OK);
}

static bool a_down(struct world *w)
{
    return w->a.downs > 0;
}

static bool b_down(struct world *w)
{
    return w->b.downs > 0;
}

static void pending_call_ends_when_the_peer_goes(void **state)
{
    struct world *w = *state;
    w->a.defers = true;
    struct item item = {COR_VIEW("k"), 1};
    assert_int_equal(cor_call(w->b.port, M_ASK, &item, COR_SEC(60), on_answer, &w->b), COR_OK);
    stop(&w->a);
    run_until(w, b_down);
    assert_int_equal(w->b.code, COR_GONE);
    assert_int_equal(cor_send(w->b.port, M_EVENT, &item), COR_GONE);
    start(w, &w->a, "a");
    run_until(w, both_up);
    assert_int_equal(w->b.ups, 2);
}

static void binder_notices_that_the_connector_went(void **state)
{
    struct world *w = *state;
    stop(&w->b);
    run_until(w, a_down);
    assert_false(cor_port_is_up(w->a.port));
    start(w, &w->b, "b");
    run_until(w, both_up);
}

enum { TOTAL = 50 };

static void resume(void *self, uint64_t after)
{
    struct side *s = self;
    s->sent_again_from = after;
    for (uint64_t seq = after + 1; seq <= TOTAL; seq++) {
        struct item item = {COR_VIEW("k"), seq};
        if (cor_origin_send(s->origin,
                            &(struct cor_event){.seq = seq, .number = M_EVENT, .body = &item}) !=
            COR_OK) {
            return;
        }
    }
}

static void acked(void *self, uint64_t seq)
{
    ((struct side *)self)->acked = seq;
}

static const struct cor_origin_ops ORIGIN = {resume, acked};

static bool all_acked(struct world *w)
{
    return w->b.acked == TOTAL;
}

static void stream_arrives_once_and_in_order(void **state)
{
    struct world *w = *state;
    w->b.origin = cor_origin_new(
        w->b.port,
        &(struct cor_origin_spec){.stream = 1, .incarnation = 7, .last = TOTAL, .acked = 0},
        &ORIGIN, &w->b);
    run_until(w, all_acked);
    assert_int_equal(w->a.events, TOTAL);
    assert_int_equal(w->a.sum, TOTAL * (TOTAL + 1) / 2);
}

static bool a_has_state(struct world *w)
{
    return w->a.last_value == 99;
}

/* What an origin says twice within a session (one whose acknowledgement was lost on a way of
 * several hops) is told to the sink once. */
static void a_repeated_sequence_is_told_once(void **state)
{
    struct world *w = *state;
    stream_arrives_once_and_in_order(state);
    for (uint64_t seq = TOTAL - 1; seq <= TOTAL; seq++) {
        struct item again = {COR_VIEW("k"), seq};
        struct cor_event event = {.seq = seq, .number = M_EVENT, .body = &again};
        assert_int_equal(cor_relay_event(w->b.port, 1, &event), COR_OK);
    }
    struct item behind = {COR_VIEW("k"), 99};
    assert_int_equal(cor_send(w->b.port, M_STATE, &behind), COR_OK);
    run_until(w, a_has_state);
    assert_int_equal(w->a.events, TOTAL);
}

static bool some_events(struct world *w)
{
    return w->a.events >= 10;
}

/* The sink goes away in the middle with its store: what it had committed is not sent again. */
static void stream_resumes_behind_the_last_commit(void **state)
{
    struct world *w = *state;
    w->b.origin = cor_origin_new(
        w->b.port,
        &(struct cor_origin_spec){.stream = 1, .incarnation = 7, .last = TOTAL, .acked = 0},
        &ORIGIN, &w->b);
    run_until(w, some_events);
    uint64_t had = w->a.committed;
    stop(&w->a);
    run_until(w, b_down);
    start(w, &w->a, "a");
    run_until(w, all_acked);
    assert_int_equal(w->a.committed, TOTAL);
    assert_int_equal(w->a.events, TOTAL);
    assert_true(had >= 10 && had < TOTAL);
    assert_int_equal(w->a.sum, TOTAL * (TOTAL + 1) / 2);
}

static bool twenty_acked(struct world *w)
{
    return w->b.acked == 19;
}

/* A sink that cannot take a message for now loses nothing and sees nothing twice. */
static void refused_event_comes_again_after_the_hold(void **state)
{
    struct world *w = *state;
    w->a.refuse = 20;
    w->b.origin = cor_origin_new(
        w->b.port,
        &(struct cor_origin_spec){.stream = 1, .incarnation = 7, .last = TOTAL, .acked = 0},
        &ORIGIN, &w->b);
    run_until(w, twenty_acked);
    assert_int_equal(w->a.events, 19);
    w->a.refuse = 0;
    cor_hold(w->a.port, 1, false);
    run_until(w, all_acked);
    assert_int_equal(w->a.events, TOTAL);
    assert_int_equal(w->a.sum, TOTAL * (TOTAL + 1) / 2);
}

static void a_second_binder_is_refused(void **state)
{
    struct world *w = *state;
    struct cor_err err = COR_ERR_NONE;
    struct cor_bus *bus = NULL;
    struct cor_bus_spec spec = {"a", w->dir, NULL, w->loop, w->a.log, &MESSAGES};
    assert_int_equal(cor_bus_new(&spec, &bus, &err), COR_BUSY);
    assert_null(bus);
}

/* A raw peer sends what no service would. */
static void hostile_frames_change_nothing(void **state)
{
    struct world *w = *state;
    stop(&w->b);
    run_until(w, a_down);
    void *context = zmq_ctx_new();
    void *sock = zmq_socket(context, ZMQ_DEALER);
    int on = 1;
    (void)zmq_setsockopt(sock, ZMQ_PROBE_ROUTER, &on, sizeof(on));
    auto_(cor_freep) char *address = cor_sprintf("ipc://%s/bus/a-b", w->dir);
    assert_int_equal(zmq_connect(sock, address), 0);
    static const char *const FRAMES[] = {"\xdd\xff\xff\xff\xff",
                                         "\xdf\xff\xff\xff\xff\x01",
                                         "\x81\x01\xc6\xff\xff\xff\xff",
                                         "\x80",
                                         "x",
                                         "\xc1"};
    for (size_t i = 0; i < COR_COUNT(FRAMES); i++) {
        assert_true(zmq_send(sock, FRAMES[i], strlen(FRAMES[i]), 0) > 0);
    }
    assert_true(zmq_send(sock, "a", 1, ZMQ_SNDMORE) > 0);
    assert_true(zmq_send(sock, "b", 1, 0) > 0);
    int linger = 200;
    (void)zmq_setsockopt(sock, ZMQ_LINGER, &linger, sizeof(linger));
    (void)zmq_close(sock);
    (void)zmq_ctx_term(context);
    w->a.ups = 0;
    start(w, &w->b, "b");
    run_until(w, both_up);
    struct item item = {COR_VIEW("k"), 21};
    assert_int_equal(cor_call(w->b.port, M_ASK, &item, COR_SEC(2), on_answer, &w->b), COR_OK);
    run_until(w, b_answered);
    assert_int_equal(w->b.last_value, 42);
}

static long vm_peak_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmPeak: %ld", &kib) == 1) {
            break;
        }
    }
    (void)fclose(file);
    return kib;
}

/* Wakes the loop, so that a condition outside of it is looked at again. */
static void on_tick(void *self)
{
    (void)self;
}

static bool both_have_an_event(struct world *w)
{
    return w->a.events > 0 && w->b.events > 0;
}

/* More than the socket's queues and the kernel's buffers hold, while the peer reads nothing. */
static void a_peer_that_is_slow_to_read_has_not_gone(void **state)
{
    enum { MANY = 100000 };
    struct world *w = *state;
    struct item item = {COR_VIEW("k"), 1};
    struct cor_wire_ack ack = {.stream = 7, .seq = 1};
    for (int i = 0; i < MANY; i++) {
        cor_relay_ack(w->a.port, &ack);
        cor_relay_ack(w->b.port, &ack);
    }
    assert_int_equal(cor_send(w->a.port, M_EVENT, &item), COR_OK);
    assert_int_equal(cor_send(w->b.port, M_EVENT, &item), COR_OK);
    run_until(w, both_have_an_event);
    assert_int_equal(w->a.downs + w->b.downs, 0);
}

static void fill_window(struct side *side)
{
    struct item item = {COR_VIEW("k"), 1};
    for (int i = 0; i < WINDOW; i++) {
        assert_int_equal(cor_send(side->port, M_EVENT, &item), COR_OK);
    }
    assert_int_equal(cor_send(side->port, M_EVENT, &item), COR_BUSY);
}

static bool b_has_room(struct world *w)
{
    return w->b.rooms > 0;
}

static void room_comes_in_the_next_session_at_the_latest(void **state)
{
    struct world *w = *state;
    fill_window(&w->b);
    stop(&w->a);
    run_until(w, b_down);
    assert_int_equal(w->b.rooms, 0);
    start(w, &w->a, "a");
    run_until(w, b_has_room);
    assert_int_equal(w->b.ups, 2);
}

static bool a_has_the_window(struct world *w)
{
    return w->a.events == WINDOW;
}

static void a_pause_ends_with_its_session(void **state)
{
    struct world *w = *state;
    cor_port_pause(w->a.port, true);
    fill_window(&w->b);
    run_until(w, a_has_the_window);
    stop(&w->b);
    run_until(w, a_down);
    w->b.rooms = 0;
    start(w, &w->b, "b");
    run_until(w, both_up);
    fill_window(&w->b);
    run_until(w, b_has_room);
}

static bool a_noticed(struct world *w)
{
    char byte = 0;
    return recv(w->raw_fd, &byte, 1, MSG_DONTWAIT) == 0; /* the socket closed our connection */
}

/* A peer that speaks ZMTP 3.0 (RFC 23) by hand and announces a frame of 8 GiB. */
static void a_frame_of_8_gib_is_refused_before_it_is_allocated(void **state)
{
    static const char GREETING[64] = "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL";
    static const char READY[] = "\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER";
    static const char HUGE[] = "\x02\0\0\0\x02\0\0\0\0";
    struct world *w = *state;
    stop(&w->b);
    run_until(w, a_down);
    long before = vm_peak_kib();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/bus/a-b", w->dir);
    w->raw_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(w->raw_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(w->raw_fd, GREETING, sizeof(GREETING), MSG_NOSIGNAL), sizeof(GREETING));
    char theirs[64];
    assert_int_equal(recv(w->raw_fd, theirs, sizeof(theirs), MSG_WAITALL), sizeof(theirs));
    assert_int_equal(send(w->raw_fd, READY, sizeof(READY) - 1, MSG_NOSIGNAL), sizeof(READY) - 1);
    char ready[2];
    assert_int_equal(recv(w->raw_fd, ready, sizeof(ready), MSG_WAITALL), sizeof(ready));
    char rest[256];
    assert_true((size_t)(unsigned char)ready[1] < sizeof(rest));
    assert_int_equal(recv(w->raw_fd, rest, (unsigned char)ready[1], MSG_WAITALL),
                     (unsigned char)ready[1]);
    assert_int_equal(send(w->raw_fd, HUGE, sizeof(HUGE) - 1, MSG_NOSIGNAL), sizeof(HUGE) - 1);
    struct cor_timer *tick = cor_timer_new(w->loop, on_tick, w);
    cor_timer_repeat(tick, COR_MS(2));
    run_until(w, a_noticed);
    cor_timer_free(&tick);
    (void)close(w->raw_fd);
    assert_true(vm_peak_kib() - before < 64 * 1024);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(sessions_begin_on_both_sides),
        T(state_is_coalesced_under_pressure),
        T(state_beyond_the_queue_is_refused),
        T(events_without_credit_are_refused_until_room),
        T(call_is_answered),
        T(call_gets_the_handlers_error),
        T(call_times_out_once),
        T(pending_call_ends_when_the_peer_goes),
        T(binder_notices_that_the_connector_went),
        T(stream_arrives_once_and_in_order),
        T(a_repeated_sequence_is_told_once),
        T(stream_resumes_behind_the_last_commit),
        T(refused_event_comes_again_after_the_hold),
        T(a_peer_that_is_slow_to_read_has_not_gone),
        T(room_comes_in_the_next_session_at_the_latest),
        T(a_pause_ends_with_its_session),
        T(a_second_binder_is_refused),
        T(hostile_frames_change_nothing),
        T(a_frame_of_8_gib_is_refused_before_it_is_allocated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
