// SPDX-License-Identifier: Apache-2.0
// From the broker: each message is committed to the outbox of where it goes; the outbox sends it.
#include "common/base/mem.h"
#include "eventbus.h"
#include "topic.h"

enum { PAYLOAD_MAX = 1 << 20, TOPIC_MAX = 1024 };

/* A message on its way to the store. */
struct event {
    struct eb *eb;
    enum eb_peer peer;
    uint16_t number;
    struct cor_buf body; /* encoded; owned */
    uint64_t cause;
    uint64_t seq;
};

static enum cor_code event_run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct event *event = self;
    return cor_outbox_insert(db, &event->eb->outbox_specs[event->peer], event->cause, event->number,
                             cor_buf_as_view(&event->body), &event->seq, err);
}

static void event_free(struct event *event)
{
    cor_buf_free(&event->body);
    cor_free(event);
}

static void event_done(void *self, enum cor_code code, const struct cor_err *err)
{
    struct event *event = self;
    struct eb *eb = event->eb;
    if (code != COR_OK) {
        eb->dropped++;
        LOGE(eb->service->log, "bus.not-stored", "error=%s", cor_log_esc(cor_view_of(err->text)));
    }
    cor_outbox_committed(eb->outboxes[event->peer], code == COR_OK ? event->seq : 0);
    event_free(event);
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

static void encode(struct event *event, struct cor_view topic, struct cor_view payload)
{
    if (event->peer == EB_TWIN) {
        struct px_mqtt_in body = {.topic = topic, .payload = payload};
        event->number = PX_mqtt_in;
        cor_encode(&px_mqtt_in_table, &body, &event->body);
    } else {
        struct px_upload body = {.topic = topic, .payload = payload};
        event->number = PX_upload;
        cor_encode(&px_upload_table, &body, &event->body);
    }
}

void eb_on_message(void *self, struct cor_view topic, struct cor_view payload)
{
    struct eb *eb = self;
    eb->received++;
    enum eb_way way = eb_topic_way(topic);
    if (way == EB_NOWHERE || topic.len > TOPIC_MAX || payload.len > PAYLOAD_MAX) {
        drop(eb, way == EB_NOWHERE ? "topic" : "size", topic);
        return;
    }
    enum eb_peer peer = way == EB_TO_TWIN ? EB_TWIN : EB_HUB;
    if (!cor_outbox_room(eb->outboxes[peer])) {
        drop(eb, "full", topic);
        return;
    }
    struct event *event = cor_alloc(sizeof(*event));
    event->eb = eb;
    event->peer = peer;
    event->cause = cor_bus_next_id(eb->service->bus);
    encode(event, topic, payload);
    struct cor_err err = COR_ERR_NONE;
    if (cor_store_write(eb->store, event_run, event_done, event, &err) != COR_OK) {
        drop(eb, "busy", topic);
        cor_outbox_committed(eb->outboxes[peer], 0);
        event_free(event);
    }
}
