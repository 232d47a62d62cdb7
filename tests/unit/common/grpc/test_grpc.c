// SPDX-License-Identifier: Apache-2.0
// The client against a small server on the same loop.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/grpc/grpc.h"
#include "server.h"

struct fixture {
    char dir[64];
    char path[100];
    struct cor_loop *loop;
    struct cor_timer *late;
    struct cor_grpc *grpc;
    struct server server;
    bool up;
    size_t ups;
    size_t downs;
    size_t done;
    enum cor_code code;
    int status;
    char text[64];
    struct cor_buf message;
    struct cor_buf streamed;
    cor_handle cancel_this;
};

static void on_late(void *self)
{
    (void)self;
    print_error("deadline passed\n");
    abort();
}

static void on_state(void *self, bool up)
{
    struct fixture *f = self;
    f->up = up;
    *(up ? &f->ups : &f->downs) += 1;
    cor_loop_stop(f->loop);
}

static int set_up(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/test_grpc.XXXXXX");
    must(mkdtemp(f->dir) != NULL);
    snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
    f->loop = cor_loop_new();
    f->late = cor_timer_new(f->loop, on_late, f);
    cor_timer_start(f->late, COR_SEC(60));
    server_listen(&f->server, f->loop, f->path);
    const struct cor_grpc_conf conf = {.socket_path = f->path, .message_max = 4 * 1024 * 1024};
    f->grpc = cor_grpc_new(f->loop, &conf, on_state, f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cor_grpc_free(&f->grpc);
    server_stop(&f->server);
    cor_timer_free(&f->late);
    cor_loop_free(&f->loop);
    cor_buf_free(&f->message);
    cor_buf_free(&f->streamed);
    rmdir(f->dir);
    cor_free(f);
    return 0;
}

static void on_done(void *self, const struct cor_grpc_reply *reply)
{
    struct fixture *f = self;
    f->done++;
    f->code = reply->code;
    f->status = reply->status;
    snprintf(f->text, sizeof(f->text), "%s", reply->text);
    cor_buf_clear(&f->message);
    cor_buf_view(&f->message, reply->message);
    cor_loop_stop(f->loop);
}

static void on_message(void *self, struct cor_view message)
{
    struct fixture *f = self;
    cor_buf_fmt(&f->streamed, "[%.*s]", COR_VIEW_ARG(message));
    if (f->cancel_this != 0) {
        cor_grpc_cancel(f->grpc, f->cancel_this);
        cor_loop_stop(f->loop);
    }
}

static cor_handle call(struct fixture *f, const char *path, struct cor_view message,
                       int64_t timeout_us)
{
    return cor_grpc_call(f->grpc, &(struct cor_grpc_request){.path = path,
                                                             .message = message,
                                                             .timeout_us = timeout_us,
                                                             .done_fn = on_done,
                                                             .self = f});
}

static void await(struct fixture *f, size_t done)
{
    while (f->done < done) {
        cor_loop_run(f->loop);
    }
}

static void test_answers(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        enum cor_code code;
        int status;
        const char *text;
    } cases[] = {
        {"/t/Echo", COR_OK, 0, ""},
        {"/t/Fail", COR_NOTFOUND, 5, "no such thing"},
        {"/t/Http", COR_INTERNAL, -1, "the server answered with an HTTP error"},
        {"/t/Two", COR_INVALID, -1, "answer is not one plain message"},
        {"/t/Huge", COR_TOOBIG, -1, "answer over the message limit"},
        {"/t/Compressed", COR_INVALID, -1, "answer is not one plain message"},
        {"/t/NoStatus", COR_GONE, -1, "stream closed without a status"},
        {"/t/Close", COR_GONE, -1, "connection lost"},
        {"/t/Echo", COR_OK, 0, ""},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        (void)call(f, cases[i].path, COR_VIEW("ahoy"), COR_SEC(10));
        await(f, i + 1);
        if (f->code != cases[i].code || f->status != cases[i].status ||
            strcmp(f->text, cases[i].text) != 0) {
            fail_msg("%s: code %d status %d text %s", cases[i].path, (int)f->code, f->status,
                     f->text);
        }
        if (f->code == COR_OK) {
            assert_true(cor_view_is(cor_buf_as_view(&f->message), "ahoy"));
        }
    }
    assert_int_equal(f->server.connections, 2);
    assert_int_equal(f->ups, 2);
    assert_int_equal(f->downs, 1);
}

static void test_large_both_ways(void **state)
{
    struct fixture *f = *state;
    enum { SIZE = 4 * 1024 * 1024 };
    auto_(cor_freep) char *big = cor_alloc(SIZE);
    for (size_t i = 0; i < SIZE; i++) {
        big[i] = (char)(i * 31 + i / 1000);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)call(f, "/t/Echo", (struct cor_view){big, SIZE}, COR_SEC(15));
        await(f, i + 1);
        assert_int_equal(f->code, COR_OK);
        assert_true(cor_view_eq(cor_buf_as_view(&f->message), (struct cor_view){big, SIZE}));
    }
}

static void test_many_at_once(void **state)
{
    struct fixture *f = *state;
    size_t started = 0;
    while (call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10)) != 0) {
        started++;
    }
    assert_int_equal(started, COR_GRPC_CALLS_MAX);
    await(f, started);
    assert_int_equal(f->server.connections, 1);
}

static void test_deadline(void **state)
{
    struct fixture *f = *state;
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
    await(f, 1);
    (void)call(f, "/t/Hang", COR_VIEW("x"), COR_MS(30));
    await(f, 2);
    assert_int_equal(f->code, COR_TIMEOUT);
    (void)call(f, "/t/Timeout", COR_VIEW("x"), COR_SEC(3));
    await(f, 3);
    assert_true(cor_view_is(cor_buf_as_view(&f->message), "3000000u"));
    assert_int_equal(f->server.resets, 1);
}

static void test_stream(void **state)
{
    struct fixture *f = *state;
    struct cor_grpc_request request = {
        .path = "/t/Stream", .message_fn = on_message, .done_fn = on_done, .self = f};
    (void)cor_grpc_call(f->grpc, &request);
    await(f, 1);
    assert_int_equal(f->code, COR_OK);
    assert_string_equal(f->streamed.data, "[one][][three]");
    cor_buf_clear(&f->streamed);
    request.path = "/t/Open";
    f->cancel_this = cor_grpc_call(f->grpc, &request);
    while (f->streamed.len == 0) {
        cor_loop_run(f->loop);
    }
    assert_string_equal(f->streamed.data, "[one]");
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
    await(f, 2);
    assert_int_equal(f->code, COR_OK);
    assert_int_equal(f->server.resets, 1);
}

static void test_server_comes_late_and_again(void **state)
{
    struct fixture *f = *state;
    server_stop(&f->server);
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_MS(60));
    await(f, 1);
    assert_int_equal(f->code, COR_TIMEOUT);
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
    server_listen(&f->server, f->loop, f->path);
    await(f, 2);
    assert_int_equal(f->code, COR_OK);
    server_stop(&f->server);
    server_listen(&f->server, f->loop, f->path);
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
    await(f, 3);
    if (f->code == COR_GONE) { /* it was on the old connection */
        (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
        await(f, 4);
    }
    assert_int_equal(f->code, COR_OK);
}

static void test_free_with_calls_under_way(void **state)
{
    struct fixture *f = *state;
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
    await(f, 1);
    (void)call(f, "/t/Echo", COR_VIEW("x"), COR_SEC(10));
    cor_grpc_free(&f->grpc);
    assert_int_equal(f->done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_server_comes_late_and_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_free_with_calls_under_way, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
