// SPDX-License-Identifier: Apache-2.0
#include "publisher.h"

#include <inttypes.h>
#include <mosquitto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"

enum { TICK_MS = 1, AGAIN_MS = 50, IDS = 65536, BYTES_MAX = 65536 };

struct publisher {
    struct publisher_spec spec;
    struct mosquitto *client;
    struct cor_io *io;
    struct cor_timer *tick;
    struct cor_timer *again;
    struct cor_timer *misc;
    struct cor_hook *hook;
    struct cor_mono began;
    uint64_t sent;
    size_t device; /* of the next message */
    bool up;
    bool stopped;
    char *payload;
    struct {
        uint32_t device;
        uint64_t seq;
    } flight[IDS]; /* by packet id */
};

static void lost(struct publisher *p)
{
    cor_io_free(&p->io);
    p->up = false;
    ledger_disturbed(p->spec.ledger);
    cor_timer_start(p->again, COR_MS(AGAIN_MS));
}

static void on_socket(void *self, int fd, int events)
{
    (void)fd;
    struct publisher *p = self;
    int rc = MOSQ_ERR_SUCCESS;
    if ((events & COR_READ) != 0) {
        rc = mosquitto_loop_read(p->client, 1);
    }
    if (rc == MOSQ_ERR_SUCCESS && (events & COR_WRITE) != 0) {
        rc = mosquitto_loop_write(p->client, 1);
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        lost(p);
    }
}

static bool on_round(void *self)
{
    struct publisher *p = self;
    if (p->io != NULL) {
        cor_io_set(p->io, COR_READ | (mosquitto_want_write(p->client) ? COR_WRITE : 0));
    }
    return false;
}

static void on_misc(void *self)
{
    struct publisher *p = self;
    if (p->io != NULL && mosquitto_loop_misc(p->client) != MOSQ_ERR_SUCCESS) {
        lost(p);
    }
}

static void dial(void *self)
{
    struct publisher *p = self;
    int rc = mosquitto_connect(p->client, p->spec.host, p->spec.port, 30);
    int fd = mosquitto_socket(p->client);
    if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
        cor_timer_start(p->again, COR_MS(AGAIN_MS));
        return;
    }
    p->io = cor_io_new(p->spec.loop, fd, COR_READ, on_socket, p);
}

static void on_connect(struct mosquitto *client, void *self, int rc)
{
    (void)client;
    struct publisher *p = self;
    p->up = rc == 0;
}

/* {"d":DEVICE,"s":SEQ,"x":"xxx…"} of the size that is asked for. Returns its length. */
static size_t numbered(struct publisher *p, size_t device, uint64_t seq)
{
    int len = snprintf(p->payload, BYTES_MAX, "{\"d\":%zu,\"s\":%" PRIu64 ",\"x\":\"", device, seq);
    size_t whole = (size_t)len + 2 > p->spec.bytes ? (size_t)len + 2 : p->spec.bytes;
    memset(p->payload + len, 'x', whole - (size_t)len - 2);
    memcpy(p->payload + whole - 2, "\"}", 2);
    return whole;
}

/* A twin update; each value is the time, so that whoever reads it knows how old it is. */
static size_t twin_update(struct publisher *p, uint64_t seq)
{
    int64_t ms = cor_wall_now().us / 1000;
    int len = snprintf(p->payload, BYTES_MAX, "{\"event_id\":\"%" PRIu64 "\",\"twin\":{", seq);
    for (size_t i = 0; i < p->spec.properties; i++) {
        len += snprintf(p->payload + len, BYTES_MAX - (size_t)len,
                        "%s\"p%zu\":{\"actual\":{\"value\":\"%" PRId64 "\"}}", i == 0 ? "" : ",", i,
                        ms);
    }
    len += snprintf(p->payload + len, BYTES_MAX - (size_t)len, "}}");
    return (size_t)len;
}

static void publish_one(struct publisher *p)
{
    size_t device = p->device;
    bool twin = p->spec.properties > 0;
    p->device = (p->device + 1) % p->spec.devices;
    uint64_t seq = ledger_publish(p->spec.ledger, device, cor_mono_now().us);
    char topic[256];
    if (twin) {
        (void)snprintf(topic, sizeof(topic), "%s", p->spec.topic);
    } else {
        (void)snprintf(topic, sizeof(topic), "%s/%zu", p->spec.topic, device);
    }
    size_t len = twin ? twin_update(p, seq) : numbered(p, device, seq);
    int id = 0;
    int rc = mosquitto_publish(p->client, &id, topic, (int)len, p->payload, 1, false);
    must(id > 0 && id < IDS); /* it is queued, even when the connection has just broken */
    p->flight[id].device = (uint32_t)device;
    p->flight[id].seq = seq;
    p->sent++;
    if (rc != MOSQ_ERR_SUCCESS && rc != MOSQ_ERR_NO_CONN) {
        lost(p);
    }
}

static bool may_publish(const struct publisher *p)
{
    uint64_t due = UINT64_MAX;
    if (p->spec.rate > 0) {
        int64_t us = cor_mono_since(cor_mono_now(), p->began);
        due = (uint64_t)us * p->spec.rate / 1000000;
    }
    if (p->spec.behind > 0 && ledger_missing(p->spec.ledger) >= p->spec.behind) {
        return false;
    }
    return p->up && !publisher_is_done(p) && p->sent < due &&
           ledger_unacked(p->spec.ledger) < p->spec.flight;
}

static void fill(void *self)
{
    struct publisher *p = self;
    while (may_publish(p)) {
        publish_one(p);
    }
}

static void on_publish(struct mosquitto *client, void *self, int id)
{
    (void)client;
    struct publisher *p = self;
    ledger_acked(p->spec.ledger, p->flight[id].device, p->flight[id].seq);
    if (p->spec.rate == 0) {
        fill(p);
    }
}

enum cor_code publisher_new(const struct publisher_spec *spec, struct publisher **publisher_r,
                            struct cor_err *err)
{
    if (spec->bytes > BYTES_MAX / 2) {
        return cor_err_set(err, COR_INVALID, "payload of %zu bytes, at most %d", spec->bytes,
                           BYTES_MAX / 2);
    }
    struct publisher *p = cor_alloc(sizeof(*p));
    p->spec = *spec;
    p->payload = cor_alloc(BYTES_MAX);
    (void)mosquitto_lib_init();
    auto_(cor_freep) char *id = cor_sprintf("coracle-torture-%d", (int)getpid());
    p->client = mosquitto_new(id, false, p);
    (void)mosquitto_max_inflight_messages_set(p->client, (unsigned)spec->flight);
    mosquitto_connect_callback_set(p->client, on_connect);
    mosquitto_publish_callback_set(p->client, on_publish);
    p->tick = cor_timer_new(spec->loop, fill, p);
    cor_timer_repeat(p->tick, COR_MS(TICK_MS));
    p->again = cor_timer_new(spec->loop, dial, p);
    p->misc = cor_timer_new(spec->loop, on_misc, p);
    cor_timer_repeat(p->misc, COR_SEC(1));
    p->hook = cor_hook_new(spec->loop, on_round, p);
    p->began = cor_mono_now();
    dial(p);
    *publisher_r = p;
    return COR_OK;
}

void publisher_stop(struct publisher *publisher)
{
    publisher->stopped = true;
}

bool publisher_is_done(const struct publisher *publisher)
{
    return publisher->stopped ||
           (publisher->spec.count > 0 && publisher->sent >= publisher->spec.count);
}

void publisher_free(struct publisher **publisher)
{
    if (*publisher == NULL) {
        return;
    }
    struct publisher *p = *publisher;
    cor_hook_free(&p->hook);
    cor_timer_free(&p->misc);
    cor_timer_free(&p->again);
    cor_timer_free(&p->tick);
    cor_io_free(&p->io);
    (void)mosquitto_disconnect(p->client);
    mosquitto_destroy(p->client);
    (void)mosquitto_lib_cleanup();
    cor_free(p->payload);
    cor_freep(publisher);
}
