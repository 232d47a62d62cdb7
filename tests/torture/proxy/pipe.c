// SPDX-License-Identifier: Apache-2.0
#include "pipe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"

enum { CHUNK = 16384, WAITING_MAX = 256 * 1024 };

struct chunk {
    struct cor_link link;
    struct cor_mono due;
    size_t len, done;
    char data[];
};

/* One direction. */
struct way {
    struct pipe *pipe;
    struct cor_io *in;
    struct cor_io *out;
    struct cor_timer *timer;
    struct cor_link chunks;
    size_t waiting;
    int from, to;
    bool ended; /* from has said its last */
    bool shut;  /* and to was told */
};

struct pipe {
    struct cor_link link;
    struct pipe_plan plan;
    void (*closed)(void *self, struct pipe *pipe, bool was_cut);
    void *self;
    int fds[2];
    struct way ways[2];
    struct cor_timer *end;
    uint64_t bytes;
    bool ending, was_cut;
};

struct cor_link *pipe_link(struct pipe *pipe)
{
    return &pipe->link;
}

struct pipe *pipe_of_link(struct cor_link *link)
{
    return COR_LIST_OBJECT(link, struct pipe, link);
}

uint64_t pipe_bytes(const struct pipe *pipe)
{
    return pipe->bytes;
}

static void free_way(struct way *way)
{
    cor_io_free(&way->in);
    cor_io_free(&way->out);
    cor_timer_free(&way->timer);
    COR_LIST_EACH (node, &way->chunks) {
        struct chunk *chunk = COR_LIST_OBJECT(node, struct chunk, link);
        cor_list_del(&chunk->link);
        cor_free(chunk);
    }
}

/* On a timer: handlers of this connection may still be running. */
static void on_end(void *self)
{
    struct pipe *pipe = self;
    struct linger reset = {.l_onoff = 1};
    for (int i = 0; i < 2; i++) {
        free_way(&pipe->ways[i]);
        if (pipe->was_cut) {
            (void)setsockopt(pipe->fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        }
    }
    (void)close(pipe->fds[0]);
    (void)close(pipe->fds[1]);
    cor_list_del(&pipe->link);
    pipe->closed(pipe->self, pipe, pipe->was_cut);
    cor_timer_free(&pipe->end);
    cor_free(pipe);
}

static void end(struct pipe *pipe, bool cut)
{
    if (!pipe->ending) {
        pipe->ending = true;
        pipe->was_cut = cut;
        for (int i = 0; i < 2; i++) {
            cor_io_set(pipe->ways[i].in, 0);
            cor_io_set(pipe->ways[i].out, 0);
        }
        cor_timer_start(pipe->end, 0);
    }
}

void pipe_cut(struct pipe *pipe)
{
    end(pipe, true);
}

/* Sets what is watched and when it is looked at again. */
static void arm(struct way *way)
{
    struct pipe *pipe = way->pipe;
    if (pipe->ending) {
        return;
    }
    bool full = way->waiting >= WAITING_MAX;
    cor_io_set(way->in, way->ended || full ? 0 : COR_READ);
    cor_timer_stop(way->timer);
    if (cor_list_empty(&way->chunks)) {
        cor_io_set(way->out, 0);
        if (way->ended && !way->shut) {
            way->shut = true;
            (void)shutdown(way->to, SHUT_WR);
        }
        if (pipe->ways[0].shut && pipe->ways[1].shut) {
            end(pipe, false);
        }
        return;
    }
    struct chunk *first = COR_LIST_OBJECT(way->chunks.next, struct chunk, link);
    int64_t left = cor_mono_since(first->due, cor_mono_now());
    cor_io_set(way->out, left <= 0 ? COR_WRITE : 0);
    if (left > 0) {
        cor_timer_start(way->timer, left);
    }
}

static void on_due(void *self)
{
    arm(self);
}

static void take_bytes(struct way *way, const char *data, size_t len)
{
    struct chunk *chunk = cor_alloc(sizeof(*chunk) + len);
    cor_list_init(&chunk->link);
    memcpy(chunk->data, data, len);
    chunk->len = len;
    chunk->due = cor_mono_add(cor_mono_now(), way->pipe->plan.delay_us);
    cor_list_add(&way->chunks, &chunk->link);
    way->waiting += len;
}

static void on_readable(void *self, int fd, int events)
{
    (void)events;
    struct way *way = self;
    struct pipe *pipe = way->pipe;
    char data[CHUNK];
    size_t most = sizeof(data);
    uint64_t cut = pipe->plan.cut_after;
    if (cut > 0 && cut - pipe->bytes < most) {
        most = (size_t)(cut - pipe->bytes);
    }
    ssize_t got = recv(fd, data, most, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got < 0) {
        end(pipe, false);
        return;
    }
    way->ended = got == 0;
    pipe->bytes += (uint64_t)got;
    if (got > 0 && !pipe->plan.hole) {
        take_bytes(way, data, (size_t)got);
    }
    arm(way);
}

/* The last byte before the cut is written, so that the other side has seen just so much. */
static void cut_if_due(struct pipe *pipe)
{
    bool empty = cor_list_empty(&pipe->ways[0].chunks) && cor_list_empty(&pipe->ways[1].chunks);
    if (pipe->plan.cut_after > 0 && pipe->bytes >= pipe->plan.cut_after && empty) {
        end(pipe, true);
    }
}

static void on_writable(void *self, int fd, int events)
{
    (void)events;
    struct way *way = self;
    struct chunk *chunk = COR_LIST_OBJECT(way->chunks.next, struct chunk, link);
    ssize_t put = send(fd, chunk->data + chunk->done, chunk->len - chunk->done, MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (put < 0) {
        end(way->pipe, false);
        return;
    }
    chunk->done += (size_t)put;
    if (chunk->done == chunk->len) {
        way->waiting -= chunk->len;
        cor_list_del(&chunk->link);
        cor_free(chunk);
    }
    cut_if_due(way->pipe);
    arm(way);
}

struct pipe *pipe_new(const struct pipe_plan *plan, int client, int server,
                      void (*closed)(void *self, struct pipe *pipe, bool was_cut), void *self)
{
    struct pipe *pipe = cor_alloc(sizeof(*pipe));
    pipe->plan = *plan;
    pipe->closed = closed;
    pipe->self = self;
    pipe->fds[0] = client;
    pipe->fds[1] = server;
    pipe->end = cor_timer_new(plan->loop, on_end, pipe);
    cor_list_init(&pipe->link);
    for (int i = 0; i < 2; i++) {
        struct way *way = &pipe->ways[i];
        way->pipe = pipe;
        way->from = pipe->fds[i];
        way->to = pipe->fds[1 - i];
        cor_list_init(&way->chunks);
        way->timer = cor_timer_new(plan->loop, on_due, way);
        way->in = cor_io_new(plan->loop, way->from, COR_READ, on_readable, way);
        way->out = cor_io_new(plan->loop, way->to, 0, on_writable, way);
    }
    return pipe;
}

void pipe_set(struct pipe *pipe, int64_t delay_us, bool hole)
{
    pipe->plan.delay_us = delay_us;
    pipe->plan.hole = hole;
}
