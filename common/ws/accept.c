// SPDX-License-Identifier: Apache-2.0
// Accepting connections ourselves: libwebsockets 4.1.6 cannot be given a socket that listens
// already, only connections (lws_adopt_socket_vhost), which it treats as its own listener's.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/socket.h"
#include "common/ws/room.h"

/* So many at once, then the others of the loop have their turn. */
enum { TURN = 64, PAUSE_MS = 100 };

struct ws_door {
    struct cor_ws_server *server;
    struct cor_io *io;
    struct cor_timer *pause; /* no file descriptor was left */
    int fd;
};

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* A peer that has vanished is found in 20 + 3 * 5 s. */
static void tune(int fd)
{
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 20);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static bool is_short(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_readable(void *self, int fd, int events)
{
    struct ws_door *door = self;
    (void)events;
    for (int i = 0; i < TURN; i++) {
        int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (peer >= 0) {
            tune(peer);
            (void)lws_adopt_socket_vhost(door->server->vhost, peer); /* closes it if it cannot */
        } else if (is_short(errno)) {
            cor_io_set(door->io, 0);
            cor_timer_start(door->pause, COR_MS(PAUSE_MS));
            return;
        } else if (errno == EAGAIN) {
            return;
        }
        /* Others (ECONNABORTED...): that connection is over before it began. */
    }
}

static void on_pause_over(void *self)
{
    struct ws_door *door = self;
    cor_io_set(door->io, COR_READ);
}

struct ws_door *ws_door_new(struct cor_ws_server *server, int fd)
{
    struct ws_door *door = cor_alloc(sizeof(*door));
    door->server = server;
    door->fd = fd;
    door->pause = cor_timer_new(server->ws->loop, on_pause_over, door);
    door->io = cor_io_new(server->ws->loop, fd, COR_READ, on_readable, door);
    return door;
}

void ws_door_free(struct ws_door **door)
{
    if (*door != NULL) {
        cor_io_free(&(*door)->io);
        cor_timer_free(&(*door)->pause);
        cor_fd_close(&(*door)->fd);
        cor_freep(door);
    }
}

int ws_door_port(const struct ws_door *door)
{
    return cor_socket_port(door->fd);
}
