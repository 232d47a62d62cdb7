// SPDX-License-Identifier: Apache-2.0
// In place of common/bus's zsock.c: ZeroMQ's ROUTER and DEALER over ipc with the semantics that the
// bus relies on. A pipe is one connection. Of what a dead process had sent, a first part arrives;
// what was sent to it is gone. The connector is told of the end and comes back by itself; what a
// dead binder had sent may be read before that or not at all.
#include "common/bus/zsock.h"

#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "inner.h"

enum { RETRY_US = 2000, RETRY_MAX_US = 250000, LOSS_US = 300, CONNECTOR = 0, BINDER = 1 };

struct pipe {
    uint32_t id;
    struct cor_zsock *end[2]; /* NULL: that process or socket is gone */
    uint64_t sent[2];         /* frames by that end */
    uint64_t last[2];         /* of them, the last that arrives at the other */
    int64_t busy_until[2];    /* frames arrive in order */
    size_t under_way[2];
};

struct frame {
    struct cor_link link;
    struct pipe *pipe;
    int from;
    uint64_t number;
    char *data; /* owned */
    size_t len;
};

struct cor_zsock {
    struct cor_link link;
    struct sim_core *core;
    struct cor_zsock_spec spec;
    char *path;
    struct cor_zsock_ops ops;
    void *self;
    struct cor_hook *hook;
    struct cor_link inbox;
    bool lost;
    struct pipe *pipe;     /* connector: its connection */
    struct cor_link pipes; /* binder: struct seat */
    struct sim_event retry;
    int64_t retry_us;
};

/* A connection in the list of its binder. */
struct seat {
    struct cor_link link;
    struct pipe *pipe;
};

static uint64_t pipe_number(void)
{
    return ++sim_world()->numbered;
}

static void frame_free(struct frame *frame)
{
    frame->pipe->under_way[frame->from]--;
    cor_free(frame->data);
    cor_free(frame);
}

static void on_arrival(void *self)
{
    struct frame *frame = self;
    struct cor_zsock *to = frame->pipe->end[1 - frame->from];
    if (to == NULL || frame->number > frame->pipe->last[frame->from]) {
        frame_free(frame);
        return;
    }
    cor_list_add(&to->inbox, &frame->link);
    sim_kick(to->core);
}

static bool put(struct pipe *pipe, int from, int hwm, char *data, size_t len)
{
    if (pipe->under_way[from] >= 2 * (size_t)hwm) {
        cor_free(data);
        return false;
    }
    struct frame *frame = cor_alloc(sizeof(*frame));
    frame->pipe = pipe;
    frame->from = from;
    frame->number = ++pipe->sent[from];
    frame->data = data;
    frame->len = len;
    pipe->under_way[from]++;
    int64_t at = sim_now() + 10 + (int64_t)sim_pick(SIM_NET, 150);
    at = at > pipe->busy_until[from] ? at : pipe->busy_until[from] + 1;
    pipe->busy_until[from] = at;
    sim_post(NULL, at - sim_now(), on_arrival, frame);
    return true;
}

/* ---- connecting ---- */

static struct cor_zsock *binder_of(const char *path)
{
    COR_LIST_EACH (node, &sim_world()->zsocks) {
        struct cor_zsock *z = COR_LIST_OBJECT(node, struct cor_zsock, link);
        if (z->spec.binds && strcmp(z->path, path) == 0) {
            return z;
        }
    }
    return NULL;
}

static void try_later(struct cor_zsock *z)
{
    sim_schedule(&z->retry, NULL, z->retry_us + (int64_t)sim_pick(SIM_NET, RETRY_US));
    z->retry_us = z->retry_us * 2 > RETRY_MAX_US ? RETRY_MAX_US : z->retry_us * 2;
}

static void on_retry(void *self)
{
    struct cor_zsock *z = self;
    struct cor_zsock *binder = binder_of(z->path);
    if (binder == NULL) {
        try_later(z);
        return;
    }
    struct pipe *pipe = cor_alloc(sizeof(*pipe)); /* frames and ends point to it: never freed */
    struct seat *seat = cor_alloc(sizeof(*seat));
    pipe->id = (uint32_t)pipe_number();
    pipe->end[CONNECTOR] = z;
    pipe->end[BINDER] = binder;
    pipe->last[0] = UINT64_MAX;
    pipe->last[1] = UINT64_MAX;
    seat->pipe = pipe;
    cor_list_add(&binder->pipes, &seat->link);
    z->pipe = pipe;
    z->retry_us = RETRY_US;
    if (z->spec.probes) {
        (void)put(pipe, CONNECTOR, z->spec.hwm, cor_strdup(""), 0);
    }
}

/* ---- ends ---- */

/* The other end hears of it: the socket is the one that had this connection. */
static void on_loss(void *self)
{
    struct pipe *pipe = self;
    int other = pipe->end[CONNECTOR] != NULL ? CONNECTOR : BINDER;
    struct cor_zsock *z = pipe->end[other];
    if (z == NULL) {
        return;
    }
    pipe->end[other] = NULL;
    z->lost = true;
    if (other == CONNECTOR) {
        z->pipe = NULL;
        try_later(z);
    } else {
        COR_LIST_EACH (node, &z->pipes) {
            struct seat *seat = COR_LIST_OBJECT(node, struct seat, link);
            if (seat->pipe == pipe) {
                cor_list_del(node);
                cor_free(seat);
            }
        }
    }
    sim_kick(z->core);
}

static void leave(struct pipe *pipe, int side)
{
    if (pipe->end[side] == NULL) {
        return;
    }
    pipe->end[side] = NULL;
    /* What the kernel had of it arrives, up to somewhere. */
    pipe->last[side] = pipe->sent[side] - sim_pick(SIM_NET, pipe->under_way[side] + 1);
    sim_post(NULL, 20 + (int64_t)sim_pick(SIM_NET, LOSS_US), on_loss, pipe);
}

static void detach(struct cor_zsock *z)
{
    cor_list_del(&z->link);
    sim_cancel(&z->retry);
    if (z->pipe != NULL) {
        leave(z->pipe, CONNECTOR);
        z->pipe = NULL;
    }
    COR_LIST_EACH (node, &z->pipes) {
        leave(COR_LIST_OBJECT(node, struct seat, link)->pipe, BINDER);
    }
}

void sim_zsock_died(struct sim_core *core)
{
    COR_LIST_EACH (node, &sim_world()->zsocks) {
        struct cor_zsock *z = COR_LIST_OBJECT(node, struct cor_zsock, link);
        if (z->core == core) {
            detach(z);
        }
    }
}

/* ---- the interface ---- */

/* As the real one: all messages first, then the monitor. */
static bool on_round(void *self)
{
    struct cor_zsock *z = self;
    bool did = false;
    while (!cor_list_empty(&z->inbox)) {
        struct frame *frame = COR_LIST_OBJECT(z->inbox.next, struct frame, link);
        struct cor_peer peer = {.len = 0};
        cor_list_del(&frame->link);
        if (z->spec.binds) {
            peer.len = 5;
            memcpy(peer.id + 1, &frame->pipe->id, sizeof(frame->pipe->id));
        }
        did = true;
        sim_point();
        z->ops.message(z->self, &peer, (int)geteuid(), (struct cor_view){frame->data, frame->len});
        frame_free(frame);
    }
    if (z->lost) {
        z->lost = false;
        did = true;
        if (z->ops.lost != NULL) {
            z->ops.lost(z->self);
        }
    }
    return did;
}

enum cor_code cor_zsock_open(struct cor_loop *loop, const struct cor_zsock_spec *spec,
                             const struct cor_zsock_ops *ops, void *self, struct cor_zsock **z_r,
                             struct cor_err *err)
{
    (void)err;
    struct cor_zsock *z = cor_alloc(sizeof(*z));
    z->core = sim_self();
    z->spec = *spec;
    z->path = cor_strdup(spec->path);
    z->ops = *ops;
    z->self = self;
    z->retry_us = RETRY_US;
    z->retry.fn = on_retry;
    z->retry.self = z;
    cor_list_init(&z->inbox);
    cor_list_init(&z->pipes);
    cor_list_add(&sim_world()->zsocks, &z->link);
    z->hook = cor_hook_new(loop, on_round, z);
    if (!spec->binds) {
        sim_schedule(&z->retry, NULL, (int64_t)sim_pick(SIM_NET, RETRY_US));
    }
    *z_r = z;
    return COR_OK;
}

void cor_zsock_close(struct cor_zsock **z)
{
    if (*z == NULL) {
        return;
    }
    struct cor_zsock *self = *z;
    *z = NULL;
    detach(self);
    cor_hook_free(&self->hook);
    COR_LIST_EACH (node, &self->inbox) {
        frame_free(COR_LIST_OBJECT(node, struct frame, link));
    }
    COR_LIST_EACH (node, &self->pipes) {
        cor_free(COR_LIST_OBJECT(node, struct seat, link));
    }
    cor_free(self->path);
    cor_free(self);
}

static struct pipe *pipe_to(struct cor_zsock *z, const struct cor_peer *peer)
{
    uint32_t id = 0;
    if (!z->spec.binds) {
        return z->pipe;
    }
    if (peer->len != 5) {
        return NULL;
    }
    memcpy(&id, peer->id + 1, sizeof(id));
    COR_LIST_EACH (node, &z->pipes) {
        struct seat *seat = COR_LIST_OBJECT(node, struct seat, link);
        if (seat->pipe->id == id) {
            return seat->pipe;
        }
    }
    return NULL;
}

bool cor_zsock_give(struct cor_zsock *z, const struct cor_peer *peer, char *data, size_t len)
{
    sim_point();
    struct pipe *pipe = pipe_to(z, peer);
    if (pipe == NULL) {
        cor_free(data);
        return false;
    }
    return put(pipe, z->spec.binds ? BINDER : CONNECTOR, z->spec.hwm, data, len);
}

bool cor_zsock_send(struct cor_zsock *z, const struct cor_peer *peer, struct cor_view frame)
{
    return cor_zsock_give(z, peer, cor_memdup(frame.ptr, frame.len), frame.len);
}

/* ---- the library's context, which starts nothing here ---- */

void *zmq_ctx_new(void);
int zmq_ctx_term(void *context);

void *zmq_ctx_new(void)
{
    return sim_world();
}

int zmq_ctx_term(void *context)
{
    (void)context;
    return 0;
}
