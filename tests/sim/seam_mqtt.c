// SPDX-License-Identifier: Apache-2.0
// In place of services/eventbus/mqtt.c (libmosquitto) and of the broker behind it.
#include "services/eventbus/mqtt.h"

#include <string.h>

#include "broker.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"

enum { ACK_US = 1000000 };

/* Where a message is that the broker has not been told of: */
#define ON_ITS_WAY INT64_MAX
#define ARRIVED (INT64_MAX - 1) /* in the socket */
#define GIVEN (INT64_MAX - 2)   /* in the batch that eventbus commits */

struct message {
    struct cor_link link;
    char *topic;
    struct cor_buf payload;
    uint16_t number;
    int64_t delivered; /* when it was acknowledged; 0: not in this connection; or as above */
};

struct filter {
    struct cor_link link;
    char *text;
};

/* One broker, with one session. */
struct broker {
    struct cor_link queue;   /* struct message, in order; unacknowledged ones are at its head */
    struct cor_link filters; /* struct filter */
    size_t count;
    uint16_t numbered;      /* packet ids */
    struct eb_mqtt *client; /* connected now */
    sim_heard_fn heard;
    void *heard_self;
};

struct eb_mqtt {
    struct sim_core *core;
    const struct eb_mqtt_ops *ops;
    void *self;
    struct cor_timer *connect;
    bool up;
    bool held; /* a batch is with eventbus */
    bool lost; /* some of what it wrote has not left its process, and nothing behind that */
    int numbered;
    int64_t busy_until[2]; /* from and to the broker */
};

static struct broker *broker(void)
{
    static struct broker it;
    if (it.queue.next == NULL) {
        cor_list_init(&it.queue);
        cor_list_init(&it.filters);
    }
    return &it;
}

/* MQTT 3.1.1 section 4.7. */
static bool matches(const char *filter, const char *topic)
{
    if (topic[0] == '$' && filter[0] != '$') {
        return false;
    }
    while (*filter != '\0') {
        if (*filter == '#') {
            return true;
        }
        if (*filter == '+') {
            filter++;
            topic += strcspn(topic, "/");
        } else if (*filter == *topic) {
            filter++;
            topic++;
        } else {
            return *topic == '\0' && strcmp(filter, "/#") == 0;
        }
    }
    return *topic == '\0';
}

static bool is_subscribed(const char *topic)
{
    COR_LIST_EACH (node, &broker()->filters) {
        if (matches(COR_LIST_OBJECT(node, struct filter, link)->text, topic)) {
            return true;
        }
    }
    return false;
}

static void message_free(struct message *message)
{
    cor_list_del(&message->link);
    cor_free(message->topic);
    cor_buf_free(&message->payload);
    cor_free(message);
}

/* What eventbus was given and has acknowledged: its acknowledgements take their time. */
static void settle(void)
{
    struct broker *b = broker();
    while (!cor_list_empty(&b->queue)) {
        struct message *m = COR_LIST_OBJECT(b->queue.next, struct message, link);
        if (m->delivered == 0 || sim_now() - m->delivered < ACK_US) {
            return;
        }
        message_free(m);
        b->count--;
    }
}

static void pump(void);

static void on_settle(void *self)
{
    (void)self;
    settle();
    pump();
}

/* Gives eventbus what is in the socket. */
static void read_batch(struct eb_mqtt *client)
{
    COR_LIST_EACH (node, &broker()->queue) {
        struct message *m = COR_LIST_OBJECT(node, struct message, link);
        if (m->delivered == ARRIVED) {
            m->delivered = GIVEN;
            client->held = true;
            struct eb_mqtt_message message = {.topic = cor_view_of(m->topic),
                                              .payload = cor_buf_as_view(&m->payload),
                                              .number = m->number};
            client->ops->message(client->self, &message);
        }
    }
    if (client->held) {
        client->ops->batch(client->self);
    }
}

/* Runs on eventbus. */
static void on_delivery(void *self)
{
    struct message *m = self;
    struct eb_mqtt *client = broker()->client;
    sim_point();
    m->delivered = ARRIVED;
    if (!client->held) {
        read_batch(client);
    }
}

/* Runs on eventbus. */
static void on_readable(void *self)
{
    struct eb_mqtt *client = self;
    if (broker()->client == client && !client->held) {
        read_batch(client);
    }
}

void eb_mqtt_committed(struct eb_mqtt *mqtt)
{
    mqtt->held = false;
    if (broker()->client != mqtt) {
        return;
    }
    sim_point();
    COR_LIST_EACH (node, &broker()->queue) {
        struct message *m = COR_LIST_OBJECT(node, struct message, link);
        m->delivered = m->delivered == GIVEN ? sim_now() : m->delivered;
    }
    sim_post(NULL, ACK_US + 1, on_settle, NULL);
    sim_post(mqtt->core, 1, on_readable, mqtt);
}

static int64_t in_order(struct eb_mqtt *client, int way)
{
    int64_t at = sim_now() + 50 + (int64_t)sim_pick(SIM_NET, 200);
    at = at > client->busy_until[way] ? at : client->busy_until[way] + 1;
    client->busy_until[way] = at;
    return at - sim_now();
}

/* Everything goes out at once: "max_inflight_messages 0". */
static void pump(void)
{
    struct broker *b = broker();
    COR_LIST_EACH (node, &b->queue) {
        struct message *m = COR_LIST_OBJECT(node, struct message, link);
        if (b->client != NULL && m->delivered == 0) {
            m->delivered = ON_ITS_WAY;
            sim_post(b->client->core, in_order(b->client, 1), on_delivery, m);
        }
    }
}

void sim_device_publish(const char *topic, struct cor_view payload)
{
    struct broker *b = broker();
    if (!is_subscribed(topic)) {
        return;
    }
    struct message *m = cor_alloc(sizeof(*m));
    m->topic = cor_strdup(topic);
    cor_buf_view(&m->payload, payload);
    b->numbered = b->numbered == UINT16_MAX ? 1 : b->numbered + 1;
    m->number = b->numbered;
    cor_list_add(&b->queue, &m->link);
    b->count++;
    sim_trace("publish", payload.len, b->count);
    pump();
}

void sim_device_listen(sim_heard_fn fn, void *self)
{
    broker()->heard = fn;
    broker()->heard_self = self;
}

size_t sim_broker_waiting(void)
{
    return broker()->count;
}

/* ---- the client ---- */

void sim_mqtt_died(struct sim_core *core)
{
    struct broker *b = broker();
    if (b->client == NULL || b->client->core != core) {
        return;
    }
    b->client = NULL;
    COR_LIST_EACH (node, &b->queue) { /* the session has them still */
        COR_LIST_OBJECT(node, struct message, link)->delivered = 0;
    }
}

static void on_connect(void *self)
{
    struct eb_mqtt *mqtt = self;
    struct broker *b = broker();
    mqtt->up = true;
    b->client = mqtt;
    mqtt->ops->connected(mqtt->self);
    pump();
}

enum cor_code eb_mqtt_new(const struct eb_mqtt_spec *spec, const struct eb_mqtt_ops *ops,
                          void *self, struct eb_mqtt **mqtt_r, struct cor_err *err)
{
    (void)err;
    struct eb_mqtt *mqtt = cor_alloc(sizeof(*mqtt));
    mqtt->core = sim_self();
    mqtt->ops = ops;
    mqtt->self = self;
    mqtt->connect = cor_timer_new(spec->loop, on_connect, mqtt);
    cor_timer_start(mqtt->connect, (int64_t)sim_pick(SIM_NET, COR_MS(5)));
    *mqtt_r = mqtt;
    return COR_OK;
}

void eb_mqtt_free(struct eb_mqtt **mqtt)
{
    struct eb_mqtt *self = take(mqtt);
    if (self != NULL) {
        sim_mqtt_died(self->core);
        cor_timer_free(&self->connect); /* what is under way still points to the rest */
    }
}

bool eb_mqtt_is_up(const struct eb_mqtt *mqtt)
{
    return mqtt->up;
}

struct publication {
    struct eb_mqtt *mqtt;
    struct sim_core *core;
    uint64_t life;
    int number;
    char *topic;
    struct cor_buf payload;
};

static void publication_free(struct publication *p)
{
    cor_free(p->topic);
    cor_buf_free(&p->payload);
    cor_free(p);
}

static void on_acknowledged(void *self)
{
    struct publication *p = self;
    if (broker()->client == p->mqtt) {
        sim_point();
        p->mqtt->ops->published(p->mqtt->self, p->number);
    }
    publication_free(p);
}

/* The broker's own event: what a process wrote before it died arrives, or was still its own. */
static void on_published(void *self)
{
    struct publication *p = self;
    struct broker *b = broker();
    bool died = p->core->life != p->life;
    p->mqtt->lost = p->mqtt->lost || (died && sim_chance(SIM_NET, 500000));
    if (b->heard != NULL && !p->mqtt->lost) {
        b->heard(b->heard_self, p->topic, cor_buf_as_view(&p->payload));
    }
    if (b->client == p->mqtt && !died) {
        sim_post(p->core, in_order(p->mqtt, 1), on_acknowledged, p);
    } else {
        publication_free(p);
    }
}

enum cor_code eb_mqtt_publish(struct eb_mqtt *mqtt, const char *topic, struct cor_view payload,
                              bool retain, int *number_r)
{
    (void)retain;
    if (!mqtt->up) {
        return COR_GONE;
    }
    sim_point();
    struct publication *p = cor_alloc(sizeof(*p));
    p->mqtt = mqtt;
    p->core = mqtt->core;
    p->life = mqtt->core->life;
    p->number = ++mqtt->numbered;
    p->topic = cor_strdup(topic);
    cor_buf_view(&p->payload, payload);
    *number_r = p->number;
    sim_post(NULL, in_order(mqtt, 0), on_published, p);
    return COR_OK;
}

struct mark {
    struct eb_mqtt *mqtt;
    int number;
};

static void on_mark(void *self)
{
    struct mark *mark = self;
    if (broker()->client == mark->mqtt) {
        mark->mqtt->ops->marked(mark->mqtt->self, mark->number);
    }
    cor_free(mark);
}

enum cor_code eb_mqtt_mark(struct eb_mqtt *mqtt, int *number_r)
{
    if (!mqtt->up) {
        return COR_GONE;
    }
    struct mark *mark = cor_alloc(sizeof(*mark));
    *mark = (struct mark){mqtt, ++mqtt->numbered};
    *number_r = mark->number;
    sim_post(mqtt->core, ACK_US + 2, on_mark, mark);
    return COR_OK;
}

enum cor_code eb_mqtt_subscribe(struct eb_mqtt *mqtt, const char *filter, bool off)
{
    if (!mqtt->up) {
        return COR_GONE;
    }
    COR_LIST_EACH (node, &broker()->filters) {
        struct filter *old = COR_LIST_OBJECT(node, struct filter, link);
        if (strcmp(old->text, filter) == 0) {
            cor_list_del(node);
            cor_free(old->text);
            cor_free(old);
        }
    }
    if (!off) {
        struct filter *one = cor_alloc(sizeof(*one));
        one->text = cor_strdup(filter);
        cor_list_add(&broker()->filters, &one->link);
    }
    return COR_OK;
}
