// SPDX-License-Identifier: Apache-2.0
#include "relay.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "coracle.h"

/* What may wait of one node and of all; how many messages of one node go in turn. The number of a
 * stream at the controller: 24 bits of the connection's epoch, 40 bits of its number on the link.
 */
enum {
    NODE_BYTES = 4 * 1024 * 1024,
    HUB_BYTES = 64 * 1024 * 1024,
    TURN = 32,
    STREAM_BITS = 40,
    STREAMS_MAX = 4096, /* of a node, that have books of their own */
    NAME_MAX_LEN = 512
};
static const uint64_t STREAM_MASK = (UINT64_C(1) << STREAM_BITS) - 1;

struct item {
    struct cor_link link;
    struct cor_wire_header head;
    size_t len;
    char raw[];
};

struct relay {
    struct cor_link backlog; /* in hub->backlog while something waits */
    struct session *session;
    struct cor_link items;
    size_t count;
    size_t bytes;
    bool paused;
    struct cor_map *places; /* sink here: stream on the link -> uint64_t last, owned */
    struct cor_hop *hop;    /* its books, by stream on the link */
};

static struct cor_view key_of(const uint64_t *stream)
{
    return (struct cor_view){(const char *)stream, sizeof(*stream)};
}

static uint64_t number_of(const struct session *session, uint64_t stream)
{
    return session->epoch << STREAM_BITS | stream;
}

struct relay *relay_new(struct session *session)
{
    struct relay *relay = cor_alloc(sizeof(*relay));
    relay->session = session;
    relay->places = cor_map_new(cor_free);
    relay->hop = cor_hop_new("uploads", STREAMS_MAX, false);
    cor_list_init(&relay->backlog);
    cor_list_init(&relay->items);
    return relay;
}

static void drop(struct relay *relay, struct item *item)
{
    relay->count--;
    relay->bytes -= item->len;
    relay->session->hub->waiting_bytes -= item->len;
    cor_list_del(&item->link);
    cor_free(item);
}

/* Its origin sends it again. */
static void refuse(struct relay *relay, struct item *item)
{
    cor_hop_refused(relay->hop, item->head.stream);
    drop(relay, item);
}

static void drop_all(struct relay *relay)
{
    COR_LIST_EACH (node, &relay->items) {
        refuse(relay, COR_LIST_OBJECT(node, struct item, link));
    }
    cor_list_del(&relay->backlog);
}

void relay_free(struct relay **relay)
{
    if (*relay != NULL) {
        drop_all(*relay);
        cor_hop_sum((*relay)->hop, (*relay)->session->hub->books.uploads_ended);
        cor_hop_free(&(*relay)->hop);
        cor_map_free(&(*relay)->places);
        cor_freep(relay);
    }
}

void relay_books(const struct session *session, struct cor_ledger_writer *out)
{
    cor_hop_books(session->relay->hop, out);
}

uint64_t relay_waiting(const struct session *session)
{
    return session->relay->count;
}

bool relay_is_paused(const struct session *session)
{
    return session->relay != NULL && session->relay->paused;
}

static void pause_node(struct relay *relay)
{
    bool full = relay->bytes > NODE_BYTES || relay->session->hub->waiting_bytes > HUB_BYTES;
    if (full && !relay->paused && relay->count > 0) {
        relay->paused = true;
        cor_ws_pause(relay->session->conn, true);
    }
}

static void resume_node(struct relay *relay)
{
    bool free = relay->bytes < NODE_BYTES / 2 && relay->session->hub->waiting_bytes < HUB_BYTES;
    if (free && relay->paused && relay->session->conn != NULL) {
        relay->paused = false;
        cor_ws_pause(relay->session->conn, false);
    }
}

/* ---- the controller of v0.1.0: what it has been sent counts as delivered ---- */

static bool is_old(const struct hub *hub)
{
    return cor_port_is_up(hub->port) && cor_port_peer_minor(hub->port) == 0;
}

/* Confirms to the node what the next one has confirmed. */
static void tell_node(struct session *session, const struct cor_wire_ack *ack)
{
    struct cor_wire_header head = {.number = COR_WIRE_ACK};
    cor_hop_told(session->relay->hop, ack->stream, ack->seq);
    coracle_control(session->coracle, &head, ack);
}

static void ack_here(struct session *session, uint64_t stream, uint64_t seq, bool resume)
{
    struct cor_wire_ack ack = {.stream = stream, .seq = seq, .resume = resume};
    tell_node(session, &ack);
}

static void open_here(struct session *session, const struct cor_wire_open *open)
{
    uint64_t *last = cor_alloc(sizeof(*last));
    *last = open->after;
    cor_map_set(session->relay->places, key_of(&open->stream), last);
    ack_here(session, open->stream, open->after, true);
}

static enum cor_code send_here(struct session *session, const struct cor_wire_header *head,
                               struct cor_view raw)
{
    struct px_upload upload;
    uint64_t *last = cor_map_get(session->relay->places, key_of(&head->stream));
    if (last == NULL || head->seq <= *last ||
        cor_decode(&px_upload_table, raw, NULL, &upload, NULL) != COR_OK) {
        return COR_OK; /* of before the stream was opened, or again */
    }
    struct px_node_upload body = {
        .node = cor_view_of(session->node), .topic = upload.topic, .payload = upload.payload};
    enum cor_code code = cor_send(session->hub->port, PX_node_upload, &body);
    if (code == COR_OK) {
        *last = head->seq;
        cor_hop_confirmed(session->relay->hop, head->stream, head->seq);
        ack_here(session, head->stream, head->seq, false);
    }
    return code;
}

/* ---- streams ---- */

/* "NODE/bus/NAME"; a name that would be too long ends in what tells its stream apart. */
static char *name_of(const struct session *session, const struct cor_wire_open *open)
{
    char *name = open->name.len > 0
                     ? cor_sprintf("%s/bus/%.*s", session->node, COR_VIEW_ARG(open->name))
                     : cor_sprintf("%s/bus/%" PRIu64, session->node,
                                   px_frame_stream_of(PX_FRAME_BUS, open->stream));
    if (strlen(name) > NAME_MAX_LEN) {
        auto_(cor_freep) char *whole = name;
        auto_(cor_freep) char *end =
            cor_sprintf("~%" PRIx64 "-%" PRIx64, open->incarnation, open->stream);
        name = cor_sprintf("%.*s%s", NAME_MAX_LEN - (int)strlen(end) - 3, whole, end);
        if (!cor_view_is_utf8(cor_view_of(name))) {
            cor_free(name);
            name = cor_sprintf("%s/bus/%s", session->node, end);
        }
    }
    return name;
}

enum cor_code relay_open(struct session *session, const struct cor_wire_open *open,
                         struct cor_err *err)
{
    if (px_frame_stream_of(PX_FRAME_BUS, open->stream) == 0 || open->stream > STREAM_MASK) {
        return cor_err_set(err, COR_INVALID, "no stream has number %" PRIu64, open->stream);
    }
    auto_(cor_freep) char *name = name_of(session, open);
    struct cor_wire_open up = *open;
    up.name = cor_view_of(name);
    cor_hop_open(session->relay->hop, &up);
    if (is_old(session->hub)) {
        open_here(session, open);
        return COR_OK;
    }
    up.stream = number_of(session, open->stream);
    cor_relay_open(session->hub->port, &up); /* nobody there: it asks when it comes */
    return COR_OK;
}

static enum cor_code send_on(struct session *session, const struct cor_wire_header *head,
                             struct cor_view raw)
{
    if (is_old(session->hub)) {
        return send_here(session, head, raw);
    }
    struct cor_event event = {.seq = head->seq,
                              .skip = head->skip,
                              .number = (uint16_t)head->number,
                              .raw = raw,
                              .id = head->id,
                              .cause = head->cause};
    return cor_relay_event(session->hub->port, number_of(session, head->stream), &event);
}

static void wait_for_room(struct relay *relay, const struct px_frame *frame)
{
    struct hub *hub = relay->session->hub;
    struct item *item = cor_alloc(sizeof(*item) + frame->raw.len);
    cor_list_init(&item->link);
    item->head = frame->head;
    item->len = frame->raw.len;
    memcpy(item->raw, frame->raw.ptr, frame->raw.len);
    cor_list_add(&relay->items, &item->link);
    relay->count++;
    relay->bytes += item->len;
    hub->waiting_bytes += item->len;
    if (cor_list_empty(&relay->backlog)) {
        cor_list_add(&hub->backlog, &relay->backlog);
    }
    pause_node(relay);
}

static void count_end(struct relay *relay, uint64_t stream, enum cor_code code)
{
    if (code == COR_OK) {
        cor_hop_passed(relay->hop, stream);
    } else {
        cor_hop_refused(relay->hop, stream);
    }
}

void relay_upload(struct session *session, const struct px_frame *frame)
{
    struct relay *relay = session->relay;
    session->hub->stats.uploads++;
    cor_hop_received(relay->hop, frame->head.stream);
    bool numbered = px_frame_stream_of(PX_FRAME_BUS, frame->head.stream) != 0 &&
                    frame->head.stream <= STREAM_MASK;
    enum cor_code code = numbered ? COR_BUSY : COR_INVALID;
    if (numbered && relay->count == 0) {
        code = send_on(session, &frame->head, frame->raw);
    }
    if (code == COR_BUSY || code == COR_GONE) { /* no credit for more than can wait */
        wait_for_room(relay, frame);
        return;
    }
    session->hub->stats.up_dropped += code != COR_OK;
    count_end(relay, frame->head.stream, code);
    coracle_took(session->coracle);
}

/* Some of one node. False: the controller takes no more. */
static bool take_turn(struct relay *relay)
{
    for (int i = 0; i < TURN && relay->count > 0 && relay->session->conn != NULL; i++) {
        struct item *item = COR_LIST_OBJECT(relay->items.next, struct item, link);
        struct cor_view raw = {item->raw, item->len};
        enum cor_code code = send_on(relay->session, &item->head, raw);
        if (code == COR_BUSY || code == COR_GONE) {
            return false;
        }
        count_end(relay, item->head.stream, code);
        drop(relay, item);
        coracle_took(relay->session->coracle);
    }
    return true;
}

void relay_drain(struct hub *hub)
{
    bool more = true;
    while (more && !cor_list_empty(&hub->backlog)) {
        struct relay *relay = COR_LIST_OBJECT(hub->backlog.next, struct relay, backlog);
        struct session *session = relay->session;
        session_enter(session);
        more = take_turn(relay);
        cor_list_del(&relay->backlog);
        if (relay->count > 0) {
            cor_list_add(&hub->backlog, &relay->backlog);
        }
        resume_node(relay);
        (void)session_leave(session);
    }
}

void relay_ack(struct hub *hub, const struct cor_wire_ack *ack)
{
    uint64_t epoch = ack->stream >> STREAM_BITS;
    struct session *session = cor_map_get(hub->epochs, key_of(&epoch));
    struct cor_wire_ack down = *ack;
    down.stream = ack->stream & STREAM_MASK;
    if (session != NULL && session->coracle != NULL) {
        cor_hop_confirmed(session->relay->hop, down.stream, down.seq);
        tell_node(session, &down);
    }
}

void relay_begin(struct hub *hub)
{
    size_t at = 0;
    void *value = NULL;
    struct cor_wire_header head = {.number = COR_WIRE_REOPEN};
    struct cor_wire_reopen reopen = {0};
    while (cor_map_next(hub->epochs, &at, NULL, &value)) {
        struct session *session = value;
        struct relay *relay = session->relay;
        if (session->coracle == NULL) {
            continue;
        }
        session_enter(session);
        while (relay->count > 0) {
            refuse(relay, COR_LIST_OBJECT(relay->items.next, struct item, link));
            coracle_took(session->coracle);
        }
        cor_list_del(&relay->backlog);
        cor_map_free(&relay->places);
        relay->places = cor_map_new(cor_free);
        coracle_control(session->coracle, &head, &reopen);
        resume_node(relay);
        (void)session_leave(session);
    }
}
