// SPDX-License-Identifier: Apache-2.0
#include "relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "streams.h"
#include "trust.h"

enum { ID_SIZE = 17 };

static void id_text(uint64_t id, char out[ID_SIZE])
{
    (void)snprintf(out, ID_SIZE, "%016" PRIx64, id);
}

static void fail(struct hub *hub, const struct ask *ask, enum cor_code code, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_set(&err, code, "%s", text);
    cor_ticket_fail(&ask->ticket, &err);
    up_answered(hub, ask, false);
}

/* ---- calls of the node ---- */

enum cor_code relay_ask(struct hub *hub, struct cor_in *in, enum ask_kind kind, struct cor_view key,
                        struct cor_err *err)
{
    char id[ID_SIZE];
    struct cor_wire_header head = {.number = in->head->number,
                                   .id = cor_bus_next_id(hub->service->bus),
                                   .cause = in->head->id,
                                   .within_ms = in->head->within_ms};
    enum cor_code code = link_put(hub->link, &head, NULL, in->raw);
    if (code != COR_OK) {
        struct ask refused = {.kind = kind};
        up_answered(hub, &refused, false);
        return cor_err_set(err, code == COR_BUSY ? COR_BUSY : COR_GONE,
                           code == COR_BUSY ? "too much waits to be sent to the cloud"
                                            : "the link to the cloud is down");
    }
    id_text(head.id, id);
    hub->stats.up++;
    up_remember(hub, in, kind, key, id);
    return COR_OK;
}

bool relay_lease(struct hub *hub, struct cor_in *in, const struct px_api_call *call)
{
    enum { SECONDS = 40, LEASE_MAX = 65536 };
    auto_(cor_freep) char *own = cor_sprintf("kube-node-lease/lease/%s", hub->cfg->node);
    auto_(cor_json_free) struct cor_json *lease = NULL;
    if (call->verb != PX_VERB_UPDATE || !cor_view_is(call->key, own) ||
        cor_json_parse(call->body, LEASE_MAX, 0, &lease, NULL) != COR_OK) {
        return false;
    }
    int64_t seconds = cor_json_int_at(lease, "spec.leaseDurationSeconds", SECONDS);
    if (!link_alive(hub->link, seconds > 0 ? (uint64_t)seconds : SECONDS)) {
        return false;
    }
    struct px_api_reply reply = {
        .status = 200,
        .body = call->body,
        .version = cor_view_of(cor_json_str_at(lease, "metadata.resourceVersion", ""))};
    cor_reply(in, &reply);
    return true;
}

static struct ask *ask_of(struct hub *hub, const struct px_frame *frame)
{
    char id[ID_SIZE];
    id_text(frame->head.re, id);
    struct ask *ask = asks_take(hub->asks, cor_view_of(id));
    hub->stats.unknown_answers += ask == NULL; /* it has timed out */
    return ask;
}

static enum cor_code on_api_reply(struct hub *hub, const struct px_frame *frame,
                                  struct cor_err *err)
{
    struct px_api_reply reply;
    enum cor_code code = px_frame_body(frame, hub->arena, &reply, err);
    auto_(ask_free) struct ask *ask = code == COR_OK ? ask_of(hub, frame) : NULL;
    if (ask != NULL && ask->kind == ASK_CALL) {
        cor_ticket_reply(&ask->ticket, &reply);
        up_answered(hub, ask, true);
    } else if (ask != NULL) {
        fail(hub, ask, COR_INVALID, "answered by another kind of message");
    }
    return code;
}

static enum cor_code on_done(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    struct px_done done;
    enum cor_code code = px_frame_body(frame, hub->arena, &done, err);
    auto_(ask_free) struct ask *ask = code == COR_OK ? ask_of(hub, frame) : NULL;
    if (ask != NULL && ask->kind == ASK_REPORT) {
        cor_ticket_reply(&ask->ticket, &done);
        up_answered(hub, ask, true);
    } else if (ask != NULL) {
        fail(hub, ask, COR_INVALID, "answered by another kind of message");
    }
    return code;
}

static enum cor_code on_error(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    struct cor_wire_error error;
    enum cor_code code = px_frame_body(frame, hub->arena, &error, err);
    auto_(ask_free) struct ask *ask = code == COR_OK ? ask_of(hub, frame) : NULL;
    if (ask != NULL) {
        auto_(cor_freep) char *text = cor_view_dup(error.text);
        bool known = error.code > COR_OK && error.code < COR_CODE_COUNT;
        fail(hub, ask, known ? (enum cor_code)error.code : COR_INTERNAL, text);
    }
    return code;
}

/* ---- streams of eventbus ---- */

static struct cor_view key_of(const uint64_t *stream)
{
    return (struct cor_view){(const char *)stream, sizeof(*stream)};
}

static void hold_back(struct hub *hub, bool on)
{
    hub->paused = on;
    cor_port_pause(hub->bus, on);
}

/* After one that was dropped none of its stream is taken: the sink wants their order. */
void relay_event(struct hub *hub, struct cor_in *in)
{
    uint64_t stream = in->head->stream;
    struct cor_wire_header head = {.number = PX_upload,
                                   .id = in->head->id,
                                   .cause = in->head->cause,
                                   .stream = px_frame_stream(PX_FRAME_BUS, stream),
                                   .seq = in->head->seq,
                                   .skip = in->head->skip};
    cor_hop_received(hub->books.uploads, stream);
    if (stream == 0 || !link_is_coracle(hub->link)) {
        cor_hop_refused(hub->books.uploads, stream);
        return; /* when it is up, eventbus is asked for all of them */
    }
    if (cor_map_get(hub->dropped, key_of(&stream)) != NULL ||
        link_put(hub->link, &head, NULL, in->raw) != COR_OK) {
        cor_map_set(hub->dropped, key_of(&stream), hub);
        hub->stats.events_dropped++;
        cor_hop_refused(hub->books.uploads, stream);
    } else {
        cor_hop_passed(hub->books.uploads, stream);
        hub->stats.up++;
        hub->stats.uploads++;
    }
    if (!hub->paused && link_is_tight(hub->link)) {
        hold_back(hub, true);
    }
}

/* Confirms to eventbus what the next one has confirmed. */
static void tell_bus(struct hub *hub, const struct cor_wire_ack *ack)
{
    cor_relay_ack(hub->bus, ack);
    cor_hop_told(hub->books.uploads, ack->stream, ack->seq);
}

static void ask_again(struct hub *hub)
{
    size_t at = 0;
    struct cor_view key;
    while (cor_map_next(hub->dropped, &at, &key, NULL)) {
        struct cor_wire_ack ack = {.resume = true};
        memcpy(&ack.stream, key.ptr, sizeof(ack.stream));
        (void)cor_map_del(hub->dropped, key);
        tell_bus(hub, &ack);
    }
}

void relay_room(struct hub *hub)
{
    if (hub->paused && !link_is_tight(hub->link)) {
        ask_again(hub);
        hold_back(hub, false);
    }
}

static void on_open(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    struct hub *hub = self;
    struct cor_wire_header head = {.number = COR_WIRE_OPEN};
    struct cor_wire_open up = *open;
    (void)port;
    up.stream = px_frame_stream(PX_FRAME_BUS, open->stream);
    cor_hop_open(hub->books.uploads, open);
    (void)cor_map_del(hub->dropped, key_of(&open->stream));
    if (link_is_coracle(hub->link)) {
        link_control(hub->link, &head, &up);
    }
}

static enum cor_code on_ack(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    struct cor_wire_ack ack;
    enum cor_code code = px_frame_body(frame, hub->arena, &ack, err);
    if (code == COR_OK) {
        ack.stream = px_frame_stream_of(PX_FRAME_BUS, ack.stream);
        if (ack.stream != 0) {
            cor_hop_confirmed(hub->books.uploads, ack.stream, ack.seq);
            tell_bus(hub, &ack);
        }
    }
    return code;
}

/* An eventbus of v0.1.0 knows no REOPEN: a new session does the same. */
static void reopen(struct hub *hub)
{
    if (cor_port_is_up(hub->bus) && cor_port_peer_minor(hub->bus) == 0) {
        hub_reopen_bus(hub, true);
    } else {
        cor_relay_reopen(hub->bus);
    }
}

static enum cor_code on_reopen(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    (void)frame;
    (void)err;
    reopen(hub);
    return COR_OK;
}

static void clear(struct cor_map *map)
{
    size_t at = 0;
    struct cor_view key;
    while (cor_map_next(map, &at, &key, NULL)) {
        (void)cor_map_del(map, key);
    }
}

void relay_link_up(struct hub *hub)
{
    bool relays = link_is_coracle(hub->link);
    clear(hub->dropped);
    if (relays != hub->bus_relays || (!relays && hub->uploads_missed)) {
        hub_reopen_bus(hub, relays);
    } else if (relays) {
        reopen(hub);
    }
    hold_back(hub, false);
    cor_buf_clear(&hub->topics);
}

void relay_link_down(struct hub *hub)
{
    clear(hub->dropped);
    hold_back(hub, true); /* or it would send all it has to nobody */
}

/* ---- objects ---- */

static enum cor_code on_object(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    char id[ID_SIZE];
    struct px_object object;
    enum cor_code code = px_frame_body(frame, hub->arena, &object, err);
    if (code != COR_OK) {
        return code;
    }
    id_text(frame->head.id, id);
    auto_(cor_freep) char *source = cor_view_dup(object.source);
    auto_(cor_freep) char *key = cor_view_dup(object.key);
    struct ack ack = {id, source, key};
    acks_add(hub->acks, &ack, object.version, frame->whole);
    /* Not there: it gets this when it comes. No room: the cloud sends it again. */
    if (cor_send(hub->meta, PX_object, &object) == COR_BUSY) {
        LOGD(hub->service->log, "link.object.waits", "key=%s", cor_log_esc(object.key));
    }
    return COR_OK;
}

struct told {
    struct hub *hub;
    const struct px_object_stored *stored;
    uint64_t sent;
};

static void tell_stored(void *self, const struct ack *ack)
{
    struct told *told = self;
    struct cor_wire_header head = {.number = PX_object_stored};
    struct px_object_stored stored = *told->stored;
    stored.id = strtoull(ack->id, NULL, 16);
    head.cause = stored.id;
    if (link_put(told->hub->link, &head, &stored, (struct cor_view){0}) == COR_OK) {
        told->hub->stats.acked++; /* else the cloud sends the object again */
        told->sent++;
    }
}

void relay_stored(struct hub *hub, const struct px_object_stored *stored)
{
    struct told told = {hub, stored, 0};
    (void)acks_take(hub->acks, stored->key, stored->version, tell_stored, &told);
    if (stored->error.len == 0) {
        up_confirmed(hub, told.sent);
    } else {
        cor_ledger_refuse(hub->books.objects, told.sent);
    }
}

static enum cor_code on_membership(struct hub *hub, const struct px_frame *frame,
                                   struct cor_err *err)
{
    struct px_membership membership;
    enum cor_code code = px_frame_body(frame, hub->arena, &membership, err);
    if (code == COR_OK) {
        down_membership(hub, membership.body, membership.whole);
    }
    return code;
}

/* ---- what the node has ---- */

struct compared {
    struct hub *hub;
    uint64_t id;
    uint64_t epoch;
};

/* A metamanager that is away or of v0.1.0 cannot say: the cloud sends everything. */
static void on_held(void *self, const void *body, const struct cor_err *err)
{
    struct compared *compared = self;
    struct hub *hub = compared->hub;
    struct cor_wire_header head = {.number = PX_held, .re = compared->id, .cause = compared->id};
    struct px_held nothing = {0};
    (void)err;
    if (hub->link != NULL && link_is_coracle(hub->link) &&
        link_epoch(hub->link) == compared->epoch) {
        link_control(hub->link, &head, body == NULL ? &nothing : body);
    }
    cor_free(compared);
}

static enum cor_code on_compare(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    struct px_compare compare;
    enum cor_code code = px_frame_body(frame, hub->arena, &compare, err);
    if (code != COR_OK) {
        return code;
    }
    struct compared *compared = cor_alloc(sizeof(*compared));
    *compared = (struct compared){hub, frame->head.id, link_epoch(hub->link)};
    if (cor_call(hub->meta, PX_compare, &compare, COR_MS(hub->cfg->call_ms), on_held, compared) !=
        COR_OK) {
        on_held(compared, NULL, NULL);
    }
    return COR_OK;
}

/* ---- rules ---- */

/* A publication of the cloud that eventbus has been given. */
struct published {
    struct hub *hub;
    uint64_t id;
    uint64_t epoch;
};

static void answer_publish(struct hub *hub, uint64_t id, const struct cor_err *err)
{
    struct cor_wire_header head = {.number = PX_done, .re = id, .cause = id};
    struct px_done done = {0};
    struct cor_wire_error error = {0};
    if (err != NULL && err->code != COR_OK) {
        head.number = COR_WIRE_ERROR;
        error.code = err->code;
        error.text = cor_view_of(err->text);
        link_control(hub->link, &head, &error);
    } else {
        link_control(hub->link, &head, &done);
    }
}

static void on_published(void *self, const void *body, const struct cor_err *err)
{
    struct published *published = self;
    struct hub *hub = published->hub;
    struct cor_ledger_counts *books = hub->books.publications;
    if (body != NULL) {
        cor_ledger_accept(books, 1, &books->delivered);
    } else {
        cor_ledger_refuse(books, 1);
    }
    if (hub->link != NULL && link_is_coracle(hub->link) &&
        link_epoch(hub->link) == published->epoch) {
        answer_publish(hub, published->id, err);
    }
    cor_free(published);
}

static enum cor_code send_publish(struct hub *hub, const struct px_frame *frame,
                                  const struct px_publish *publish)
{
    if (cor_port_is_up(hub->bus) && cor_port_peer_minor(hub->bus) == 0) {
        struct px_mqtt_out out = {.topic = publish->topic, .payload = publish->payload};
        enum cor_code code = cor_send(hub->bus, PX_mqtt_out, &out);
        if (code == COR_OK) {
            cor_ledger_accept(hub->books.publications, 1, &hub->books.publications->delivered);
            answer_publish(hub, frame->head.id, NULL); /* it has no answer for this */
        }
        return code;
    }
    struct published *published = cor_alloc(sizeof(*published));
    *published = (struct published){hub, frame->head.id, link_epoch(hub->link)};
    int64_t within = frame->head.within_ms > 0 ? COR_MS((int64_t)frame->head.within_ms)
                                               : COR_MS(hub->cfg->call_ms);
    enum cor_code code = cor_call(hub->bus, PX_publish, publish, within, on_published, published);
    if (code != COR_OK) {
        cor_free(published);
    }
    return code;
}

static enum cor_code on_publish(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    struct px_publish publish;
    enum cor_code code = px_frame_body(frame, hub->arena, &publish, err);
    if (code != COR_OK) {
        return code;
    }
    enum cor_code sent = send_publish(hub, frame, &publish);
    if (sent != COR_OK) {
        struct cor_err why = COR_ERR_NONE;
        cor_ledger_refuse(hub->books.publications, 1);
        (void)cor_err_set(&why, sent, "eventbus: %s", cor_code_name(sent));
        answer_publish(hub, frame->head.id, &why);
    }
    return COR_OK;
}

static bool tell_topics(struct hub *hub, const struct px_subscriptions *all)
{
    if (!cor_port_is_up(hub->bus)) {
        return true; /* told when it comes */
    }
    if (cor_port_peer_minor(hub->bus) > 0) {
        return cor_send(hub->bus, PX_subscriptions, all) == COR_OK;
    }
    bool told = true;
    for (size_t i = 0; i < all->topics.count; i++) {
        struct px_mqtt_subscribe subscribe = {.topic = all->topics.items[i]};
        told = cor_send(hub->bus, PX_mqtt_subscribe, &subscribe) == COR_OK && told;
    }
    return told;
}

static enum cor_code on_subscriptions(struct hub *hub, const struct px_frame *frame,
                                      struct cor_err *err)
{
    struct px_subscriptions all;
    enum cor_code code = px_frame_body(frame, hub->arena, &all, err);
    if (code == COR_OK) {
        cor_buf_clear(&hub->topics);
        cor_buf_view(&hub->topics, frame->raw);
        if (!tell_topics(hub, &all)) {
            LOGW(hub->service->log, "link.topics.untold", "count=%zu", all.topics.count);
        }
    }
    return code;
}

void relay_bus_up(struct hub *hub)
{
    struct px_subscriptions all;
    if (hub->topics.len > 0 &&
        cor_decode(&px_subscriptions_table, cor_buf_as_view(&hub->topics), hub->arena, &all,
                   NULL) == COR_OK &&
        !tell_topics(hub, &all)) {
        LOGW(hub->service->log, "link.topics.untold", "count=%zu", all.topics.count);
    }
    cor_arena_reset(hub->arena);
}

/* ---- ports and frames ---- */

static enum cor_code upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)body;
    (void)err;
    relay_event(self, in);
    return COR_OK;
}

static void bus_up(void *self, struct cor_port *port)
{
    struct hub *hub = self;
    hold_back(hub, link_is_tight(hub->link)); /* the pause of the session before is over */
    hub_tell_link(self, port);
    relay_bus_up(self);
}

const struct cor_port_ops *relay_bus_ops(void)
{
    static const struct cor_handler HANDLERS[] = {{PX_upload, upload}};
    static const struct cor_port_ops OPS = {.up = bus_up,
                                            .relay_open = on_open,
                                            .handlers = HANDLERS,
                                            .handler_count = COR_COUNT(HANDLERS)};
    return &OPS;
}

static enum cor_code on_stream(struct hub *hub, const struct px_frame *frame, struct cor_err *err)
{
    return streams_take(hub->streams, frame, err);
}

static const struct {
    uint64_t number;
    enum cor_code (*fn)(struct hub *hub, const struct px_frame *frame, struct cor_err *err);
} FRAMES[] = {
    {PX_object, on_object},
    {PX_membership, on_membership},
    {PX_compare, on_compare},
    {PX_publish, on_publish},
    {PX_subscriptions, on_subscriptions},
    {PX_api_reply, on_api_reply},
    {PX_done, on_done},
    {COR_WIRE_ERROR, on_error},
    {COR_WIRE_ACK, on_ack},
    {COR_WIRE_REOPEN, on_reopen},
    {PX_stream_open, on_stream},
    {PX_stream_data, on_stream},
    {PX_stream_credit, on_stream},
    {PX_stream_end, on_stream},
    {PX_link_trust, trust_take},
};

void relay_take(struct hub *hub, const struct px_frame *frame)
{
    struct cor_err err = COR_ERR_NONE;
    for (size_t i = 0; i < COR_COUNT(FRAMES); i++) {
        if (FRAMES[i].number == frame->head.number) {
            cor_bus_set_cause(hub->service->bus, frame->head.id);
            enum cor_code code = FRAMES[i].fn(hub, frame, &err);
            cor_bus_set_cause(hub->service->bus, 0);
            cor_arena_reset(hub->arena);
            if (code != COR_OK) {
                hub->stats.down_bad++;
                link_restart(hub->link, err.text);
            }
            return;
        }
    }
    hub->stats.down_dropped++; /* a newer cloud's */
}
