// SPDX-License-Identifier: Apache-2.0
#include "mqtt.h"

#include <errno.h>
#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/base/mem.h"
#include "common/clock/backoff.h"

// libmosquitto acknowledges a message before it calls back. In its external-thread mode a packet is
// only queued and mosquitto_loop_write sends it (2.0.11: lib/packet_mosq.c, packet__queue), so:
// read a batch, have it committed, then write. In that mode it also pokes a socket pair for a
// thread that is not there; that is non-blocking, fills after some hundred bytes, and stays so.

/* libmosquitto looks at its keepalive in loop_misc; a third of it is often enough. One loop_read
 * takes as many packets as we have publications under way: BYTES_MAX is what may be too much. */
enum {
    MISC_PART = 3,
    IN_FLIGHT = 1000,
    BATCH_MESSAGES = 4096,
    BATCH_BYTES = 4 << 20,
    BYTES_MAX = 16 << 20
};

/* A commit costs about the same for one message and for fifty. When many come, the next batch is
 * given so long to grow, from the start of the one before; a single message never waits. */
enum { MANY = 12, GATHER_US = 4000 };

/* Nobody publishes here: unsubscribing from it makes the broker answer, in order. */
static const char MARK[] = "coracle/eventbus/mark";

struct eb_mqtt {
    struct eb_mqtt_spec spec;
    const struct eb_mqtt_ops *ops;
    void *self;
    struct mosquitto *client;
    struct cor_io *io;
    struct cor_timer *misc;
    struct cor_timer *again;
    struct cor_timer *gather; /* runs: nothing is read meanwhile */
    struct cor_hook *hook;
    struct cor_backoff backoff;
    char *host; /* owned */
    int port;   /* 0: host is the path of a unix socket */
    bool up;
    bool complained;
    bool held;       /* a batch is with the owner: nothing is read or written */
    bool waiting;    /* to connect, until the batch is committed */
    bool overflowed; /* messages of the batch were left out: the broker is to send them again */
    size_t batch_count, batch_bytes;
    struct cor_mono batch_began;
};

static void lost(struct eb_mqtt *mqtt, int rc);

static void watch_socket(struct eb_mqtt *mqtt)
{
    /* Nothing is read while acknowledgements wait: a slow broker must not fill our memory with
     * them. */
    int read = cor_timer_running(mqtt->gather) ? 0 : COR_READ;
    int events = mosquitto_want_write(mqtt->client) ? COR_WRITE : read;
    cor_io_set(mqtt->io, mqtt->held ? 0 : events);
}

/* Bytes that the socket has; 0 as well when it has ended, which the next event tells. */
static size_t waiting_bytes(const struct eb_mqtt *mqtt)
{
    int n = 0;
    return ioctl(mosquitto_socket(mqtt->client), FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

/* Reads until the socket is empty or the batch is full. A message takes more of the socket than its
 * topic and payload, so the socket need not be asked after each. */
static int read_batch(struct eb_mqtt *mqtt)
{
    int rc = MOSQ_ERR_SUCCESS;
    size_t left = 0;
    do {
        size_t before = mqtt->batch_bytes;
        rc = mosquitto_loop_read(mqtt->client, 1);
        size_t took = mqtt->batch_bytes - before;
        left = took > 0 && left > took ? left - took : waiting_bytes(mqtt);
    } while (rc == MOSQ_ERR_SUCCESS && mqtt->batch_count < BATCH_MESSAGES &&
             mqtt->batch_bytes < BATCH_BYTES && left > 0);
    return rc;
}

static void on_socket(void *self, int fd, int events)
{
    (void)fd;
    struct eb_mqtt *mqtt = self;
    int rc = MOSQ_ERR_SUCCESS;
    if (mqtt->held) {
        return;
    }
    if ((events & COR_WRITE) != 0) {
        rc = mosquitto_loop_write(mqtt->client, 1);
    }
    bool may_read = (events & COR_READ) != 0 && !mosquitto_want_write(mqtt->client);
    if (rc == MOSQ_ERR_SUCCESS && may_read) {
        mqtt->batch_began = cor_loop_now(mqtt->spec.loop);
        rc = read_batch(mqtt);
    }
    mqtt->held = mqtt->batch_count > 0;
    if (rc != MOSQ_ERR_SUCCESS) {
        lost(mqtt, rc);
    }
    if (mqtt->held) {
        mqtt->ops->batch(mqtt->self);
    }
}

/* on_round, after it, watches the socket again. */
static void on_gather(void *self)
{
    (void)self;
}

static void gather(struct eb_mqtt *mqtt)
{
    int64_t took = cor_mono_since(cor_loop_now(mqtt->spec.loop), mqtt->batch_began);
    if (mqtt->batch_count >= MANY && took < GATHER_US) {
        cor_timer_start(mqtt->gather, GATHER_US - took);
    }
}

void eb_mqtt_committed(struct eb_mqtt *mqtt)
{
    bool again = mqtt->overflowed;
    gather(mqtt);
    mqtt->held = false;
    mqtt->overflowed = false;
    mqtt->batch_count = 0;
    mqtt->batch_bytes = 0;
    if (mqtt->waiting) {
        mqtt->waiting = false;
        cor_timer_start(mqtt->again, 0);
    }
    if (mqtt->io == NULL) {
        return;
    }
    int rc = again ? MOSQ_ERR_CONN_LOST : mosquitto_loop_write(mqtt->client, 1);
    if (rc != MOSQ_ERR_SUCCESS) {
        lost(mqtt, rc);
    }
}

/* What handlers queued is written, and watched, before the loop sleeps. */
static bool on_round(void *self)
{
    struct eb_mqtt *mqtt = self;
    if (mqtt->io != NULL) {
        watch_socket(mqtt);
    }
    return false;
}

static void on_misc(void *self)
{
    struct eb_mqtt *mqtt = self;
    bool idle = mqtt->io == NULL || mqtt->held;
    int rc = idle ? MOSQ_ERR_SUCCESS : mosquitto_loop_misc(mqtt->client);
    if (rc != MOSQ_ERR_SUCCESS) {
        lost(mqtt, rc);
    }
}

static void connect_now(void *self)
{
    struct eb_mqtt *mqtt = self;
    if (mqtt->held) {
        mqtt->waiting = true;
        return;
    }
    /* Blocks for as long as a local connect takes: the broker is on this machine. */
    int rc = mosquitto_connect(mqtt->client, mqtt->host, mqtt->port, mqtt->spec.keepalive_s);
    int fd = mosquitto_socket(mqtt->client);
    if (rc != MOSQ_ERR_SUCCESS || fd < 0) {
        lost(mqtt, rc);
        return;
    }
    mqtt->io = cor_io_new(mqtt->spec.loop, fd, COR_READ, on_socket, mqtt);
}

static void lost(struct eb_mqtt *mqtt, int rc)
{
    if (!mqtt->complained) {
        LOGW(mqtt->spec.log, "mqtt.down", "broker=%s error=%s", mqtt->spec.address,
             cor_log_esc(
                 cor_view_of(rc == MOSQ_ERR_ERRNO ? strerror(errno) : mosquitto_strerror(rc))));
        mqtt->complained = true;
    }
    cor_io_free(&mqtt->io);
    mqtt->up = false;
    cor_timer_start(mqtt->again, cor_backoff_next(&mqtt->backoff, (double)random() / RAND_MAX));
}

static void on_connect(struct mosquitto *client, void *self, int rc)
{
    (void)client;
    struct eb_mqtt *mqtt = self;
    if (rc != 0) {
        LOGE(mqtt->spec.log, "mqtt.refused", "broker=%s error=%s", mqtt->spec.address,
             cor_log_esc(cor_view_of(mosquitto_connack_string(rc))));
        return;
    }
    cor_backoff_reset(&mqtt->backoff);
    mqtt->up = true;
    mqtt->complained = false;
    LOGI(mqtt->spec.log, "mqtt.up", "broker=%s", mqtt->spec.address);
    mqtt->ops->connected(mqtt->self);
}

static void on_message(struct mosquitto *client, void *self, const struct mosquitto_message *m)
{
    (void)client;
    struct eb_mqtt *mqtt = self;
    if (mqtt->overflowed || mqtt->batch_bytes >= BYTES_MAX) {
        mqtt->overflowed = true;
        return;
    }
    struct eb_mqtt_message message = {.topic = cor_view_of(m->topic),
                                      .payload = {m->payload, (size_t)m->payloadlen},
                                      .number = m->qos == 0 ? 0 : (uint16_t)m->mid};
    mqtt->batch_count++;
    mqtt->batch_bytes += message.topic.len + message.payload.len;
    mqtt->ops->message(mqtt->self, &message);
}

static void on_unsubscribe(struct mosquitto *client, void *self, int number)
{
    (void)client;
    struct eb_mqtt *mqtt = self;
    mqtt->ops->marked(mqtt->self, number);
}

static void on_publish(struct mosquitto *client, void *self, int number)
{
    (void)client;
    struct eb_mqtt *mqtt = self;
    mqtt->ops->published(mqtt->self, number);
}

static enum cor_code read_address(struct eb_mqtt *mqtt, struct cor_err *err)
{
    struct cor_view address = cor_view_of(mqtt->spec.address);
    if (cor_view_starts(address, "unix:/")) {
        mqtt->host = cor_strdup(mqtt->spec.address + strlen("unix:"));
        return COR_OK;
    }
    const char *colon = strrchr(mqtt->spec.address, ':');
    uint64_t port = 0;
    if (colon == NULL || colon == mqtt->spec.address ||
        !cor_view_u64(cor_view_of(colon + 1), &port) || port == 0 || port > 65535) {
        return cor_err_set(err, COR_INVALID, "broker address %s: expected unix:/path or host:port",
                           mqtt->spec.address);
    }
    mqtt->host = cor_memdup(mqtt->spec.address, (size_t)(colon - mqtt->spec.address));
    mqtt->port = (int)port;
    return COR_OK;
}

static enum cor_code set_up_client(struct eb_mqtt *mqtt, struct cor_err *err)
{
    const struct eb_mqtt_spec *spec = &mqtt->spec;
    (void)mosquitto_lib_init();
    mqtt->client = mosquitto_new(spec->client_id, false, mqtt);
    if (mqtt->client == NULL) {
        int why = errno;
        (void)mosquitto_lib_cleanup();
        return cor_err_sys(err, why == EINVAL ? COR_INVALID : COR_RETRY, why, "client id %s",
                           spec->client_id);
    }
    (void)mosquitto_threaded_set(mqtt->client, true);
    (void)mosquitto_max_inflight_messages_set(mqtt->client, IN_FLIGHT);
    mosquitto_connect_callback_set(mqtt->client, on_connect);
    mosquitto_message_callback_set(mqtt->client, on_message);
    mosquitto_publish_callback_set(mqtt->client, on_publish);
    mosquitto_unsubscribe_callback_set(mqtt->client, on_unsubscribe);
    int rc = spec->username[0] == '\0'
                 ? MOSQ_ERR_SUCCESS
                 : mosquitto_username_pw_set(mqtt->client, spec->username, spec->password);
    return rc == MOSQ_ERR_SUCCESS
               ? COR_OK
               : cor_err_set(err, rc == MOSQ_ERR_NOMEM ? COR_RETRY : COR_INVALID,
                             "the broker's username: %s", mosquitto_strerror(rc));
}

enum cor_code eb_mqtt_new(const struct eb_mqtt_spec *spec, const struct eb_mqtt_ops *ops,
                          void *self, struct eb_mqtt **mqtt_r, struct cor_err *err)
{
    struct eb_mqtt *mqtt = cor_alloc(sizeof(*mqtt));
    mqtt->spec = *spec;
    mqtt->ops = ops;
    mqtt->self = self;
    mqtt->backoff = (struct cor_backoff){.first_us = COR_MS(50), .last_us = COR_SEC(5)};
    enum cor_code code = read_address(mqtt, err);
    if (code == COR_OK) {
        code = set_up_client(mqtt, err);
    }
    if (code != COR_OK) {
        eb_mqtt_free(&mqtt);
        return code;
    }
    mqtt->misc = cor_timer_new(spec->loop, on_misc, mqtt);
    cor_timer_repeat(mqtt->misc, COR_SEC(spec->keepalive_s) / MISC_PART);
    mqtt->again = cor_timer_new(spec->loop, connect_now, mqtt);
    cor_timer_start(mqtt->again, 0);
    mqtt->gather = cor_timer_new(spec->loop, on_gather, mqtt);
    mqtt->hook = cor_hook_new(spec->loop, on_round, mqtt);
    *mqtt_r = mqtt;
    return COR_OK;
}

void eb_mqtt_free(struct eb_mqtt **mqtt)
{
    if (*mqtt == NULL) {
        return;
    }
    struct eb_mqtt *self = *mqtt;
    *mqtt = NULL;
    cor_hook_free(&self->hook);
    cor_timer_free(&self->misc);
    cor_timer_free(&self->again);
    cor_timer_free(&self->gather);
    cor_io_free(&self->io);
    if (self->client != NULL) {
        (void)mosquitto_disconnect(self->client);
        if (!self->held) { /* else what is not committed would be acknowledged */
            (void)mosquitto_loop_write(self->client, 1);
        }
        mosquitto_destroy(self->client);
        (void)mosquitto_lib_cleanup();
    }
    cor_free(self->host);
    cor_free(self);
}

bool eb_mqtt_is_up(const struct eb_mqtt *mqtt)
{
    return mqtt->up;
}

static enum cor_code code_of(int rc)
{
    switch (rc) {
    case MOSQ_ERR_SUCCESS:
        return COR_OK;
    case MOSQ_ERR_NO_CONN:
    case MOSQ_ERR_CONN_LOST:
        return COR_GONE;
    case MOSQ_ERR_PAYLOAD_SIZE:
    case MOSQ_ERR_OVERSIZE_PACKET:
        return COR_TOOBIG;
    default:
        return COR_INVALID;
    }
}

enum cor_code eb_mqtt_publish(struct eb_mqtt *mqtt, const char *topic, struct cor_view payload,
                              bool retain, int *number_r)
{
    if (!mqtt->up) {
        return COR_GONE;
    }
    return code_of(
        mosquitto_publish(mqtt->client, number_r, topic, (int)payload.len, payload.ptr, 1, retain));
}

enum cor_code eb_mqtt_mark(struct eb_mqtt *mqtt, int *number_r)
{
    return mqtt->up ? code_of(mosquitto_unsubscribe(mqtt->client, number_r, MARK)) : COR_GONE;
}

enum cor_code eb_mqtt_subscribe(struct eb_mqtt *mqtt, const char *filter, bool off)
{
    if (!mqtt->up) {
        return COR_GONE;
    }
    int qos = strncmp(filter, "$SYS/", 5) == 0 ? 0 : 1; /* what is said again needs no answer */
    return code_of(off ? mosquitto_unsubscribe(mqtt->client, NULL, filter)
                       : mosquitto_subscribe(mqtt->client, NULL, filter, qos));
}
