// SPDX-License-Identifier: Apache-2.0
// The pure parts of the bus: session, credit, places in a stream, waiting STATE, pending calls.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "calls.h"
#include "place.h"
#include "session.h"
#include "waiting.h"

static void pair(struct cor_session *binder, struct cor_session *connector)
{
    cor_session_init(binder, true, 1, 4);
    cor_session_init(connector, false, 2, 8);
    binder->service = "a";
    binder->peer = "b";
    connector->service = "b";
    connector->peer = "a";
}

static void handshake_agrees_on_epoch_and_window(void **state)
{
    (void)state;
    struct cor_session a;
    struct cor_session b;
    struct cor_wire_hello hello;
    struct cor_wire_hello answer;
    pair(&a, &b);
    cor_session_greet(&a, 77, &hello);
    assert_false(cor_session_may_send(&a));
    assert_int_equal(cor_session_hello(&b, &hello, &answer, NULL), COR_SESSION_ANSWER);
    assert_int_equal(cor_session_hello(&a, &answer, &hello, NULL), COR_SESSION_BEGIN);
    for (int i = 0; i < 8; i++) {
        assert_true(cor_session_may_send(&a));
        cor_session_sent(&a);
    }
    assert_false(cor_session_may_send(&a));
    bool room = false;
    assert_true(cor_session_credit(&a, 12, &room));
    assert_true(room);
    assert_false(cor_session_credit(&a, 11, &room));
    assert_false(cor_session_credit(&a, UINT64_MAX, &room));
}

static void hellos_of_the_past_are_ignored(void **state)
{
    (void)state;
    struct cor_session a;
    struct cor_session b;
    struct cor_wire_hello old;
    struct cor_wire_hello hello;
    struct cor_wire_hello answer;
    pair(&a, &b);
    cor_session_greet(&a, 1, &old);
    assert_int_equal(cor_session_hello(&b, &old, &answer, NULL), COR_SESSION_ANSWER);
    cor_session_greet(&a, 2, &hello);
    assert_int_equal(cor_session_hello(&a, &answer, &hello, NULL), COR_SESSION_IGNORE);
    assert_int_equal(a.state, COR_SESSION_GREETED);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *service;
        uint64_t major;
        uint64_t window;
        enum cor_code code;
    } ROWS[] = {
        {"a", COR_BUS_MAJOR + 1, 4, COR_UNSUPPORTED},
        {"mallory", COR_BUS_MAJOR, 4, COR_DENIED},
        {"a", COR_BUS_MAJOR, 0, COR_INVALID},
        {"a", COR_BUS_MAJOR, 1u << 30, COR_INVALID},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_session a;
        struct cor_session b;
        struct cor_err err = COR_ERR_NONE;
        struct cor_wire_hello answer;
        pair(&a, &b);
        struct cor_wire_hello hello = {.service = cor_view_of(ROWS[i].service),
                                       .major = ROWS[i].major,
                                       .window = ROWS[i].window,
                                       .epoch = 1};
        assert_int_equal(cor_session_hello(&b, &hello, &answer, &err), COR_SESSION_REFUSE);
        assert_int_equal(err.code, ROWS[i].code);
        assert_false(cor_session_may_send(&b));
    }
}

static void credit_is_given_back_in_halves(void **state)
{
    (void)state;
    struct cor_session a;
    struct cor_session b;
    struct cor_wire_hello hello;
    struct cor_wire_hello answer;
    pair(&a, &b);
    cor_session_greet(&a, 1, &hello);
    (void)cor_session_hello(&b, &hello, &answer, NULL);
    uint64_t limit = 0;
    int told = 0;
    for (int i = 0; i < 16; i++) {
        told += cor_session_consumed(&b, &limit) ? 1 : 0;
    }
    assert_int_equal(told, 4);
    assert_int_equal(limit, 24);
}

static void sink_sorts_messages(void **state)
{
    (void)state;
    struct cor_place_sink p = {0};
    assert_int_equal(cor_place_sink_seq(&p, 1, 0), COR_PLACE_GAP);
    cor_place_sink_open(&p, 9, 5);
    static const struct {
        uint64_t seq;
        enum cor_place_seq want;
    } ROWS[] = {{5, COR_PLACE_DUPLICATE}, {7, COR_PLACE_GAP},      {6, COR_PLACE_NEXT},
                {6, COR_PLACE_DUPLICATE}, {7, COR_PLACE_NEXT},     {9, COR_PLACE_GAP},
                {8, COR_PLACE_NEXT},      {1, COR_PLACE_DUPLICATE}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(cor_place_sink_seq(&p, ROWS[i].seq, 0), ROWS[i].want);
    }
    assert_false(cor_place_sink_commit(&p, 9));
    assert_true(cor_place_sink_commit(&p, 8));
    assert_false(cor_place_sink_commit(&p, 7));
}

/* Messages that were handed over but not committed when the link broke are not handed over twice.
 */
static void reopening_keeps_what_is_on_its_way_to_the_store(void **state)
{
    (void)state;
    struct cor_place_sink p = {0};
    cor_place_sink_open(&p, 9, 0);
    assert_int_equal(cor_place_sink_seq(&p, 1, 0), COR_PLACE_NEXT);
    assert_int_equal(cor_place_sink_seq(&p, 2, 0), COR_PLACE_NEXT);
    cor_place_sink_open(&p, 9, 1);
    assert_int_equal(cor_place_sink_seq(&p, 2, 0), COR_PLACE_DUPLICATE);
    assert_int_equal(cor_place_sink_seq(&p, 3, 0), COR_PLACE_NEXT);
    cor_place_sink_open(&p, 10, 0);
    assert_int_equal(cor_place_sink_seq(&p, 1, 0), COR_PLACE_NEXT);
}

static void origin_reads_acks(void **state)
{
    (void)state;
    struct cor_place_origin p = {0};
    assert_int_equal(cor_place_origin_ack(&p, 3, true, 10), COR_PLACE_RESUME);
    assert_int_equal(p.sent, 3);
    p.sent = 8;
    assert_int_equal(cor_place_origin_ack(&p, 5, false, 10), COR_PLACE_NEW);
    assert_int_equal(cor_place_origin_ack(&p, 5, false, 10), COR_PLACE_OLD);
    assert_int_equal(cor_place_origin_ack(&p, 11, false, 10), COR_PLACE_BAD);
    assert_int_equal(p.acked, 5);
}

static void waiting_replaces_by_key_in_order(void **state)
{
    (void)state;
    struct cor_waiting *w = cor_waiting_new(2);
    bool replaced = false;
    static const char *const PUT[][2] = {{"x", "1"}, {"y", "2"}, {"x", "3"}};
    for (size_t i = 0; i < COR_COUNT(PUT); i++) {
        struct cor_buf frame = {0};
        cor_buf_str(&frame, PUT[i][1]);
        assert_true(cor_waiting_put(w, 1, cor_view_of(PUT[i][0]), &frame, &replaced));
        assert_int_equal(replaced, i == 2);
    }
    struct cor_buf extra = {0};
    cor_buf_str(&extra, "4");
    assert_false(cor_waiting_put(w, 1, COR_VIEW("z"), &extra, &replaced));
    cor_buf_free(&extra);
    struct cor_buf out = {0};
    assert_true(cor_waiting_take(w, &out));
    assert_int_equal(out.cap, out.len + 1); /* it took no more while it waited */
    assert_string_equal(out.data, "3");
    cor_buf_free(&out);
    assert_int_equal(cor_waiting_count(w), 1);
    cor_waiting_free(&w);
}

static void calls_expire_by_deadline(void **state)
{
    (void)state;
    struct cor_calls *calls = cor_calls_new(2);
    struct cor_pending out;
    for (uint64_t id = 1; id <= 3; id++) {
        struct cor_pending p = {.id = id, .deadline = {(int64_t)id * 100}};
        assert_int_equal(cor_calls_add(calls, &p), id <= 2);
    }
    struct cor_mono next;
    assert_true(cor_calls_next(calls, &next));
    assert_int_equal(next.us, 100);
    assert_false(cor_calls_expired(calls, (struct cor_mono){99}, false, &out));
    assert_true(cor_calls_expired(calls, (struct cor_mono){150}, false, &out));
    assert_int_equal(out.id, 1);
    assert_false(cor_calls_take(calls, 1, &out));
    assert_true(cor_calls_expired(calls, (struct cor_mono){0}, true, &out));
    cor_calls_free(&calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_agrees_on_epoch_and_window),
        cmocka_unit_test(hellos_of_the_past_are_ignored),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(credit_is_given_back_in_halves),
        cmocka_unit_test(sink_sorts_messages),
        cmocka_unit_test(reopening_keeps_what_is_on_its_way_to_the_store),
        cmocka_unit_test(origin_reads_acks),
        cmocka_unit_test(waiting_replaces_by_key_in_order),
        cmocka_unit_test(calls_expire_by_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
