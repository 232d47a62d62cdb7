// SPDX-License-Identifier: Apache-2.0
// The connection to the cloud: dials, keeps alive, dials again with jitter. In which dialect is
// known when it is up: Coracle if the cloud knows it (it is offered), else KubeEdge. Loop thread
// only.
#ifndef EDGEHUB_LINK_H
#define EDGEHUB_LINK_H

#include "common/clock/backoff.h"
#include "common/ws/ws.h"
#include "identity.h"
#include "proto/kubeedge/message.h"
#include "proto/link/frame.h"
#include "proto/link/offset.h"

struct link;

/* What it needs; all borrowed, must outlive it. */
struct link_spec {
    struct cor_loop *loop;
    const struct cor_log *log;
    struct cor_bus *bus; /* for taps */
    struct cor_ws *ws;
    const struct identity *identity;
    const char *host;
    int port;
    const char *project;
    int64_t keepalive_us; /* in KubeEdge's dialect */
    int64_t heartbeat_us; /* in Coracle's */
    int64_t first_us;     /* delay before the first further try, doubling... */
    int64_t last_us;      /* ...up to this */
    void *self;
    void (*up)(void *self);
    void (*down)(void *self);
    void (*message)(void *self, struct cor_view text); /* KubeEdge's */
    /* Coracle's, but for what the link itself needs. It has been consumed when this returns. */
    void (*frame)(void *self, const struct px_frame *frame);
    /* There may be room again. */
    void (*room)(void *self);
    /* Writes the keepalive message. */
    void (*keepalive)(void *self);
};

/* A link that does nothing yet. Returns owned. */
struct link *link_new(const struct link_spec *spec);

/* Frees, after the ws; *link becomes NULL. */
void link_free(struct link **link);

/* Connects, and from now on stays connected. Again: dials at once. */
void link_start(struct link *link);

/* Drops the connection and dials again at once, with the identity as it is now. */
void link_restart(struct link *link, const char *reason);

/* Whether the link is up. */
bool link_is_up(const struct link *link);

/* Whether it is up and speaks the Coracle dialect. */
bool link_is_coracle(const struct link *link);

/* How far this machine's clock is ahead of the cloud's: Coracle only, by its last connections.
 * Valid until the link is freed. */
const struct px_offset *link_offset(const struct link *link);

/* Number of connections so far. */
uint64_t link_epoch(const struct link *link);

/* Sends a message (borrows). COR_CLOSED when the link is down; COR_BUSY: the queue is full. */
COR_NODISCARD enum cor_code link_send(struct link *link, const struct px_kubeedge_out *out);

/* Sends a frame: body is a struct of the number's table (borrows), or NULL: raw is its encoded
 * form. COR_CLOSED when the link is down or speaks KubeEdge; COR_BUSY: no credit or the queue is
 * full. */
COR_NODISCARD enum cor_code link_put(struct link *link, const struct cor_wire_header *head,
                                     const void *body, struct cor_view raw);

/* Sends a frame without credit that must not be lost: a full queue ends the connection. */
void link_control(struct link *link, const struct cor_wire_header *head, const void *body);

/* Whether so much waits that events are better held back; room() says when that is over. */
bool link_is_tight(const struct link *link);

/* edged has renewed its Lease, which is to last so long: the next heartbeat says so, the first one
 * of a connection at once. False: the cloud is to be asked for it. */
bool link_alive(struct link *link, uint64_t seconds);

#endif
