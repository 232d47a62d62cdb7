// SPDX-License-Identifier: Apache-2.0
// What happens to a frame of the session's peer: table-driven, by message number.
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "room.h"

/* A message being delivered. */
struct delivery {
    struct cor_port *port;
    const struct cor_wire_header *head;
    struct cor_view raw;
};

static void invalid(const struct delivery *d, const struct cor_err *err)
{
    struct cor_port *port = d->port;
    port->stats.invalid++;
    LOGW(port->log, "bus.invalid", "number=%" PRIu64 " error=%s", d->head->number,
         cor_log_esc(cor_view_of(err->text)));
    const struct cor_message *m =
        cor_message_find(port->bus->spec.messages, (uint16_t)d->head->number);
    if (m != NULL && m->class_ == COR_CALL) {
        cor_port_error(port, d->head->id, err);
    }
}

static void *decoded(const struct delivery *d, const struct cor_table *table)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_arena *arena = d->port->bus->arena;
    void *body = cor_arena_alloc(arena, table->size);
    must(body != NULL);
    if (cor_decode(table, d->raw, arena, body, &err) != COR_OK) {
        invalid(d, &err);
        return NULL;
    }
    return body;
}

void cor_deliver_end(struct cor_port *port, const struct cor_pending *pending, const void *body,
                     const struct cor_err *err)
{
    struct cor_bus *bus = port->bus;
    uint64_t cause = bus->cause;
    if (cause == 0) {
        cor_bus_set_cause(bus, pending->cause);
    }
    pending->fn(pending->self, body, err);
    cor_bus_set_cause(bus, cause);
}

/* ---- the bus's own messages -------------------------------------------------------------------
 */

static void on_hello(struct cor_port *port, const struct cor_wire_header *head, const void *body)
{
    (void)head;
    const struct cor_wire_hello *hello = body;
    struct cor_wire_hello answer;
    struct cor_err err = COR_ERR_NONE;
    if (!port->session.is_binder) {
        cor_port_end(port, "peer began anew");
    }
    enum cor_session_do what = cor_session_hello(&port->session, hello, &answer, &err);
    switch (what) {
    case COR_SESSION_IGNORE:
        port->stats.stale++;
        return;
    case COR_SESSION_REFUSE:
        LOGE(port->log, "bus.refused", "error=%s", cor_log_esc(cor_view_of(err.text)));
        return;
    case COR_SESSION_ANSWER:
        cor_port_control(port, COR_WIRE_HELLO, &answer);
        break;
    case COR_SESSION_BEGIN:
        break;
    }
    if (!cor_port_is_up(port)) {
        return; /* the answer found nobody */
    }
    port->stats.sessions++;
    LOGI(port->log, "bus.up", "peer=%s epoch=%016" PRIx64 " minor=%" PRIu64, port->session.peer,
         port->session.epoch, hello->minor);
    cor_streams_begin(port);
    if (port->ops->up != NULL && cor_port_is_up(port)) {
        port->ops->up(port->self, port);
    }
    if (port->busy && cor_port_is_up(port)) {
        cor_port_room(port); /* that was promised in the session before */
    }
}

static void on_credit(struct cor_port *port, const struct cor_wire_header *head, const void *body)
{
    (void)head;
    const struct cor_wire_credit *credit = body;
    bool room = false;
    if (!cor_session_credit(&port->session, credit->limit, &room)) {
        port->stats.invalid++;
    } else if (room || port->busy) {
        cor_port_room(port);
    }
}

static void on_open(struct cor_port *port, const struct cor_wire_header *head, const void *body)
{
    (void)head;
    cor_streams_open(port, body);
}

static void on_ack(struct cor_port *port, const struct cor_wire_header *head, const void *body)
{
    (void)head;
    cor_streams_ack(port, body);
}

static void on_reopen(struct cor_port *port, const struct cor_wire_header *head, const void *body)
{
    (void)head;
    (void)body;
    cor_streams_reopen(port);
}

static void on_error(struct cor_port *port, const struct cor_wire_header *head, const void *body)
{
    const struct cor_wire_error *error = body;
    struct cor_pending pending;
    if (!cor_calls_take(port->calls, head->re, &pending)) {
        return; /* it has timed out */
    }
    enum cor_code code =
        error->code > 0 && error->code < COR_CODE_COUNT ? (enum cor_code)error->code : COR_INTERNAL;
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_set(&err, code, "%.*s", COR_VIEW_ARG(error->text));
    cor_deliver_end(port, &pending, NULL, &err);
    cor_port_arm(port);
}

static const struct {
    uint16_t number;
    bool when_down; /* makes sense before the session is up */
    void (*fn)(struct cor_port *port, const struct cor_wire_header *head, const void *body);
} OWN[] = {
    {COR_WIRE_HELLO, true, on_hello},  {COR_WIRE_CREDIT, false, on_credit},
    {COR_WIRE_OPEN, false, on_open},   {COR_WIRE_ACK, false, on_ack},
    {COR_WIRE_ERROR, false, on_error}, {COR_WIRE_REOPEN, false, on_reopen},
};

static void deliver_own(const struct delivery *d)
{
    for (size_t i = 0; i < COR_COUNT(OWN); i++) {
        if (OWN[i].number != d->head->number) {
            continue;
        }
        if (!OWN[i].when_down && !cor_port_is_up(d->port)) {
            d->port->stats.stale++;
            return;
        }
        const struct cor_message *m =
            cor_message_find(cor_wire_messages(), (uint16_t)d->head->number);
        const void *body = decoded(d, m->body);
        if (body != NULL) {
            OWN[i].fn(d->port, d->head, body);
        }
        return;
    }
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_set(&err, COR_UNSUPPORTED, "unknown message");
    invalid(d, &err);
}

/* ---- messages of services ---------------------------------------------------------------------
 */

static void deliver_reply(const struct delivery *d, const struct cor_message *m)
{
    struct cor_port *port = d->port;
    struct cor_pending pending;
    if (!cor_calls_take(port->calls, d->head->re, &pending)) {
        return; /* it has timed out */
    }
    struct cor_err err = COR_ERR_NONE;
    const void *body = NULL;
    if (pending.reply != m->number) {
        (void)cor_err_set(&err, COR_INVALID, "answered by %s", m->name);
    } else {
        body = decoded(d, m->body);
    }
    if (body == NULL && err.code == COR_OK) {
        (void)cor_err_set(&err, COR_INVALID, "unreadable %s", m->name);
    }
    cor_deliver_end(port, &pending, body, &err);
    cor_port_arm(port);
}

static const struct cor_handler *handler_of(const struct cor_port *port, uint16_t number)
{
    for (size_t i = 0; i < port->ops->handler_count; i++) {
        if (port->ops->handlers[i].number == number) {
            return &port->ops->handlers[i];
        }
    }
    return NULL;
}

static void handle(const struct delivery *d, const struct cor_message *m,
                   const struct cor_handler *handler)
{
    struct cor_port *port = d->port;
    const void *body = decoded(d, m->body);
    if (body == NULL) {
        return;
    }
    struct cor_err err = COR_ERR_NONE;
    struct cor_in in = {.port = port, .head = d->head, .raw = d->raw};
    enum cor_code code = handler->fn(port->self, &in, body, &err);
    if (m->class_ == COR_CALL) {
        if (code == COR_OK && !in.settled) {
            code = cor_err_set(&err, COR_INTERNAL, "%s was not answered", m->name);
        }
        if (code != COR_OK && !in.settled) {
            err.code = code;
            cor_port_error(port, d->head->id, &err);
        }
    } else if (code == COR_BUSY && d->head->stream != 0) {
        cor_streams_refuse(port, d->head);
    } else if (code != COR_OK) {
        LOGW(port->log, "bus.rejected", "message=%s error=%s", m->name,
             cor_log_esc(cor_view_of(err.text)));
    }
}

static void deliver_numbered(const struct delivery *d, const struct cor_message *m)
{
    struct cor_port *port = d->port;
    const struct cor_handler *handler = handler_of(port, m->number);
    if (handler == NULL) {
        struct cor_err err = COR_ERR_NONE;
        (void)cor_err_set(&err, COR_UNSUPPORTED, "%s does not take %s", port->bus->spec.service,
                          m->name);
        invalid(d, &err);
        return;
    }
    if (d->head->stream == 0 || cor_streams_seq(port, d->head)) {
        handle(d, m, handler);
    }
}

static void deliver_service(const struct delivery *d)
{
    struct cor_port *port = d->port;
    const struct cor_message *m =
        cor_message_find(port->bus->spec.messages, (uint16_t)d->head->number);
    if (!cor_port_is_up(port)) {
        port->stats.stale++;
        return;
    }
    if (m != NULL && m->class_ == COR_REPLY) {
        deliver_reply(d, m);
        return;
    }
    uint64_t epoch = port->session.epoch;
    if (m == NULL) {
        struct cor_err err = COR_ERR_NONE;
        (void)cor_err_set(&err, COR_UNSUPPORTED, "unknown message");
        invalid(d, &err);
    } else {
        deliver_numbered(d, m);
    }
    if (cor_port_epoch(port) == epoch) {
        cor_port_consumed(port);
    }
}

void cor_deliver(struct cor_port *port, struct cor_view frame)
{
    struct cor_wire_header head;
    struct delivery d = {.port = port, .head = &head};
    struct cor_err err = COR_ERR_NONE;
    if (cor_frame_read(frame, &head, &d.raw, &err) != COR_OK) {
        port->stats.invalid++;
        LOGW(port->log, "bus.invalid", "error=%s", cor_log_esc(cor_view_of(err.text)));
        return;
    }
    cor_bus_saw(port, (uint16_t)head.number, frame, false);
    cor_bus_set_cause(port->bus, head.id);
    if (head.number <= COR_WIRE_LAST) {
        deliver_own(&d);
    } else {
        deliver_service(&d);
    }
    cor_bus_set_cause(port->bus, 0);
    cor_arena_reset(port->bus->arena);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void send_reply(struct cor_port *port, uint64_t id, uint16_t call, const void *body)
{
    const struct cor_messages *messages = port->bus->spec.messages;
    const struct cor_message *m = cor_message_find(messages, call);
    const struct cor_message *reply = cor_message_find(messages, m->reply);
    must(reply != NULL);
    struct cor_wire_header header = {.number = reply->number, .re = id, .cause = id};
    if (cor_port_put(port, &header, reply->body, body) == COR_TOOBIG) {
        struct cor_err err = COR_ERR_NONE;
        (void)cor_err_set(&err, COR_TOOBIG, "answer over %u bytes", port->endpoint->max_bytes);
        cor_port_error(port, id, &err);
    }
}

void cor_reply(struct cor_in *in, const void *body)
{
    must(!in->settled);
    in->settled = true;
    send_reply(in->port, in->head->id, (uint16_t)in->head->number, body);
}

struct cor_ticket cor_defer(struct cor_in *in)
{
    must(!in->settled);
    in->settled = true;
    return (struct cor_ticket){
        .port = in->port,
        .epoch = in->port->session.epoch,
        .id = in->head->id,
        .call = (uint16_t)in->head->number,
        .deadline = cor_mono_add(cor_mono_now(), COR_MS(in->head->within_ms)),
    };
}

static bool is_waited_for(const struct cor_ticket *ticket)
{
    return cor_port_epoch(ticket->port) == ticket->epoch;
}

void cor_ticket_reply(const struct cor_ticket *ticket, const void *body)
{
    if (is_waited_for(ticket)) {
        send_reply(ticket->port, ticket->id, ticket->call, body);
    }
}

void cor_ticket_fail(const struct cor_ticket *ticket, const struct cor_err *err)
{
    if (is_waited_for(ticket)) {
        cor_port_error(ticket->port, ticket->id, err);
    }
}
