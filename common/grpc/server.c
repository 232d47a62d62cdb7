// SPDX-License-Identifier: Apache-2.0
// Connections of the server: accept, read, write, close. The calls are in serve.c.
#include "common/grpc/server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/serve.h"
#include "common/pipe/address.h"

enum { READ_CHUNK = 16 * 1024, OUT_CHUNK = 64 * 1024, BACKLOG = 16 };

static void peer_free(struct cor_grpc_peer *peer)
{
    cor_list_del(&peer->link);
    peer->server->peer_count--;
    cor_io_free(&peer->io);
    cor_fd_close(&peer->fd);
    nghttp2_session_del(peer->session);
    COR_LIST_EACH (link, &peer->calls) {
        cor_grpc_served_free(COR_LIST_OBJECT(link, struct cor_grpc_served, link));
    }
    cor_buf_free(&peer->out);
    cor_free(peer);
}

/* Gathers what the session wants to send, up to OUT_CHUNK. */
static void gather(struct cor_grpc_peer *peer)
{
    while (peer->out.len < OUT_CHUNK) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(peer->session, &bytes);
        if (n <= 0) {
            peer->broken = peer->broken || n < 0;
            return;
        }
        cor_buf_add(&peer->out, bytes, (size_t)n);
    }
}

static void write_out(struct cor_grpc_peer *peer)
{
    gather(peer);
    while (!peer->broken && peer->out.len > 0) {
        ssize_t n = send(peer->fd, peer->out.data, peer->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            peer->broken = true;
            return;
        }
        cor_buf_drop(&peer->out, n > 0 ? (size_t)n : 0);
        gather(peer);
    }
    cor_io_set(peer->io, peer->out.len > 0 ? COR_READ | COR_WRITE : COR_READ);
}

static void on_io(void *self, int fd, int events)
{
    struct cor_grpc_peer *peer = self;
    uint8_t chunk[READ_CHUNK];
    if ((events & COR_READ) == 0) {
        return; /* what waits goes out at the end of the round */
    }
    ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        return;
    }
    if (n <= 0 || nghttp2_session_mem_recv(peer->session, chunk, (size_t)n) != n) {
        peer->broken = true;
    }
}

/* End of the round: what was answered goes out, and what is over is closed. */
static bool on_round(void *self)
{
    struct cor_grpc_server *server = self;
    COR_LIST_EACH (link, &server->peers) {
        struct cor_grpc_peer *peer = COR_LIST_OBJECT(link, struct cor_grpc_peer, link);
        if (!peer->broken) {
            write_out(peer);
        }
        bool over = nghttp2_session_want_read(peer->session) == 0 &&
                    nghttp2_session_want_write(peer->session) == 0;
        if (peer->broken || over) {
            peer_free(peer);
        }
    }
    return false;
}

static void add_peer(struct cor_grpc_server *server, int fd)
{
    struct cor_grpc_peer *peer = cor_alloc(sizeof(*peer));
    peer->server = server;
    peer->fd = fd;
    cor_list_init(&peer->calls);
    cor_list_add(&server->peers, &peer->link);
    server->peer_count++;
    cor_grpc_serve_session(peer);
    peer->io = cor_io_new(server->loop, fd, COR_READ, on_io, peer);
}

static void on_accept(void *self, int fd, int events)
{
    (void)events;
    struct cor_grpc_server *server = self;
    int taken = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (taken < 0) {
        return;
    }
    if (server->peer_count >= COR_GRPC_PEERS_MAX) {
        peer_free(COR_LIST_OBJECT(server->peers.next, struct cor_grpc_peer, link));
    }
    add_peer(server, taken);
}

static enum cor_code listen_at(const char *path, mode_t mode, int *fd_r, struct cor_err *err)
{
    union cor_address address;
    socklen_t len = 0;
    if (path[0] != '/' || !cor_address_parse(path, &address, &len)) {
        return cor_err_set(err, COR_INVALID, "%.100s: no path of a socket, or too long", path);
    }
    auto_(cor_fd_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    if (fd < 0 || bind(fd, &address.any, len) != 0 || chmod(path, mode) != 0 ||
        listen(fd, BACKLOG) != 0) {
        return cor_err_set(err, COR_IO, "%.100s: %s", path, strerror(errno));
    }
    *fd_r = fd;
    fd = -1;
    return COR_OK;
}

enum cor_code cor_grpc_server_open(struct cor_loop *loop, const struct cor_grpc_server_conf *conf,
                                   struct cor_grpc_server **server_r, struct cor_err *err)
{
    int fd = -1;
    enum cor_code code = listen_at(conf->socket_path, conf->mode, &fd, err);
    if (code != COR_OK) {
        return code;
    }
    struct cor_grpc_server *server = cor_alloc(sizeof(*server));
    server->loop = loop;
    server->fd = fd;
    server->path = cor_strdup(conf->socket_path);
    server->methods = conf->methods;
    server->method_count = conf->method_count;
    server->message_max = conf->message_max;
    server->self = conf->self;
    cor_list_init(&server->peers);
    server->accept = cor_io_new(loop, fd, COR_READ, on_accept, server);
    server->hook = cor_hook_new(loop, on_round, server);
    *server_r = server;
    return COR_OK;
}

void cor_grpc_server_free(struct cor_grpc_server **server)
{
    if (*server == NULL) {
        return;
    }
    COR_LIST_EACH (link, &(*server)->peers) {
        peer_free(COR_LIST_OBJECT(link, struct cor_grpc_peer, link));
    }
    cor_io_free(&(*server)->accept);
    cor_hook_free(&(*server)->hook);
    cor_fd_close(&(*server)->fd);
    (void)unlink((*server)->path);
    cor_free((*server)->path);
    cor_freep(server);
}
