// SPDX-License-Identifier: Apache-2.0
// One node does what it should not: it acknowledges what is not, or it never acknowledges or reads.
// It is charged with that itself; another node's link is none the worse.
#include <stdio.h>

#include "proto/link/frame.h"
#include "tests/contract/link/harness.h"

enum { QUEUE = 256 * 1024, FRAMES_MOST = 1024 * 1024 };

/* A node of its own, n2, that speaks the Coracle dialect by hand. */
struct other {
    struct bench *bench;
    struct cor_ws *ws;
    struct cor_ws_conn *conn;
    struct identity identity;
    bool greeted;
    bool gone;
    uint64_t objects; /* that came */
    uint64_t object_id;
};

static enum cor_code say(struct other *other, const struct cor_wire_header *head, const void *body)
{
    auto_(cor_buf_free) struct cor_buf frame = {0};
    px_frame_write(head, body, (struct cor_view){0}, &frame);
    return cor_ws_send_binary(other->conn, cor_buf_as_view(&frame));
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct other *other = self;
    struct cor_wire_header head = {.number = PX_link_hello};
    struct px_link_hello hello = {
        .major = PX_LINK_MAJOR, .minor = 0, .heartbeat_ms = 600000, .window = 1024};
    other->conn = conn;
    assert_non_null(cor_ws_subprotocol(conn));
    assert_int_equal(say(other, &head, &hello), COR_OK);
}

static void on_frame(void *self, struct cor_view bytes)
{
    struct other *other = self;
    struct px_frame frame;
    assert_int_equal(px_frame_read(bytes, &frame, NULL), COR_OK);
    other->greeted = other->greeted || frame.head.number == PX_link_hello;
    if (frame.head.number == PX_object) {
        other->objects++;
        other->object_id = frame.head.id;
    }
}

static void on_closed(void *self, const char *reason)
{
    struct other *other = self;
    (void)reason;
    other->conn = NULL;
    other->gone = true;
}

static const struct cor_ws_events EVENTS = {
    .opened = on_opened, .message = on_frame, .binary = on_frame, .closed = on_closed};

static bool is_greeted(void *arg)
{
    return ((const struct other *)arg)->greeted;
}

static void other_comes(struct bench *bench, struct other *other)
{
    static const struct cor_ws_header headers[] = {
        {"Node_id", "n2"}, {"Project_id", "p"}, {"Connectionuse", "msg"}, {NULL, NULL}};
    struct cor_ws_limits limits = {.connections = 2,
                                   .message = FRAMES_MOST,
                                   .unfinished = FRAMES_MOST,
                                   .queue = QUEUE,
                                   .subprotocol = PX_LINK_SUBPROTOCOL};
    *other = (struct other){.bench = bench};
    hub_enrol(bench->cloud, "n2", &other->identity);
    assert_int_equal(cor_ws_new(bench->cloud->loop, bench->cloud->log, &limits, &other->ws, NULL),
                     COR_OK);
    struct cor_ws_target target = {
        .host = "127.0.0.1",
        .port = bench->cloud->link_port,
        .path = "/p/n2/events",
        .headers = headers,
        .tls = {other->identity.cert, other->identity.key, other->identity.ca},
        .timeout_us = COR_SEC(30)};
    other->conn = cor_ws_dial(other->ws, &target, 0, &EVENTS, other);
    bench_wait(bench, is_greeted, other);
}

static void other_goes(struct other *other)
{
    cor_ws_free(&other->ws);
    hub_identity_free(&other->identity);
}

/* The controller sends it this object. */
static enum cor_code send_object(struct bench *bench, unsigned n, size_t size)
{
    auto_(cor_freep) char *key = cor_sprintf("default/configmap/c%u", n);
    auto_(cor_freep) char *path = cor_sprintf("n2/%s", key);
    auto_(cor_freep) char *fill = cor_alloc(size + 1);
    memset(fill, 'x', size);
    auto_(cor_freep) char *body = cor_sprintf("{\"data\":{\"k\":\"%s\"}}", fill);
    struct px_node_object object = {.path = cor_view_of(path),
                                    .node = COR_VIEW("n2"),
                                    .key = cor_view_of(key),
                                    .uid = cor_view_of(key),
                                    .version = COR_VIEW("1"),
                                    .source = COR_VIEW("edgecontroller"),
                                    .body = cor_view_of(body)};
    return cor_send(bench->cloud->port, PX_node_object, &object);
}

/* n1's link has been up all the time, its calls are answered, its streams pass. */
static void n1_is_well(struct bench *bench)
{
    struct px_api_call call = {.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
    bench_call(bench, PEER_META, PX_api_call, &call);
    assert_int_equal(bench->answer.status, 200);
    bench_give(bench, 100);
    bench_all_there(bench);
    assert_int_equal(bench->links_up, 1);
}

static bool has_object(void *arg)
{
    return ((const struct other *)arg)->objects > 0;
}

/* Again, unknown, of another kind: message k of the flood. */
static enum cor_code nonsense(struct other *other, unsigned k)
{
    struct cor_wire_header head = {.number = PX_object_stored};
    struct px_object_stored stored = {.key = COR_VIEW("default/configmap/c0"),
                                      .version = COR_VIEW("1"),
                                      .id = k % 2 == 0 ? other->object_id : k * UINT64_C(77777)};
    struct cor_wire_ack ack = {.stream = k, .seq = k, .resume = k % 8 == 3};
    struct px_done done = {0};
    if (k % 4 == 3) {
        head.number = COR_WIRE_ACK; /* of streams that there are none of in this direction */
        return say(other, &head, &ack);
    }
    if (k % 4 == 1) {
        head = (struct cor_wire_header){.number = PX_done, .re = k};
        return say(other, &head, &done);
    }
    return say(other, &head, &stored);
}

static void acks_of_another_node_are_ignored(void **state)
{
    enum { FLOOD = 100000, EACH = 20000 };
    struct bench *bench = *state;
    struct other other;
    other_comes(bench, &other);
    assert_int_equal(send_object(bench, 0, 100), COR_OK);
    bench_wait(bench, has_object, &other);
    struct cor_mono begin = cor_mono_now();
    for (unsigned k = 0; k < FLOOD && !other.gone;) {
        k += nonsense(&other, k) == COR_OK;
        if (k % EACH == 0) {
            n1_is_well(bench);
        } else if (cor_ws_queued(other.conn) > QUEUE / 2) {
            bench_run(bench, COR_MS(1));
        }
    }
    int64_t us = cor_mono_since(cor_mono_now(), begin);
    print_message("%d acks of n2 in %.2f s\n", FLOOD, (double)us / 1e6);
    assert_false(other.gone);
    n1_is_well(bench);
    other_goes(&other);
}

/* Objects for it are sent again for ever, or wait; both are bounded. */
static void a_node_that_never_acks_or_reads(void **state)
{
    enum { OBJECTS = 2000, BYTES = 2000 };
    struct bench *bench = *state;
    for (int reads = 0; reads < 2; reads++) {
        struct other other;
        other_comes(bench, &other);
        cor_ws_pause(other.conn, reads == 0);
        for (unsigned i = 0; i < OBJECTS; i++) {
            while (send_object(bench, i, BYTES) == COR_BUSY) {
                bench_run(bench, COR_MS(1));
            }
            if (i % 500 == 0) {
                n1_is_well(bench);
            }
        }
        n1_is_well(bench);
        other_goes(&other);
        n1_is_well(bench);
    }
}

/* For streams of n1: the same from the controller. Its link may end for it, nothing is lost. */
static void acks_of_the_controller_that_make_no_sense(void **state)
{
    enum { ROUNDS = 10, FLOOD = 10000 };
    struct bench *bench = *state;
    bench_give(bench, 10);
    bench_all_there(bench);
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned k = 0; k < FLOOD; k++) {
            const struct flow *flow = &bench->flows[k % STREAMS];
            struct cor_wire_ack ack = {.stream = flow->number + (k % 5 == 4 ? 1000 : 0),
                                       .seq = k % 2 == 0 ? flow->last : k % 7};
            cor_relay_ack(bench->cloud->port, &ack);
        }
        bench_give(bench, 10);
        bench_run(bench, COR_MS(1));
    }
    bench_all_there(bench);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(acks_of_another_node_are_ignored),
        T(a_node_that_never_acks_or_reads),
        T(acks_of_the_controller_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
