// SPDX-License-Identifier: Apache-2.0
#include "edgehub.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/digest.h"
#include "edgestream.h"
#include "hub.h"
#include "relay.h"
#include "streams.h"

enum {
    STREAMS_MAX = 4096,
    TOKEN_MAX = 16 * 1024,
    ASKS_MAX = 1024,
    ACKS_MAX = 1024,
    ENROL_RETRY_S = 5,
    ARENA_BYTES = 1 << 20
};

#define C struct config
static const struct cor_conf_row ROWS[] = {
    COR_SERVICE_ROWS(C),
    COR_CONF_STR_ROW(C, node, "node.name", "", "name of this node in Kubernetes"),
    COR_CONF_STR_ROW(C, host, "cloud.host", "127.0.0.1",
                     "the cloud's address or name, as its certificate says it"),
    COR_CONF_INT_ROW(C, port, "cloud.port", "10000", 1, 65535, "port of the link"),
    COR_CONF_INT_ROW(C, enrol_port, "cloud.enrol-port", "10002", 1, 65535, "port for enrolment"),
    COR_CONF_STR_ROW(C, project, "cloud.project", "e632aba927ea4ac2b575ec1603d56f10",
                     "KubeEdge's project id"),
    COR_CONF_STR_ROW(C, identity_dir, "identity", "/var/lib/coracle/edgehub",
                     "folder of this node's key and certificate"),
    COR_CONF_STR_ROW(C, token_file, "token-file", "/etc/coracle/token",
                     "file with the enrolment token; removed when it was used"),
    COR_CONF_STR_ROW(C, dialect, "link.dialect", "coracle",
                     "coracle: offered to the cloud, kubeedge if it does not know it; kubeedge: "
                     "always that"),
    COR_CONF_INT_ROW(C, keepalive_ms, "link.keepalive-ms", "15000", 50, 600000,
                     "a sign of life is sent so often; CloudCore wants one in 30 s"),
    COR_CONF_INT_ROW(C, heartbeat_ms, "link.heartbeat-ms", "20000", 50, 600000,
                     "the same in the Coracle dialect, where it renews the Lease, too"),
    COR_CONF_INT_ROW(C, first_ms, "link.retry-first-ms", "20", 10, 600000,
                     "the link is tried again within this, then after twice this, doubling"),
    COR_CONF_INT_ROW(C, last_ms, "link.retry-last-ms", "30000", 10, 3600000, "longest such delay"),
    COR_CONF_INT_ROW(C, call_ms, "link.call-ms", "60000", 100, 600000,
                     "time that a question to the cloud may take"),
    COR_CONF_INT_ROW(C, doubt_ms, "link.doubt-ms", "300000", 100, 86400000,
                     "without a link for so long, or up to twice that, the certificate is renewed: "
                     "it may be what the cloud refuses"),
    COR_CONF_BOOL_ROW(C, tunnel, "tunnel.enable", "true",
                      "logs, exec and the like of a CloudCore, as EdgeCore's edgeStream"),
    COR_CONF_STR_ROW(C, tunnel_host, "tunnel.host", "",
                     "where its tunnel server is; empty: "
                     "cloud.host"),
    COR_CONF_INT_ROW(C, tunnel_port, "tunnel.port", "10004", 1, 65535, "port of it"),
    COR_CONF_STR_ROW(C, node_ip, "tunnel.node-ip", "",
                     "address of this node in its Node, by which a CloudCore finds it for metrics; "
                     "empty: the one that it sees"),
};
#undef C

static double random_number(void)
{
    uint32_t random = 0;
    cor_random(&random, sizeof(random));
    return (double)random / 4294967296.0;
}

/* A cloud that does not take our certificate (any more) looks like one that is not there. Not all
 * nodes ask at once, and none too often. */
static void begin_to_doubt(struct hub *hub)
{
    enum { DOUBLINGS = 4 };
    int64_t after = COR_MS(hub->cfg->doubt_ms) << hub->doubts;
    after += (int64_t)((double)after * random_number());
    hub->doubts += hub->doubts < DOUBLINGS;
    hub->doubtful = cor_mono_add(cor_loop_now(hub->service->loop), after);
}

/* ---- the link's state ---- */

void hub_tell_link(struct hub *hub, struct cor_port *port)
{
    struct cor_port *all[] = {hub->meta, hub->twin, hub->bus};
    auto_(cor_freep) char *address = cor_sprintf("%s:%" PRId64, hub->cfg->host, hub->cfg->port);
    struct px_link body = {.node = cor_view_of(hub->cfg->node),
                           .up = link_is_up(hub->link),
                           .epoch = link_epoch(hub->link),
                           .address = cor_view_of(address)};
    for (size_t i = 0; i < COR_COUNT(all); i++) {
        if (all[i] != NULL && (port == NULL || port == all[i]) && cor_port_is_up(all[i]) &&
            cor_send(all[i], PX_link, &body) == COR_BUSY) {
            LOGW(hub->service->log, "link.untold", "port=%zu", i);
        }
    }
}

void hub_reopen_bus(struct hub *hub, bool relays)
{
    struct cor_err err = COR_ERR_NONE;
    hub->uploads_missed = false;
    hub->bus_relays = relays;
    cor_port_close(&hub->bus);
    if (cor_port_open(hub->service->bus, px_endpoint(PX_ENDPOINT_HUB_BUS),
                      relays ? relay_bus_ops() : up_bus_ops(), hub, &hub->bus, &err) != COR_OK) {
        cor_service_fail(hub->service, &err);
    }
}

static void look_at_renewal(struct hub *hub);

static void on_link_up(void *self)
{
    struct hub *hub = self;
    hub->stats.connections++;
    hub->doubtful = (struct cor_mono){0};
    hub->doubts = 0;
    down_free_memberships(hub);
    (void)malloc_trim(0); /* what the handshake needed */
    relay_link_up(hub);   /* first: what hub-bus is told in a session that ends is lost */
    hub_tell_link(hub, NULL);
    if (hub->edgestream != NULL && !link_is_coracle(hub->link)) {
        edgestream_start(hub->edgestream);
    }
}

static void on_link_down(void *self)
{
    struct hub *hub = self;
    up_link_lost(hub);
    relay_link_down(hub);
    streams_link_down(hub->streams);
    if (hub->edgestream != NULL) {
        edgestream_stop(hub->edgestream);
    }
    hub_tell_link(hub, NULL);
    (void)malloc_trim(0);
    begin_to_doubt(hub);
    if (hub->identity.cert != NULL && !hub->rejoin) {
        look_at_renewal(hub);
    }
}

static void on_frame(void *self, struct cor_view text)
{
    down_take(self, text);
}

static void on_coracle(void *self, const struct px_frame *frame)
{
    struct hub *hub = self;
    hub->stats.down++;
    relay_take(hub, frame);
}

static void on_room(void *self)
{
    struct hub *hub = self;
    relay_room(hub);
    streams_room(hub->streams);
}

static void on_keepalive(void *self)
{
    up_keepalive(self);
}

/* ---- enrolment and renewal ---- */

static bool is_past(const struct hub *hub, struct cor_mono moment)
{
    return moment.us != 0 && cor_mono_since(cor_loop_now(hub->service->loop), moment) >= 0;
}

/* Whether the time to renew has come, by a clock that may be wrong. */
static bool is_due(const struct hub *hub)
{
    if (is_past(hub, hub->asked_for) || is_past(hub, hub->doubtful)) {
        return true;
    }
    return cor_wall_now().us >= hub->renew_at.us &&
           cor_mono_since(cor_loop_now(hub->service->loop), hub->serves_until) >= 0;
}

/* A certificate that we have just got serves for half of the rest of its life, by the clock that
 * does not jump; of its whole life, if the other one cannot be right. */
static struct cor_mono serves_until(const struct hub *hub)
{
    int64_t from = cor_cert_from(hub->identity.cert).us;
    int64_t until = cor_cert_until(hub->identity.cert).us;
    int64_t now = cor_wall_now().us;
    int64_t rest = now >= from && now < until ? until - now : until - from;
    return cor_mono_add(cor_loop_now(hub->service->loop), rest / 2);
}

/* Looks again in a minute at the latest: the clock may be set. */
static void look_at_renewal(struct hub *hub)
{
    int64_t by_clock = hub->renew_at.us - cor_wall_now().us;
    int64_t serves = cor_mono_since(hub->serves_until, cor_loop_now(hub->service->loop));
    int64_t left = by_clock > serves ? by_clock : serves;
    const struct cor_mono others[] = {hub->asked_for, hub->doubtful};
    for (size_t i = 0; i < COR_COUNT(others); i++) {
        int64_t until = cor_mono_since(others[i], cor_loop_now(hub->service->loop));
        left = others[i].us != 0 && until < left ? until : left;
    }
    int64_t most = COR_SEC(60);
    int64_t least = COR_MS(100);
    cor_timer_start(hub->retry, left > most ? most : left < least ? least : left);
}

static void plan_renewal(struct hub *hub)
{
    hub->renew_at = identity_renew_at(&hub->identity, random_number());
    look_at_renewal(hub);
}

/* The first moment that was drawn counts: else who comes often would never renew. */
void hub_renew_within(struct hub *hub, uint64_t seconds)
{
    enum { MOST_S = 90 * 86400 };
    if (hub->asked_for.us == 0) {
        int64_t most = COR_SEC((int64_t)(seconds < MOST_S ? seconds : MOST_S));
        int64_t after = (int64_t)((double)most * random_number());
        hub->asked_for = cor_mono_add(cor_loop_now(hub->service->loop), after);
        LOGI(hub->service->log, "enrol.asked", "after_s=%" PRId64, after / COR_SEC(1));
        look_at_renewal(hub);
    }
}

static void try_enrol_later(struct hub *hub)
{
    cor_timer_start(hub->retry, COR_SEC(ENROL_RETRY_S));
}

static void enrol(struct hub *hub, const char *address)
{
    auto_(cor_secret_free) struct cor_buf text = {0};
    struct cor_err err = COR_ERR_NONE;
    if (cor_file_read(hub->cfg->token_file, TOKEN_MAX, &text, &err) != COR_OK) {
        LOGW(hub->service->log, "enrol.no-token", "file=%s reason=%s", hub->cfg->token_file,
             cor_log_esc(cor_view_of(err.text)));
        try_enrol_later(hub);
        return;
    }
    auto_(cor_freep) char *token = cor_view_dup(cor_view_trim(cor_buf_as_view(&text)));
    join_start(hub->join, address, token);
    cor_wipe(token, strlen(token));
}

static void on_resolved(void *self, const char *address, const char *text)
{
    struct hub *hub = self;
    cor_resolve_free(&hub->resolve);
    if (address == NULL) {
        LOGW(hub->service->log, "enrol.no-address", "host=%s reason=%s", hub->cfg->host,
             cor_log_esc(cor_view_of(text)));
        try_enrol_later(hub);
    } else if (hub->identity.cert == NULL || hub->rejoin) {
        enrol(hub, address);
    } else {
        join_start(hub->join, address, NULL);
    }
}

static void on_joined(void *self, enum cor_code code, const struct cor_err *err)
{
    struct hub *hub = self;
    if (code != COR_OK) {
        LOGW(hub->service->log, "enrol.fails", "reason=%s", cor_log_esc(cor_view_of(err->text)));
        if (hub->doubtful.us != 0) {
            begin_to_doubt(hub);
        }
        /* A token that is refused does not take away the identity that is there. */
        hub->rejoin = hub->rejoin && code != COR_UNAUTHENTICATED;
        try_enrol_later(hub);
        return;
    }
    hub->rejoin = false;
    hub->asked_for = (struct cor_mono){0};
    hub->serves_until = serves_until(hub);
    if (hub->doubtful.us != 0) {
        begin_to_doubt(hub);
    }
    LOGI(hub->service->log, "enrol.done", "node=%s days=%" PRId64, hub->cfg->node,
         cor_cert_days_left(hub->identity.cert, cor_wall_now()));
    (void)unlink(hub->cfg->token_file); /* it is good for one key only, which is here now */
    plan_renewal(hub);
    link_restart(hub->link, "the certificate is new");
    if (hub->begun) {
        link_start(hub->link);
    }
}

/* Enrols, renews, or looks again later. */
static void on_retry(void *self)
{
    struct hub *hub = self;
    struct cor_wall now = cor_wall_now();
    if (join_is_busy(hub->join) || hub->resolve != NULL) {
        return;
    }
    if (hub->identity.cert != NULL && cor_cert_until(hub->identity.cert).us <= now.us) {
        /* By our clock; the cloud's decides. A token that lies there now is used. */
        LOGW(hub->service->log, "enrol.expired", "node=%s", hub->cfg->node);
        hub->rejoin = hub->rejoin || access(hub->cfg->token_file, F_OK) == 0;
    }
    if (hub->identity.cert == NULL || hub->rejoin || is_due(hub)) {
        hub->resolve = cor_resolve_new(hub->service->loop, hub->cfg->host, on_resolved, hub);
    } else {
        look_at_renewal(hub);
    }
}

void hub_begin(struct hub *hub)
{
    if (!hub->begun) {
        hub->begun = true;
        if (hub->identity.cert != NULL) {
            link_start(hub->link);
        }
    }
}

static void on_sweep(void *self)
{
    up_sweep(self);
}

/* ---- life ---- */

static enum cor_code open_ports(struct hub *hub, struct cor_err *err)
{
    const struct {
        enum px_endpoint endpoint;
        const struct cor_port_ops *ops;
        struct cor_port **port;
    } rows[] = {
        {PX_ENDPOINT_HUB_META, up_meta_ops(), &hub->meta},
        {PX_ENDPOINT_HUB_TWIN, up_twin_ops(), &hub->twin},
        {PX_ENDPOINT_HUB_BUS, relay_bus_ops(), &hub->bus},
    };
    enum cor_code code = COR_OK;
    hub->bus_relays = true; /* until a link says otherwise */
    for (size_t i = 0; code == COR_OK && i < COR_COUNT(rows); i++) {
        code = cor_port_open(hub->service->bus, px_endpoint(rows[i].endpoint), rows[i].ops, hub,
                             rows[i].port, err);
    }
    return code;
}

static void make_link(struct hub *hub)
{
    struct join_spec join = {.ws = hub->ws,
                             .identity = &hub->identity,
                             .host = hub->cfg->host,
                             .port = (int)hub->cfg->enrol_port};
    struct link_spec link = {
        .loop = hub->service->loop,
        .log = hub->service->log,
        .bus = hub->service->bus,
        .ws = hub->ws,
        .identity = &hub->identity,
        .host = hub->cfg->host,
        .port = (int)hub->cfg->port,
        .project = hub->cfg->project,
        .keepalive_us = COR_MS(hub->cfg->keepalive_ms),
        .heartbeat_us = COR_MS(hub->cfg->heartbeat_ms),
        .first_us = COR_MS(hub->cfg->first_ms),
        .last_us = COR_MS(hub->cfg->last_ms),
        .self = hub,
        .up = on_link_up,
        .down = on_link_down,
        .message = on_frame,
        .frame = on_coracle,
        .room = on_room,
        .keepalive = on_keepalive,
    };
    hub->join = join_new(&join, on_joined, hub);
    hub->link = link_new(&link);
    hub->dropped = cor_map_new(NULL);
    hub->arena = cor_arena_new(ARENA_BYTES);
    hub->acks = acks_new(ACKS_MAX);
    hub->asks = asks_new(ASKS_MAX);
    hub->sweep = cor_timer_new(hub->service->loop, on_sweep, hub);
    hub->retry = cor_timer_new(hub->service->loop, on_retry, hub);
}

static void make_edgestream(struct hub *hub)
{
    enum { FIRST_MS = 2000 }; /* as an EdgeCore */
    const struct config *cfg = hub->cfg;
    struct edgestream_spec spec = {
        .loop = hub->service->loop,
        .log = hub->service->log,
        .ws = hub->ws,
        .identity = &hub->identity,
        .streams = hub->streams,
        .host = cfg->tunnel_host[0] != '\0' ? cfg->tunnel_host : cfg->host,
        .port = (int)cfg->tunnel_port,
        .node_ip = cfg->node_ip,
        .first_us = COR_MS(cfg->last_ms < FIRST_MS ? cfg->last_ms : FIRST_MS),
        .last_us = COR_MS(cfg->last_ms),
    };
    hub->edgestream = cfg->tunnel ? edgestream_new(&spec) : NULL;
}

static void stats(void *self, struct cor_buf *out)
{
    struct hub *hub = self;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"link_up", link_is_up(hub->link)},
        {"coracle", link_is_coracle(hub->link)},
        {"enrolled", hub->identity.cert != NULL},
        {"connections", hub->stats.connections},
        {"up", hub->stats.up},
        {"down", hub->stats.down},
        {"down_bad", hub->stats.down_bad},
        {"down_dropped", hub->stats.down_dropped},
        {"acked", hub->stats.acked},
        {"unacked", acks_count(hub->acks)},
        {"asking", asks_count(hub->asks)},
        {"unknown_answers", hub->stats.unknown_answers},
        {"uploads", hub->stats.uploads},
        {"events_dropped", hub->stats.events_dropped},
        {"streams", streams_count(hub->streams)},
        {"tunnel_up", hub->edgestream != NULL && edgestream_is_up(hub->edgestream)},
        {"tunnel_requests", hub->edgestream == NULL ? 0 : edgestream_count(hub->edgestream)},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_buf_fmt(out, ",\"%s\":%" PRIu64, rows[i].name, rows[i].value);
    }
    const struct px_offset *offset = link_offset(hub->link);
    if (offset->known) {
        cor_buf_fmt(out, ",\"clock_ahead_ms\":%" PRId64 ",\"clock_error_ms\":%" PRId64,
                    offset->ahead_us / 1000, offset->error_us / 1000);
    }
}

/* ---- books ---- */

static void tell_books(void *self, struct cor_ledger_writer *out)
{
    const struct hub *hub = self;
    cor_hop_books(hub->books.uploads, out);
}

static void open_books(struct hub *hub)
{
    struct cor_view node = cor_view_of(hub->cfg->node);
    struct hub_books *books = &hub->books;
    struct cor_ledger *ledger = cor_ledger_new(hub->service->bus, "edgehub");
    const struct {
        const char *flow;
        struct cor_ledger_counts **account;
    } rows[] = {
        {"calls", &books->calls},
        {"reports", &books->reports},
        {"objects", &books->objects},
        {"rest-publications", &books->publications},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        *rows[i].account = cor_ledger_account(ledger, rows[i].flow, COR_LEDGER_HOP, node);
    }
    books->ledger = ledger;
    books->uploads = cor_hop_new("uploads", STREAMS_MAX, true);
    cor_ledger_source(ledger, tell_books, hub);
}

static enum cor_code start_parts(struct hub *hub, struct cor_err *err)
{
    struct cor_ws_limits limits = {
        .connections = 8,
        .message = PX_KUBEEDGE_MAX,
        .unfinished = PX_KUBEEDGE_MAX,
        .queue = 4 * 1024 * 1024,
        .subprotocol = strcmp(hub->cfg->dialect, "coracle") == 0 ? PX_LINK_SUBPROTOCOL : NULL};
    enum cor_code code = identity_load(hub->cfg->identity_dir, hub->cfg->node, &hub->identity, err);
    if (code != COR_OK && code != COR_NOTFOUND) {
        return code;
    }
    code = cor_ws_new(hub->service->loop, hub->service->log, &limits, &hub->ws, err);
    if (code != COR_OK) {
        return code;
    }
    make_link(hub);
    code = open_ports(hub, err);
    if (code == COR_OK) {
        code = streams_new(hub, &hub->streams, err);
    }
    if (code == COR_OK) {
        make_edgestream(hub);
        relay_link_down(hub);
    }
    return code;
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct hub *hub = cor_alloc(sizeof(*hub));
    *self_r = hub;
    cor_tls_stay_small();
    hub->service = service;
    hub->cfg = service->cfg;
    open_books(hub);
    enum cor_code code = start_parts(hub, err);
    if (code != COR_OK) {
        return code;
    }
    cor_bus_stats(service->bus, stats, hub);
    /* Somebody put a token there to have this node join, maybe another cloud than before. */
    hub->rejoin = access(hub->cfg->token_file, R_OK) == 0;
    if (hub->identity.cert != NULL) {
        begin_to_doubt(hub);
        plan_renewal(hub);
    }
    if (hub->identity.cert == NULL || hub->rejoin) {
        cor_timer_start(hub->retry, 0);
    }
    cor_service_ready(service); /* without a cloud, too: that is what an edge is for */
    return COR_OK;
}

static void stop(void *self)
{
    struct hub *hub = self;
    cor_ws_free(&hub->ws);
    link_free(&hub->link);
    join_free(&hub->join);
    edgestream_free(&hub->edgestream);
    streams_free(&hub->streams);
    cor_port_close(&hub->bus);
    cor_port_close(&hub->twin);
    cor_port_close(&hub->meta);
    cor_timer_free(&hub->sweep);
    cor_timer_free(&hub->retry);
    cor_resolve_free(&hub->resolve);
    acks_free(&hub->acks);
    asks_free(&hub->asks);
    down_free_memberships(hub);
    cor_map_free(&hub->dropped);
    cor_buf_free(&hub->topics);
    cor_arena_free(&hub->arena);
    identity_free(&hub->identity);
    cor_hop_free(&hub->books.uploads);
    cor_ledger_free(&hub->books.ledger);
    cor_free(hub);
}

static enum cor_code check(const void *cfg, struct cor_err *err)
{
    const struct config *config = cfg;
    if (!cor_is_dns_subdomain(cor_view_of(config->node))) {
        return cor_err_set(err, COR_INVALID, "node.name: expected a DNS name in lower case");
    }
    if (strcmp(config->dialect, "coracle") != 0 && strcmp(config->dialect, "kubeedge") != 0) {
        return cor_err_set(err, COR_INVALID, "link.dialect: expected coracle or kubeedge");
    }
    return COR_OK;
}

const struct cor_service_spec *edgehub_spec(void)
{
    static const struct cor_service_spec spec = {
        .name = "edgehub",
        .summary = "the one link of this node to the cloud",
        .conf = {ROWS, COR_COUNT(ROWS)},
        .cfg_size = sizeof(struct config),
        .messages = px_messages,
        .check = check,
        .start = start,
        .stop = stop,
    };
    return &spec;
}
