// SPDX-License-Identifier: Apache-2.0
#include "eventbus.h"

#include <inttypes.h>

#include "common/base/file.h"
#include "common/base/mem.h"

static const struct cor_conf_row ROWS[] = {
    COR_SERVICE_ROWS(struct eb_cfg),
    COR_CONF_STR_ROW(struct eb_cfg, database, "database", "/var/lib/coracle/eventbus/bus.db",
                     "SQLite file of events on their way; its folder must exist"),
    COR_CONF_STR_ROW(struct eb_cfg, broker, "broker", "unix:/run/coracle/mosquitto/mqtt.sock",
                     "address of the MQTT broker: unix:/path or host:port on this machine"),
    COR_CONF_STR_ROW(struct eb_cfg, client_id, "client-id", "coracle-eventbus",
                     "MQTT client id; the broker keeps the session under it"),
    COR_CONF_STR_ROW(struct eb_cfg, username, "username", "", "MQTT user; empty for none"),
    COR_CONF_STR_ROW(struct eb_cfg, password_file, "password-file", "",
                     "file with the MQTT password"),
    COR_CONF_INT_ROW(struct eb_cfg, keepalive, "keepalive", "30", 5, 3600,
                     "MQTT keepalive in seconds"),
    COR_CONF_INT_ROW(struct eb_cfg, queue_max, "queue-max", "100000", 100, 100000000,
                     "events kept for devicetwin and for the cloud, each; newer ones are dropped"),
};

static const struct cor_handler HANDLERS[] = {
    {PX_mqtt_out, eb_on_mqtt_out},
    {PX_mqtt_subscribe, eb_on_subscribe},
};

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)self;
    (void)in;
    (void)body;
    (void)err;
    return COR_OK; /* the outbox goes on whenever edgehub takes more */
}

static const struct cor_handler HUB_HANDLERS[] = {
    {PX_mqtt_out, eb_on_mqtt_out},
    {PX_mqtt_subscribe, eb_on_subscribe},
    {PX_link, on_link},
};

static const struct cor_port_ops TWIN_OPS = {
    .committed = eb_committed, .handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};
static const struct cor_port_ops HUB_OPS = {
    .committed = eb_committed, .handlers = HUB_HANDLERS, .handler_count = COR_COUNT(HUB_HANDLERS)};

static enum cor_code open_peer(struct eb *eb, enum eb_peer peer, struct cor_err *err)
{
    static const struct {
        enum px_endpoint endpoint;
        const struct cor_port_ops *ops;
    } PEERS[] = {
        [EB_TWIN] = {PX_ENDPOINT_TWIN_BUS, &TWIN_OPS},
        [EB_HUB] = {PX_ENDPOINT_HUB_BUS, &HUB_OPS},
    };
    eb->outbox_specs[peer] = (struct cor_outbox_spec){
        .store = eb->store,
        .statements = eb_store_outbox(peer),
        .stream = peer + 1, /* both outboxes share a table: their rows differ in this */
        .max = (uint64_t)eb->cfg->queue_max,
        .messages = px_messages(),
        .log = eb->service->log,
    };
    enum cor_code code = cor_outbox_new(&eb->outbox_specs[peer], &eb->outboxes[peer], err);
    if (code == COR_OK) {
        code = cor_port_open(eb->service->bus, px_endpoint(PEERS[peer].endpoint), PEERS[peer].ops,
                             eb, &eb->ports[peer], err);
    }
    if (code == COR_OK) {
        cor_outbox_attach(eb->outboxes[peer], eb->ports[peer]);
    }
    return code;
}

static enum cor_code open_mqtt(struct eb *eb, struct cor_err *err)
{
    static const struct eb_mqtt_ops OPS = {eb_on_connected, eb_on_message, eb_on_batch,
                                           eb_on_marked, eb_on_published};
    auto_(cor_buf_free) struct cor_buf password = {0};
    if (eb->cfg->password_file[0] != '\0' &&
        cor_file_read(eb->cfg->password_file, 4096, &password, err) != COR_OK) {
        return COR_INVALID;
    }
    struct cor_view trimmed = cor_view_trim(cor_buf_as_view(&password));
    auto_(cor_freep) char *text = cor_view_dup(trimmed);
    struct eb_mqtt_spec spec = {
        .address = eb->cfg->broker,
        .client_id = eb->cfg->client_id,
        .username = eb->cfg->username,
        .password = text,
        .keepalive_s = (int)eb->cfg->keepalive,
        .loop = eb->service->loop,
        .log = eb->service->log,
    };
    enum cor_code code = eb_mqtt_new(&spec, &OPS, eb, &eb->mqtt, err);
    cor_wipe(text, trimmed.len);
    cor_wipe(password.data == NULL ? text : password.data, password.len);
    return code;
}

static void add_stats(void *self, struct cor_buf *out)
{
    const struct eb *eb = self;
    cor_buf_fmt(out,
                ",\"broker\":%s,\"mqttReceived\":%" PRIu64 ",\"mqttAgain\":%" PRIu64
                ",\"mqttDropped\":%" PRIu64 ",\"mqttPublished\":%" PRIu64
                ",\"keptForTwin\":%" PRIu64 ",\"keptForCloud\":%" PRIu64,
                eb_mqtt_is_up(eb->mqtt) ? "true" : "false", eb->received, eb->again, eb->dropped,
                eb->published, cor_outbox_count(eb->outboxes[EB_TWIN]),
                cor_outbox_count(eb->outboxes[EB_HUB]));
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct eb *eb = cor_alloc(sizeof(*eb));
    eb->service = service;
    eb->cfg = service->cfg;
    cor_list_init(&eb->publishing);
    *self_r = eb;
    struct cor_store_spec spec = {.path = eb->cfg->database, .sync = COR_STORE_FULL};
    eb_store_describe(&spec);
    enum cor_code code = cor_store_open(&spec, &eb->store, err);
    if (code != COR_OK) {
        return code;
    }
    cor_store_start(eb->store, service->loop);
    eb_in_new(eb);
    for (unsigned i = 0; i < EB_PEERS && code == COR_OK; i++) {
        code = open_peer(eb, (enum eb_peer)i, err);
    }
    if (code == COR_OK) {
        code = open_mqtt(eb, err);
    }
    if (code == COR_OK) {
        cor_bus_stats(service->bus, add_stats, eb);
        cor_service_ready(service);
    }
    return code;
}

static void stop(void *self)
{
    struct eb *eb = self;
    eb_mqtt_free(&eb->mqtt);
    if (eb->ports[EB_HUB] != NULL) {
        cor_store_close(&eb->store); /* its last callbacks still use the outboxes */
    }
    for (unsigned i = 0; i < EB_PEERS; i++) {
        cor_outbox_free(&eb->outboxes[i]);
        cor_port_close(&eb->ports[i]);
    }
    cor_store_close(&eb->store);
    eb_in_free(eb);
    eb_publications_free(eb);
    cor_free(eb);
}

const struct cor_service_spec *eb_spec(void)
{
    static const struct cor_service_spec SPEC = {
        .name = "eventbus",
        .summary = "Carries messages between the MQTT broker and the services of an edge node.",
        .conf = {ROWS, COR_COUNT(ROWS)},
        .cfg_size = sizeof(struct eb_cfg),
        .messages = px_messages,
        .start = start,
        .stop = stop,
    };
    return &SPEC;
}
