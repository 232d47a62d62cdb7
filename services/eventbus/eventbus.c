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
                     "has no effect since 0.2.0, see queue-bytes"),
    COR_CONF_INT_ROW(struct eb_cfg, queue_bytes, "queue-bytes", "268435456", 65536, 1099511627776,
                     "bytes of messages kept for devicetwin and for the cloud, each"),
    COR_CONF_INT_ROW(struct eb_cfg, queue_reserve, "queue-reserve", "16777216", 0, 1099511627776,
                     "bytes that are to stay free on the disk"),
    COR_CONF_STRS_ROW(
        struct eb_cfg, queue_rules, "queue-rules", "",
        "what a stream may keep, first that fits: \"FILTER [priority=high|normal|low] "
        "[max-bytes=N] [share=PERCENT] [max-age=N] [full=drop-oldest|drop-newest|refuse]\""),
    COR_CONF_INT_ROW(struct eb_cfg, streams_max, "streams-max", "1000", 2, 100000,
                     "streams for devicetwin and for the cloud, each; what is beyond shares one"),
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
    {PX_publish, eb_on_publish},
    {PX_subscriptions, eb_on_subscriptions},
    {PX_link, on_link},
};

static struct cor_outbox *outbox_of(struct eb *eb, const struct cor_port *port)
{
    return eb->outboxes[port == eb->ports[EB_TWIN] ? EB_TWIN : EB_HUB];
}

static void on_up(void *self, struct cor_port *port)
{
    cor_outbox_up(outbox_of(self, port), port);
}

static void on_down(void *self, struct cor_port *port)
{
    cor_outbox_down(outbox_of(self, port));
}

static const struct cor_port_ops TWIN_OPS = {.up = on_up,
                                             .down = on_down,
                                             .committed = eb_committed,
                                             .handlers = HANDLERS,
                                             .handler_count = COR_COUNT(HANDLERS)};
static const struct cor_port_ops HUB_OPS = {.up = on_up,
                                            .down = on_down,
                                            .committed = eb_committed,
                                            .handlers = HUB_HANDLERS,
                                            .handler_count = COR_COUNT(HUB_HANDLERS)};

static const struct peer {
    enum px_endpoint endpoint;
    const struct cor_port_ops *ops;
    const char *flow_out, *flow_in;
} PEERS[] = {
    [EB_TWIN] = {PX_ENDPOINT_TWIN_BUS, &TWIN_OPS, "device-messages", "publications"},
    [EB_HUB] = {PX_ENDPOINT_HUB_BUS, &HUB_OPS, "uploads", "cloud-publications"},
};

/* Both outboxes share tables, and both inboxes: their rows differ in the number. */
static enum cor_code open_queues(struct eb *eb, enum eb_peer peer, struct cor_err *err)
{
    struct cor_outbox_spec out = {
        .store = eb->store,
        .loop = eb->service->loop,
        .log = eb->service->log,
        .messages = px_messages(),
        .policy = &eb->policy,
        .statements = eb_store_outbox(),
        .number = peer + 1,
        .flow = PEERS[peer].flow_out,
        .folder = eb->cfg->database,
        .streams_max = (size_t)eb->cfg->streams_max,
    };
    struct cor_inbox_spec in = {.store = eb->store,
                                .statements = eb_store_inbox(),
                                .number = peer,
                                .flow = PEERS[peer].flow_in};
    enum cor_code code = cor_outbox_new(&out, &eb->outboxes[peer], err);
    return code == COR_OK ? cor_inbox_new(&in, &eb->inboxes[peer], err) : code;
}

static enum cor_code open_peers(struct eb *eb, struct cor_err *err)
{
    const struct eb_cfg *cfg = eb->cfg;
    enum cor_code code =
        cor_policy_parse((const char *const *)cfg->queue_rules.items, cfg->queue_rules.count,
                         (uint64_t)cfg->queue_bytes, &eb->policy, err);
    eb->policy.reserve_bytes = (uint64_t)cfg->queue_reserve;
    for (unsigned i = 0; i < EB_PEERS && code == COR_OK; i++) {
        code = open_queues(eb, (enum eb_peer)i, err);
    }
    for (unsigned i = 0; i < EB_PEERS && code == COR_OK; i++) {
        code = cor_port_open(eb->service->bus, px_endpoint(PEERS[i].endpoint), PEERS[i].ops, eb,
                             &eb->ports[i], err);
    }
    return code;
}

static void tell_books(void *self, struct cor_ledger_writer *out)
{
    struct eb *eb = self;
    for (unsigned i = 0; i < EB_PEERS; i++) {
        cor_outbox_books(eb->outboxes[i], out);
        cor_inbox_books(eb->inboxes[i], eb->ports[i], out);
    }
    struct cor_ledger_row broker = {.flow = "device-messages",
                                    .role = COR_LEDGER_ORIGIN,
                                    .stream = COR_VIEW("(the broker's)"),
                                    .n = {.offered = eb->unfit + eb->broker_dropped,
                                          .refused = eb->unfit,
                                          .accepted = eb->broker_dropped,
                                          .dropped = eb->broker_dropped,
                                          .duplicates = eb->again,
                                          .received = eb->received + eb->again}};
    cor_ledger_row(out, &broker);
}

static enum cor_code on_queue(void *self, struct cor_ctl_in *in, struct cor_view args,
                              struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    (void)args;
    (void)err;
    struct eb *eb = self;
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    for (unsigned i = 0; i < EB_PEERS; i++) {
        cor_json_add(list, cor_outbox_queue(eb->outboxes[i]));
    }
    cor_json_write(list, result);
    return COR_OK;
}

static const struct cor_ctl_verb VERBS[] = {
    {"queue", "what waits for devicetwin and for the cloud", on_queue},
};

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
                ",\"mqttDropped\":%" PRIu64 ",\"brokerDropped\":%" PRIu64
                ",\"mqttPublished\":%" PRIu64 ",\"keptForTwin\":%" PRIu64
                ",\"keptForCloud\":%" PRIu64,
                eb_mqtt_is_up(eb->mqtt) ? "true" : "false", eb->received, eb->again, eb->dropped,
                eb->broker_dropped, eb->published, cor_outbox_count(eb->outboxes[EB_TWIN]),
                cor_outbox_count(eb->outboxes[EB_HUB]));
}

static void open_books(struct eb *eb)
{
    eb->ledger = cor_ledger_new(eb->service->bus, "eventbus");
    eb->published_books =
        cor_ledger_account(eb->ledger, "rest-publications", COR_LEDGER_SINK, COR_VIEW("topics"));
    cor_ledger_source(eb->ledger, tell_books, eb);
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct eb *eb = cor_alloc(sizeof(*eb));
    eb->service = service;
    eb->cfg = service->cfg;
    eb_publications_new(eb);
    *self_r = eb;
    struct cor_store_spec spec = {.path = eb->cfg->database, .sync = COR_STORE_FULL};
    eb_store_describe(&spec);
    enum cor_code code = cor_store_open(&spec, &eb->store, err);
    if (code != COR_OK) {
        return code;
    }
    cor_store_start(eb->store, service->loop);
    eb_in_new(eb);
    open_books(eb);
    code = open_peers(eb, err);
    if (code == COR_OK) {
        code = open_mqtt(eb, err);
    }
    if (code == COR_OK) {
        cor_bus_stats(service->bus, add_stats, eb);
        cor_bus_ctl(service->bus, VERBS, COR_COUNT(VERBS), eb);
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
    eb_in_free(eb);
    for (unsigned i = 0; i < EB_PEERS; i++) {
        cor_outbox_free(&eb->outboxes[i]);
        cor_inbox_free(&eb->inboxes[i]);
        cor_port_close(&eb->ports[i]);
    }
    cor_store_close(&eb->store);
    cor_policy_free(&eb->policy);
    cor_ledger_free(&eb->ledger);
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
