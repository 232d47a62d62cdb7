// SPDX-License-Identifier: Apache-2.0
#include "mqtt.h"

#include <errno.h>
#include <mosquitto.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/clock/backoff.h"

/* libmosquitto looks at its keepalive in loop_misc; a third of it is often enough. */
enum { MISC_PART = 3, IN_FLIGHT = 1000 };

struct eb_mqtt {
    struct eb_mqtt_spec spec;
    const struct eb_mqtt_ops *ops;
    void *self;
    struct mosquitto *client;
    struct cor_io *io;
    struct cor_timer *misc;
    struct cor_timer *again;
    struct cor_hook *hook;
    struct cor_backoff backoff;
    char *host; /* owned */
    int port;   /* 0: host is the path of a unix socket */
    bool up;
    bool complained;
};

static void lost(struct eb_mqtt *mqtt, int rc);

static void watch_socket(struct eb_mqtt *mqtt)
{
    cor_io_set(mqtt->io, COR_READ | (mosquitto_want_write(mqtt->client) ? COR_WRITE : 0));
}

static void on_socket(void *self, int fd, int events)
{
    (void)fd;
    struct eb_mqtt *mqtt = self;
    int rc = MOSQ_ERR_SUCCESS;
    if ((events & COR_READ) != 0) {
        rc = mosquitto_loop_read(mqtt->client, 1);
    }
    if (rc == MOSQ_ERR_SUCCESS && (events & COR_WRITE) != 0) {
        rc = mosquitto_loop_write(mqtt->client, 1);
    }
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
    int rc = mqtt->io == NULL ? MOSQ_ERR_SUCCESS : mosquitto_loop_misc(mqtt->client);
    if (rc != MOSQ_ERR_SUCCESS) {
        lost(mqtt, rc);
    }
}

static void connect_now(void *self)
{
    struct eb_mqtt *mqtt = self;
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
    mqtt->ops->message(mqtt->self, cor_view_of(m->topic),
                       (struct cor_view){m->payload, (size_t)m->payloadlen});
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

static void set_up_client(struct eb_mqtt *mqtt)
{
    (void)mosquitto_lib_init();
    mqtt->client = mosquitto_new(mqtt->spec.client_id, false, mqtt);
    (void)mosquitto_max_inflight_messages_set(mqtt->client, IN_FLIGHT);
    mosquitto_connect_callback_set(mqtt->client, on_connect);
    mosquitto_message_callback_set(mqtt->client, on_message);
    mosquitto_publish_callback_set(mqtt->client, on_publish);
    if (mqtt->spec.username[0] != '\0') {
        (void)mosquitto_username_pw_set(mqtt->client, mqtt->spec.username, mqtt->spec.password);
    }
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
    if (code != COR_OK) {
        eb_mqtt_free(&mqtt);
        return code;
    }
    set_up_client(mqtt);
    mqtt->misc = cor_timer_new(spec->loop, on_misc, mqtt);
    cor_timer_repeat(mqtt->misc, COR_SEC(spec->keepalive_s) / MISC_PART);
    mqtt->again = cor_timer_new(spec->loop, connect_now, mqtt);
    cor_timer_start(mqtt->again, 0);
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
    cor_io_free(&self->io);
    if (self->client != NULL) {
        (void)mosquitto_disconnect(self->client);
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

enum cor_code eb_mqtt_subscribe(struct eb_mqtt *mqtt, const char *filter, bool off)
{
    if (!mqtt->up) {
        return COR_GONE;
    }
    return code_of(off ? mosquitto_unsubscribe(mqtt->client, NULL, filter)
                       : mosquitto_subscribe(mqtt->client, NULL, filter, 1));
}
