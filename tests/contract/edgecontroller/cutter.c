// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgecontroller/cutter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"

struct pair {
    struct cor_link link;
    struct cutter *cutter;
    int client, server;
    struct cor_io *client_io, *server_io;
    bool cut; /* when the server says something */
};

struct cutter {
    struct cor_loop *loop;
    struct cor_link pairs;
    struct cor_io *io;
    int fd, port, server_port, count;
    bool armed;
};

static void pair_free(struct pair *pair)
{
    cor_list_del(&pair->link);
    cor_io_free(&pair->client_io);
    cor_io_free(&pair->server_io);
    cor_fd_close(&pair->client);
    cor_fd_close(&pair->server);
    cor_free(pair);
}

/* Passes on what is there; false: the connection has ended. Blocks while the receiver is slow. */
static bool pass(int from, int to)
{
    char bytes[16384];
    ssize_t n = recv(from, bytes, sizeof(bytes), MSG_DONTWAIT);
    for (ssize_t at = 0; at < n;) {
        ssize_t sent = send(to, bytes + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
    }
    return n > 0;
}

static void on_client(void *self, int fd, int events)
{
    struct pair *pair = self;
    (void)events;
    if (pair->cutter->armed) {
        pair->cutter->armed = false;
        pair->cut = true;
    }
    if (!pass(fd, pair->server)) {
        pair_free(pair);
    }
}

static void on_server(void *self, int fd, int events)
{
    struct pair *pair = self;
    (void)events;
    if (pair->cut) {
        pair->cutter->count++;
        pair_free(pair);
    } else if (!pass(fd, pair->client)) {
        pair_free(pair);
    }
}

static void on_accept(void *self, int fd, int events)
{
    struct cutter *cutter = self;
    (void)events;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)cutter->server_port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct pair *pair = cor_alloc(sizeof(*pair));
    pair->cutter = cutter;
    pair->client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    pair->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(pair->client >= 0 && pair->server >= 0);
    cor_list_add(&cutter->pairs, &pair->link);
    if (connect(pair->server, (struct sockaddr *)&address, sizeof(address)) != 0) {
        pair_free(pair);
        return;
    }
    pair->client_io = cor_io_new(cutter->loop, pair->client, COR_READ, on_client, pair);
    pair->server_io = cor_io_new(cutter->loop, pair->server, COR_READ, on_server, pair);
}

struct cutter *cutter_new(struct cor_loop *loop, int server_port)
{
    struct cutter *cutter = cor_alloc(sizeof(*cutter));
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof(address);
    cutter->loop = loop;
    cutter->server_port = server_port;
    cor_list_init(&cutter->pairs);
    cutter->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(cutter->fd, (struct sockaddr *)&address, len) == 0 && listen(cutter->fd, 64) == 0);
    must(getsockname(cutter->fd, (struct sockaddr *)&address, &len) == 0);
    cutter->port = ntohs(address.sin_port);
    cutter->io = cor_io_new(loop, cutter->fd, COR_READ, on_accept, cutter);
    return cutter;
}

void cutter_free(struct cutter **cutter)
{
    if (*cutter == NULL) {
        return;
    }
    COR_LIST_EACH (node, &(*cutter)->pairs) {
        pair_free(COR_LIST_OBJECT(node, struct pair, link));
    }
    cor_io_free(&(*cutter)->io);
    cor_fd_close(&(*cutter)->fd);
    cor_freep(cutter);
}

int cutter_port(const struct cutter *cutter)
{
    return cutter->port;
}

void cutter_arm(struct cutter *cutter)
{
    cutter->armed = true;
}

int cutter_count(const struct cutter *cutter)
{
    return cutter->count;
}
