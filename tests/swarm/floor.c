// SPDX-License-Identifier: Apache-2.0
#include "floor.h"

#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/socket.h"
#include "conn.h"
#include "stats.h"
#include "tests/support/certs.h"
#include "tests/support/stage/stage.h"

/* As much as an object of 300 bytes and its acknowledgement are on the link; how many the server
 * writes before it looks who has answered; how many dial at once. */
enum { DOWN = 400, UP = 110, TURN = 64, DIALLING = 64, EVENTS = 256, PATIENCE_S = 120 };

/* Heartbeats and answers as they are on the link; so many clients a step ahead is the next one. */
enum { BEAT = 34, BEATS_A_SECOND = 400, SPREAD = 7919, SETTLE_MS = 1000 };

#define FIRST_ADDRESS UINT32_C(0x7f100001)
#define SERVER_ADDRESS UINT32_C(0x7f000001)

/* ---- the server: a process of its own ---- */

struct peer {
    SSL *ssl;
    int fd;
    bool greeted;
};

struct server {
    SSL_CTX *ctx;
    struct peer *peers;
    size_t count, greeted;
    int epoll, listener, commands;
};

static X509 *x509_of(const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    cor_cert_der(cert, &der);
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.len);
    must(x509 != NULL);
    return x509;
}

static EVP_PKEY *pkey_of(const struct cor_key *key)
{
    auto_(cor_secret_free) struct cor_buf der = {0};
    cor_key_der(key, &der);
    const unsigned char *at = (const unsigned char *)der.data;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    must(pkey != NULL);
    return pkey;
}

/* As common/pki/tls.c. */
static SSL_CTX *context_of(const struct test_certs *certs)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    X509 *cert = x509_of(certs->server);
    X509 *root = x509_of(certs->ca);
    EVP_PKEY *key = pkey_of(certs->server_key);
    must(ctx != NULL && SSL_CTX_use_certificate(ctx, cert) == 1 &&
         SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
         X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    must(SSL_CTX_set_num_tickets(ctx, 0) == 1);
    X509_free(cert);
    X509_free(root);
    EVP_PKEY_free(key);
    return ctx;
}

static void observe(const struct server *server, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = tag}};
    must(epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void receive_peer(struct server *server)
{
    int on = 1;
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    struct peer *peer = &server->peers[server->count];
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    peer->fd = fd;
    peer->ssl = SSL_new(server->ctx);
    must(peer->ssl != NULL && SSL_set_fd(peer->ssl, fd) == 1);
    observe(server, fd, server->count++);
}

static void serve_peer(struct server *server, struct peer *peer)
{
    char bytes[1024];
    if (!peer->greeted) {
        peer->greeted = SSL_accept(peer->ssl) == 1;
        server->greeted += peer->greeted;
    } else if (SSL_read(peer->ssl, bytes, sizeof(bytes)) == BEAT) {
        must(SSL_write(peer->ssl, bytes, BEAT) == BEAT);
    }
    ERR_clear_error();
}

static bool serve(struct server *server, int wait_ms);

static void broadcast(struct server *server)
{
    static const char bytes[DOWN] = "";
    for (size_t i = 0; i < server->count; i++) {
        must(SSL_write(server->peers[i].ssl, bytes, DOWN) == DOWN);
        if (i % TURN == TURN - 1) {
            (void)serve(server, 0);
        }
    }
}

/* Handles what there is. False: the other end has gone. */
static bool serve(struct server *server, int wait_ms)
{
    struct epoll_event events[EVENTS];
    char command = 0;
    int n = epoll_wait(server->epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) {
        if (events[i].data.u64 == SIZE_MAX) {
            receive_peer(server);
        } else if (events[i].data.u64 < SIZE_MAX - 1) {
            serve_peer(server, &server->peers[events[i].data.u64]);
        } else if (read(server->commands, &command, 1) != 1) {
            return false;
        } else {
            broadcast(server);
        }
    }
    return true;
}

static _Noreturn void run_server(const struct test_certs *certs, size_t clients, int listener,
                                 int commands)
{
    struct server server = {.ctx = context_of(certs),
                            .peers = cor_calloc(clients, sizeof(*server.peers)),
                            .epoll = epoll_create1(EPOLL_CLOEXEC),
                            .listener = listener,
                            .commands = commands};
    observe(&server, listener, SIZE_MAX);
    observe(&server, commands, SIZE_MAX - 1);
    while (serve(&server, -1)) {}
    _exit(0);
}

/* ---- the clients ---- */

struct floor {
    struct stage *stage;
    struct client *clients;
    struct conn_tls *tls;
    struct conn_who *who;
    size_t size, dialled, up, reached, beats;
    int port;
    struct cor_mono at; /* the last one was reached */
};

struct client {
    struct floor *floor;
    struct conn *conn;
};

static const struct conn_events EVENTS_OF_CLIENT;

static void dial_next(struct floor *floor)
{
    struct client *client = &floor->clients[floor->dialled];
    struct conn_spec spec = {.loop = floor->stage->loop,
                             .tls = floor->tls,
                             .who = floor->who,
                             .from = FIRST_ADDRESS + (uint32_t)floor->dialled++,
                             .to = SERVER_ADDRESS,
                             .port = floor->port,
                             .name = "127.0.0.1",
                             .events = &EVENTS_OF_CLIENT,
                             .self = client};
    client->floor = floor;
    client->conn = conn_new(&spec);
    must(client->conn != NULL);
}

static void on_opened(void *self)
{
    struct floor *floor = ((struct client *)self)->floor;
    floor->up++;
    if (floor->dialled < floor->size) {
        dial_next(floor);
    }
}

static int on_data(void *self, struct cor_view bytes)
{
    static const char answer[UP] = "";
    struct client *client = self;
    if (bytes.len == BEAT) {
        return BEAT;
    }
    if (bytes.len < DOWN) {
        return 0;
    }
    client->floor->reached++;
    client->floor->at = cor_mono_now();
    conn_write(client->conn, (struct cor_view){answer, UP});
    return DOWN;
}

static void on_closed(void *self, const char *reason)
{
    (void)reason;
    ((struct client *)self)->conn = NULL;
}

static const struct conn_events EVENTS_OF_CLIENT = {
    .opened = on_opened, .data = on_data, .closed = on_closed};

static bool all_up(void *self)
{
    const struct floor *floor = self;
    return floor->up == floor->size;
}

static bool all_reached(void *self)
{
    const struct floor *floor = self;
    return floor->reached == floor->size;
}

static void await(struct floor *floor, bool (*cond)(void *self))
{
    struct cor_mono began = cor_mono_now();
    while (!stage_until(floor->stage, cond, floor)) {
        must(cor_mono_since(cor_mono_now(), began) < COR_SEC(PATIENCE_S));
    }
}

static void come(struct floor *floor)
{
    size_t first = floor->size < DIALLING ? floor->size : DIALLING;
    while (floor->dialled < first) {
        dial_next(floor);
    }
    await(floor, all_up);
    stage_idle(floor->stage, SETTLE_MS);
}

static void broadcasts(struct floor *floor, pid_t server, int commands, uint64_t rounds)
{
    struct stats took = {0};
    int64_t theirs = stats_cpu_us(server);
    int64_t ours = stats_cpu_us(getpid());
    for (uint64_t i = 0; i < rounds; i++) {
        struct cor_mono began = cor_mono_now();
        floor->reached = 0;
        must(write(commands, "b", 1) == 1);
        await(floor, all_reached);
        stats_add(&took, cor_mono_since(floor->at, began));
        stage_idle(floor->stage, SETTLE_MS);
    }
    double all = (double)(rounds * floor->size);
    (void)printf("floor: %d bytes to all in %.0f ms, the middle of %" PRIu64
                 " (%.0f to %.0f); %.1f us "
                 "of the server's processor a client, %.1f us of the clients'\n",
                 DOWN, (double)stats_at(&took, 500) / 1e3, rounds, (double)stats_at(&took, 0) / 1e3,
                 (double)stats_at(&took, 1000) / 1e3, (double)(stats_cpu_us(server) - theirs) / all,
                 (double)(stats_cpu_us(getpid()) - ours) / all);
    stats_free(&took);
}

static void beat(void *self)
{
    static const char bytes[BEAT] = "";
    struct floor *floor = self;
    struct client *client = &floor->clients[floor->beats++ * SPREAD % floor->size];
    conn_write(client->conn, (struct cor_view){bytes, BEAT});
}

static void beats(struct floor *floor, pid_t server, uint64_t seconds)
{
    int64_t used = stats_cpu_us(server);
    struct cor_timer *timer = cor_timer_new(floor->stage->loop, beat, floor);
    cor_timer_repeat(timer, COR_SEC(1) / BEATS_A_SECOND);
    stage_idle(floor->stage, (int)seconds * 1000);
    cor_timer_free(&timer);
    (void)printf("floor: heartbeats and answers, %d a second: %.1f us of the server's processor "
                 "each\n",
                 BEATS_A_SECOND, (double)(stats_cpu_us(server) - used) / (double)floor->beats);
}

static void end(struct floor *floor, pid_t server, int commands)
{
    for (size_t i = 0; i < floor->size; i++) {
        if (floor->clients[i].conn != NULL) {
            conn_close(floor->clients[i].conn, "the floor ends");
        }
    }
    (void)close(commands);
    must(waitpid(server, NULL, 0) == server);
    conn_who_free(&floor->who);
    conn_tls_free(&floor->tls);
    stage_free(&floor->stage);
    cor_free(floor->clients);
}

void floor_run(size_t clients, uint64_t rounds, uint64_t seconds)
{
    int commands[2];
    int listener = -1;
    struct test_certs certs;
    test_certs_make(&certs, "system:node:floor", "system:nodes");
    must(pipe2(commands, O_CLOEXEC) == 0 &&
         cor_socket_listen("127.0.0.1", 0, &listener, NULL) == COR_OK);
    pid_t server = fork();
    must(server >= 0);
    if (server == 0) {
        (void)close(commands[1]);
        run_server(&certs, clients, listener, commands[0]);
    }
    (void)close(commands[0]);
    struct floor floor = {.stage = stage_new(),
                          .clients = cor_calloc(clients, sizeof(*floor.clients)),
                          .tls = conn_tls_new(certs.ca, certs.client_key),
                          .who = conn_who_new(certs.client),
                          .size = clients,
                          .port = cor_socket_port(listener)};
    (void)close(listener);
    come(&floor);
    broadcasts(&floor, server, commands[1], rounds);
    beats(&floor, server, seconds);
    end(&floor, server, commands[1]);
    test_certs_free(&certs);
}
