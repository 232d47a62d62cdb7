// SPDX-License-Identifier: Apache-2.0
// How services talk. A bus is a process's place in it; a port is one endpoint, shared with exactly
// one other service; the door to libzmq. Everything runs on the loop thread, never blocks, and is
// bounded: what may be under way by credit, what may wait by the endpoint's row.
//
// A port is up or down. Up means that both sides have said HELLO: it begins a new session with a
// new epoch, and whatever was under way before is gone. So on up() an owner of STATE sends all of
// it again, an origin of EVENTs is asked to resume, and calls that were pending have ended with
// COR_GONE.
#ifndef COR_BUS_BUS_H
#define COR_BUS_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/bus/calls.h"
#include "common/bus/message.h"
#include "common/bus/wire.h"
#include "common/clock/clock.h"
#include "common/log/log.h"
#include "common/loop/loop.h"

struct cor_bus;
struct cor_port;

/* What a process needs to be on the bus. All borrowed; must outlive the bus. */
struct cor_bus_spec {
    const char *service;     /* own name, as in proto/endpoints.def */
    const char *run_dir;     /* sockets are made in run_dir/bus and run_dir/ctl */
    const char *user_prefix; /* a peer X may run as user <prefix>X; NULL: own uid, root */
    struct cor_loop *loop;
    struct cor_log *log;
    const struct cor_messages *messages; /* the services' messages */
};

/* Joins the bus: makes the folders (0750) and the ctl endpoint. COR_IO; COR_BUSY when another
 * process is this service already. Returns owned in *bus_r. */
COR_NODISCARD enum cor_code cor_bus_new(const struct cor_bus_spec *spec, struct cor_bus **bus_r,
                                        struct cor_err *err);

/* Leaves; all ports must be closed. *bus becomes NULL. For auto_(). */
void cor_bus_free(struct cor_bus **bus);

/* Tells this life of the process from others; the upper bits of its messages' ids. */
uint64_t cor_bus_boot(const struct cor_bus *bus);

/* Id of the message being handled, 0 outside of handlers: what is sent now is caused by it. */
uint64_t cor_bus_cause(const struct cor_bus *bus);

/* Sets the cause for what is sent next, until the next message is handled; for work that goes on
 * later (a timer, a commit): remember cor_bus_cause() and set it again. */
void cor_bus_set_cause(struct cor_bus *bus, uint64_t cause);

/* A fresh message id, for causes that begin outside of the bus (a frame from the cloud). */
uint64_t cor_bus_next_id(struct cor_bus *bus);

/* ---- messages that arrive -------------------------------------------------------------------- */

/* A message as its handler sees it. Valid during the handler. */
struct cor_in {
    struct cor_port *port;
    const struct cor_wire_header *head;
    struct cor_view raw; /* body bytes, to pass on unread */
    bool settled;        /* private: answered or deferred */
};

/* Handles one message: body is the decoded struct of its table (borrowed; valid during the call,
 * like all its views). For a CALL it must call cor_reply or cor_defer, or return an error, which is
 * sent. For other messages an error is logged and counted. For an EVENT of a stream, it must have
 * called cor_commit(port, stream, seq) now or do so later, when the message is committed. */
typedef enum cor_code (*cor_handler_fn)(void *self, struct cor_in *in, const void *body,
                                        struct cor_err *err);

struct cor_handler {
    uint16_t number;
    cor_handler_fn fn;
};

/* Answers the CALL being handled with a struct of its reply's table (borrows). */
void cor_reply(struct cor_in *in, const void *body);

/* A promise to answer a CALL later. Copy freely; use once. */
struct cor_ticket {
    struct cor_port *port;
    uint64_t epoch;
    uint64_t id;
    struct cor_mono deadline; /* after this nobody waits any more */
    uint16_t call;            /* private: message number */
};

/* Defers the answer to the CALL being handled. */
struct cor_ticket cor_defer(struct cor_in *in);

/* Answers a deferred CALL. Nothing happens when the caller is gone. */
void cor_ticket_reply(const struct cor_ticket *ticket, const void *body);

/* Ends a deferred CALL with an error. Nothing happens when the caller is gone. */
void cor_ticket_fail(const struct cor_ticket *ticket, const struct cor_err *err);

/* ---- ports ----------------------------------------------------------------------------------- */

struct cor_port_ops {
    void (*up)(void *self, struct cor_port *port);   /* a session begins; may be NULL */
    void (*down)(void *self, struct cor_port *port); /* it has ended; may be NULL */
    /* After COR_BUSY there is credit: in this session or, when that ends first, after up() of the
     * next. May be NULL. */
    void (*room)(void *self, struct cor_port *port);
    /* The sink's store is asked: last committed sequence of the stream that is opened, in this
     * incarnation; 0 if none. NULL: no streams come in here. */
    uint64_t (*committed)(void *self, struct cor_port *port, const struct cor_wire_open *open);
    /* Instead of committed: streams that come in here have their sink elsewhere; the OPEN is to be
     * passed on (cor_relay_open), the EVENTs go to their handlers as they come, in->head says
     * where they belong. */
    void (*relay_open)(void *self, struct cor_port *port, const struct cor_wire_open *open);
    /* An ACK for a stream that has no origin here: its origin is elsewhere. May be NULL. */
    void (*relay_ack)(void *self, struct cor_port *port, const struct cor_wire_ack *ack);
    const struct cor_handler *handlers;
    size_t handler_count;
};

/* Opens the endpoint in the role that its row gives to this service. ops and self are borrowed. The
 * port is down until the peer is there. COR_BUSY when another process has this role; COR_IO.
 * Returns owned in *port_r. */
COR_NODISCARD enum cor_code cor_port_open(struct cor_bus *bus, const struct cor_endpoint *endpoint,
                                          const struct cor_port_ops *ops, void *self,
                                          struct cor_port **port_r, struct cor_err *err);

/* Closes; pending calls end with COR_CLOSED. *port becomes NULL. For auto_(). */
void cor_port_close(struct cor_port **port);

/* Whether a session is up. */
bool cor_port_is_up(const struct cor_port *port);

/* Epoch of the session, 0 when down. */
uint64_t cor_port_epoch(const struct cor_port *port);

/* Minor protocol version of this session, the peer's or our own, whichever is less; 0 also when
 * down. Minor 0 knows streams 1 to COR_STREAM_MAX_0, no names of streams and no skips. */
unsigned cor_port_peer_minor(const struct cor_port *port);

/* Messages of streams that came again and were dropped here: the sink had them already. */
uint64_t cor_port_duplicates(const struct cor_port *port);

/* With on, gives the peer no further credit: it can send the rest of its window and then has to
 * wait. For a relay whose way out is full: room() of that way ends the pause. A new session of this
 * port begins without one. */
void cor_port_pause(struct cor_port *port, bool on);

/* From the next session on, speaks as a program of this minor version would: to try what peers do
 * for it. */
void cor_port_speak(struct cor_port *port, unsigned minor);

/* Boot id of the peer in this session: another one means that it has restarted. */
uint64_t cor_port_peer_boot(const struct cor_port *port);

/* Sends a message of class STATE, EVENT (without stream) or STREAM; body is a struct of its table
 * (borrows). STATE waits for credit, one a key, newest wins; COR_BUSY when the queue is full.
 * EVENT and STREAM: COR_BUSY when there is no credit, wait for room(). COR_GONE when down: nothing
 * was sent. */
COR_NODISCARD enum cor_code cor_send(struct cor_port *port, uint16_t number, const void *body);

/* The same for class STREAM and a body that is encoded already (borrows), as a relay has it. */
COR_NODISCARD enum cor_code cor_send_raw(struct cor_port *port, uint16_t number,
                                         struct cor_view raw);

/* Calls: sends a message of class CALL; fn(self) is called exactly once, never from within this
 * call, unless an error is returned here (COR_GONE: down, COR_BUSY: no credit or too many pending).
 * within_us: time until COR_TIMEOUT, > 0. */
COR_NODISCARD enum cor_code cor_call(struct cor_port *port, uint16_t number, const void *body,
                                     int64_t within_us, cor_reply_fn fn, void *self);

/* Ends every pending call made with this self without calling back: the caller is going away. */
void cor_calls_forget(struct cor_port *port, const void *self);

/* ---- streams --------------------------------------------------------------------------------- */

/* The origin of a stream of EVENTs. It keeps every message until the sink has committed it. */
struct cor_origin;

struct cor_origin_ops {
    /* Send again, in order, from after + 1: with cor_origin_send until it says BUSY or all is sent.
     * Everything up to after is committed by the sink. Also called when there is room again. */
    void (*resume)(void *self, uint64_t after);
    /* The sink has committed everything up to seq; it may be forgotten. */
    void (*acked)(void *self, uint64_t seq);
};

struct cor_origin_spec {
    uint64_t stream;      /* from 1; a peer of minor 0 knows up to COR_STREAM_MAX_0 */
    const char *name;     /* at most 512 bytes; copied; may be NULL */
    uint64_t incarnation; /* identifies the store that the sequences come from */
    uint64_t last;        /* highest sequence that was given out */
    uint64_t acked;       /* last one known to be committed, or dropped */
};

/* Declares this process the origin of a stream on port. A stream is opened in each session, so
 * declare those that have something to say. Returns owned. */
struct cor_origin *cor_origin_new(struct cor_port *port, const struct cor_origin_spec *spec,
                                  const struct cor_origin_ops *ops, void *self);

/* Gives the origin up. *origin becomes NULL. */
void cor_origin_free(struct cor_origin **origin);

/* One message of a stream. All borrowed. */
struct cor_event {
    uint64_t seq;
    uint64_t skip; /* numbers right before seq that will never come: dropped by policy */
    uint16_t number;
    const void *body;    /* a struct of the number's table, or NULL: */
    struct cor_view raw; /* its encoded form */
    uint64_t id;         /* of the message; 0: a new one */
    uint64_t cause;      /* 0: the current one */
};

/* Sends a message, which with its skip must follow the last one sent in this session; COR_BUSY (no
 * credit: stop, resume() comes), COR_GONE (the stream is not open: resume() will come).
 * COR_CONFLICT: not the next. */
COR_NODISCARD enum cor_code cor_origin_send(struct cor_origin *origin,
                                            const struct cor_event *event);

/* Sequence that cor_origin_send takes next; 0 while the stream is not open. */
uint64_t cor_origin_next(const struct cor_origin *origin);

/* At the sink: everything up to seq of this stream is committed. The ack is sent at the end of the
 * round. */
void cor_commit(struct cor_port *port, uint64_t stream, uint64_t seq);

/* The same for a sink that a repeat does not harm (its place is stored, or nothing is done with the
 * message): when there are many acks they are sent within 20 ms, cumulated (gather.h). */
void cor_commit_lazily(struct cor_port *port, uint64_t stream, uint64_t seq);

/* At the sink: with on, takes nothing of this stream for now: what comes is dropped unacknowledged,
 * the origin keeps it. When the hold ends the origin is asked to send it again. */
void cor_hold(struct cor_port *port, uint64_t stream, bool on);

/* Ends the hold of every stream of the port. */
void cor_hold_none(struct cor_port *port);

/* At the sink: the stream will not come again (its origin's node is gone). */
void cor_stream_forget(struct cor_port *port, uint64_t stream);

/* ---- relays: streams that only pass through this process keep no state here -------------------
 */

/* Passes an OPEN on towards the sink. Nothing when the port is down: the next session's OPEN comes
 * from the origin. */
void cor_relay_open(struct cor_port *port, const struct cor_wire_open *open);

/* Passes an ACK on towards the origin. {.stream, .resume = true} alone asks it to send again what
 * is not acknowledged: for messages that had to be dropped here. */
void cor_relay_ack(struct cor_port *port, const struct cor_wire_ack *ack);

/* The way to the sinks has begun anew: makes the origins behind port open all their streams again.
 * A peer of minor 0 does not know it: close and open the port. */
void cor_relay_reopen(struct cor_port *port);

/* Passes an EVENT on towards the sink. COR_BUSY: no credit, of which a quarter is left to this
 * process's own messages; nothing was sent, room() comes;
 * COR_GONE: the port is down. */
COR_NODISCARD enum cor_code cor_relay_event(struct cor_port *port, uint64_t stream,
                                            const struct cor_event *event);

/* ---- ctl ------------------------------------------------------------------------------------- */

/* A question on the ctl endpoint, as its handler sees it. */
struct cor_ctl_in;

/* Answers verb: appends JSON to result (for COR_OK), or fills err, or has called cor_ctl_defer. */
typedef enum cor_code (*cor_ctl_fn)(void *self, struct cor_ctl_in *in, struct cor_view args,
                                    struct cor_buf *result, struct cor_err *err);

struct cor_ctl_verb {
    const char *verb;
    const char *doc;
    cor_ctl_fn fn;
};

/* Adds verbs (borrows) to the ctl endpoint. "stats" and "health" are there already. */
void cor_bus_ctl(struct cor_bus *bus, const struct cor_ctl_verb *verbs, size_t count, void *self);

/* A promise to answer a ctl question later. */
struct cor_ctl_ticket {
    char peer[8];
    uint8_t peer_len;
    uint64_t id;
};

/* Defers the answer. */
struct cor_ctl_ticket cor_ctl_defer(struct cor_ctl_in *in);

/* Answers a deferred question: result is JSON (borrows) if err is NULL or has no code. */
void cor_ctl_answer(struct cor_bus *bus, const struct cor_ctl_ticket *ticket,
                    struct cor_view result, const struct cor_err *err);

/* Whether somebody watches this service's traffic. */
bool cor_bus_watched(const struct cor_bus *bus);

/* Shows watchers a message of another wire (the link to the cloud) as if it were one of the bus:
 * number and body (a struct of its table) say what zmqtap prints; head->id and head->cause link it.
 * All borrowed. Call only when watched. */
struct cor_foreign {
    const char *wire; /* name shown as endpoint */
    const char *from, *to;
    bool sent; /* by this service; else received */
    uint16_t number;
    uint64_t id, cause;
    const void *body;
    struct cor_view frame; /* instead of number, ids and body: header and body as they are there */
};
void cor_bus_show(struct cor_bus *bus, const struct cor_foreign *foreign);

/* Adds "name":value pairs of the service to the answer of "stats": fn appends members to out, each
 * preceded by a comma. */
void cor_bus_stats(struct cor_bus *bus, void (*fn)(void *self, struct cor_buf *out), void *self);

#endif
