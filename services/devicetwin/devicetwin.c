// SPDX-License-Identifier: Apache-2.0
#include "devicetwin.h"

#include <inttypes.h>

#include "common/base/mem.h"

static const struct cor_conf_row ROWS[] = {
    COR_SERVICE_ROWS(struct dt_cfg),
    COR_CONF_STR_ROW(struct dt_cfg, database, "database", "/var/lib/coracle/devicetwin/twin.db",
                     "SQLite file of devices and twins; its folder must exist"),
    {.name = "node.name",
     .offset = offsetof(struct dt_cfg, node_name),
     .otherwise = "",
     .doc = "name of this node in Kubernetes",
     .type = COR_CONF_STR,
     .required = true},
    COR_CONF_INT_ROW(struct dt_cfg, queue_max, "queue-max", "100000", 100, 100000000,
                     "has no effect since 0.2.0, see queue-bytes"),
    COR_CONF_INT_ROW(
        struct dt_cfg, queue_bytes, "queue-bytes", "67108864", 65536, 1099511627776,
        "bytes of publications kept for the broker; messages of devices wait while it is full"),
    COR_CONF_INT_ROW(struct dt_cfg, queue_reserve, "queue-reserve", "16777216", 0, 1099511627776,
                     "bytes that are to stay free on the disk"),
    COR_CONF_STRS_ROW(
        struct dt_cfg, queue_rules, "queue-rules", "",
        "what a stream may keep, first that fits: \"FILTER [priority=high|normal|low] "
        "[max-bytes=N] [share=PERCENT] [max-age=N] [full=drop-oldest|drop-newest|refuse]\""),
    COR_CONF_INT_ROW(
        struct dt_cfg, answers_bytes, "answers-bytes", "4194304", 4096, 1099511627776,
        "bytes of one device that may wait for the broker; while more wait, its updates are taken "
        "without answers"),
    COR_CONF_INT_ROW(struct dt_cfg, answers_each_s, "answers-per-second", "500", 10, 1000000,
                     "updates answered in a second; a device that has had fewer than a tenth of "
                     "them is answered in any case, other updates are taken without answers"),
    COR_CONF_INT_ROW(struct dt_cfg, streams_max, "streams-max", "1000", 2, 100000,
                     "streams; what is beyond shares one"),
};

static enum cor_code check(const void *cfg, struct cor_err *err)
{
    const struct dt_cfg *self = cfg;
    if (!cor_is_dns_subdomain(cor_view_of(self->node_name))) {
        return cor_err_set(err, COR_INVALID,
                           "node.name: expected a DNS name in lower case, got \"%s\"",
                           self->node_name);
    }
    return COR_OK;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    return cor_inbox_open(((struct dt *)self)->inbox, open);
}

static void on_bus_up(void *self, struct cor_port *port)
{
    cor_outbox_up(((struct dt *)self)->outbox, port);
}

static void on_bus_down(void *self, struct cor_port *port)
{
    (void)port;
    cor_outbox_down(((struct dt *)self)->outbox);
}

/* Messages of devices were held while there was no room for what follows from them. */
static void on_room(void *self)
{
    struct dt *dt = self;
    if (dt->bus != NULL) {
        cor_hold_none(dt->bus);
    }
}

static void tell_books(void *self, struct cor_ledger_writer *out)
{
    struct dt *dt = self;
    cor_outbox_books(dt->outbox, out);
    dt_changes_tell(dt, out);
    cor_inbox_books(dt->inbox, dt->bus, out);
}

static enum cor_code on_queue(void *self, struct cor_ctl_in *in, struct cor_view args,
                              struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    (void)args;
    (void)err;
    struct dt *dt = self;
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    cor_json_add(list, cor_outbox_queue(dt->outbox));
    cor_json_write(list, result);
    return COR_OK;
}

static const struct cor_ctl_verb VERBS[] = {
    {"queue", "what waits for the broker", on_queue},
};

static const struct cor_handler BUS[] = {{PX_mqtt_in, dt_on_mqtt_in}};
static const struct cor_handler META[] = {
    {PX_object, dt_on_object},
    {PX_objects_done, dt_on_objects_done},
    {PX_link, dt_on_link},
};
static const struct cor_handler HUB[] = {
    {PX_membership, dt_on_membership},
    {PX_link, dt_on_link},
};

static const struct cor_port_ops BUS_OPS = {.up = on_bus_up,
                                            .down = on_bus_down,
                                            .committed = committed,
                                            .handlers = BUS,
                                            .handler_count = COR_COUNT(BUS)};
static const struct cor_port_ops META_OPS = {
    .up = dt_on_meta_up, .handlers = META, .handler_count = COR_COUNT(META)};
static const struct cor_port_ops HUB_OPS = {
    .up = dt_on_hub_up, .down = dt_on_hub_down, .handlers = HUB, .handler_count = COR_COUNT(HUB)};

static enum cor_code open_ports(struct dt *dt, struct cor_err *err)
{
    struct cor_bus *bus = dt->service->bus;
    enum cor_code code =
        cor_port_open(bus, px_endpoint(PX_ENDPOINT_HUB_TWIN), &HUB_OPS, dt, &dt->hub, err);
    if (code == COR_OK) {
        code = cor_port_open(bus, px_endpoint(PX_ENDPOINT_TWIN_BUS), &BUS_OPS, dt, &dt->bus, err);
    }
    if (code == COR_OK) {
        code =
            cor_port_open(bus, px_endpoint(PX_ENDPOINT_META_TWIN), &META_OPS, dt, &dt->meta, err);
    }
    return code;
}

static void add_stats(void *self, struct cor_buf *out)
{
    const struct dt *dt = self;
    cor_buf_fmt(out,
                ",\"devices\":%zu,\"updates\":%" PRIu64 ",\"refused\":%" PRIu64
                ",\"reports\":%" PRIu64 ",\"keptForBroker\":%" PRIu64 ",\"unsent\":%" PRIu64
                ",\"unanswered\":%" PRIu64,
                cor_map_count(dt->devices), dt->updates, dt->refused, dt->reports,
                cor_outbox_count(dt->outbox), dt->unsent, dt->unanswered);
}

/* Nothing more would be stored: the supervisor starts us anew. */
static void on_broken(void *self, const struct cor_err *err)
{
    struct dt *dt = self;
    cor_service_fail(dt->service, err);
}

static enum cor_code open_queues(struct dt *dt, struct cor_err *err)
{
    const struct dt_cfg *cfg = dt->cfg;
    struct cor_outbox_spec out = {
        .store = dt->store,
        .loop = dt->service->loop,
        .log = dt->service->log,
        .messages = px_messages(),
        .policy = &dt->policy,
        .statements = dt_store_outbox(),
        .number = DT_OUT_STREAM,
        .flow = "publications",
        .folder = cfg->database,
        .streams_max = (size_t)cfg->streams_max,
        .room = on_room,
        .self = dt,
    };
    struct cor_inbox_spec in = {.store = dt->store,
                                .statements = dt_store_inbox(),
                                .number = DT_OUT_STREAM,
                                .flow = "device-messages"};
    enum cor_code code =
        cor_policy_parse((const char *const *)cfg->queue_rules.items, cfg->queue_rules.count,
                         (uint64_t)cfg->queue_bytes, &dt->policy, err);
    dt->policy.reserve_bytes = (uint64_t)cfg->queue_reserve;
    if (code == COR_OK) {
        code = cor_outbox_new(&out, &dt->outbox, err);
    }
    return code == COR_OK ? cor_inbox_new(&in, &dt->inbox, err) : code;
}

static enum cor_code open_store(struct dt *dt, struct cor_err *err)
{
    struct cor_store_spec spec = {.path = dt->cfg->database, .sync = COR_STORE_FULL};
    dt_store_describe(&spec);
    enum cor_code code = cor_store_open(&spec, &dt->store, err);
    if (code != COR_OK) {
        return code;
    }
    code = open_queues(dt, err);
    code = code == COR_OK ? dt_store_load(dt, err) : code;
    dt_changes_load(dt);
    return code;
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct dt *dt = cor_alloc(sizeof(*dt));
    dt->service = service;
    dt->cfg = service->cfg;
    dt->devices = cor_map_new(dt_device_drop);
    dt->models = cor_map_new(dt_drop_json);
    dt->waiting = cor_map_new(dt_drop_json);
    dt->seen = cor_map_new(NULL);
    dt->retry = cor_timer_new(service->loop, dt_on_retry, dt);
    dt->pace = cor_timer_new(service->loop, dt_on_retry, dt);
    dt->backoff = (struct cor_backoff){.first_us = COR_MS(200), .last_us = COR_SEC(30)};
    *self_r = dt;
    enum cor_code code = open_store(dt, err);
    if (code == COR_OK) {
        cor_store_start(dt->store, service->loop);
        cor_store_on_broken(dt->store, on_broken, dt);
        code = open_ports(dt, err);
    }
    if (code == COR_OK) {
        cor_bus_stats(service->bus, add_stats, dt);
        cor_bus_ctl(service->bus, VERBS, COR_COUNT(VERBS), dt);
        dt->ledger = cor_ledger_new(service->bus, "devicetwin");
        cor_ledger_source(dt->ledger, tell_books, dt);
        cor_service_ready(service);
    }
    return code;
}

static void stop(void *self)
{
    struct dt *dt = self;
    cor_port_close(&dt->hub); /* ends reports under way */
    if (dt->meta != NULL) {
        dt_tx_stop(dt);
        cor_store_close(&dt->store); /* its last callbacks still use the bus port */
    }
    dt_tx_forget(dt);
    cor_outbox_free(&dt->outbox);
    cor_inbox_free(&dt->inbox);
    cor_port_close(&dt->bus);
    cor_port_close(&dt->meta);
    cor_store_close(&dt->store);
    cor_ledger_free(&dt->ledger);
    cor_policy_free(&dt->policy);
    cor_timer_free(&dt->pace);
    cor_timer_free(&dt->retry);
    cor_map_free(&dt->seen);
    cor_map_free(&dt->waiting);
    cor_map_free(&dt->models);
    cor_map_free(&dt->devices);
    cor_free(dt);
}

const struct cor_service_spec *dt_spec(void)
{
    static const struct cor_service_spec SPEC = {
        .name = "devicetwin",
        .summary =
            "Keeps the twins of an edge node's devices: what is desired and what is reported.",
        .conf = {ROWS, COR_COUNT(ROWS)},
        .cfg_size = sizeof(struct dt_cfg),
        .messages = px_messages,
        .check = check,
        .start = start,
        .stop = stop,
    };
    return &SPEC;
}
