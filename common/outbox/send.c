// SPDX-License-Identifier: Apache-2.0
// Sending in turn, within the windows, and what the sink says to it.
#include <inttypes.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

/* Messages of one stream before it is another's turn. */
enum { TURN = 32 };

void ob_land(struct flight *flight)
{
    struct stream *stream = flight->stream;
    cor_list_del(&flight->link);
    cor_list_del(&flight->merged);
    stream->flight_count--;
    stream->outbox->flight_count--;
    stream->outbox->flight_bytes -= flight->len;
    cor_free(flight);
}

bool ob_may_send(const struct stream *stream)
{
    const struct cor_outbox *outbox = stream->outbox;
    return outbox->flight_count < WINDOW_ALL && stream->flight_count < WINDOW_STREAM &&
           outbox->flight_bytes < WINDOW_BYTES;
}

bool ob_send(struct stream *stream, const struct cor_event *event, struct cor_mono came)
{
    struct cor_outbox *outbox = stream->outbox;
    uint64_t merged = 0;
    enum cor_code code = outbox->merged != NULL ? ob_merged_send(stream, event, &merged)
                                                : cor_origin_send(stream->origin, event);
    if (code != COR_OK) {
        return false;
    }
    struct flight *flight = cor_alloc(sizeof(*flight));
    *flight = (struct flight){.stream = stream,
                              .seq = event->seq,
                              .merged_seq = merged,
                              .len = event->raw.len,
                              .came = came};
    cor_list_init(&flight->merged);
    cor_list_add(&stream->flights, &flight->link);
    if (merged != 0) {
        cor_list_add(&outbox->merged_flights, &flight->merged);
    }
    stream->flight_count++;
    outbox->flight_count++;
    outbox->flight_bytes += flight->len;
    stream->touched = event->seq > stream->touched ? event->seq : stream->touched;
    return true;
}

void ob_acked(struct stream *stream, uint64_t seq)
{
    struct cor_outbox *outbox = stream->outbox;
    COR_LIST_EACH (node, &stream->flights) {
        struct flight *flight = COR_LIST_OBJECT(node, struct flight, link);
        if (flight->seq > seq) {
            break;
        }
        if (flight->came.us != 0) {
            cor_delays_add(&outbox->delays,
                           cor_mono_since(cor_loop_now(outbox->spec.loop), flight->came));
        }
        ob_land(flight);
    }
    if (seq > stream->acked) {
        stream->acked = seq;
        ob_store_ack(stream);
    }
    ob_ready(stream);
}

/* Sequence that the stream sends next; 0: it cannot. */
static uint64_t next_of(const struct stream *stream)
{
    if (stream->outbox->merged != NULL) {
        uint64_t last = stream->acked;
        if (!cor_list_empty(&stream->flights)) {
            last = COR_LIST_OBJECT(stream->flights.prev, struct flight, link)->seq;
        }
        return ob_merged_next(stream->outbox) == 0 ? 0 : last + 1;
    }
    return stream->origin == NULL ? 0 : cor_origin_next(stream->origin);
}

void ob_ready(struct stream *stream)
{
    struct cor_outbox *outbox = stream->outbox;
    if (!stream->caught_up && stream->fences == 0 && outbox->port != NULL &&
        cor_list_empty(&stream->ready)) {
        cor_list_add(&outbox->ready[stream->rule->priority], &stream->ready);
    }
}

static bool send_row(struct stream *stream, struct cor_stmt *stmt, uint64_t next)
{
    struct cor_event event = {.seq = (uint64_t)cor_stmt_i64(stmt, 0),
                              .cause = (uint64_t)cor_stmt_i64(stmt, 1),
                              .number = (uint16_t)cor_stmt_i64(stmt, 2),
                              .raw = cor_stmt_bytes(stmt, 3)};
    event.skip = event.seq - next;
    if (cor_message_find(stream->outbox->spec.messages, event.number) == NULL) {
        LOGE(stream->outbox->spec.log, "outbox.unreadable", "stream=%s seq=%" PRIu64,
             cor_log_esc(cor_view_of(stream->name)), event.seq);
        return false;
    }
    return ob_send(stream, &event, (struct cor_mono){0});
}

/* Sends a turn's rows. False: no more can be sent by anybody now. */
static bool send_some(struct stream *stream, uint64_t next)
{
    struct cor_outbox *outbox = stream->outbox;
    struct cor_stmt *stmt = ob_use(cor_store_reader(outbox->spec.store), outbox, NEXT);
    struct cor_err err = COR_ERR_NONE;
    bool found = true;
    bool sent = true;
    int count = 0;
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)stream->id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)next - 1));
    cor_stmt_bind(stmt, 3, COR_INT(TURN));
    while (sent && ob_may_send(stream) && found) {
        if (cor_stmt_next(stmt, &found, &err) != COR_OK) {
            LOGE(outbox->spec.log, "outbox.read-failed", "error=%s",
                 cor_log_esc(cor_view_of(err.text)));
            return false;
        }
        if (found) {
            sent = send_row(stream, stmt, next);
            next = sent ? (uint64_t)cor_stmt_i64(stmt, 0) + 1 : next;
            count += sent ? 1 : 0;
        }
    }
    stream->caught_up = !found && count < TURN;
    cor_stmt_reset(stmt);
    return sent && outbox->flight_count < WINDOW_ALL && outbox->flight_bytes < WINDOW_BYTES;
}

/* One stream's turn. False: no more can be sent by anybody now. */
static bool turn(struct stream *stream)
{
    ob_open(stream);
    uint64_t next = next_of(stream);
    if (stream->fences > 0 || next == 0 || stream->flight_count >= WINDOW_STREAM) {
        return true; /* it comes back when it can */
    }
    bool more = send_some(stream, next);
    if (ob_may_send(stream) || !more) {
        ob_ready(stream);
    }
    return more;
}

void ob_pump(struct cor_outbox *outbox)
{
    if (outbox->pumping || outbox->port == NULL) {
        return;
    }
    outbox->pumping = true;
    bool more = outbox->flight_count < WINDOW_ALL && outbox->flight_bytes < WINDOW_BYTES;
    for (size_t i = 0; i < COR_PRIORITIES && more; i++) {
        while (more && !cor_list_empty(&outbox->ready[i])) {
            struct stream *stream = COR_LIST_OBJECT(outbox->ready[i].next, struct stream, ready);
            cor_list_del(&stream->ready);
            more = turn(stream);
        }
    }
    outbox->pumping = false;
}

static void on_resume(void *self, uint64_t after)
{
    struct stream *stream = self;
    while (!cor_list_empty(&stream->flights)) {
        struct flight *flight = COR_LIST_OBJECT(stream->flights.prev, struct flight, link);
        if (flight->seq <= after) {
            break;
        }
        ob_land(flight);
    }
    stream->caught_up = after >= stream->high;
    ob_ready(stream);
    ob_pump(stream->outbox);
}

static void on_acked(void *self, uint64_t seq)
{
    struct stream *stream = self;
    ob_acked(stream, seq);
    ob_pump(stream->outbox);
}

void ob_open(struct stream *stream)
{
    static const struct cor_origin_ops OPS = {on_resume, on_acked};
    struct cor_outbox *outbox = stream->outbox;
    if (stream->origin != NULL || outbox->port == NULL || outbox->merged != NULL ||
        stream->id == 0) {
        return;
    }
    struct cor_origin_spec spec = {.stream = stream->id,
                                   .name = stream->name,
                                   .incarnation = stream->incarnation,
                                   .last = stream->high,
                                   .acked = stream->acked};
    stream->origin = cor_origin_new(outbox->port, &spec, &OPS, stream);
}

static void open_all(struct cor_outbox *outbox, enum cor_priority priority)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        struct stream *stream = value;
        if (stream->rule->priority == priority && stream->rows > 0) {
            stream->caught_up = false;
            ob_open(stream);
            ob_ready(stream);
        }
    }
}

void cor_outbox_up(struct cor_outbox *outbox, struct cor_port *port)
{
    outbox->port = port;
    if (cor_port_peer_minor(port) == 0) {
        ob_merged_up(outbox);
    } else if (outbox->merged != NULL) { /* the peer is of a newer version now */
        ob_merged_end(outbox);
        cor_outbox_down(outbox);
        outbox->port = port;
    }
    for (unsigned i = 0; i < COR_PRIORITIES; i++) {
        open_all(outbox, (enum cor_priority)i);
    }
    ob_pump(outbox);
}

void cor_outbox_down(struct cor_outbox *outbox)
{
    size_t at = 0;
    void *value = NULL;
    outbox->port = NULL;
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        struct stream *stream = value;
        cor_list_del(&stream->ready);
        cor_origin_free(&stream->origin);
        while (outbox->merged == NULL && !cor_list_empty(&stream->flights)) {
            ob_land(COR_LIST_OBJECT(stream->flights.next, struct flight, link));
        }
    }
}
