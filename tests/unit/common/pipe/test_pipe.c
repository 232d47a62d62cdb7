// SPDX-License-Identifier: Apache-2.0
// Pipes over socket pairs and over real connections; the other end is a plain socket of the test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/socket.h"
#include "common/pipe/address.h"
#include "common/pipe/pipe.h"

struct fixture {
    struct cor_loop *loop;
    struct cor_timer *late; /* the test has failed when it fires */
    struct cor_pipe *pipe;
    int other;
    struct cor_buf got;
    unsigned opens, rooms, ends, closes;
    size_t stop_at; /* stops the loop at so many bytes */
    bool pause;     /* stops reading in bytes */
    bool drop;      /* frees the pipe in the next function */
    struct cor_err err;
};

static void told(struct fixture *f)
{
    if (f->drop) {
        cor_pipe_free(&f->pipe);
    }
    cor_loop_stop(f->loop);
}

static void on_open(void *self)
{
    struct fixture *f = self;
    f->opens++;
}

static void on_bytes(void *self, struct cor_view bytes)
{
    struct fixture *f = self;
    assert_in_range(bytes.len, 1, COR_PIPE_BLOCK);
    cor_buf_view(&f->got, bytes);
    if (f->pause) {
        cor_pipe_read(f->pipe, false);
    }
    if (f->got.len >= f->stop_at) {
        told(f);
    }
}

static void on_room(void *self)
{
    struct fixture *f = self;
    f->rooms++;
    told(f);
}

static void on_end(void *self)
{
    struct fixture *f = self;
    f->ends++;
    told(f);
}

static void on_closed(void *self, const struct cor_err *err)
{
    struct fixture *f = self;
    f->closes++;
    f->err = *err;
    told(f);
}

static void on_late(void *self)
{
    (void)self;
    fail_msg("nothing happened for 10 s");
}

static void new_pipe(struct fixture *f, size_t max_queue)
{
    struct cor_pipe_spec spec = {.open = on_open,
                                 .bytes = on_bytes,
                                 .room = on_room,
                                 .end = on_end,
                                 .closed = on_closed,
                                 .self = f,
                                 .max_queue = max_queue};
    f->pipe = cor_pipe_new(f->loop, &spec);
}

static void attach(struct fixture *f)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    cor_pipe_attach(f->pipe, fds[0]);
    f->other = fds[1];
}

static int setup(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    f->loop = cor_loop_new();
    f->late = cor_timer_new(f->loop, on_late, f);
    f->other = -1;
    f->stop_at = 1;
    new_pipe(f, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cor_pipe_free(&f->pipe);
    cor_timer_free(&f->late);
    cor_loop_free(&f->loop);
    cor_buf_free(&f->got);
    if (f->other >= 0) {
        close(f->other);
    }
    cor_free(f);
    return 0;
}

static void run(struct fixture *f)
{
    cor_timer_start(f->late, COR_SEC(30));
    cor_loop_run(f->loop);
    cor_timer_stop(f->late);
}

static void stop(void *self)
{
    cor_loop_stop(self);
}

/* Whatever is ready is seen, then the loop stops. */
static void settle(struct fixture *f)
{
    struct cor_timer *timer = cor_timer_new(f->loop, stop, f->loop);
    cor_timer_start(timer, COR_MS(20));
    run(f);
    cor_timer_free(&timer);
}

static void say(struct fixture *f, const char *text)
{
    assert_int_equal(write(f->other, text, strlen(text)), (ssize_t)strlen(text));
}

static void hear(struct fixture *f, const char *text)
{
    char got[64] = "";
    assert_int_equal(read(f->other, got, sizeof(got) - 1), (ssize_t)strlen(text));
    assert_string_equal(got, text);
}

static void test_both_ways(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("early ")), COR_OK);
    assert_int_equal(cor_pipe_waiting(f->pipe), 6);
    attach(f);
    cor_pipe_read(f->pipe, true);
    say(f, "hello");
    run(f);
    run(f);
    assert_int_equal(f->opens, 1);
    assert_int_equal(f->rooms, 1);
    assert_string_equal(f->got.data, "hello");
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("late")), COR_OK);
    hear(f, "early late");
}

static void test_no_bytes_unless_wanted(void **state)
{
    struct fixture *f = *state;
    attach(f);
    say(f, "hello");
    settle(f);
    assert_int_equal(f->got.len, 0);
    f->pause = true;
    cor_pipe_read(f->pipe, true);
    run(f);
    assert_string_equal(f->got.data, "hello");
    say(f, "more");
    settle(f);
    assert_string_equal(f->got.data, "hello");
}

static void test_ends_of_the_peer(void **state)
{
    struct fixture *f = *state;
    attach(f);
    cor_pipe_read(f->pipe, true);
    assert_int_equal(shutdown(f->other, SHUT_WR), 0);
    run(f);
    assert_int_equal(f->ends, 1);
    settle(f);
    assert_int_equal(f->ends, 1);
    assert_int_equal(f->closes, 0);
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("still")), COR_OK);
    hear(f, "still");
    close(f->other);
    f->other = -1;
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("not any more")), COR_CLOSED);
    run(f);
    assert_int_equal(f->closes, 1);
    assert_int_equal(f->err.sys, EPIPE);
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("no")), COR_CLOSED);
}

static void test_own_end_comes_after_what_waits(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("last")), COR_OK);
    cor_pipe_end(f->pipe);
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("no")), COR_CLOSED);
    attach(f);
    run(f);
    assert_int_equal(f->rooms, 1);
    hear(f, "last");
    char one;
    assert_int_equal(read(f->other, &one, 1), 0);
    cor_pipe_read(f->pipe, true);
    say(f, "answer");
    run(f);
    assert_string_equal(f->got.data, "answer");
}

static void test_end_without_anything_waiting(void **state)
{
    struct fixture *f = *state;
    attach(f);
    settle(f);
    cor_pipe_end(f->pipe);
    run(f);
    assert_int_equal(f->rooms, 1);
    settle(f);
    assert_int_equal(f->rooms, 1);
}

/* Writes blocks until the pipe takes no more; returns how many bytes it took. */
static size_t fill(struct fixture *f)
{
    static const char block[1000];
    size_t taken = 0;
    enum cor_code code;
    while ((code = cor_pipe_write(f->pipe, (struct cor_view){block, sizeof(block)})) == COR_OK) {
        taken += sizeof(block);
    }
    assert_int_equal(code, COR_BUSY);
    return taken;
}

static void test_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    cor_pipe_free(&f->pipe);
    new_pipe(f, 10000);
    attach(f);
    settle(f);
    size_t taken = fill(f);
    assert_in_range(cor_pipe_waiting(f->pipe), 9001, 10000);
    assert_int_equal(fcntl(f->other, F_SETFL, O_NONBLOCK), 0);
    char block[4096];
    size_t read_bytes = 0;
    while (f->rooms == 0) {
        ssize_t n = read(f->other, block, sizeof(block));
        if (n > 0) {
            read_bytes += (size_t)n;
        } else {
            run(f);
        }
    }
    assert_int_equal(cor_pipe_waiting(f->pipe), 0);
    for (ssize_t n; (n = read(f->other, block, sizeof(block))) > 0;) {
        read_bytes += (size_t)n;
    }
    assert_int_equal(read_bytes, taken);
}

static void test_freed_in_any_function(void **state)
{
    struct fixture *f = *state;
    f->drop = true;
    attach(f);
    cor_pipe_read(f->pipe, true);
    say(f, "hello");
    run(f);
    assert_null(f->pipe);
    close(f->other);

    new_pipe(f, 0);
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("x")), COR_OK);
    attach(f);
    run(f);
    assert_null(f->pipe);
    assert_int_equal(f->rooms, 1);
    close(f->other);

    new_pipe(f, 0);
    attach(f);
    cor_pipe_read(f->pipe, true);
    close(f->other);
    f->other = -1;
    run(f);
    assert_null(f->pipe);
    assert_int_equal(f->ends, 1);
    settle(f);
}

static void test_connects(void **state)
{
    struct fixture *f = *state;
    struct cor_err err = COR_ERR_NONE;
    int listener = -1;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &listener, &err), COR_OK);
    auto_(cor_freep) char *address = cor_sprintf("127.0.0.1:%d", cor_socket_port(listener));
    assert_int_equal(cor_pipe_connect(f->pipe, address, &err), COR_OK);
    assert_int_equal(cor_pipe_write(f->pipe, COR_VIEW("hello")), COR_OK);
    run(f);
    assert_int_equal(f->opens, 1);
    f->other = accept4(listener, NULL, NULL, 0);
    hear(f, "hello");
    close(listener);
}

static void test_tells_why_it_cannot_connect(void **state)
{
    struct fixture *f = *state;
    struct cor_err err = COR_ERR_NONE;
    int listener = -1;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &listener, &err), COR_OK);
    auto_(cor_freep) char *address = cor_sprintf("127.0.0.1:%d", cor_socket_port(listener));
    close(listener);
    assert_int_equal(cor_pipe_connect(f->pipe, address, &err), COR_OK);
    run(f);
    assert_int_equal(f->opens, 0);
    assert_int_equal(f->closes, 1);
    assert_int_equal(f->err.sys, ECONNREFUSED);
    cor_pipe_free(&f->pipe);
    new_pipe(f, 0);
    assert_int_equal(cor_pipe_connect(f->pipe, "/nowhere/at/all.sock", &err), COR_OK);
    run(f);
    assert_int_equal(f->closes, 2);
    assert_int_equal(f->err.sys, ENOENT);
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        bool good;
    } CASES[] = {
        {"127.0.0.1:80", true},
        {"[::1]:80", true},
        {"/run/x.sock", true},
        {"localhost:80", false},
        {"127.0.0.1", false},
        {"127.0.0.1:", false},
        {"127.0.0.1:65536", false},
        {"[::1]", false},
        {"::1:80x", false},
        {"", false},
        {":80", false},
        {"[]:80", false},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        union cor_address address;
        socklen_t len = 0;
        assert_int_equal(cor_address_parse(CASES[i].text, &address, &len), CASES[i].good);
    }
    char path[200];
    memset(path, '/', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_pipe_connect(f->pipe, path, &err), COR_INVALID);
}

/* ---- a wire that keeps bytes --------------------------------------------------------------------
 */

struct kept {
    size_t left;
    unsigned released;
};

static ssize_t kept_recv(void *self, void *out, size_t max)
{
    struct kept *kept = self;
    if (kept->left == 0) {
        errno = EAGAIN;
        return -1;
    }
    size_t n = kept->left < max ? kept->left : max;
    memset(out, 'k', n);
    kept->left -= n;
    return (ssize_t)n;
}

static void kept_release(void *self)
{
    struct kept *kept = self;
    kept->released++;
}

static void test_wire_that_keeps_bytes(void **state)
{
    struct fixture *f = *state;
    struct kept kept = {.left = 100000};
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->other = fds[1];
    struct cor_pipe_wire wire = {
        .recv = kept_recv, .release = kept_release, .self = &kept, .keeps = true};
    cor_pipe_attach_wire(f->pipe, fds[0], &wire);
    cor_pipe_read(f->pipe, true);
    f->stop_at = 100000;
    run(f);
    assert_int_equal(f->got.len, 100000);
    kept.left = 10;
    f->stop_at = 100010;
    cor_pipe_nudge(f->pipe);
    run(f);
    struct cor_err gone = {.code = COR_CLOSED};
    cor_pipe_sever(f->pipe, &gone);
    assert_int_equal(f->closes, 1);
    assert_int_equal(kept.released, 1);
    cor_pipe_free(&f->pipe);
    assert_int_equal(kept.released, 1);
    close(fds[0]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_both_ways),
        CASE(test_no_bytes_unless_wanted),
        CASE(test_ends_of_the_peer),
        CASE(test_own_end_comes_after_what_waits),
        CASE(test_end_without_anything_waiting),
        CASE(test_queue_is_bounded),
        CASE(test_freed_in_any_function),
        CASE(test_connects),
        CASE(test_tells_why_it_cannot_connect),
        CASE(test_addresses),
        CASE(test_wire_that_keeps_bytes),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
