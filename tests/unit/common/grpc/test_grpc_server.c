// SPDX-License-Identifier: Apache-2.0
// The server, asked by the client on the same loop, and by whom it should not trust.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/grpc.h"
#include "common/grpc/server.h"

enum { MESSAGE_MAX = 1024, PATIENCE_S = 60 };

struct fixture {
    char dir[64];
    char path[100];
    struct cor_loop *loop;
    struct cor_timer *late;
    struct cor_timer *tick;
    struct cor_grpc_server *server;
    size_t served;
    size_t done;
    struct cor_grpc_reply reply;
    char text[300];
    struct cor_buf message;
};

static void on_echo(void *self, struct cor_view message, struct cor_grpc_result *result)
{
    ((struct fixture *)self)->served++;
    cor_buf_view(&result->message, message);
}

static void on_fail(void *self, struct cor_view message, struct cor_grpc_result *result)
{
    (void)message;
    ((struct fixture *)self)->served++;
    result->status = 3;
    (void)snprintf(result->text, sizeof(result->text), "100%% \xe2\x82\xac wrong");
}

static const struct cor_grpc_method methods[] = {{"/t.S/Echo", on_echo}, {"/t.S/Fail", on_fail}};

static void on_late(void *self)
{
    (void)self;
    print_error("deadline passed\n");
    abort();
}

static void on_tick(void *self)
{
    cor_loop_stop(((struct fixture *)self)->loop);
}

static int set_up(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    struct cor_err err = COR_ERR_NONE;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_grpc_server.XXXXXX");
    must(mkdtemp(f->dir) != NULL);
    (void)snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
    f->loop = cor_loop_new();
    f->late = cor_timer_new(f->loop, on_late, f);
    cor_timer_start(f->late, COR_SEC(PATIENCE_S));
    f->tick = cor_timer_new(f->loop, on_tick, f);
    cor_timer_repeat(f->tick, COR_MS(2));
    const struct cor_grpc_server_conf conf = {.socket_path = f->path,
                                              .mode = 0600,
                                              .methods = methods,
                                              .method_count = COR_COUNT(methods),
                                              .message_max = MESSAGE_MAX,
                                              .self = f};
    must(cor_grpc_server_open(f->loop, &conf, &f->server, &err) == COR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cor_grpc_server_free(&f->server);
    assert_int_equal(access(f->path, F_OK), -1);
    cor_timer_free(&f->late);
    cor_timer_free(&f->tick);
    cor_loop_free(&f->loop);
    cor_buf_free(&f->message);
    (void)rmdir(f->dir);
    cor_free(f);
    return 0;
}

static void on_done(void *self, const struct cor_grpc_reply *reply)
{
    struct fixture *f = self;
    f->done++;
    f->reply = *reply;
    (void)snprintf(f->text, sizeof(f->text), "%s", reply->text);
    cor_buf_clear(&f->message);
    cor_buf_view(&f->message, reply->message);
}

static void ask(struct fixture *f, struct cor_grpc *client, const char *path,
                struct cor_view message)
{
    size_t before = f->done;
    must(cor_grpc_call(client, &(struct cor_grpc_request){.path = path,
                                                          .message = message,
                                                          .timeout_us = COR_SEC(PATIENCE_S),
                                                          .done_fn = on_done,
                                                          .self = f}) != 0);
    while (f->done == before) {
        cor_loop_run(f->loop);
    }
}

static struct cor_grpc *client_of(const struct fixture *f)
{
    return cor_grpc_new(f->loop, &(struct cor_grpc_conf){.socket_path = f->path}, NULL, NULL);
}

static void test_answers(void **state)
{
    struct fixture *f = *state;
    struct cor_grpc *client = client_of(f);
    static char long_path[300];
    static char large[MESSAGE_MAX + 1];
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[0] = '/';
    ask(f, client, "/t.S/Echo", COR_VIEW("ahoy"));
    assert_int_equal(f->reply.code, COR_OK);
    assert_true(cor_view_is(cor_buf_as_view(&f->message), "ahoy"));
    ask(f, client, "/t.S/Echo", (struct cor_view){"", 0});
    assert_int_equal(f->reply.code, COR_OK);
    assert_int_equal(f->message.len, 0);
    ask(f, client, "/t.S/Fail", COR_VIEW("x"));
    assert_int_equal(f->reply.status, 3);
    assert_string_equal(f->text, "100% \xe2\x82\xac wrong");
    ask(f, client, "/t.S/Other", COR_VIEW("x"));
    assert_int_equal(f->reply.status, 12);
    assert_string_equal(f->text, "unknown service or method");
    assert_int_equal(f->served, 3);
    ask(f, client, long_path, COR_VIEW("x"));
    assert_int_equal(f->reply.status, 8);
    ask(f, client, "/t.S/Echo", (struct cor_view){large, sizeof(large)});
    assert_int_equal(f->reply.status, 8);
    assert_int_equal(f->served, 3);
    ask(f, client, "/t.S/Echo", (struct cor_view){large, MESSAGE_MAX});
    assert_int_equal(f->reply.code, COR_OK);
    assert_int_equal(f->message.len, MESSAGE_MAX);
    cor_grpc_free(&client);
}

static int dial(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Whether the server has closed; what it sends before is read. */
static bool is_closed(struct fixture *f, int fd)
{
    char bytes[256];
    ssize_t n = 0;
    for (int i = 0; i < 500; i++) {
        cor_loop_run(f->loop);
        while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {}
        if (n == 0 || errno == ECONNRESET) {
            return true;
        }
    }
    return false;
}

/* Bytes that are not HTTP/2 close their connection and no other; one connection too many closes
 * the oldest. */
static void test_strangers(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int stranger = dial(f);
    assert_int_equal(write(stranger, "GET / HTTP/1.1 and no more so\r\n", 30), 30);
    assert_true(is_closed(f, stranger));
    (void)close(stranger);
    int oldest = dial(f);
    int others[COR_GRPC_PEERS_MAX];
    for (size_t i = 0; i < COR_COUNT(others); i++) {
        others[i] = dial(f);
        cor_loop_run(f->loop);
    }
    assert_true(is_closed(f, oldest));
    (void)close(oldest);
    struct cor_grpc *client = client_of(f);
    ask(f, client, "/t.S/Echo", COR_VIEW("still"));
    assert_true(cor_view_is(cor_buf_as_view(&f->message), "still"));
    cor_grpc_free(&client);
    for (size_t i = 0; i < COR_COUNT(others); i++) {
        (void)close(others[i]);
    }
}

/* A socket left by a server that was killed is replaced; a path that is none is refused. */
static void test_places(void **state)
{
    struct fixture *f = *state;
    struct cor_grpc_server *second = NULL;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *left = cor_sprintf("%s/left", f->dir);
    assert_int_equal(cor_file_write(left, COR_VIEW("not a socket"), 0600, &err), COR_OK);
    struct cor_grpc_server_conf conf = {.socket_path = left, .mode = 0600, .message_max = 1};
    assert_int_equal(cor_grpc_server_open(f->loop, &conf, &second, &err), COR_OK);
    cor_grpc_server_free(&second);
    conf.socket_path = "relative";
    assert_int_equal(cor_grpc_server_open(f->loop, &conf, &second, &err), COR_INVALID);
    conf.socket_path = "/no/such/folder/s";
    assert_int_equal(cor_grpc_server_open(f->loop, &conf, &second, &err), COR_IO);
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strangers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_places, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("grpc server", tests, NULL, NULL);
}
