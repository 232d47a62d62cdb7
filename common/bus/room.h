// SPDX-License-Identifier: Apache-2.0
// Private to common/bus: what bus.c, port.c, deliver.c, stream.c, tap.c and ctl.c share.
#ifndef COR_BUS_ROOM_H
#define COR_BUS_ROOM_H

#include "common/base/arena.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/bus/gather.h"
#include "place.h"
#include "session.h"
#include "waiting.h"
#include "zsock.h"

struct cor_ctl;

struct cor_bus {
    struct cor_bus_spec spec;
    void *context;
    uint64_t boot;
    uint64_t next_id;
    uint64_t cause;
    struct cor_link ports;
    struct cor_arena *arena; /* of the message being handled */
    struct cor_ctl *ctl;
    struct cor_map *counters; /* message name -> struct cor_counter, owned */
};

/* Per message kind, for stats. */
struct cor_counter {
    uint64_t sent;
    uint64_t received;
};

struct cor_port_stats {
    uint64_t sent, received, sent_bytes, received_bytes;
    uint64_t superseded; /* STATE that a newer one replaced while it waited */
    uint64_t refused;    /* COR_BUSY told to the sender */
    uint64_t lost;       /* STATE that waited when the session ended; its owner sends all again */
    uint64_t stale;      /* messages of an earlier session */
    uint64_t invalid;    /* messages that could not be read or were not expected */
    uint64_t duplicates; /* EVENTs that the sink had already */
    uint64_t gaps;       /* EVENTs that came too early */
    uint64_t timeouts;   /* calls without an answer in time */
    uint64_t sessions;
};

struct cor_port {
    struct cor_link link;
    struct cor_bus *bus;
    const struct cor_endpoint *endpoint;
    const struct cor_port_ops *ops;
    void *self;
    struct cor_log *log;
    struct cor_zsock *z;
    struct cor_session session;
    struct cor_peer peer;
    struct cor_peer suspect; /* its uid was wrong: ignored */
    struct cor_waiting *waiting;
    struct cor_calls *calls;
    struct cor_timer *deadline; /* of the next pending call */
    struct cor_timer *probe;    /* binder: is the peer still there? */
    struct cor_hook *flush;     /* acks at the end of the round */
    struct cor_map *origins;    /* stream -> struct cor_origin, borrowed */
    struct cor_map *sinks;      /* stream -> struct cor_sink */
    struct cor_link unopened;   /* origins to be opened */
    struct cor_link blocked;    /* origins that were told BUSY, in order */
    struct cor_link due;        /* sinks with something to acknowledge */
    struct cor_link due_later;  /* the same, when there are few */
    struct cor_gather gather;
    struct cor_timer *gathering; /* runs while acks wait */
    unsigned opening;            /* OPENs without an answer */
    uint64_t owed;               /* messages consumed while paused: no credit was given for them */
    int probes;                  /* that are left */
    int lock_fd;
    int peer_uid; /* allowed besides our own and root; -1: none */
    bool busy;    /* the owner was told COR_BUSY: call room() */
    bool paused;
    bool ack_beyond; /* of what was never sent, in this session: logged once */
    struct cor_port_stats stats;
};

/* Port: sends a message; id, cause and time are filled in where they are 0. COR_TOOBIG; COR_GONE,
 * and the session has been ended. */
enum cor_code cor_port_put(struct cor_port *port, const struct cor_wire_header *header,
                           const struct cor_table *table, const void *body);

/* Port: the same with a body that is encoded already (borrows). */
enum cor_code cor_port_put_raw(struct cor_port *port, const struct cor_wire_header *header,
                               struct cor_view raw);

/* Port: a message with credit was consumed. */
void cor_port_consumed(struct cor_port *port);

/* Port: sends one of the bus's own messages. */
void cor_port_control(struct cor_port *port, enum cor_wire number, const void *body);

/* Port: an ERROR for call id. */
void cor_port_error(struct cor_port *port, uint64_t id, const struct cor_err *err);

/* Port: ends the session, if any. why is logged. */
void cor_port_end(struct cor_port *port, const char *why);

/* Port: sends what waits, as far as credit goes, then tells the owner about room. */
void cor_port_room(struct cor_port *port);

/* Port: arms the timer of the next call's deadline. */
void cor_port_arm(struct cor_port *port);

/* deliver.c: a frame of the session's peer. */
void cor_deliver(struct cor_port *port, struct cor_view frame);

/* deliver.c: a pending call has ended. body is NULL unless err has no code. */
void cor_deliver_end(struct cor_port *port, const struct cor_pending *pending, const void *body,
                     const struct cor_err *err);

/* stream.c */
void cor_streams_init(struct cor_port *port);
void cor_streams_free(struct cor_port *port);
void cor_streams_begin(struct cor_port *port);
void cor_streams_end(struct cor_port *port);
void cor_streams_reopen(struct cor_port *port);
void cor_streams_room(struct cor_port *port);
void cor_streams_open(struct cor_port *port, const struct cor_wire_open *open);
void cor_streams_ack(struct cor_port *port, const struct cor_wire_ack *ack);
/* Whether the numbered message is to be delivered. */
bool cor_streams_seq(struct cor_port *port, const struct cor_wire_header *header);
/* The handler could not take it: hold the stream in front of it. */
void cor_streams_refuse(struct cor_port *port, const struct cor_wire_header *header);
void cor_streams_flush(struct cor_port *port);

/* bus.c: counts and taps a message that was sent or received. from_us tells the direction. */
void cor_bus_saw(struct cor_port *port, uint16_t number, struct cor_view frame, bool sent);

/* bus.c: takes the lock file of a role; COR_BUSY when another process holds it. */
enum cor_code cor_bus_lock(const struct cor_bus *bus, const char *name, int *fd_r,
                           struct cor_err *err);

/* ctl.c */
enum cor_code cor_ctl_open(struct cor_bus *bus, struct cor_err *err);
void cor_ctl_close(struct cor_bus *bus);
bool cor_ctl_watched(const struct cor_bus *bus);
void cor_ctl_tap(struct cor_bus *bus, const struct cor_wire_tapped *tapped);

#endif
