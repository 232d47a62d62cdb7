// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/link/proxy.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/list.h"
#include "common/base/mem.h"

enum { CHUNK = 65536, PACE_MS = 10, KEPT_BYTES = 8192 };

struct pair {
    struct cor_link link;
    struct proxy *proxy;
    int fds[2]; /* of who connected, of where it goes on */
    struct cor_io *io[2];
    char *waiting[2]; /* what the other end does not take yet: from fds[i] */
    size_t from[2];
    size_t to[2];
};

struct proxy {
    struct cor_loop *loop;
    struct cor_link pairs;
    struct cor_io *io;
    int fd;
    int port;
    int target;
    bool frozen;
    bool cutting[2];
    uint64_t left[2];
    uint64_t bytes[2];
    uint64_t pace;    /* bytes a second; 0: no limit */
    uint64_t free[2]; /* may pass until the next tick */
    struct cor_timer *tick;
    unsigned connections;
};

static void pair_free(struct pair *pair)
{
    cor_list_del(&pair->link);
    for (int i = 0; i < 2; i++) {
        cor_io_free(&pair->io[i]);
        close(pair->fds[i]);
        cor_free(pair->waiting[i]);
    }
    cor_free(pair);
}

static void cut(struct proxy *proxy)
{
    proxy->cutting[0] = false;
    proxy->cutting[1] = false;
    COR_LIST_EACH (node, &proxy->pairs) {
        pair_free(COR_LIST_OBJECT(node, struct pair, link));
    }
}

static void watch(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        const struct proxy *proxy = pair->proxy;
        bool may = proxy->pace == 0 || proxy->free[i] > 0;
        bool reads = pair->from[i] == pair->to[i] && !proxy->frozen && may;
        bool writes = pair->from[1 - i] < pair->to[1 - i] && !pair->proxy->frozen;
        cor_io_set(pair->io[i], (reads ? COR_READ : 0) | (writes ? COR_WRITE : 0));
    }
}

/* Writes what waits from side. False: the pair is no more. */
static bool flush(struct pair *pair, int side)
{
    struct proxy *proxy = pair->proxy;
    size_t n = pair->to[side] - pair->from[side];
    bool last = proxy->cutting[side] && proxy->left[side] <= n;
    n = last ? (size_t)proxy->left[side] : n;
    ssize_t sent = n == 0 ? 0
                          : send(pair->fds[1 - side], pair->waiting[side] + pair->from[side], n,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
        proxy->bytes[side] += (uint64_t)sent;
        proxy->left[side] -= proxy->cutting[side] ? (uint64_t)sent : 0;
        pair->from[side] += (size_t)sent;
    }
    if (last && proxy->left[side] == 0) {
        cut(proxy);
        return false;
    }
    return true;
}

static void on_pair(void *self, int fd, int events)
{
    struct pair *pair = self;
    int side = fd == pair->fds[0] ? 0 : 1;
    if ((events & COR_READ) != 0 && pair->from[side] == pair->to[side]) {
        struct proxy *proxy = pair->proxy;
        bool paced = proxy->pace > 0 && proxy->free[side] < CHUNK;
        size_t most = paced ? (size_t)proxy->free[side] : CHUNK;
        ssize_t n = recv(fd, pair->waiting[side], most, MSG_DONTWAIT);
        proxy->free[side] -= n > 0 && proxy->pace > 0 ? (uint64_t)n : 0;
        if (n <= 0) {
            pair_free(pair);
            return;
        }
        pair->from[side] = 0;
        pair->to[side] = (size_t)n;
    }
    if (flush(pair, side) && flush(pair, 1 - side)) {
        watch(pair);
    }
}

static void on_tick(void *self)
{
    struct proxy *proxy = self;
    for (int i = 0; i < 2; i++) {
        proxy->free[i] = proxy->pace * PACE_MS / 1000;
    }
    COR_LIST_EACH (node, &proxy->pairs) {
        watch(COR_LIST_OBJECT(node, struct pair, link));
    }
}

void proxy_pace(struct proxy *proxy, uint64_t bytes_a_second)
{
    cor_timer_free(&proxy->tick);
    proxy->pace = bytes_a_second;
    if (bytes_a_second > 0) {
        proxy->tick = cor_timer_new(proxy->loop, on_tick, proxy);
        cor_timer_repeat(proxy->tick, COR_MS(PACE_MS));
    }
    on_tick(proxy);
}

/* Little waits in the kernel, too. */
static void keep_few(int fd)
{
    int bytes = KEPT_BYTES;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int connect_to(int port, bool paced)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (paced) {
        keep_few(fd);
    }
    if (connect(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void on_connection(void *self, int fd, int events)
{
    struct proxy *proxy = self;
    (void)events;
    int in = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    int out = in < 0 || proxy->frozen ? -1 : connect_to(proxy->target, proxy->pace > 0);
    if (out < 0) {
        close(in);
        return;
    }
    if (proxy->pace > 0) {
        keep_few(in);
    }
    struct pair *pair = cor_alloc(sizeof(*pair));
    pair->proxy = proxy;
    pair->fds[0] = in;
    pair->fds[1] = out;
    for (int i = 0; i < 2; i++) {
        pair->waiting[i] = cor_alloc(CHUNK);
        pair->io[i] = cor_io_new(proxy->loop, pair->fds[i], COR_READ, on_pair, pair);
    }
    cor_list_init(&pair->link);
    cor_list_add(&proxy->pairs, &pair->link);
    proxy->connections++;
}

struct proxy *proxy_new(struct cor_loop *loop, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(name);
    struct proxy *proxy = cor_alloc(sizeof(*proxy));
    proxy->loop = loop;
    proxy->target = port;
    cor_list_init(&proxy->pairs);
    proxy->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(proxy->fd, (struct sockaddr *)&name, len), 0);
    assert_int_equal(listen(proxy->fd, 16), 0);
    assert_int_equal(getsockname(proxy->fd, (struct sockaddr *)&name, &len), 0);
    proxy->port = ntohs(name.sin_port);
    proxy->io = cor_io_new(loop, proxy->fd, COR_READ, on_connection, proxy);
    return proxy;
}

void proxy_free(struct proxy **proxy)
{
    if (*proxy != NULL) {
        cut(*proxy);
        cor_timer_free(&(*proxy)->tick);
        cor_io_free(&(*proxy)->io);
        close((*proxy)->fd);
        cor_freep(proxy);
    }
}

int proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_target(struct proxy *proxy, int port)
{
    proxy->target = port;
}

void proxy_cut_after(struct proxy *proxy, int direction, uint64_t bytes)
{
    proxy->cutting[direction] = bytes > 0;
    proxy->left[direction] = bytes;
    if (bytes == 0) {
        cut(proxy);
    }
}

void proxy_freeze(struct proxy *proxy, bool on)
{
    proxy->frozen = on;
    COR_LIST_EACH (node, &proxy->pairs) {
        watch(COR_LIST_OBJECT(node, struct pair, link));
    }
}

uint64_t proxy_bytes(const struct proxy *proxy, int direction)
{
    return proxy->bytes[direction];
}

unsigned proxy_connections(const struct proxy *proxy)
{
    return proxy->connections;
}
