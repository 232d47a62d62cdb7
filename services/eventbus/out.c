// SPDX-License-Identifier: Apache-2.0
// To the broker: a publication is committed when the broker has acknowledged it. While the broker
// is away nothing is taken: the origins keep it.
#include "common/base/list.h"
#include "common/base/mem.h"
#include "eventbus.h"
#include "topic.h"

/* A publication the broker has not acknowledged. */
struct publication {
    struct cor_link link;
    enum eb_peer peer;
    int number;
    uint64_t stream; /* 0: not of a stream */
    uint64_t seq;
    bool done;
};

static enum eb_peer peer_of(const struct eb *eb, const struct cor_port *port)
{
    return port == eb->ports[EB_TWIN] ? EB_TWIN : EB_HUB;
}

uint64_t eb_committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    struct eb *eb = self;
    if (open->stream != EB_STREAM) {
        return 0;
    }
    enum eb_peer peer = peer_of(eb, port);
    eb->incarnations[peer] = open->incarnation;
    return eb_store_place(eb, peer, open->incarnation);
}

static void free_publication(struct publication *p)
{
    cor_list_del(&p->link);
    cor_free(p);
}

void eb_publications_free(struct eb *eb)
{
    COR_LIST_EACH (node, &eb->publishing) {
        free_publication(COR_LIST_OBJECT(node, struct publication, link));
    }
}

/* Acknowledged publications are committed in the order in which they came. */
static void settle(struct eb *eb)
{
    while (!cor_list_empty(&eb->publishing)) {
        struct publication *p = COR_LIST_OBJECT(eb->publishing.next, struct publication, link);
        if (!p->done) {
            return;
        }
        eb->published++;
        if (p->stream != 0) {
            cor_commit(eb->ports[p->peer], p->stream, p->seq);
            eb_store_set_place(eb, p->peer, eb->incarnations[p->peer], p->seq);
        }
        free_publication(p);
    }
}

void eb_on_published(void *self, int number)
{
    struct eb *eb = self;
    COR_LIST_EACH (node, &eb->publishing) {
        struct publication *p = COR_LIST_OBJECT(node, struct publication, link);
        if (p->number == number && !p->done) {
            p->done = true;
            break;
        }
    }
    settle(eb);
}

enum cor_code eb_on_mqtt_out(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct eb *eb = self;
    const struct px_mqtt_out *out = body;
    struct publication *p = cor_alloc(sizeof(*p));
    p->peer = peer_of(eb, in->port);
    p->stream = in->head->stream;
    p->seq = in->head->seq;
    cor_list_init(&p->link);
    cor_list_add(&eb->publishing, &p->link);
    auto_(cor_freep) char *topic = cor_view_dup(out->topic);
    enum cor_code code = COR_INVALID;
    if (eb_topic_is_name(out->topic)) {
        code = eb_mqtt_publish(eb->mqtt, topic, out->payload, out->retain, &p->number);
    }
    if (code == COR_GONE) {
        free_publication(p);
        return cor_err_set(err, COR_BUSY, "the broker is away");
    }
    if (code != COR_OK) {
        p->done = true; /* it never can be published: refuse it once, do not stop the stream */
        settle(eb);
        return cor_err_set(err, code, "cannot publish on %s", cor_log_esc(out->topic));
    }
    return COR_OK;
}

enum cor_code eb_on_subscribe(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    struct eb *eb = self;
    const struct px_mqtt_subscribe *sub = body;
    if (!eb_topic_is_filter(sub->topic)) {
        return cor_err_set(err, COR_INVALID, "not a topic filter: %s", cor_log_esc(sub->topic));
    }
    auto_(cor_freep) char *filter = cor_view_dup(sub->topic);
    eb_store_subscription(eb, sub->topic, sub->off);
    (void)!eb_mqtt_subscribe(eb->mqtt, filter, sub->off); /* down: done when it comes back */
    return COR_OK;
}

static void subscribe(struct eb *eb, const char *filter)
{
    if (eb_mqtt_subscribe(eb->mqtt, filter, false) != COR_OK) {
        LOGW(eb->service->log, "mqtt.not-subscribed", "filter=%s", filter);
    }
}

/* Streams were held in front of what could not be published: their origins send it again. */
static void release(struct eb *eb)
{
    for (unsigned i = 0; i < EB_PEERS; i++) {
        cor_hold(eb->ports[i], EB_STREAM, false);
    }
}

void eb_on_connected(void *self)
{
    struct eb *eb = self;
    eb_in_begin(eb);
    for (size_t i = 0; i < EB_TOPIC_COUNT; i++) {
        subscribe(eb, EB_TOPICS[i]);
    }
    eb_store_subscriptions(eb, subscribe);
    release(eb);
}
