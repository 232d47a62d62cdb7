// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/ws/ws.h"
#include "tests/support/certs.h"

enum { MESSAGE_MAX = 6 * 1024 * 1024 };

/* Server and client in one process, on one loop. */
struct set {
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_timer *deadline;
    struct cor_ws *ws;
    struct cor_ws_server *server;
    struct test_certs certs;
    struct cor_ws_conn *at_server;
    struct cor_ws_conn *at_client;
    bool accept;
    char node[64];
    char cn[64];
    size_t got;   /* bytes of the last message at the client */
    unsigned sum; /* of its bytes */
    int messages; /* at the server */
    int opened;
    int closed; /* both ends */
    int stop_after_closed;
    bool binary;          /* the last message at the client was */
    char agreed[2][16];   /* subprotocol at client and server; "": none */
    struct cor_ws *other; /* a client that offers other things; may be NULL */
    char reason[128];     /* of the client's end */
};

static unsigned sum_of(struct cor_view view)
{
    unsigned sum = 0;
    for (size_t i = 0; i < view.len; i++) {
        sum = sum * 31 + (unsigned char)view.ptr[i];
    }
    return sum;
}

static void too_late(void *self)
{
    (void)self;
    fail_msg("nothing happened for 20 s");
}

static void *on_accept(void *self, const struct cor_ws_ask *ask)
{
    struct set *set = self;
    cor_ws_ask_header(ask, "node_id", set->node, sizeof(set->node));
    (void)snprintf(set->cn, sizeof(set->cn), "%s", cor_cert_cn(cor_ws_ask_cert(ask)));
    assert_string_equal(cor_ws_ask_address(ask), "127.0.0.1");
    return set->accept ? set : NULL;
}

static void server_opened(void *self, struct cor_ws_conn *conn)
{
    struct set *set = self;
    const char *agreed = cor_ws_subprotocol(conn);
    set->at_server = conn;
    (void)snprintf(set->agreed[1], sizeof(set->agreed[1]), "%s", agreed == NULL ? "" : agreed);
}

static void server_message(void *self, struct cor_view message)
{
    struct set *set = self;
    set->messages++;
    if (message.len == 3 && memcmp(message.ptr, "bye", 3) == 0) {
        cor_ws_close(set->at_server, 1000, "asked");
        return;
    }
    assert_int_equal(cor_ws_send(set->at_server, message), COR_OK);
}

static void server_binary(void *self, struct cor_view message)
{
    struct set *set = self;
    set->messages++;
    assert_int_equal(cor_ws_send_binary(set->at_server, message), COR_OK);
}

static void note_closed(struct set *set)
{
    if (++set->closed >= set->stop_after_closed) {
        cor_loop_stop(set->loop);
    }
}

static void server_closed(void *self, const char *reason)
{
    (void)reason;
    struct set *set = self;
    set->at_server = NULL;
    note_closed(set);
}

static void client_opened(void *self, struct cor_ws_conn *conn)
{
    struct set *set = self;
    const char *agreed = cor_ws_subprotocol(conn);
    (void)snprintf(set->agreed[0], sizeof(set->agreed[0]), "%s", agreed == NULL ? "" : agreed);
    set->opened++;
    cor_loop_stop(set->loop);
}

static void client_message(void *self, struct cor_view message)
{
    struct set *set = self;
    set->got = message.len;
    set->sum = sum_of(message);
    set->binary = false;
    cor_loop_stop(set->loop);
}

static void client_binary(void *self, struct cor_view message)
{
    client_message(self, message);
    ((struct set *)self)->binary = true;
}

static void client_closed(void *self, const char *reason)
{
    struct set *set = self;
    set->at_client = NULL;
    (void)snprintf(set->reason, sizeof(set->reason), "%s", reason);
    note_closed(set);
}

static const struct cor_ws_events CLIENT = {.opened = client_opened,
                                            .message = client_message,
                                            .binary = client_binary,
                                            .closed = client_closed};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    struct cor_ws_limits limits = {.message = MESSAGE_MAX,
                                   .unfinished = 2 * MESSAGE_MAX,
                                   .queue = MESSAGE_MAX,
                                   .subprotocol = "x.1"};
    set->accept = true;
    set->stop_after_closed = 2;
    set->loop = cor_loop_new();
    set->log = cor_log_new("test", COR_LEVEL_ERROR);
    set->deadline = cor_timer_new(set->loop, too_late, NULL);
    cor_timer_start(set->deadline, COR_SEC(60));
    test_certs_make(&set->certs, "system:node:n1", "system:nodes");
    assert_int_equal(cor_ws_new(set->loop, set->log, &limits, &set->ws, NULL), COR_OK);
    struct cor_ws_listen listen = {.address = "127.0.0.1",
                                   .tls = {set->certs.server, set->certs.server_key, set->certs.ca},
                                   .client_cert = COR_WS_CERT_REQUIRED,
                                   .self = set,
                                   .accept = on_accept,
                                   .events = {.opened = server_opened,
                                              .message = server_message,
                                              .binary = server_binary,
                                              .closed = server_closed}};
    assert_int_equal(cor_ws_listen(set->ws, &listen, &set->server, NULL), COR_OK);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_ws_free(&set->other);
    cor_ws_free(&set->ws);
    cor_timer_free(&set->deadline);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    test_certs_free(&set->certs);
    cor_free(set);
    return 0;
}

static struct cor_ws_target target_of(const struct set *set)
{
    static const struct cor_ws_header headers[] = {
        {"Node_id", "n1"}, {"Project_id", "p"}, {"Connectionuse", "msg"}, {NULL, NULL}};
    return (struct cor_ws_target){.host = "127.0.0.1",
                                  .port = cor_ws_port(set->server),
                                  .path = "/p/n1/events",
                                  .headers = headers,
                                  .tls = {set->certs.client, set->certs.client_key, set->certs.ca},
                                  .timeout_us = COR_SEC(5)};
}

static void dial(struct set *set, const struct cor_ws_target *target)
{
    set->at_client = cor_ws_dial(set->ws, target, COR_SEC(15), &CLIENT, set);
    if (set->at_client != NULL) {
        cor_loop_run(set->loop);
    }
}

static void identity_travels(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    dial(set, &target);
    assert_int_equal(set->opened, 1);
    assert_string_equal(set->node, "n1");
    assert_string_equal(set->cn, "system:node:n1");
}

/* A name instead of a number: connect to an address, verify the name. */
static void name_is_verified(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    target.host = "localhost";
    target.address = "127.0.0.1";
    dial(set, &target);
    assert_int_equal(set->opened, 1);
    cor_ws_close(set->at_client, 0, "enough");
    set->stop_after_closed = 3;
    target.host = "elsewhere.example";
    dial(set, &target);
    assert_int_equal(set->opened, 1);
}

static void messages_of_all_sizes(void **state)
{
    static const size_t sizes[] = {
        1, 125, 126, 4082, 65535, 65536, 1000 * 1000, 5 * 1024 * 1024, MESSAGE_MAX};
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    dial(set, &target);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *text = cor_alloc(sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            text[k] = (char)('a' + (k * 7 + i) % 26);
        }
        struct cor_view view = {text, sizes[i]};
        assert_int_equal(cor_ws_send(set->at_client, view), COR_OK);
        cor_loop_run(set->loop);
        assert_int_equal(set->got, sizes[i]);
        assert_int_equal(set->sum, sum_of(view));
        cor_free(text);
    }
}

static void too_large_is_closed(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    dial(set, &target);
    char *text = cor_alloc(MESSAGE_MAX + 1);
    memset(text, 'x', MESSAGE_MAX + 1);
    assert_int_equal(cor_ws_send(set->at_client, (struct cor_view){text, MESSAGE_MAX + 1}), COR_OK);
    /* and the queue is bounded: nothing behind a message that fills it */
    assert_int_equal(cor_ws_send(set->at_client, COR_VIEW("x")), COR_BUSY);
    cor_free(text);
    cor_loop_run(set->loop);
    assert_int_equal(set->closed, 2);
    assert_int_equal(set->messages, 0);
}

static void server_closes(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    dial(set, &target);
    assert_int_equal(cor_ws_send(set->at_client, COR_VIEW("bye")), COR_OK);
    cor_loop_run(set->loop);
    assert_int_equal(set->closed, 2);
}

static void client_closes(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    dial(set, &target);
    cor_ws_close(set->at_client, 0, "enough");
    assert_int_equal(set->closed, 1);
    cor_loop_run(set->loop);
    assert_int_equal(set->closed, 2);
    assert_string_equal(set->reason, "enough");
}

static void refused_upgrade(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    set->accept = false;
    set->stop_after_closed = 1;
    dial(set, &target);
    assert_int_equal(set->opened, 0);
    assert_int_equal(set->closed, 1);
}

/* In TLS 1.3 the client learns of it only after its own handshake is over. */
static void wrong_identities_are_refused(void **state)
{
    struct set *set = *state;
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    const struct cor_tls rows[] = {
        {.cert = NULL, .key = NULL, .ca = set->certs.ca},                     /* no certificate */
        {.cert = other.client, .key = other.client_key, .ca = set->certs.ca}, /* of another CA */
        {.cert = set->certs.server,
         .key = set->certs.server_key,
         .ca = set->certs.ca}, /* not for clients */
        {.cert = set->certs.client, .key = other.client_key, .ca = set->certs.ca}, /* no pair */
        {.cert = set->certs.client,
         .key = set->certs.client_key,
         .ca = other.ca}, /* server of another CA */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cor_ws_target target = target_of(set);
        target.tls = rows[i];
        set->stop_after_closed = (int)i + 1;
        dial(set, &target);
        assert_int_equal(set->closed, i + 1);
        assert_int_equal(set->opened, 0);
    }
    test_certs_free(&other);
}

static void nobody_there(void **state)
{
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
    target.port = ntohs(name.sin_port); /* bound, but nobody listens */
    set->stop_after_closed = 1;
    dial(set, &target);
    assert_int_equal(set->closed, 1);
    /* listens but never answers */
    assert_int_equal(listen(fd, 5), 0);
    target.timeout_us = COR_MS(200);
    set->stop_after_closed = 2;
    dial(set, &target);
    assert_int_equal(set->closed, 2);
    assert_string_equal(set->reason, "handshake takes too long");
    close(fd);
}

/* RFC 6455 section 1.9: both ends know it; one that was never offered anything; one that offers
 * what the server does not know, beside speaking without. */
static void subprotocols(void **state)
{
    static const struct {
        const char *offer;
        const char *agreed;
    } rows[] = {{"x.1", "x.1"}, {NULL, ""}, {"y.2", ""}};
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cor_ws_limits limits = {.message = MESSAGE_MAX,
                                       .unfinished = MESSAGE_MAX,
                                       .queue = MESSAGE_MAX,
                                       .subprotocol = rows[i].offer};
        set->stop_after_closed = 1000;
        assert_int_equal(cor_ws_new(set->loop, set->log, &limits, &set->other, NULL), COR_OK);
        set->at_client = cor_ws_dial(set->other, &target, 0, &CLIENT, set);
        cor_loop_run(set->loop);
        assert_int_equal(set->opened, i + 1);
        assert_string_equal(set->agreed[0], rows[i].agreed);
        assert_int_equal(cor_ws_send(set->at_client, COR_VIEW("x")), COR_OK);
        cor_loop_run(set->loop);
        assert_string_equal(set->agreed[1], rows[i].agreed);
        cor_ws_free(&set->other);
    }
}

/* Fragments and all: binary stays binary, text stays text. */
static void binary_messages(void **state)
{
    static const size_t sizes[] = {1, 65536, 1000 * 1000};
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    dial(set, &target);
    for (size_t i = 0; i < 2 * (sizeof(sizes) / sizeof(sizes[0])); i++) {
        char *bytes = cor_alloc(sizes[i / 2]);
        struct cor_view view = {bytes, sizes[i / 2]};
        memset(bytes, i % 2 == 0 ? 'x' : 0xff, view.len);
        assert_int_equal(i % 2 == 0 ? cor_ws_send(set->at_client, view)
                                    : cor_ws_send_binary(set->at_client, view),
                         COR_OK);
        cor_loop_run(set->loop);
        assert_int_equal(set->got, view.len);
        assert_int_equal(set->sum, sum_of(view));
        assert_int_equal(set->binary, i % 2 == 1);
        cor_free(bytes);
    }
}

static void on_late(void *self)
{
    cor_loop_stop(((struct set *)self)->loop);
}

/* A server that does not read lets the client's queue stand; nothing is lost by it. */
static void pause_holds_the_peer_back(void **state)
{
    enum { COUNT = 40 };
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    auto_(cor_freep) char *big = cor_alloc(1000 * 1000);
    memset(big, 'x', 1000 * 1000);
    dial(set, &target);
    assert_int_equal(cor_ws_send(set->at_client, COR_VIEW("x")), COR_OK);
    cor_loop_run(set->loop);
    cor_ws_pause(set->at_server, true);
    int sent = 0;
    struct cor_timer *timer = cor_timer_new(set->loop, on_late, set);
    for (int i = 0; i < COUNT; i++) { /* until the kernel's buffers are full */
        sent += cor_ws_send(set->at_client, (struct cor_view){big, 1000 * 1000}) == COR_OK;
        cor_timer_start(timer, COR_MS(10));
        cor_loop_run(set->loop);
    }
    assert_true(sent < COUNT);
    assert_true(cor_ws_queued(set->at_client) > 0);
    assert_in_range(set->messages, 1, 2);
    cor_ws_pause(set->at_server, false);
    while (set->messages < 1 + sent) {
        cor_loop_run(set->loop);
    }
    cor_timer_free(&timer);
}

/* Whoever says nothing keeps nobody out who does; only as many silent ones go as there is no place
 * for. */
static void silent_guests_make_room(void **state)
{
    enum { SILENT = 300, PLACES = 256 };
    struct set *set = *state;
    struct cor_ws_target target = target_of(set);
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)cor_ws_port(set->server)),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[SILENT];
    for (size_t i = 0; i < SILENT; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[i], (struct sockaddr *)&name, sizeof(name)), 0);
    }
    dial(set, &target);
    assert_int_equal(set->opened, 1);
    size_t ended = 0;
    for (size_t i = 0; i < SILENT; i++) {
        char byte = 0;
        ended += recv(fds[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
        (void)close(fds[i]);
    }
    assert_true(ended <= SILENT - PLACES + 1);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(identity_travels),
        T(name_is_verified),
        T(messages_of_all_sizes),
        T(too_large_is_closed),
        T(server_closes),
        T(client_closes),
        T(refused_upgrade),
        T(wrong_identities_are_refused),
        T(nobody_there),
        T(subprotocols),
        T(binary_messages),
        T(pause_holds_the_peer_back),
        T(silent_guests_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
