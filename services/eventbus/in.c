// SPDX-License-Identifier: Apache-2.0
// From the broker: what was read at once is committed at once, to the outboxes of where it goes,
// together with what tells a message that comes again; then the broker is told.
#include "common/base/mem.h"
#include "eventbus.h"
#include "topic.h"

enum { PAYLOAD_MAX = 1 << 20, TOPIC_MAX = 1024, RETRY_FIRST_US = 50000, RETRY_LAST_US = 2000000 };

/* A message on its way to the store. */
struct event {
    struct cor_buf body; /* encoded; owned */
    uint64_t cause;
    uint64_t seq;
    enum eb_peer peer;
    uint16_t number;
};

/* What is gathered, then with the store: one at a time. */
struct eb_batch {
    struct eb *eb;
    struct cor_timer *retry;
    struct cor_backoff backoff;
    struct event *events; /* owned */
    size_t count, cap;
    struct cor_buf recent;     /* of the new messages, for the store */
    uint64_t recent_from;      /* where they begin */
    uint64_t recent_end;       /* where they end */
    uint64_t recent_confirmed; /* what the broker is known to have had */
    int mark;                  /* number of the last eb_mqtt_mark; 0: none is under way */
    uint64_t mark_end;         /* what it confirms */
};

static enum cor_code batch_run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct eb_batch *batch = self;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < batch->count && code == COR_OK; i++) {
        struct event *event = &batch->events[i];
        code = cor_outbox_insert(db, &batch->eb->outbox_specs[event->peer], event->cause,
                                 event->number, cor_buf_as_view(&event->body), &event->seq, err);
    }
    return code == COR_OK ? eb_store_recent(db, cor_buf_as_view(&batch->recent), batch->recent_end,
                                            batch->recent_confirmed, err)
                          : code;
}

static void clear(struct eb_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        cor_buf_free(&batch->events[i].body);
    }
    batch->count = 0;
    cor_buf_free(&batch->recent);
}

static void mark(struct eb_batch *batch)
{
    uint64_t reached = eb_recent_reached(&batch->eb->recent);
    if (batch->mark == 0 && reached > batch->eb->recent.first &&
        eb_mqtt_mark(batch->eb->mqtt, &batch->mark) == COR_OK) {
        batch->mark_end = reached;
    }
}

/* Tells the broker that the batch has arrived. */
static void let_go(struct eb_batch *batch)
{
    clear(batch);
    mark(batch);
    eb_mqtt_committed(batch->eb->mqtt);
}

static void batch_done(void *self, enum cor_code code, const struct cor_err *err)
{
    struct eb_batch *batch = self;
    struct eb *eb = batch->eb;
    if (eb->mqtt == NULL) {
        return; /* stopping: what was not acknowledged comes again */
    }
    if (cor_store_broken(eb->store)) {
        cor_service_fail(eb->service, err);
        return;
    }
    if (code != COR_OK) { /* the broker keeps it, and whatever follows */
        LOGE(eb->service->log, "bus.not-stored", "messages=%zu error=%s", batch->count,
             cor_log_esc(cor_view_of(err->text)));
        cor_timer_start(batch->retry, cor_backoff_next(&batch->backoff, 1));
        return;
    }
    cor_backoff_reset(&batch->backoff);
    for (size_t i = 0; i < batch->count; i++) {
        cor_outbox_committed(eb->outboxes[batch->events[i].peer], batch->events[i].seq);
    }
    let_go(batch);
}

static void write_batch(void *self)
{
    struct eb_batch *batch = self;
    struct cor_err err = COR_ERR_NONE;
    if (cor_store_write(batch->eb->store, batch_run, batch_done, batch, &err) != COR_OK) {
        batch_done(batch, err.code, &err);
    }
}

void eb_on_batch(void *self)
{
    struct eb *eb = self;
    struct eb_batch *batch = eb->batch;
    eb_recent_write(&eb->recent, batch->recent_from, &batch->recent);
    batch->recent_end = eb_recent_end(&eb->recent);
    batch->recent_confirmed = eb->recent.first;
    batch->recent_from = batch->recent_end;
    if (batch->count == 0) {
        let_go(batch); /* all of it came again, or was refused */
        return;
    }
    write_batch(batch);
}

void eb_on_marked(void *self, int number)
{
    struct eb *eb = self;
    struct eb_batch *batch = eb->batch;
    if (number == batch->mark) {
        batch->mark = 0;
        eb_recent_confirmed(&eb->recent, batch->mark_end);
        mark(batch);
    }
}

void eb_in_begin(struct eb *eb)
{
    eb->batch->mark = 0;
    eb_recent_begin(&eb->recent);
}

void eb_in_new(struct eb *eb)
{
    eb->batch = cor_alloc(sizeof(*eb->batch));
    eb->batch->eb = eb;
    eb->batch->retry = cor_timer_new(eb->service->loop, write_batch, eb->batch);
    eb->batch->backoff = (struct cor_backoff){.first_us = RETRY_FIRST_US, .last_us = RETRY_LAST_US};
    eb_store_recents(eb);
    eb->batch->recent_from = eb_recent_end(&eb->recent);
}

void eb_in_free(struct eb *eb)
{
    if (eb->batch != NULL) {
        clear(eb->batch);
        cor_timer_free(&eb->batch->retry);
        cor_free(eb->batch->events);
        cor_freep(&eb->batch);
    }
    eb_recent_free(&eb->recent);
}

static void drop(struct eb *eb, const char *why, struct cor_view topic)
{
    /* Every power of two is told: enough to see, never a flood. */
    eb->dropped++;
    if ((eb->dropped & (eb->dropped - 1)) == 0) {
        LOGW(eb->service->log, "bus.dropped", "why=%s topic=%s dropped=%llu", why,
             cor_log_esc(topic), (unsigned long long)eb->dropped);
    }
}

static void encode(struct event *event, const struct eb_mqtt_message *message)
{
    if (event->peer == EB_TWIN) {
        struct px_mqtt_in body = {.topic = message->topic, .payload = message->payload};
        event->number = PX_mqtt_in;
        cor_encode(&px_mqtt_in_table, &body, &event->body);
    } else {
        struct px_upload body = {.topic = message->topic, .payload = message->payload};
        event->number = PX_upload;
        cor_encode(&px_upload_table, &body, &event->body);
    }
}

static struct event *add(struct eb_batch *batch)
{
    if (batch->count == batch->cap) {
        batch->cap = batch->cap == 0 ? 16 : batch->cap * 2;
        batch->events = cor_realloc(batch->events, batch->cap, sizeof(*batch->events));
    }
    struct event *event = &batch->events[batch->count++];
    *event = (struct event){.cause = cor_bus_next_id(batch->eb->service->bus)};
    return event;
}

void eb_on_message(void *self, const struct eb_mqtt_message *message)
{
    struct eb *eb = self;
    uint64_t hash = eb_recent_hash(message->topic, message->payload);
    if (eb_recent_is_again(&eb->recent, message->number, hash)) {
        eb->again++;
        return;
    }
    eb->received++;
    eb_recent_add(&eb->recent, message->number, hash);
    enum eb_way way = eb_topic_way(message->topic);
    if (way == EB_NOWHERE || message->topic.len > TOPIC_MAX || message->payload.len > PAYLOAD_MAX) {
        drop(eb, way == EB_NOWHERE ? "topic" : "size", message->topic);
        return;
    }
    enum eb_peer peer = way == EB_TO_TWIN ? EB_TWIN : EB_HUB;
    if (!cor_outbox_room(eb->outboxes[peer])) {
        drop(eb, "full", message->topic);
        return;
    }
    struct event *event = add(eb->batch);
    event->peer = peer;
    encode(event, message);
}
