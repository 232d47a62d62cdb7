// SPDX-License-Identifier: Apache-2.0
// From the broker: what was read at once is committed at once, to the outboxes of where it goes,
// together with what tells a message that comes again; then the broker is told.
#include "common/base/mem.h"
#include "eventbus.h"
#include "topic.h"

enum {
    PAYLOAD_MAX = 1 << 20,
    TOPIC_MAX = 1024,
    REFUSALS_MAX = 1024,
    RETRY_FIRST_US = 50000,
    RETRY_LAST_US = 2000000
};

/* What is gathered, then with the store: one at a time. */
struct eb_batch {
    struct eb *eb;
    struct cor_timer *retry;
    struct cor_backoff backoff;
    struct cor_outbox_batch *out[EB_PEERS]; /* owned; NULL while there is nothing */
    struct cor_buf recent;                  /* of the new messages, for the store */
    uint64_t recent_from;                   /* where they begin */
    uint64_t recent_end;                    /* where they end */
    uint64_t recent_confirmed;              /* what the broker is known to have had */
    int mark;          /* number of the last eb_mqtt_mark; 0: none is under way */
    uint64_t mark_end; /* what it confirms */
};

static enum cor_code batch_run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct eb_batch *batch = self;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < EB_PEERS && code == COR_OK; i++) {
        code = batch->out[i] == NULL ? COR_OK : cor_outbox_batch_run(batch->out[i], db, err);
    }
    return code == COR_OK ? eb_store_recent(db, cor_buf_as_view(&batch->recent), batch->recent_end,
                                            batch->recent_confirmed, err)
                          : code;
}

static void clear(struct eb_batch *batch, bool committed)
{
    for (size_t i = 0; i < EB_PEERS; i++) {
        if (batch->out[i] != NULL) {
            cor_outbox_batch_end(&batch->out[i], committed);
        }
    }
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
    clear(batch, true);
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
        LOGE(eb->service->log, "bus.not-stored", "error=%s", cor_log_esc(cor_view_of(err->text)));
        cor_timer_start(batch->retry, cor_backoff_next(&batch->backoff, 1));
        return;
    }
    cor_backoff_reset(&batch->backoff);
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
    bool is_empty = true;
    for (size_t i = 0; i < EB_PEERS; i++) {
        if (batch->out[i] != NULL) {
            cor_outbox_batch_seal(batch->out[i]);
            is_empty = false;
        }
    }
    if (is_empty) {
        let_go(batch); /* all of it came again, or is nothing for us */
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
    eb->refusals = cor_map_new(cor_free);
    eb_store_recents(eb);
    eb->batch->recent_from = eb_recent_end(&eb->recent);
}

void eb_in_free(struct eb *eb)
{
    if (eb->batch != NULL) {
        clear(eb->batch, false);
        cor_timer_free(&eb->batch->retry);
        cor_freep(&eb->batch);
    }
    eb_recent_free(&eb->recent);
    cor_map_free(&eb->refusals);
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

static uint16_t encode(enum eb_peer peer, const struct eb_mqtt_message *message,
                       struct cor_buf *out)
{
    if (peer == EB_TWIN) {
        struct px_mqtt_in body = {.topic = message->topic, .payload = message->payload};
        cor_encode(&px_mqtt_in_table, &body, out);
        return PX_mqtt_in;
    }
    struct px_upload body = {.topic = message->topic, .payload = message->payload};
    cor_encode(&px_upload_table, &body, out);
    return PX_upload;
}

/* MQTT 3.1.1 has no way to say no to a publication: it is told on a topic, at most once a second
 * for each stream. */
static void tell_refused(struct eb *eb, const char *stream, struct cor_view topic)
{
    int64_t *told = cor_map_get(eb->refusals, cor_view_of(stream));
    int64_t now = cor_loop_now(eb->service->loop).us;
    int number = 0;
    if (told != NULL && now - *told < COR_SEC(1)) {
        return;
    }
    if (cor_map_count(eb->refusals) >= REFUSALS_MAX) {
        cor_map_free(&eb->refusals);
        eb->refusals = cor_map_new(cor_free);
    }
    int64_t *at = cor_alloc(sizeof(*at));
    *at = now;
    cor_map_set(eb->refusals, cor_view_of(stream), at);
    auto_(cor_json_free) struct cor_json *json = cor_json_object();
    cor_json_set(json, "topic", cor_json_view(topic));
    cor_json_set(json, "stream", cor_json_str(stream));
    auto_(cor_freep) char *text = cor_json_text(json);
    (void)!eb_mqtt_publish(eb->mqtt, "$hw/events/queue/refused", cor_view_of(text), false, &number);
}

static void take_message(struct eb *eb, enum eb_peer peer, const struct eb_mqtt_message *message)
{
    struct eb_batch *batch = eb->batch;
    auto_(cor_buf_free) struct cor_buf body = {0};
    auto_(cor_freep) char *stream = eb_topic_stream(message->topic);
    uint16_t number = encode(peer, message, &body);
    if (batch->out[peer] == NULL) {
        batch->out[peer] = cor_outbox_batch_new(eb->outboxes[peer]);
    }
    if (cor_outbox_batch_add(batch->out[peer], cor_view_of(stream),
                             cor_bus_next_id(eb->service->bus), number, &body) != COR_OK) {
        drop(eb, "full", message->topic);
        tell_refused(eb, stream, message->topic);
    }
}

/* The broker's queues were full: devices have its word for messages that nobody gets. */
static void broker_dropped(struct eb *eb, struct cor_view payload)
{
    uint64_t said = 0;
    if (!cor_view_u64(payload, &said) || said == eb->broker_said) {
        return;
    }
    eb->broker_dropped += eb_dropped_since(eb->broker_said, said);
    eb->broker_said = said;
    if (said > 0) {
        LOGW(eb->service->log, "mqtt.broker-dropped", "messages=%llu",
             (unsigned long long)eb->broker_dropped);
    }
}

void eb_on_message(void *self, const struct eb_mqtt_message *message)
{
    struct eb *eb = self;
    uint64_t hash = eb_recent_hash(message->topic, message->payload);
    if (eb_recent_is_again(&eb->recent, message->number, hash)) {
        eb->again++;
        return;
    }
    eb_recent_add(&eb->recent, message->number, hash);
    enum eb_way way = eb_topic_way(message->topic);
    if (way == EB_DROPPED) {
        broker_dropped(eb, message->payload);
        return;
    }
    eb->received++;
    if (way == EB_NOWHERE || message->topic.len > TOPIC_MAX || message->payload.len > PAYLOAD_MAX) {
        eb->unfit++;
        drop(eb, way == EB_NOWHERE ? "topic" : "size", message->topic);
        return;
    }
    take_message(eb, way == EB_TO_TWIN ? EB_TWIN : EB_HUB, message);
}
