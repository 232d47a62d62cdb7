// SPDX-License-Identifier: Apache-2.0
#include "metamanager.h"

#include <inttypes.h>

#include "common/base/file.h"
#include "common/base/mem.h"

static const struct cor_conf_row ROWS[] = {
    COR_SERVICE_ROWS(struct meta_cfg),
    COR_CONF_STR_ROW(struct meta_cfg, database, "database", "/var/lib/coracle/metamanager/meta.db",
                     "SQLite file of the desired state; its folder must exist"),
};

/* edged and devicetwin share these. */
static enum meta_reader reader_of(const struct meta *meta, const struct cor_port *port)
{
    return port == meta->readers[META_EDGED] ? META_EDGED : META_TWIN;
}

static void on_reader_up(void *self, struct cor_port *port)
{
    struct meta *meta = self;
    if (meta->link_node != NULL) {
        (void)!cor_send(port, PX_link, &meta->link);
    }
    meta_snapshot_start(&meta->snapshots[reader_of(meta, port)]);
}

static void on_reader_down(void *self, struct cor_port *port)
{
    struct meta *meta = self;
    meta_snapshot_stop(&meta->snapshots[reader_of(meta, port)]);
}

static void on_reader_room(void *self, struct cor_port *port)
{
    struct meta *meta = self;
    meta_snapshot_go_on(&meta->snapshots[reader_of(meta, port)]);
}

static const struct cor_handler EDGED_HANDLERS[] = {{PX_api_call, meta_on_api_call}};

static const struct cor_port_ops EDGED_OPS = {
    .up = on_reader_up,
    .down = on_reader_down,
    .room = on_reader_room,
    .handlers = EDGED_HANDLERS,
    .handler_count = COR_COUNT(EDGED_HANDLERS),
};

static const struct cor_port_ops TWIN_OPS = {
    .up = on_reader_up,
    .down = on_reader_down,
    .room = on_reader_room,
};

static enum cor_code open_reader(struct meta *meta, enum meta_reader reader, enum px_endpoint which,
                                 const struct cor_port_ops *ops, struct cor_err *err)
{
    enum cor_code code = cor_port_open(meta->service->bus, px_endpoint(which), ops, meta,
                                       &meta->readers[reader], err);
    meta->snapshots[reader] = (struct meta_snapshot){.meta = meta, .port = meta->readers[reader]};
    return code;
}

static enum cor_code open_ports(struct meta *meta, struct cor_err *err)
{
    enum cor_code code = open_reader(meta, META_EDGED, PX_ENDPOINT_META_EDGED, &EDGED_OPS, err);
    if (code == COR_OK) {
        code = open_reader(meta, META_TWIN, PX_ENDPOINT_META_TWIN, &TWIN_OPS, err);
    }
    if (code == COR_OK) {
        code = cor_port_open(meta->service->bus, px_endpoint(PX_ENDPOINT_HUB_META), meta_hub_ops(),
                             meta, &meta->hub, err);
    }
    return code;
}

static void add_stats(void *self, struct cor_buf *out)
{
    const struct meta *meta = self;
    cor_buf_fmt(out,
                ",\"link\":%s,\"stored\":%" PRIu64 ",\"skipped\":%" PRIu64
                ",\"remoteCalls\":%" PRIu64 ",\"localAnswers\":%" PRIu64 ",\"writing\":%zu",
                meta->link.up ? "true" : "false", meta->stored, meta->skipped, meta->remote_calls,
                meta->local_answers, cor_store_pending(meta->store));
}

/* ctl "objects": {"items":[...]} of a type, args {"type":"pod"}. */
static enum cor_code ctl_objects(void *self, struct cor_ctl_in *in, struct cor_view args,
                                 struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    struct meta *meta = self;
    auto_(cor_json_free) struct cor_json *json = NULL;
    if (cor_json_parse(args, 4096, 0, &json, err) != COR_OK) {
        return COR_INVALID;
    }
    const char *type = cor_json_str_at(json, "type", NULL);
    if (type == NULL) {
        return cor_err_set(err, COR_INVALID, "type is missing");
    }
    (void)meta_rows_list(meta, (struct cor_view){0}, cor_view_of(type), result);
    return COR_OK;
}

static const struct cor_ctl_verb VERBS[] = {
    {"objects", "stored objects of a type, {\"type\":\"pod\"}", ctl_objects},
};

/* Nothing more would be stored: the supervisor starts us anew. */
static void on_broken(void *self, const struct cor_err *err)
{
    struct meta *meta = self;
    cor_service_fail(meta->service, err);
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct meta *meta = cor_alloc(sizeof(*meta));
    meta->service = service;
    meta->cfg = service->cfg;
    *self_r = meta;
    meta_books_open(meta);
    struct cor_store_spec spec = {.path = meta->cfg->database, .sync = COR_STORE_FULL};
    meta_objects_describe(&spec);
    enum cor_code code = cor_store_open(&spec, &meta->store, err);
    if (code != COR_OK) {
        return code;
    }
    cor_store_start(meta->store, service->loop);
    cor_store_on_broken(meta->store, on_broken, meta);
    cor_bus_stats(service->bus, add_stats, meta);
    cor_bus_ctl(service->bus, VERBS, COR_COUNT(VERBS), meta);
    code = open_ports(meta, err);
    if (code == COR_OK) {
        cor_service_ready(service);
    }
    return code;
}

static void stop(void *self)
{
    struct meta *meta = self;
    /* The store first: its last callbacks still use the ports. */
    if (meta->store != NULL && meta->hub != NULL) {
        cor_store_close(&meta->store);
    }
    cor_port_close(&meta->hub);
    for (unsigned i = 0; i < META_READERS; i++) {
        cor_port_close(&meta->readers[i]);
        meta_snapshot_stop(&meta->snapshots[i]);
    }
    cor_store_close(&meta->store);
    cor_free(meta->link_node);
    cor_free(meta->link_address);
    meta_books_close(meta);
    cor_free(meta);
}

const struct cor_service_spec *meta_spec(void)
{
    static const struct cor_service_spec SPEC = {
        .name = "metamanager",
        .summary = "Keeps the desired state of an edge node and answers every question about it.",
        .conf = {ROWS, COR_COUNT(ROWS)},
        .cfg_size = sizeof(struct meta_cfg),
        .messages = px_messages,
        .start = start,
        .stop = stop,
    };
    return &SPEC;
}
