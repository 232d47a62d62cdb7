// SPDX-License-Identifier: Apache-2.0
// Connections that become pipes, and streams that are paced: a server on the loop that echoes, and
// blocking clients (libcurl, connection only) in a thread. Each case runs plain and over TLS.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/httpd/httpd.h"
#include "tests/support/certs.h"
#include "tests/support/talk/talk.h"
#include "tests/support/wait.h"

enum { KILLED = 100, PRODUCED = 32 << 20, PRODUCER_BLOCK = 50000, ECHOED = 4 << 20 };

struct fixture {
    struct cor_loop *loop;
    struct cor_httpd *httpd;
    struct cor_link echoes;
    struct test_certs certs;
    struct cor_buf ca, cert, key, client_cert, client_key;
    bool tls;
    int port;
    unsigned closes, ends, upgrades, goings;
    size_t heard; /* bytes that came in upgrades, all together */
    struct cor_stream *stream;
    size_t produced, most_waiting;
    struct cor_exchange *held;
    /* client */
    void (*client)(struct fixture *f);
    pthread_t thread;
    CURL *kept;
    _Atomic bool done;
    _Atomic size_t got;
};

/* ---- server -------------------------------------------------------------------------------------
 */

struct echo {
    struct cor_link link;
    struct fixture *f;
    struct cor_pipe *pipe;
    bool ending;
};

static void echo_free(struct echo *echo)
{
    cor_pipe_free(&echo->pipe);
    cor_list_del(&echo->link);
    cor_free(echo);
}

static void echo_bytes(void *self, struct cor_view bytes)
{
    struct echo *echo = self;
    echo->f->heard += bytes.len;
    if (cor_pipe_write(echo->pipe, bytes) == COR_OK) {
        cor_pipe_read(echo->pipe, cor_pipe_waiting(echo->pipe) < 65536);
    }
}

static void echo_room(void *self)
{
    struct echo *echo = self;
    if (echo->ending) {
        echo_free(echo);
    } else {
        cor_pipe_read(echo->pipe, true);
    }
}

static void echo_end(void *self)
{
    struct echo *echo = self;
    echo->f->ends++;
    echo->ending = true;
    cor_pipe_end(echo->pipe);
}

static void echo_closed(void *self, const struct cor_err *err)
{
    struct echo *echo = self;
    assert_int_equal(err->code, COR_CLOSED);
    echo->f->closes++;
    echo_free(echo);
}

static void begin_echo(struct fixture *f, struct cor_exchange *exchange)
{
    struct echo *echo = cor_alloc(sizeof(*echo));
    struct cor_pipe_spec spec = {.bytes = echo_bytes,
                                 .room = echo_room,
                                 .end = echo_end,
                                 .closed = echo_closed,
                                 .self = echo};
    f->upgrades++;
    echo->f = f;
    cor_list_add(&f->echoes, &echo->link);
    cor_exchange_add_header(exchange, "X-Stream-Protocol-Version", "v4.channel.k8s.io");
    echo->pipe = cor_exchange_upgrade(exchange, "SPDY/3.1", &spec);
    must(cor_pipe_write(echo->pipe, COR_VIEW("hi:")) == COR_OK);
    cor_pipe_read(echo->pipe, true);
}

static void stream_closed(void *self)
{
    struct fixture *f = self;
    f->stream = NULL;
}

/* As much as fits below the mark, the rest when there is room. */
static void produce(void *self)
{
    static const char block[PRODUCER_BLOCK];
    struct fixture *f = self;
    while (f->produced < PRODUCED && cor_stream_waiting(f->stream) <= 4 * COR_STREAM_LOW) {
        must(cor_stream_write(f->stream, (struct cor_view){block, sizeof(block)}) == COR_OK);
        f->produced += sizeof(block);
        size_t waiting = cor_stream_waiting(f->stream);
        f->most_waiting = waiting > f->most_waiting ? waiting : f->most_waiting;
    }
    if (f->produced >= PRODUCED) {
        cor_stream_end(f->stream);
    }
}

static void handle(void *self, struct cor_exchange *exchange)
{
    struct fixture *f = self;
    if (cor_view_is(cor_exchange_path(exchange), "/produce")) {
        f->stream = cor_exchange_stream(exchange, 200, "text/plain", stream_closed, f);
        cor_stream_on_room(f->stream, produce, f);
        produce(f);
    } else if (cor_view_is(cor_exchange_path(exchange), "/hold")) {
        f->held = exchange;
    } else if (cor_exchange_wants_upgrade(exchange)) {
        begin_echo(f, exchange);
    } else {
        struct cor_buf body = {0};
        cor_buf_str(&body, "no");
        cor_exchange_reply(exchange, 400, "text/plain", &body);
    }
}

static void make_certs(struct fixture *f)
{
    test_certs_make(&f->certs, "apiserver", "system:masters");
    cor_cert_pem(f->certs.ca, &f->ca);
    cor_cert_pem(f->certs.server, &f->cert);
    cor_key_pem(f->certs.server_key, &f->key);
    cor_cert_pem(f->certs.client, &f->client_cert);
    cor_key_pem(f->certs.client_key, &f->client_key);
}

static int set_up(void **state, bool tls)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct fixture *f = cor_alloc(sizeof(*f));
    *state = f;
    f->loop = cor_loop_new();
    f->tls = tls;
    cor_list_init(&f->echoes);
    make_certs(f);
    struct cor_httpd_spec spec = {
        .addresses = addresses, .address_count = 1, .handler = handle, .self = f};
    if (tls) {
        spec.cert_pem = f->cert.data;
        spec.key_pem = f->key.data;
        spec.client_ca_pem = f->ca.data;
    }
    must(cor_httpd_start(f->loop, &spec, &f->httpd, NULL) == COR_OK);
    f->port = cor_httpd_port(f->httpd, 0);
    return 0;
}

static int setup_plain(void **state)
{
    return set_up(state, false);
}

static int setup_tls(void **state)
{
    return set_up(state, true);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cor_httpd_free(&f->httpd);
    assert_true(cor_list_empty(&f->echoes));
    cor_loop_free(&f->loop);
    test_certs_free(&f->certs);
    struct cor_buf *bufs[] = {&f->ca, &f->cert, &f->key, &f->client_cert, &f->client_key};
    for (size_t i = 0; i < COR_COUNT(bufs); i++) {
        cor_buf_free(bufs[i]);
    }
    cor_free(f);
    return 0;
}

/* ---- clients ------------------------------------------------------------------------------------
 */

static CURL *dial(struct fixture *f)
{
    auto_(cor_freep) char *url =
        cor_sprintf("%s://127.0.0.1:%d", f->tls ? "https" : "http", f->port);
    struct test_talk talk = {
        .url = url, .ca = &f->ca, .cert = &f->client_cert, .key = &f->client_key};
    return test_dial(&talk);
}

static void ask(const struct fixture *f, CURL *easy, const char *path, const char *behind)
{
    char request[512];
    int len = snprintf(request, sizeof(request),
                       "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: "
                       "keep-alive, Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n",
                       path);
    if (f->tls) { /* a record of its own */
        test_say(easy, request, (size_t)len);
        test_say(easy, behind, strlen(behind));
    } else {
        (void)strcat(request, behind);
        test_say(easy, request, strlen(request));
    }
}

static void *client_thread(void *arg)
{
    struct fixture *f = arg;
    f->client(f);
    f->done = true;
    return NULL;
}

static bool is_done(void *arg)
{
    struct fixture *f = arg;
    return f->done;
}

static bool is_quiet(void *arg)
{
    struct fixture *f = arg;
    return f->done && cor_list_empty(&f->echoes) && cor_httpd_connections(f->httpd) == 0;
}

static void run(struct fixture *f, void (*client)(struct fixture *f), bool (*until)(void *arg))
{
    f->client = client;
    f->done = false;
    must(pthread_create(&f->thread, NULL, client_thread, f) == 0);
    test_wait(f->loop, "/nowhere", until, f);
    must(pthread_join(f->thread, NULL) == 0);
}

/* ---- cases --------------------------------------------------------------------------------------
 */

static void short_talk(struct fixture *f)
{
    CURL *easy = dial(f);
    ask(f, easy, "/echo", "early");
    auto_(cor_freep) char *head = test_hear(easy, "hi:early");
    must(strncmp(head, "HTTP/1.1 101 ", 13) == 0);
    must(strstr(head, "\r\nUpgrade: SPDY/3.1\r\n") != NULL);
    must(strstr(head, "\r\nConnection: Upgrade\r\n") != NULL);
    must(strstr(head, "\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n") != NULL);
    must(strstr(head, "\r\n\r\nhi:early") != NULL);
    test_say(easy, "again", 5);
    auto_(cor_freep) char *more = test_hear(easy, "again");
    must(strcmp(more, "again") == 0);
    curl_easy_cleanup(easy);
}

static void test_talks(void **state)
{
    struct fixture *f = *state;
    run(f, short_talk, is_quiet);
    assert_int_equal(f->ends, 1);
    assert_int_equal(f->closes, 0);
}

static void large_talk(struct fixture *f)
{
    static const char block[60000];
    CURL *easy = dial(f);
    ask(f, easy, "/echo", "");
    auto_(cor_freep) char *head = test_hear(easy, "hi:");
    size_t sent = 0;
    char got[60000];
    while (f->got < ECHOED) {
        size_t n = 0;
        size_t left = ECHOED - sent < sizeof(block) ? ECHOED - sent : sizeof(block);
        if (left > 0 && curl_easy_send(easy, block, left, &n) == CURLE_OK) {
            sent += n;
        }
        if (curl_easy_recv(easy, got, sizeof(got), &n) == CURLE_OK) {
            must(n > 0);
            f->got += n;
        } else {
            test_await(easy, (short)(sent < ECHOED ? POLLIN | POLLOUT : POLLIN));
        }
    }
    curl_easy_cleanup(easy);
}

static void test_much_both_ways(void **state)
{
    struct fixture *f = *state;
    run(f, large_talk, is_quiet);
    assert_int_equal(f->got, ECHOED);
    assert_int_equal(f->heard, f->got);
}

/* All that was sent before the connection was closed is heard. */
static void parting_words(struct fixture *f)
{
    static const char block[300000];
    CURL *easy = dial(f);
    ask(f, easy, "/echo", "");
    test_say(easy, block, sizeof(block));
    (void)shutdown(test_socket_of(easy), SHUT_WR);
    auto_(cor_freep) char *rest = test_hear(easy, "never");
    curl_easy_cleanup(easy);
}

static void test_hears_what_was_sent_before_the_end(void **state)
{
    struct fixture *f = *state;
    run(f, parting_words, is_quiet);
    assert_int_equal(f->heard, 300000);
    assert_int_equal(f->ends, 1);
}

static size_t open_fds(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static void reset(CURL *easy)
{
    struct linger now = {1, 0};
    must(setsockopt(test_socket_of(easy), SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
    curl_easy_cleanup(easy);
}

/* Half of them are reset, one in four before it has heard anything. */
static void killed(struct fixture *f)
{
    for (int i = 0; i < KILLED; i++) {
        CURL *easy = dial(f);
        ask(f, easy, "/echo", "bytes");
        if (i % 4 != 0) {
            auto_(cor_freep) char *head = test_hear(easy, "hi:");
        }
        if (i % 2 == 0) {
            reset(easy);
        } else {
            curl_easy_cleanup(easy);
        }
    }
}

static void test_killed_clients_leave_nothing(void **state)
{
    struct fixture *f = *state;
    run(f, short_talk, is_quiet);
    size_t before = open_fds();
    run(f, killed, is_quiet);
    assert_int_equal(open_fds(), before);
    assert_in_range(f->upgrades, KILLED / 2, KILLED + 1);
}

static bool has_upgraded(void *arg)
{
    struct fixture *f = arg;
    return f->heard >= 5 && f->got > 0;
}

static void cut_off(struct fixture *f)
{
    CURL *easy = dial(f);
    ask(f, easy, "/echo", "bytes");
    auto_(cor_freep) char *head = test_hear(easy, "hi:bytes");
    f->got = 1;
    auto_(cor_freep) char *rest = test_hear(easy, "never");
    curl_easy_cleanup(easy);
}

static void test_server_freed_under_an_upgrade(void **state)
{
    struct fixture *f = *state;
    f->client = cut_off;
    must(pthread_create(&f->thread, NULL, client_thread, f) == 0);
    test_wait(f->loop, "/nowhere", has_upgraded, f);
    cor_httpd_free(&f->httpd);
    assert_int_equal(f->closes, 1);
    must(pthread_join(f->thread, NULL) == 0);
}

static void on_gone(void *self)
{
    struct fixture *f = self;
    struct cor_buf body = {0};
    f->goings++;
    cor_exchange_reply(f->held, 200, "text/plain", &body);
}

static bool is_held(void *arg)
{
    struct fixture *f = arg;
    return f->held != NULL && f->done;
}

static void ask_and_wait(struct fixture *f)
{
    f->kept = dial(f);
    ask(f, f->kept, "/hold", "");
}

static void test_client_gone_before_the_answer(void **state)
{
    struct fixture *f = *state;
    run(f, ask_and_wait, is_held);
    reset(f->kept);
    begin_echo(f, f->held);
    test_wait(f->loop, "/nowhere", is_quiet, f);
    assert_in_range(f->closes + f->ends, 1, 2);
}

static bool is_told(void *arg)
{
    struct fixture *f = arg;
    return f->goings > 0;
}

static void test_told_that_the_client_is_gone(void **state)
{
    struct fixture *f = *state;
    run(f, ask_and_wait, is_held);
    cor_exchange_on_gone(f->held, on_gone, f);
    curl_easy_cleanup(f->kept);
    test_wait(f->loop, "/nowhere", is_told, f);
    test_wait(f->loop, "/nowhere", is_quiet, f);
    assert_int_equal(f->goings, 1);
}

static void plain_request(struct fixture *f)
{
    CURL *easy = dial(f);
    static const char text[] = "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    test_say(easy, text, strlen(text));
    auto_(cor_freep) char *answer = test_hear(easy, "never");
    must(strncmp(answer, "HTTP/1.1 400 ", 13) == 0);
    curl_easy_cleanup(easy);
}

static void test_request_without_upgrade(void **state)
{
    struct fixture *f = *state;
    run(f, plain_request, is_quiet);
    assert_int_equal(f->upgrades, 0);
}

static void consume(struct fixture *f)
{
    CURL *easy = dial(f);
    static const char text[] = "GET /produce HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    test_say(easy, text, strlen(text));
    for (;;) {
        char block[65536];
        size_t n = 0;
        CURLcode code = curl_easy_recv(easy, block, sizeof(block), &n);
        if (code == CURLE_AGAIN) {
            test_await(easy, POLLIN);
        } else if (code != CURLE_OK || n == 0) {
            break;
        }
        f->got += n;
    }
    curl_easy_cleanup(easy);
}

static void test_streams_are_paced(void **state)
{
    struct fixture *f = *state;
    run(f, consume, is_done);
    assert_in_range(f->got, PRODUCED, PRODUCED + PRODUCED / 8);
    assert_in_range(f->most_waiting, COR_STREAM_LOW, 4 * COR_STREAM_LOW + PRODUCER_BLOCK);
}

int main(void)
{
#define CASE(name)                                                                                 \
    {#name " (plain)", name, setup_plain, teardown, NULL},                                         \
    {                                                                                              \
#name " (TLS)", name, setup_tls, teardown, NULL                                            \
    }
    const struct CMUnitTest tests[] = {
        CASE(test_talks),
        CASE(test_much_both_ways),
        CASE(test_hears_what_was_sent_before_the_end),
        CASE(test_killed_clients_leave_nothing),
        CASE(test_server_freed_under_an_upgrade),
        CASE(test_client_gone_before_the_answer),
        CASE(test_told_that_the_client_is_gone),
        CASE(test_request_without_upgrade),
        CASE(test_streams_are_paced),
    };
#undef CASE
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
