// SPDX-License-Identifier: Apache-2.0
#include "common/pipe/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pipe/address.h"

struct cor_pipe {
    struct cor_loop *loop; /* borrowed */
    struct cor_pipe_spec spec;
    struct cor_pipe_wire wire;
    int fd; /* -1: not yet, or no more */
    struct cor_io *io;
    struct cor_timer *timer; /* for the next round of the loop */
    int fed;                 /* events that the next round is to see */
    struct cor_buf out;
    size_t sent;   /* of out */
    int fault;     /* errno that step is to report */
    unsigned busy; /* functions of the owner that are running */
    bool connecting;
    bool opening; /* open is still to be called */
    bool reading;
    bool in_ended; /* the peer's direction */
    bool ending;   /* cor_pipe_end was called */
    bool finished; /* and is done */
    bool owed;     /* room is to be called when nothing waits */
    bool closed;
    bool freed; /* while busy */
};

static size_t waiting(const struct cor_pipe *pipe)
{
    return pipe->out.len - pipe->sent;
}

size_t cor_pipe_waiting(const struct cor_pipe *pipe)
{
    return waiting(pipe);
}

/* Sets what of the fd is of interest. */
static void watch(struct cor_pipe *pipe)
{
    if (pipe->io == NULL) {
        return;
    }
    bool in = pipe->reading && !pipe->in_ended && !pipe->connecting;
    bool out = pipe->connecting || waiting(pipe) > 0;
    cor_io_set(pipe->io, (in ? COR_READ : 0) | (out ? COR_WRITE : 0));
}

/* The next round of the loop looks after events, whatever the fd shows: one that always has more
 * must not keep others from their turn. */
static void soon(struct cor_pipe *pipe, int events)
{
    pipe->fed |= events;
    cor_timer_start(pipe->timer, 0);
}

static void on_timer(void *self);

struct cor_pipe *cor_pipe_new(struct cor_loop *loop, const struct cor_pipe_spec *spec)
{
    struct cor_pipe *pipe = cor_alloc(sizeof(*pipe));
    pipe->loop = loop;
    pipe->spec = *spec;
    pipe->fd = -1;
    pipe->timer = cor_timer_new(loop, on_timer, pipe);
    if (pipe->spec.max_queue == 0) {
        pipe->spec.max_queue = COR_PIPE_QUEUE;
    }
    return pipe;
}

static void let_go(struct cor_pipe *pipe)
{
    cor_io_free(&pipe->io);
    cor_timer_stop(pipe->timer);
    void (*release)(void *self) = take(&pipe->wire.release);
    if (release != NULL) {
        pipe->fd = -1;
        release(pipe->wire.self);
    }
    cor_fd_close(&pipe->fd);
}

static void dispose(struct cor_pipe *pipe)
{
    cor_timer_free(&pipe->timer);
    cor_buf_free(&pipe->out);
    cor_free(pipe);
}

void cor_pipe_free(struct cor_pipe **pipe)
{
    struct cor_pipe *self = take(pipe);
    if (self == NULL) {
        return;
    }
    self->closed = true;
    let_go(self);
    if (self->busy > 0) {
        self->freed = true;
    } else {
        dispose(self);
    }
}

/* The pipe lives at least until leave. */
static void enter(struct cor_pipe *pipe)
{
    pipe->busy++;
}

static void leave(struct cor_pipe *pipe)
{
    if (--pipe->busy == 0 && pipe->freed) {
        dispose(pipe);
    }
}

void cor_pipe_sever(struct cor_pipe *pipe, const struct cor_err *err)
{
    if (pipe->closed) {
        return;
    }
    pipe->closed = true;
    enter(pipe);
    let_go(pipe);
    cor_buf_free(&pipe->out);
    pipe->sent = 0;
    if (pipe->spec.closed != NULL) {
        pipe->spec.closed(pipe->spec.self, err);
    }
    leave(pipe);
}

/* ---- out ----------------------------------------------------------------------------------------
 */

static bool is_later(int sys)
{
    return sys == EAGAIN || sys == EWOULDBLOCK || sys == EINTR;
}

/* Bytes that were sent; 0 when the socket is full or broken, which step then reports. */
static size_t push(struct cor_pipe *pipe, struct cor_view bytes)
{
    const struct cor_pipe_wire *wire = &pipe->wire;
    ssize_t n = wire->send != NULL ? wire->send(wire->self, bytes.ptr, bytes.len)
                                   : send(pipe->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    if (n < 0 && !is_later(errno)) {
        pipe->fault = errno;
        soon(pipe, COR_WRITE);
    }
    return n > 0 ? (size_t)n : 0;
}

static void shut(struct cor_pipe *pipe)
{
    pipe->finished = true;
    if (pipe->wire.finish != NULL) {
        pipe->wire.finish(pipe->wire.self);
    } else if (pipe->wire.send == NULL) {
        (void)shutdown(pipe->fd, SHUT_WR);
    }
}

/* Sends what waits; calls room when nothing does any more. */
static void flush(struct cor_pipe *pipe)
{
    while (waiting(pipe) > 0) {
        struct cor_view rest = {pipe->out.data + pipe->sent, waiting(pipe)};
        size_t n = push(pipe, rest);
        if (n == 0) {
            return;
        }
        pipe->sent += n;
    }
    cor_buf_free(&pipe->out);
    pipe->sent = 0;
    if (pipe->ending && !pipe->finished) {
        shut(pipe);
    }
    watch(pipe);
    if (pipe->owed) {
        pipe->owed = false;
        if (pipe->spec.room != NULL) {
            pipe->spec.room(pipe->spec.self);
        }
    }
}

static bool is_ready(const struct cor_pipe *pipe)
{
    return pipe->fd >= 0 && !pipe->connecting && !pipe->opening;
}

static void keep(struct cor_pipe *pipe, struct cor_view bytes)
{
    if (pipe->sent > 0 && pipe->sent >= waiting(pipe)) {
        cor_buf_drop(&pipe->out, pipe->sent);
        pipe->sent = 0;
    }
    cor_buf_view(&pipe->out, bytes);
    pipe->owed = true;
    watch(pipe);
}

enum cor_code cor_pipe_write(struct cor_pipe *pipe, struct cor_view bytes)
{
    if (pipe->closed || pipe->fault != 0 || pipe->ending) {
        return COR_CLOSED;
    }
    if (waiting(pipe) > 0 && waiting(pipe) + bytes.len > pipe->spec.max_queue) {
        pipe->owed = true;
        return COR_BUSY;
    }
    if (waiting(pipe) == 0 && is_ready(pipe)) {
        size_t n = push(pipe, bytes);
        bytes.ptr += n;
        bytes.len -= n;
    }
    if (pipe->fault != 0) {
        return COR_CLOSED;
    }
    if (bytes.len > 0) {
        keep(pipe, bytes);
    }
    return COR_OK;
}

void cor_pipe_end(struct cor_pipe *pipe)
{
    if (pipe->closed || pipe->ending) {
        return;
    }
    pipe->ending = true;
    pipe->owed = true;
    soon(pipe, COR_WRITE);
}

/* ---- in -----------------------------------------------------------------------------------------
 */

static void fail(struct cor_pipe *pipe, int sys)
{
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_sys(&err, COR_CLOSED, sys, "%s", pipe->opening ? "connect" : "connection");
    cor_pipe_sever(pipe, &err);
}

static void pull(struct cor_pipe *pipe)
{
    char block[COR_PIPE_BLOCK];
    const struct cor_pipe_wire *wire = &pipe->wire;
    ssize_t n = wire->recv != NULL ? wire->recv(wire->self, block, sizeof(block))
                                   : recv(pipe->fd, block, sizeof(block), 0);
    if (n < 0) {
        if (!is_later(errno)) {
            fail(pipe, errno);
        }
        return;
    }
    if (n == 0) {
        pipe->in_ended = true;
        watch(pipe);
        if (pipe->spec.end != NULL) {
            pipe->spec.end(pipe->spec.self);
        }
        return;
    }
    if (pipe->wire.keeps) {
        soon(pipe, COR_READ);
    }
    if (pipe->spec.bytes != NULL) {
        pipe->spec.bytes(pipe->spec.self, (struct cor_view){block, (size_t)n});
    }
}

/* True when the connection stands. */
static bool opened(struct cor_pipe *pipe)
{
    socklen_t len = sizeof(pipe->fault);
    if (pipe->fault == 0 && pipe->connecting) {
        (void)getsockopt(pipe->fd, SOL_SOCKET, SO_ERROR, &pipe->fault, &len);
    }
    if (pipe->fault != 0) {
        return false;
    }
    pipe->connecting = false;
    pipe->opening = false;
    watch(pipe);
    if (pipe->spec.open != NULL) {
        pipe->spec.open(pipe->spec.self);
    }
    return !pipe->closed;
}

static void step(struct cor_pipe *pipe, int events)
{
    enter(pipe);
    if (pipe->opening && !opened(pipe)) {
        events = 0;
    }
    if (!pipe->closed && pipe->fault == 0 && (events & COR_WRITE) != 0) {
        flush(pipe);
    }
    if (!pipe->closed && pipe->fault == 0 && (events & COR_READ) != 0 && pipe->reading &&
        !pipe->in_ended) {
        pull(pipe);
    }
    if (!pipe->closed && pipe->fault != 0) {
        fail(pipe, pipe->fault);
    }
    leave(pipe);
}

static void on_io(void *self, int fd, int events)
{
    (void)fd;
    step(self, events);
}

static void on_timer(void *self)
{
    struct cor_pipe *pipe = self;
    int events = pipe->fed;
    pipe->fed = 0;
    if (pipe->fd >= 0) {
        step(pipe, events);
    }
}

void cor_pipe_read(struct cor_pipe *pipe, bool on)
{
    pipe->reading = on;
    watch(pipe);
    if (on && pipe->wire.keeps && pipe->fd >= 0) {
        soon(pipe, COR_READ);
    }
}

void cor_pipe_nudge(struct cor_pipe *pipe)
{
    soon(pipe, COR_READ);
}

/* ---- the socket ---------------------------------------------------------------------------------
 */

static void put_on(struct cor_pipe *pipe, int fd)
{
    must(pipe->fd < 0 && !pipe->closed);
    int flags = fcntl(fd, F_GETFL);
    (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    pipe->fd = fd;
    pipe->opening = true;
    pipe->io = cor_io_new(pipe->loop, fd, 0, on_io, pipe);
}

void cor_pipe_promise(struct cor_pipe *pipe, const struct cor_pipe_wire *wire)
{
    pipe->wire = *wire;
}

void cor_pipe_attach_wire(struct cor_pipe *pipe, int fd, const struct cor_pipe_wire *wire)
{
    pipe->wire = *wire;
    put_on(pipe, fd);
    soon(pipe, COR_WRITE);
    if (wire->keeps) {
        soon(pipe, COR_READ);
    }
}

void cor_pipe_attach(struct cor_pipe *pipe, int fd)
{
    put_on(pipe, fd);
    soon(pipe, COR_WRITE);
}

enum cor_code cor_pipe_connect(struct cor_pipe *pipe, const char *address, struct cor_err *err)
{
    union cor_address to;
    socklen_t len = 0;
    if (!cor_address_parse(address, &to, &len)) {
        return cor_err_set(err, COR_INVALID, "%s is no address of a socket", address);
    }
    int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return cor_err_sys(err, COR_IO, errno, "socket");
    }
    int yes = 1;
    if (to.any.sa_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
    }
    int sys = connect(fd, &to.any, len) == 0 ? 0 : errno;
    put_on(pipe, fd);
    pipe->connecting = sys == EINPROGRESS;
    if (pipe->connecting) {
        watch(pipe);
    } else {
        pipe->fault = sys;
        soon(pipe, COR_WRITE);
    }
    return COR_OK;
}
