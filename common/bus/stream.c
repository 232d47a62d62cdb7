// SPDX-License-Identifier: Apache-2.0
// Streams of EVENTs on a port: the origin keeps what the sink has not committed; a new session
// resumes behind the last ack.
#include <inttypes.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "room.h"

struct cor_origin {
    struct cor_port *port;
    const struct cor_origin_ops *ops;
    void *self;
    unsigned stream;
    uint64_t incarnation;
    uint64_t high; /* highest sequence ever given out */
    bool blocked;  /* the owner was told BUSY */
    struct cor_place_origin place;
};

static void open_stream(struct cor_origin *origin)
{
    struct cor_wire_open open = {.stream = origin->stream, .incarnation = origin->incarnation};
    cor_port_control(origin->port, COR_WIRE_OPEN, &open);
}

struct cor_origin *cor_origin_new(struct cor_port *port, unsigned stream, uint64_t incarnation,
                                  uint64_t last, uint64_t acked, const struct cor_origin_ops *ops,
                                  void *self)
{
    must(stream >= 1 && stream <= COR_STREAM_MAX && port->origins[stream] == NULL && acked <= last);
    struct cor_origin *origin = cor_alloc(sizeof(*origin));
    origin->port = port;
    origin->ops = ops;
    origin->self = self;
    origin->stream = stream;
    origin->incarnation = incarnation;
    origin->high = last;
    origin->place.acked = acked;
    port->origins[stream] = origin;
    if (cor_port_is_up(port)) {
        open_stream(origin);
    }
    return origin;
}

void cor_origin_free(struct cor_origin **origin)
{
    if (*origin != NULL) {
        (*origin)->port->origins[(*origin)->stream] = NULL;
        cor_freep(origin);
    }
}

uint64_t cor_origin_next(const struct cor_origin *origin)
{
    return origin->place.open ? origin->place.sent + 1 : 0;
}

enum cor_code cor_origin_send(struct cor_origin *origin, uint64_t seq, uint16_t number,
                              const void *body, uint64_t cause)
{
    struct cor_port *port = origin->port;
    const struct cor_message *m = cor_message_find(port->bus->spec.messages, number);
    must(m != NULL && m->class_ == COR_EVENT);
    if (seq > origin->high) {
        origin->high = seq;
    }
    if (!origin->place.open) {
        return COR_GONE;
    }
    if (seq != origin->place.sent + 1) {
        return COR_CONFLICT;
    }
    if (!cor_session_may_send(&port->session)) {
        origin->blocked = true;
        port->stats.refused++;
        return COR_BUSY;
    }
    struct cor_wire_header header = {
        .number = number, .stream = origin->stream, .seq = seq, .cause = cause};
    enum cor_code code = cor_port_put(port, &header, m->body, body);
    if (code == COR_OK) {
        cor_session_sent(&port->session);
        origin->place.sent = seq;
    }
    return code;
}

void cor_streams_begin(struct cor_port *port)
{
    for (unsigned i = 1; i <= COR_STREAM_MAX; i++) {
        port->sinks[i].open = false;
        if (port->origins[i] != NULL && cor_port_is_up(port)) {
            open_stream(port->origins[i]);
        }
    }
}

void cor_streams_end(struct cor_port *port)
{
    port->ack_due = 0;
    for (unsigned i = 1; i <= COR_STREAM_MAX; i++) {
        port->sinks[i].open = false;
        if (port->origins[i] != NULL) {
            port->origins[i]->blocked = false;
            cor_place_origin_end(&port->origins[i]->place);
        }
    }
}

void cor_streams_room(struct cor_port *port)
{
    for (unsigned i = 1; i <= COR_STREAM_MAX && cor_session_may_send(&port->session); i++) {
        struct cor_origin *origin = port->origins[i];
        if (origin != NULL && origin->blocked) {
            origin->blocked = false;
            origin->ops->resume(origin->self, origin->place.sent);
        }
    }
}

static void send_ack(struct cor_port *port, uint64_t stream, bool resume)
{
    struct cor_place_sink *sink = &port->sinks[stream];
    struct cor_wire_ack ack = {.stream = stream, .seq = sink->committed, .resume = resume};
    sink->told = sink->committed;
    port->ack_due &= ~(1u << stream);
    cor_port_control(port, COR_WIRE_ACK, &ack);
}

static bool is_stream(struct cor_port *port, uint64_t stream)
{
    if (stream >= 1 && stream <= COR_STREAM_MAX) {
        return true;
    }
    port->stats.invalid++;
    return false;
}

void cor_streams_open(struct cor_port *port, const struct cor_wire_open *open)
{
    if (!is_stream(port, open->stream)) {
        return;
    }
    if (port->ops->committed == NULL) {
        port->stats.invalid++;
        LOGW(port->log, "bus.invalid", "error=\"no streams here\" stream=%" PRIu64, open->stream);
        return;
    }
    uint64_t committed = port->ops->committed(port->self, port, open->stream, open->incarnation);
    cor_place_sink_open(&port->sinks[open->stream], open->incarnation, committed);
    send_ack(port, open->stream, true);
}

void cor_streams_ack(struct cor_port *port, const struct cor_wire_ack *ack)
{
    if (!is_stream(port, ack->stream) || port->origins[ack->stream] == NULL) {
        return;
    }
    struct cor_origin *origin = port->origins[ack->stream];
    uint64_t before = origin->place.acked;
    enum cor_place_ack what =
        cor_place_origin_ack(&origin->place, ack->seq, ack->resume, origin->high);
    if (what == COR_PLACE_BAD) {
        port->stats.invalid++;
        LOGE(port->log, "bus.ack-beyond", "stream=%" PRIu64 " seq=%" PRIu64 " high=%" PRIu64,
             ack->stream, ack->seq, origin->high);
        return;
    }
    if (origin->place.acked > before) {
        origin->ops->acked(origin->self, origin->place.acked);
    }
    if (what == COR_PLACE_RESUME && port->origins[ack->stream] == origin) {
        origin->ops->resume(origin->self, origin->place.sent);
    }
}

bool cor_streams_seq(struct cor_port *port, const struct cor_wire_header *header)
{
    switch (cor_place_sink_seq(&port->sinks[header->stream], header->seq)) {
    case COR_PLACE_NEXT:
        return true;
    case COR_PLACE_DUPLICATE:
        port->stats.duplicates++;
        port->ack_due |= 1u << header->stream;
        return false;
    case COR_PLACE_HELD:
        return false;
    case COR_PLACE_GAP:
        port->stats.gaps++;
        if (port->sinks[header->stream].open) {
            send_ack(port, header->stream, true);
        }
        return false;
    }
    return false;
}

void cor_commit(struct cor_port *port, uint64_t stream, uint64_t seq)
{
    must(stream >= 1 && stream <= COR_STREAM_MAX);
    if (cor_place_sink_commit(&port->sinks[stream], seq)) {
        port->ack_due |= 1u << stream;
    }
}

/* What was dropped while held follows what was received, which may not be committed yet. */
static void ask_again(struct cor_port *port, uint64_t stream)
{
    struct cor_place_sink *sink = &port->sinks[stream];
    if (sink->open && cor_port_is_up(port)) {
        send_ack(port, stream, true);
    }
}

void cor_hold(struct cor_port *port, uint64_t stream, bool on)
{
    must(stream >= 1 && stream <= COR_STREAM_MAX);
    bool was = port->sinks[stream].held;
    port->sinks[stream].held = on;
    if (was && !on) {
        ask_again(port, stream);
    }
}

void cor_streams_refuse(struct cor_port *port, const struct cor_wire_header *header)
{
    struct cor_place_sink *sink = &port->sinks[header->stream];
    if (sink->received == header->seq) {
        sink->received = header->seq - 1;
    }
    sink->held = true;
}

void cor_streams_flush(struct cor_port *port)
{
    for (unsigned i = 1; port->ack_due != 0 && i <= COR_STREAM_MAX; i++) {
        if ((port->ack_due & (1u << i)) != 0 && port->sinks[i].open && cor_port_is_up(port)) {
            send_ack(port, i, false);
        }
    }
    port->ack_due = 0;
}
