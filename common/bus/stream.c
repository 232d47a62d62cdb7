// SPDX-License-Identifier: Apache-2.0
// Streams of EVENTs on a port: the origin keeps what the sink has not committed; a new session
// resumes behind the last ack. A port with relay operations passes its streams on.
#include <inttypes.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "room.h"

/* Streams of one port, in each direction; streams that are being opened at once. */
enum { STREAMS_MAX = 1 << 18, OPENING_MAX = 32 };

struct cor_origin {
    struct cor_link link; /* in unopened or blocked, or in no list */
    struct cor_port *port;
    const struct cor_origin_ops *ops;
    void *self;
    char *name; /* owned; NULL: none */
    uint64_t stream;
    uint64_t incarnation;
    uint64_t high; /* highest sequence ever given out */
    bool opening;  /* OPEN was sent, the answer has not come */
    struct cor_place_origin place;
};

struct cor_sink {
    struct cor_link due; /* in port->due when an ack is to be sent */
    uint64_t stream;
    struct cor_place_sink place;
};

static struct cor_view key_of(const uint64_t *stream)
{
    return (struct cor_view){(const char *)stream, sizeof(*stream)};
}

static struct cor_origin *origin_of(const struct cor_port *port, uint64_t stream)
{
    return cor_map_get(port->origins, key_of(&stream));
}

static struct cor_sink *sink_of(const struct cor_port *port, uint64_t stream)
{
    return cor_map_get(port->sinks, key_of(&stream));
}

static void drop_sink(void *value)
{
    struct cor_sink *sink = value;
    cor_list_del(&sink->due);
    cor_free(sink);
}

void cor_streams_init(struct cor_port *port)
{
    port->origins = cor_map_new(NULL);
    port->sinks = cor_map_new(drop_sink);
    cor_list_init(&port->unopened);
    cor_list_init(&port->blocked);
    cor_list_init(&port->due);
    cor_list_init(&port->due_later);
}

void cor_streams_free(struct cor_port *port)
{
    cor_map_free(&port->origins);
    cor_map_free(&port->sinks);
}

/* ---- origins ----------------------------------------------------------------------------------
 */

static void send_open(struct cor_origin *origin)
{
    struct cor_wire_open open = {.stream = origin->stream,
                                 .incarnation = origin->incarnation,
                                 .name = cor_view_of(origin->name == NULL ? "" : origin->name),
                                 .after = origin->place.acked};
    origin->opening = true;
    origin->port->opening++;
    cor_port_control(origin->port, COR_WIRE_OPEN, &open);
}

/* Some at a time: what has no credit must not fill the socket's queue. */
static void open_more(struct cor_port *port)
{
    while (cor_port_is_up(port) && port->opening < OPENING_MAX &&
           !cor_list_empty(&port->unopened)) {
        struct cor_origin *origin = COR_LIST_OBJECT(port->unopened.next, struct cor_origin, link);
        cor_list_del(&origin->link);
        send_open(origin);
    }
}

static void opened(struct cor_origin *origin)
{
    if (origin->opening) {
        origin->opening = false;
        origin->port->opening--;
        open_more(origin->port);
    }
}

/* Whether the peer of this session can have such a stream. */
static bool is_possible(const struct cor_origin *origin)
{
    return origin->port->session.peer_minor > 0 || origin->stream <= COR_STREAM_MAX_0;
}

struct cor_origin *cor_origin_new(struct cor_port *port, const struct cor_origin_spec *spec,
                                  const struct cor_origin_ops *ops, void *self)
{
    must(spec->stream >= 1 && origin_of(port, spec->stream) == NULL && spec->acked <= spec->last);
    struct cor_origin *origin = cor_alloc(sizeof(*origin));
    cor_list_init(&origin->link);
    origin->port = port;
    origin->ops = ops;
    origin->self = self;
    origin->name = spec->name == NULL ? NULL : cor_strdup(spec->name);
    origin->stream = spec->stream;
    origin->incarnation = spec->incarnation;
    origin->high = spec->last;
    origin->place.acked = spec->acked;
    cor_map_set(port->origins, key_of(&origin->stream), origin);
    if (cor_port_is_up(port) && is_possible(origin)) {
        cor_list_add(&port->unopened, &origin->link);
        open_more(port);
    }
    return origin;
}

void cor_origin_free(struct cor_origin **origin)
{
    if (*origin == NULL) {
        return;
    }
    struct cor_origin *self = *origin;
    *origin = NULL;
    cor_list_del(&self->link);
    (void)cor_map_del(self->port->origins, key_of(&self->stream));
    opened(self);
    cor_free(self->name);
    cor_free(self);
}

uint64_t cor_origin_next(const struct cor_origin *origin)
{
    return origin->place.open ? origin->place.sent + 1 : 0;
}

/* Sends an EVENT of a stream, encoded or not, with credit. */
static enum cor_code put(struct cor_port *port, const struct cor_event *event, uint64_t stream)
{
    const struct cor_message *m = cor_message_find(port->bus->spec.messages, event->number);
    must(m != NULL && m->class_ == COR_EVENT);
    struct cor_wire_header header = {.number = event->number,
                                     .stream = stream,
                                     .seq = event->seq,
                                     .skip = event->skip,
                                     .id = event->id,
                                     .cause = event->cause};
    enum cor_code code = event->body != NULL ? cor_port_put(port, &header, m->body, event->body)
                                             : cor_port_put_raw(port, &header, event->raw);
    if (code == COR_OK) {
        cor_session_sent(&port->session);
    }
    return code;
}

enum cor_code cor_origin_send(struct cor_origin *origin, const struct cor_event *event)
{
    struct cor_port *port = origin->port;
    if (event->seq > origin->high) {
        origin->high = event->seq;
    }
    if (!origin->place.open) {
        return COR_GONE;
    }
    if (event->seq - event->skip != origin->place.sent + 1) {
        return COR_CONFLICT;
    }
    if (!cor_session_may_send(&port->session)) {
        if (cor_list_empty(&origin->link)) {
            cor_list_add(&port->blocked, &origin->link);
        }
        port->stats.refused++;
        return COR_BUSY;
    }
    enum cor_code code = put(port, event, origin->stream);
    if (code == COR_OK) {
        origin->place.sent = event->seq;
    }
    return code;
}

void cor_streams_begin(struct cor_port *port)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(port->origins, &at, NULL, &value)) {
        struct cor_origin *origin = value;
        cor_list_del(&origin->link);
        if (is_possible(origin)) {
            cor_list_add(&port->unopened, &origin->link);
        }
    }
    open_more(port);
}

static void end_origins(struct cor_port *port)
{
    size_t at = 0;
    void *value = NULL;
    port->opening = 0;
    while (cor_map_next(port->origins, &at, NULL, &value)) {
        struct cor_origin *origin = value;
        cor_list_del(&origin->link);
        origin->opening = false;
        cor_place_origin_end(&origin->place);
    }
}

void cor_streams_reopen(struct cor_port *port)
{
    end_origins(port);
    cor_streams_begin(port);
}

void cor_streams_end(struct cor_port *port)
{
    size_t at = 0;
    void *value = NULL;
    port->owed = 0;
    end_origins(port);
    while (cor_map_next(port->sinks, &at, NULL, &value)) {
        struct cor_sink *sink = value;
        sink->place.open = false;
        cor_list_del(&sink->due);
    }
}

void cor_streams_room(struct cor_port *port)
{
    while (cor_session_may_send(&port->session) && !cor_list_empty(&port->blocked)) {
        struct cor_origin *origin = COR_LIST_OBJECT(port->blocked.next, struct cor_origin, link);
        cor_list_del(&origin->link);
        origin->ops->resume(origin->self, origin->place.sent);
    }
}

/* An ACK for a stream that waits to be opened: the sink does not know it yet, and says what it has
 * when it is asked. */
static bool is_early(const struct cor_origin *origin)
{
    return !origin->place.open && !origin->opening;
}

static void take_ack(struct cor_origin *origin, const struct cor_wire_ack *ack)
{
    struct cor_port *port = origin->port;
    uint64_t before = origin->place.acked;
    if (is_early(origin)) {
        port->stats.stale++;
        return;
    }
    enum cor_place_ack what =
        cor_place_origin_ack(&origin->place, ack->seq, ack->resume, origin->high);
    opened(origin);
    if (what == COR_PLACE_BAD) {
        port->stats.invalid++;
        if (!port->ack_beyond) {
            LOGE(port->log, "bus.ack-beyond", "stream=%" PRIu64 " seq=%" PRIu64 " high=%" PRIu64,
                 ack->stream, ack->seq, origin->high);
        }
        port->ack_beyond = true;
        return;
    }
    if (origin->place.acked > before) {
        origin->ops->acked(origin->self, origin->place.acked);
    }
    /* The owner may have given the stream up in acked(). */
    if (what == COR_PLACE_RESUME && origin_of(port, ack->stream) == origin) {
        origin->ops->resume(origin->self, origin->place.sent);
    }
}

void cor_streams_ack(struct cor_port *port, const struct cor_wire_ack *ack)
{
    struct cor_origin *origin = origin_of(port, ack->stream);
    if (origin != NULL) {
        take_ack(origin, ack);
    } else if (port->ops->relay_ack != NULL) {
        port->ops->relay_ack(port->self, port, ack);
    }
}

/* ---- sinks ------------------------------------------------------------------------------------
 */

static void send_ack(struct cor_port *port, struct cor_sink *sink, bool resume)
{
    struct cor_wire_ack ack = {
        .stream = sink->stream, .seq = sink->place.committed, .resume = resume};
    sink->place.told = sink->place.committed;
    cor_list_del(&sink->due);
    cor_port_control(port, COR_WIRE_ACK, &ack);
}

static void ack_later(struct cor_port *port, struct cor_sink *sink)
{
    cor_list_del(&sink->due);
    cor_list_add(&port->due, &sink->due);
}

static struct cor_sink *sink_new(struct cor_port *port, uint64_t stream)
{
    struct cor_sink *sink = cor_alloc(sizeof(*sink));
    cor_list_init(&sink->due);
    sink->stream = stream;
    cor_map_set(port->sinks, key_of(&stream), sink);
    return sink;
}

/* Why the stream cannot be here; NULL: it can. */
static const char *refusal(const struct cor_port *port, const struct cor_wire_open *open)
{
    if (port->ops->committed == NULL) {
        return "no streams here";
    }
    if (open->stream == 0) {
        return "stream 0";
    }
    return sink_of(port, open->stream) == NULL && cor_map_count(port->sinks) >= STREAMS_MAX
               ? "too many streams"
               : NULL;
}

void cor_streams_open(struct cor_port *port, const struct cor_wire_open *open)
{
    if (port->ops->relay_open != NULL) {
        port->ops->relay_open(port->self, port, open);
        return;
    }
    const char *why = refusal(port, open);
    if (why != NULL) {
        port->stats.invalid++;
        LOGW(port->log, "bus.invalid", "error=\"%s\" stream=%" PRIu64, why, open->stream);
        return;
    }
    uint64_t committed = port->ops->committed(port->self, port, open);
    struct cor_sink *sink = sink_of(port, open->stream);
    if (sink == NULL) {
        sink = sink_new(port, open->stream);
    }
    cor_place_sink_open(&sink->place, open->incarnation,
                        committed > open->after ? committed : open->after);
    send_ack(port, sink, true);
}

bool cor_streams_seq(struct cor_port *port, const struct cor_wire_header *header)
{
    struct cor_sink *sink = sink_of(port, header->stream);
    if (port->ops->relay_open != NULL) {
        return true;
    }
    if (sink == NULL) {
        port->stats.gaps++;
        return false;
    }
    switch (cor_place_sink_seq(&sink->place, header->seq, header->skip)) {
    case COR_PLACE_NEXT:
        return true;
    case COR_PLACE_DUPLICATE:
        port->stats.duplicates++;
        ack_later(port, sink);
        return false;
    case COR_PLACE_HELD:
    case COR_PLACE_ASKED:
        return false;
    case COR_PLACE_GAP:
        port->stats.gaps++;
        if (sink->place.open) {
            send_ack(port, sink, true);
        }
        return false;
    }
    return false;
}

void cor_commit(struct cor_port *port, uint64_t stream, uint64_t seq)
{
    struct cor_sink *sink = sink_of(port, stream);
    if (sink != NULL && cor_place_sink_commit(&sink->place, seq)) {
        ack_later(port, sink);
    }
}

void cor_commit_lazily(struct cor_port *port, uint64_t stream, uint64_t seq)
{
    struct cor_sink *sink = sink_of(port, stream);
    if (sink != NULL && cor_place_sink_commit(&sink->place, seq) && cor_list_empty(&sink->due)) {
        cor_list_add(&port->due_later, &sink->due);
    }
}

void cor_hold(struct cor_port *port, uint64_t stream, bool on)
{
    struct cor_sink *sink = sink_of(port, stream);
    if (sink == NULL) {
        return;
    }
    bool was = sink->place.held;
    sink->place.held = on;
    /* What was dropped while held follows what was received, which may not be committed yet. */
    if (was && !on && sink->place.open && cor_port_is_up(port)) {
        send_ack(port, sink, true);
    }
}

void cor_hold_none(struct cor_port *port)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(port->sinks, &at, NULL, &value)) {
        cor_hold(port, ((struct cor_sink *)value)->stream, false);
    }
}

void cor_stream_forget(struct cor_port *port, uint64_t stream)
{
    (void)cor_map_del(port->sinks, key_of(&stream));
}

void cor_streams_refuse(struct cor_port *port, const struct cor_wire_header *header)
{
    struct cor_sink *sink = sink_of(port, header->stream);
    if (sink == NULL) {
        return;
    }
    if (sink->place.received == header->seq) {
        sink->place.received = header->seq - 1 - header->skip;
    }
    sink->place.held = true;
}

static void send_due(struct cor_port *port, struct cor_link *due)
{
    while (!cor_list_empty(due)) {
        struct cor_sink *sink = COR_LIST_OBJECT(due->next, struct cor_sink, due);
        cor_list_del(&sink->due);
        if (sink->place.open && cor_port_is_up(port)) {
            send_ack(port, sink, false);
            port->gather.sent++;
        }
    }
}

void cor_streams_flush(struct cor_port *port)
{
    send_due(port, &port->due);
    if (cor_list_empty(&port->due_later)) {
        return;
    }
    int64_t wait = cor_gather_wait(&port->gather, cor_loop_now(port->bus->spec.loop));
    if (wait == 0) {
        send_due(port, &port->due_later);
    } else if (!cor_timer_running(port->gathering)) {
        cor_timer_start(port->gathering, wait);
    }
}

/* ---- relays -----------------------------------------------------------------------------------
 */

void cor_relay_open(struct cor_port *port, const struct cor_wire_open *open)
{
    if (cor_port_is_up(port)) {
        cor_port_control(port, COR_WIRE_OPEN, open);
    }
}

void cor_relay_ack(struct cor_port *port, const struct cor_wire_ack *ack)
{
    if (cor_port_is_up(port)) {
        cor_port_control(port, COR_WIRE_ACK, ack);
    }
}

void cor_relay_reopen(struct cor_port *port)
{
    struct cor_wire_reopen reopen = {0};
    if (cor_port_peer_minor(port) > 0) {
        cor_port_control(port, COR_WIRE_REOPEN, &reopen);
    }
}

enum cor_code cor_relay_event(struct cor_port *port, uint64_t stream, const struct cor_event *event)
{
    if (!cor_port_is_up(port)) {
        return COR_GONE;
    }
    if (!cor_session_may_relay(&port->session)) {
        port->busy = true;
        port->stats.refused++;
        return COR_BUSY;
    }
    return put(port, event, stream);
}
