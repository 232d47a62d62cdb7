// SPDX-License-Identifier: Apache-2.0
// Connections of their own to a server that upgrades and echoes; both on one loop.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/socket.h"
#include "common/httpd/head.h"
#include "common/httpd/httpd.h"
#include "common/kube/http.h"
#include "tests/support/certs.h"
#include "tests/support/wait.h"

enum { MUCH = 3 << 20, BLOCK = 50000 };

struct fixture {
    struct cor_loop *loop;
    struct cor_httpd *httpd;
    struct cor_http *http;
    struct cor_pipe *echo; /* the server's end */
    struct cor_pipe *pipe;
    struct test_certs certs;
    struct cor_buf ca, cert, key, client_cert, client_key;
    char *url;
    struct cor_head head;
    size_t sent, got;
    unsigned opens, ends, closes;
    struct cor_err err;
    char peer[32];
};

/* ---- server -------------------------------------------------------------------------------------
 */

static void echo_bytes(void *self, struct cor_view bytes)
{
    struct fixture *f = self;
    must(cor_pipe_write(f->echo, bytes) == COR_OK);
    cor_pipe_read(f->echo, cor_pipe_waiting(f->echo) < 65536);
}

static void echo_room(void *self)
{
    struct fixture *f = self;
    cor_pipe_read(f->echo, true);
}

static void echo_over(void *self)
{
    struct fixture *f = self;
    cor_pipe_free(&f->echo);
}

static void echo_closed(void *self, const struct cor_err *err)
{
    (void)err;
    echo_over(self);
}

static void handle(void *self, struct cor_exchange *exchange)
{
    struct fixture *f = self;
    struct cor_pipe_spec spec = {
        .bytes = echo_bytes, .room = echo_room, .end = echo_over, .closed = echo_closed, .self = f};
    const char *name = cor_exchange_peer_name(exchange);
    (void)strncpy(f->peer, name == NULL ? "" : name, sizeof(f->peer) - 1);
    f->echo = cor_exchange_upgrade(exchange, "echo", &spec);
    cor_pipe_read(f->echo, true);
}

/* ---- client -------------------------------------------------------------------------------------
 */

static void send_more(struct fixture *f)
{
    static const char block[BLOCK];
    while (cor_head_is_done(&f->head) && f->sent < MUCH && cor_pipe_waiting(f->pipe) < 100000) {
        must(cor_pipe_write(f->pipe, (struct cor_view){block, BLOCK}) == COR_OK);
        f->sent += BLOCK;
    }
}

static void on_open(void *self)
{
    struct fixture *f = self;
    f->opens++;
    must(cor_pipe_write(f->pipe, COR_VIEW("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n"
                                          "Upgrade: echo\r\n\r\n")) == COR_OK);
    cor_pipe_read(f->pipe, true);
}

static void on_bytes(void *self, struct cor_view bytes)
{
    struct fixture *f = self;
    if (!cor_head_is_done(&f->head)) {
        must(cor_head_add(&f->head, &bytes, NULL) != COR_INVALID);
        send_more(f);
    }
    f->got += bytes.len;
}

static void on_room(void *self)
{
    send_more(self);
}

static void on_end(void *self)
{
    struct fixture *f = self;
    f->ends++;
}

static void on_closed(void *self, const struct cor_err *err)
{
    struct fixture *f = self;
    f->closes++;
    f->err = *err;
}

static struct cor_pipe *new_pipe(struct fixture *f)
{
    struct cor_pipe_spec spec = {.open = on_open,
                                 .bytes = on_bytes,
                                 .room = on_room,
                                 .end = on_end,
                                 .closed = on_closed,
                                 .self = f};
    return cor_pipe_new(f->loop, &spec);
}

static void connect_to(struct fixture *f, const char *url)
{
    f->pipe = new_pipe(f);
    cor_http_pipe(f->http, url, f->pipe);
}

static int setup(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct fixture *f = cor_alloc(sizeof(*f));
    *state = f;
    f->loop = cor_loop_new();
    test_certs_make(&f->certs, "kubelite-kubelet-client", "system:masters");
    cor_cert_pem(f->certs.ca, &f->ca);
    cor_cert_pem(f->certs.server, &f->cert);
    cor_key_pem(f->certs.server_key, &f->key);
    cor_cert_pem(f->certs.client, &f->client_cert);
    cor_key_pem(f->certs.client_key, &f->client_key);
    struct cor_httpd_spec spec = {.addresses = addresses,
                                  .address_count = 1,
                                  .cert_pem = f->cert.data,
                                  .key_pem = f->key.data,
                                  .client_ca_pem = f->ca.data,
                                  .handler = handle,
                                  .self = f};
    must(cor_httpd_start(f->loop, &spec, &f->httpd, NULL) == COR_OK);
    f->url = cor_sprintf("https://127.0.0.1:%d", cor_httpd_port(f->httpd, 0));
    struct cor_http_spec client = {
        .ca_pem = f->ca.data, .cert_pem = f->client_cert.data, .key_pem = f->client_key.data};
    must(cor_http_new(f->loop, &client, &f->http, NULL) == COR_OK);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cor_pipe_free(&f->pipe);
    cor_http_free(&f->http);
    cor_httpd_free(&f->httpd);
    cor_pipe_free(&f->echo);
    cor_loop_free(&f->loop);
    cor_head_free(&f->head);
    test_certs_free(&f->certs);
    struct cor_buf *bufs[] = {&f->ca, &f->cert, &f->key, &f->client_cert, &f->client_key};
    for (size_t i = 0; i < COR_COUNT(bufs); i++) {
        cor_buf_free(bufs[i]);
    }
    cor_freep(&f->url);
    cor_free(f);
    return 0;
}

static bool is_echoed(void *arg)
{
    struct fixture *f = arg;
    return f->got >= MUCH && f->got == f->sent;
}

static bool is_over(void *arg)
{
    struct fixture *f = arg;
    return f->ends + f->closes > 0;
}

static bool is_quiet(void *arg)
{
    struct fixture *f = arg;
    return cor_httpd_connections(f->httpd) == 0 && f->echo == NULL;
}

static void test_echo(void **state)
{
    struct fixture *f = *state;
    connect_to(f, f->url);
    cor_http_free(&f->http); /* the pipe goes on */
    test_wait(f->loop, "/nowhere", is_echoed, f);
    assert_int_equal(f->opens, 1);
    assert_int_equal(f->head.status, 101);
    assert_string_equal(f->peer, "kubelite-kubelet-client");
    cor_pipe_free(&f->pipe);
    test_wait(f->loop, "/nowhere", is_quiet, f);
    assert_int_equal(f->closes + f->ends, 0);
}

static void test_server_goes(void **state)
{
    struct fixture *f = *state;
    connect_to(f, f->url);
    test_wait(f->loop, "/nowhere", is_echoed, f);
    cor_pipe_free(&f->echo);
    test_wait(f->loop, "/nowhere", is_over, f);
}

static void test_freed_while_connecting(void **state)
{
    struct fixture *f = *state;
    connect_to(f, f->url);
    cor_pipe_free(&f->pipe);
    connect_to(f, f->url);
    test_wait(f->loop, "/nowhere", is_echoed, f);
    assert_int_equal(f->opens, 1);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    must(cor_socket_listen("127.0.0.1", 0, &fd, NULL) == COR_OK);
    auto_(cor_freep) char *url = cor_sprintf("https://127.0.0.1:%d", cor_socket_port(fd));
    close(fd);
    connect_to(f, url);
    test_wait(f->loop, "/nowhere", is_over, f);
    assert_int_equal(f->err.code, COR_RETRY);
    assert_int_equal(f->err.sys, ECONNREFUSED);
    assert_int_equal(f->opens, 0);
}

static void test_bad_url(void **state)
{
    struct fixture *f = *state;
    connect_to(f, "http://127.0.0.1:1");
    test_wait(f->loop, "/nowhere", is_over, f);
    assert_int_equal(f->err.code, COR_INVALID);
}

/* The server is trusted only when that is wanted. */
static void test_trust(void **state)
{
    struct fixture *f = *state;
    struct test_certs other = {0};
    auto_(cor_buf_free) struct cor_buf ca = {0};
    test_certs_make(&other, "x", "y");
    cor_cert_pem(other.ca, &ca);
    cor_http_free(&f->http);
    struct cor_http_spec spec = {.ca_pem = ca.data};
    must(cor_http_new(f->loop, &spec, &f->http, NULL) == COR_OK);
    connect_to(f, f->url);
    test_wait(f->loop, "/nowhere", is_over, f);
    assert_int_equal(f->err.code, COR_DENIED);
    cor_pipe_free(&f->pipe);
    cor_http_free(&f->http);
    spec = (struct cor_http_spec){.unverified = true};
    must(cor_http_new(f->loop, &spec, &f->http, NULL) == COR_OK);
    connect_to(f, f->url);
    test_wait(f->loop, "/nowhere", is_echoed, f);
    assert_string_equal(f->peer, "");
    test_certs_free(&other);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_echo),    CASE(test_server_goes), CASE(test_freed_while_connecting),
        CASE(test_refused), CASE(test_bad_url),     CASE(test_trust),
    };
#undef CASE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
