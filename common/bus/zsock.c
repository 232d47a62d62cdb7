// SPDX-License-Identifier: Apache-2.0
#include "zsock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <zmq.h>

#include "common/base/mem.h"
#include "common/base/must.h"

/* A dead peer's path is tried again after 2 ms, then slower up to 250 ms. */
enum { RECONNECT_MS = 2, RECONNECT_MAX_MS = 250, ROUND = 256 };

struct cor_zsock {
    struct cor_zsock_spec spec;
    char *path; /* owned */
    struct cor_zsock_ops ops;
    void *self;
    struct cor_loop *loop;
    struct cor_hook *hook;
    void *sock;
    void *monitor;
    struct cor_io *io;
    struct cor_io *monitor_io;
    bool look;         /* there may be something to read */
    bool look_monitor; /* the same, of the monitor */
    bool inside;       /* of a round, which ends with a look */
    bool broken;       /* a peer sent more than one frame: open anew when the round is over */
};

static bool set_int(void *sock, int option, int value)
{
    return zmq_setsockopt(sock, option, &value, sizeof(value)) == 0;
}

static bool set_options(void *sock, const struct cor_zsock_spec *spec)
{
    int64_t max = (int64_t)spec->max_bytes;
    bool ok = set_int(sock, ZMQ_LINGER, 0) && set_int(sock, ZMQ_SNDHWM, spec->send_hwm) &&
              set_int(sock, ZMQ_RCVHWM, spec->hwm) &&
              zmq_setsockopt(sock, ZMQ_MAXMSGSIZE, &max, sizeof(max)) == 0;
    if (spec->binds) {
        return ok && set_int(sock, ZMQ_ROUTER_MANDATORY, 1);
    }
    return ok && set_int(sock, ZMQ_IMMEDIATE, 1) &&
           set_int(sock, ZMQ_PROBE_ROUTER, spec->probes ? 1 : 0) &&
           set_int(sock, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
           set_int(sock, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
}

static int fd_of(void *sock)
{
    int fd = -1;
    size_t size = sizeof(fd);
    must(zmq_getsockopt(sock, ZMQ_FD, &fd, &size) == 0);
    return fd;
}

/* On ipc the address of a peer is "localhost:uid:gid:pid". */
static int uid_of(zmq_msg_t *msg)
{
    const char *address = zmq_msg_gets(msg, "Peer-Address");
    const char *colon = address == NULL ? NULL : strchr(address, ':');
    return colon == NULL ? -1 : (int)strtol(colon + 1, NULL, 10);
}

/* Reads what is left of a message; true if there was more than the expected frames. */
static bool drain(void *sock, zmq_msg_t *msg)
{
    bool extra = false;
    while (zmq_msg_more(msg) != 0) {
        extra = true;
        if (zmq_msg_recv(msg, sock, ZMQ_DONTWAIT) < 0) {
            break;
        }
    }
    return extra;
}

static bool receive_peer(struct cor_zsock *z, struct cor_peer *peer)
{
    zmq_msg_t msg;
    must(zmq_msg_init(&msg) == 0);
    int n = zmq_msg_recv(&msg, z->sock, ZMQ_DONTWAIT);
    if (n >= 0 && n <= COR_PEER_MAX) {
        memcpy(peer->id, zmq_msg_data(&msg), (size_t)n);
        peer->len = (size_t)n;
    }
    (void)zmq_msg_close(&msg);
    return n >= 0;
}

/* Reads and delivers one message. False: there is none. */
static bool receive(struct cor_zsock *z)
{
    struct cor_peer peer = {.len = 0};
    if (z->spec.binds && !receive_peer(z, &peer)) {
        return false;
    }
    zmq_msg_t msg;
    must(zmq_msg_init(&msg) == 0);
    if (zmq_msg_recv(&msg, z->sock, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&msg);
        return false;
    }
    if (zmq_msg_more(&msg) != 0) {
        z->broken = drain(z->sock, &msg);
    } else {
        z->ops.message(z->self, &peer, uid_of(&msg),
                       (struct cor_view){zmq_msg_data(&msg), zmq_msg_size(&msg)});
    }
    (void)zmq_msg_close(&msg);
    return true;
}

static void read_monitor(struct cor_zsock *z)
{
    bool lost = false;
    for (;;) {
        uint16_t event = 0;
        zmq_msg_t msg;
        must(zmq_msg_init(&msg) == 0);
        int n = zmq_msg_recv(&msg, z->monitor, ZMQ_DONTWAIT);
        if (n >= (int)sizeof(event)) {
            memcpy(&event, zmq_msg_data(&msg), sizeof(event));
            (void)drain(z->monitor, &msg);
        }
        (void)zmq_msg_close(&msg);
        if (n < 0) {
            break;
        }
        lost = lost || event == ZMQ_EVENT_DISCONNECTED;
    }
    if (lost && z->ops.lost != NULL) {
        z->ops.lost(z->self);
    }
}

static void close_sockets(struct cor_zsock *z)
{
    cor_io_free(&z->io);
    cor_io_free(&z->monitor_io);
    if (z->sock != NULL) {
        (void)zmq_socket_monitor(z->sock, NULL, 0);
        (void)zmq_close(z->sock);
        z->sock = NULL;
    }
    if (z->monitor != NULL) {
        (void)zmq_close(z->monitor);
        z->monitor = NULL;
    }
}

/* on_round, which runs before the loop sleeps, does the work. */
static void on_fd(void *self, int fd, int events)
{
    (void)fd;
    (void)events;
    ((struct cor_zsock *)self)->look = true;
}

static void on_monitor_fd(void *self, int fd, int events)
{
    (void)fd;
    (void)events;
    ((struct cor_zsock *)self)->look_monitor = true;
}

static bool monitored(struct cor_zsock *z)
{
    char name[64];
    uint64_t random = 0;
    /* A name is free again only some time after its socket was closed: never use one twice, nor
     * that of a socket whose memory this one has got. */
    must(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
    (void)snprintf(name, sizeof(name), "inproc://monitor-%016" PRIx64, random);
    if (zmq_socket_monitor(z->sock, name, ZMQ_EVENT_DISCONNECTED) != 0) {
        return false;
    }
    z->monitor = zmq_socket(z->spec.context, ZMQ_PAIR);
    return z->monitor != NULL && zmq_connect(z->monitor, name) == 0;
}

static enum cor_code open_sockets(struct cor_zsock *z, struct cor_err *err)
{
    char address[128];
    int n = snprintf(address, sizeof(address), "ipc://%s", z->path);
    if (n < 0 || (size_t)n >= sizeof(address) || strlen(z->path) > 107) {
        return cor_err_set(err, COR_INVALID, "%s: path too long for a unix socket", z->path);
    }
    z->sock = zmq_socket(z->spec.context, z->spec.binds ? ZMQ_ROUTER : ZMQ_DEALER);
    if (z->sock == NULL || !set_options(z->sock, &z->spec) || !monitored(z)) {
        return cor_err_set(err, COR_IO, "ZeroMQ socket: %s", zmq_strerror(zmq_errno()));
    }
    int done = z->spec.binds ? zmq_bind(z->sock, address) : zmq_connect(z->sock, address);
    /* Connecting takes the right to write, which umask denies the group; peers run as other users.
     */
    if (done == 0 && z->spec.binds && chmod(z->path, 0660) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", z->path);
    }
    if (done != 0) {
        return cor_err_set(err, COR_IO, "%s: %s", z->path, zmq_strerror(zmq_errno()));
    }
    z->io = cor_io_new(z->loop, fd_of(z->sock), COR_READ, on_fd, z);
    z->monitor_io = cor_io_new(z->loop, fd_of(z->monitor), COR_READ, on_monitor_fd, z);
    z->look = true;
    z->look_monitor = true;
    return COR_OK;
}

static void open_anew(struct cor_zsock *z)
{
    struct cor_err err = COR_ERR_NONE;
    z->broken = false;
    close_sockets(z);
    if (open_sockets(z, &err) != COR_OK) {
        cor_die("%s", err.text); /* it was open a moment ago: the environment is gone */
    }
    z->ops.dropped(z->self);
}

/* The descriptor of a socket says only that something has changed, and only once: it is read until
 * it is empty. Sending may swallow that word, so who sends outside of a round asks for one. */
static bool on_round(void *self)
{
    struct cor_zsock *z = self;
    bool more = z->look;
    int n = 0;
    z->look = false;
    z->inside = true;
    while (n < ROUND && more && !z->broken) {
        more = receive(z);
        n += more;
    }
    z->inside = false;
    z->look = more;
    if (z->broken) {
        open_anew(z);
    }
    if (z->look_monitor) {
        z->look_monitor = false;
        read_monitor(z);
        n++;
    }
    /* What handlers did may be for hooks that have run in this round. */
    return n > 0 || z->look;
}

enum cor_code cor_zsock_open(struct cor_loop *loop, const struct cor_zsock_spec *spec,
                             const struct cor_zsock_ops *ops, void *self, struct cor_zsock **z_r,
                             struct cor_err *err)
{
    struct cor_zsock *z = cor_alloc(sizeof(*z));
    z->spec = *spec;
    z->path = cor_strdup(spec->path);
    z->ops = *ops;
    z->self = self;
    z->loop = loop;
    enum cor_code code = open_sockets(z, err);
    if (code != COR_OK) {
        cor_zsock_close(&z);
        return code;
    }
    z->hook = cor_hook_new(loop, on_round, z);
    *z_r = z;
    return COR_OK;
}

void cor_zsock_close(struct cor_zsock **z)
{
    if (*z != NULL) {
        cor_hook_free(&(*z)->hook);
        close_sockets(*z);
        cor_free((*z)->path);
        cor_freep(z);
    }
}

static void free_data(void *data, void *hint)
{
    (void)hint;
    cor_free(data);
}

static void look_again(struct cor_zsock *z)
{
    if (!z->inside && !z->look) {
        z->look = true;
        cor_hook_again(z->hook);
    }
}

static bool send_msg(struct cor_zsock *z, const struct cor_peer *peer, zmq_msg_t *msg)
{
    look_again(z);
    if (z->spec.binds && zmq_send(z->sock, peer->id, peer->len, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) {
        (void)zmq_msg_close(msg);
        return false;
    }
    if (zmq_msg_send(msg, z->sock, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(msg);
        return false;
    }
    return true;
}

bool cor_zsock_send(struct cor_zsock *z, const struct cor_peer *peer, struct cor_view frame)
{
    zmq_msg_t msg;
    if (zmq_msg_init_size(&msg, frame.len) != 0) {
        cor_die("out of memory (message of %zu bytes)", frame.len);
    }
    if (frame.len > 0) {
        memcpy(zmq_msg_data(&msg), frame.ptr, frame.len);
    }
    return send_msg(z, peer, &msg);
}

bool cor_zsock_give(struct cor_zsock *z, const struct cor_peer *peer, char *data, size_t len)
{
    zmq_msg_t msg;
    if (zmq_msg_init_data(&msg, data, len, free_data, NULL) != 0) {
        cor_die("out of memory (message)");
    }
    return send_msg(z, peer, &msg);
}
