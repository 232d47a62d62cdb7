// SPDX-License-Identifier: Apache-2.0
#include "cloudhub.h"

#include <inttypes.h>
#include <string.h>

#include "cactl.h"
#include "census.h"
#include "cloudstream.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/service/sockets.h"
#include "front.h"
#include "hub.h"
#include "kubelet.h"
#include "peers.h"
#include "proto/link/frame.h"
#include "reports.h"
#include "tokenctl.h"
#include "trust.h"

struct config {
    struct cor_service_cfg common;
    char *kubeconfig;
    char *ns;
    struct cor_conf_strs names;
    char *address;
    int64_t port;
    char *enrol_address;
    int64_t enrol_port;
    char *dialect;
    int64_t keepalive_ms;
    int64_t window;
    int64_t resend_ms;
    int64_t call_ms;
    int64_t nodes;
    int64_t cert_days;
    int64_t cert_seconds;
    int64_t token_hours;
    int64_t tokens;
    bool reusable_token;
    char *kubelet_address;
    char *kubelet_ca;
    int64_t first_node_port;
    int64_t node_ports;
    char *tunnel_address;
    int64_t tunnel_port;
};

#define C struct config
static const struct cor_conf_row ROWS[] = {
    COR_SERVICE_ROWS(C),
    COR_CONF_STR_ROW(C, kubeconfig, "kubeconfig", "/etc/coracle/cloudhub.kubeconfig",
                     "how to reach the Kubernetes API"),
    COR_CONF_STR_ROW(C, ns, "namespace", "kubeedge", "where the CA and the tokens are kept"),
    COR_CONF_STRS_ROW(C, names, "names", "localhost,127.0.0.1",
                      "names and addresses under which nodes reach this server"),
    COR_CONF_STR_ROW(C, address, "listen.address", "0.0.0.0", "for links of nodes"),
    COR_CONF_INT_ROW(C, port, "listen.port", "10000", 0, 65535, "for links of nodes; 0: any"),
    COR_CONF_STR_ROW(C, enrol_address, "enrol.address", "0.0.0.0", "for enrolment"),
    COR_CONF_INT_ROW(C, enrol_port, "enrol.port", "10002", 0, 65535, "for enrolment; 0: any"),
    COR_CONF_INT_ROW(C, cert_days, "enrol.cert-days", "365", 1, 36500,
                     "validity of nodes' certificates"),
    COR_CONF_INT_ROW(C, cert_seconds, "enrol.cert-seconds", "0", 0, 86400,
                     "validity, if it is to be less than a day; 0: see cert-days"),
    COR_CONF_INT_ROW(C, token_hours, "enrol.token-hours", "24", 1, 87600,
                     "validity of tokens, unless asked otherwise"),
    COR_CONF_INT_ROW(C, tokens, "enrol.tokens", "1000", 1, 2000, "tokens that may be open at once"),
    COR_CONF_BOOL_ROW(C, reusable_token, "enrol.reusable-token", "false",
                      "keep a token for any node in tokensecret, as KubeEdge does"),
    COR_CONF_STR_ROW(C, dialect, "link.dialect", "coracle",
                     "coracle: with nodes that offer it, kubeedge with others; kubeedge: with all"),
    COR_CONF_INT_ROW(C, keepalive_ms, "link.keepalive-ms", "35000", 100, 3600000,
                     "a link without a keepalive for so long is closed; nodes send one in 15 s"),
    COR_CONF_INT_ROW(C, window, "link.window", "16", 1, 90,
                     "objects sent to a node and not yet acknowledged"),
    COR_CONF_INT_ROW(C, resend_ms, "link.resend-ms", "5000", 50, 600000,
                     "an object not acknowledged is sent again after this"),
    COR_CONF_INT_ROW(C, call_ms, "link.call-ms", "30000", 100, 600000,
                     "time that a node's request may take"),
    COR_CONF_INT_ROW(C, nodes, "link.nodes", "10000", 1, 100000, "links at once"),
    COR_CONF_STR_ROW(C, kubelet_address, "streams.listen", "0.0.0.0:10003",
                     "where API servers ask for logs, exec and the rest of nodes' API; empty: "
                     "nowhere"),
    COR_CONF_INT_ROW(C, first_node_port, "streams.first-node-port", "10400", 1, 65535,
                     "ports of single nodes from this one on, as metrics-server needs them; as in "
                     "edgecontroller"),
    COR_CONF_INT_ROW(C, node_ports, "streams.node-ports", "0", 0, 4096, "how many there are"),
    COR_CONF_STR_ROW(C, tunnel_address, "streams.tunnel-address", "0.0.0.0",
                     "for tunnels of EdgeCores (edgeStream), if API servers may ask at all; empty: "
                     "none"),
    COR_CONF_INT_ROW(C, tunnel_port, "streams.tunnel-port", "10004", 0, 65535, "for them; 0: any"),
    COR_CONF_STR_ROW(C, kubelet_ca, "streams.client-ca", "",
                     "file of the CA of API servers' kubelet client certificates; empty: as the "
                     "cluster says it (ConfigMap kube-system/extension-apiserver-authentication)"),
};
#undef C

struct cloudhub {
    struct cor_service *service;
    const struct config *cfg;
    struct cor_kube_config kube_config;
    struct cor_kube *kube;
    struct authority *authority;
    struct vault *vault;
    struct tokenctl *tokens;
    struct census *census;
    struct cactl *ca;
    struct revoked *revoked;
    struct cor_ws *ws;
    struct front *front;
    struct hub *hub;
    struct kubelet *kubelet;
    struct cloudstream *cloudstream;
    struct peers *peers;
    struct cor_timer *later;
    bool ready;
};

/* Nodes come back first: what else begins takes the loop as long as several of their handshakes. */
enum { LATER_MS = 100 };

/* ---- ctl ---- */

static enum cor_code token_create(void *self, struct cor_ctl_in *in, struct cor_view args,
                                  struct cor_buf *result, struct cor_err *err)
{
    (void)result;
    return tokenctl_create(((struct cloudhub *)self)->tokens, in, args, err);
}

static enum cor_code token_list(void *self, struct cor_ctl_in *in, struct cor_view args,
                                struct cor_buf *result, struct cor_err *err)
{
    (void)args;
    (void)result;
    (void)err;
    tokenctl_list(((struct cloudhub *)self)->tokens, in);
    return COR_OK;
}

static enum cor_code token_revoke(void *self, struct cor_ctl_in *in, struct cor_view args,
                                  struct cor_buf *result, struct cor_err *err)
{
    (void)result;
    return tokenctl_revoke(((struct cloudhub *)self)->tokens, in, args, err);
}

static enum cor_code list_nodes(void *self, struct cor_ctl_in *in, struct cor_view args,
                                struct cor_buf *result, struct cor_err *err)
{
    struct cloudhub *s = self;
    size_t at = 0;
    void *value = NULL;
    const char *comma = "";
    (void)in;
    (void)args;
    (void)err;
    cor_buf_str(result, "[");
    while (cor_map_next(s->hub->sessions, &at, NULL, &value)) {
        const struct session *session = value;
        cor_buf_fmt(result,
                    "%s{\"node\":\"%s\",\"address\":\"%s\",\"dialect\":\"%s\",\"waiting\":%zu,"
                    "\"flying\":%zu",
                    comma, session->node, session->address,
                    session->coracle == NULL ? "kubeedge" : "coracle",
                    outbox_count(session->outbox), outbox_flying(session->outbox));
        if (session->has_clock) {
            cor_buf_fmt(result, ",\"clockAheadMs\":%" PRId64, session->ahead_us / 1000);
        }
        cor_buf_str(result, "}");
        comma = ",";
    }
    cor_buf_str(result, "]");
    return COR_OK;
}

/* A question that waits for the API. */
struct revoking {
    struct cloudhub *hub;
    struct cor_ctl_ticket ticket;
    char *node;
};

static void on_revoked(void *self, enum cor_code code)
{
    struct revoking *revoking = self;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf result = {0};
    if (code != COR_OK) {
        (void)cor_err_set(&err, code, "the Kubernetes API has not written it; try again");
    } else {
        LOGW(revoking->hub->service->log, "hub.node.revoked", "node=%s", revoking->node);
        cor_buf_fmt(&result, "{\"node\":\"%s\"}", revoking->node);
        census_forget(revoking->hub->census, revoking->node);
    }
    cor_ctl_answer(revoking->hub->service->bus, &revoking->ticket, cor_buf_as_view(&result), &err);
    cor_free(revoking->node);
    cor_free(revoking);
}

static enum cor_code node_revoke(void *self, struct cor_ctl_in *in, struct cor_view args,
                                 struct cor_buf *result, struct cor_err *err)
{
    struct cloudhub *s = self;
    auto_(cor_json_free) struct cor_json *tree = NULL;
    enum cor_code code = cor_json_parse(args, 65536, 0, &tree, err);
    struct cor_view node = cor_json_as_view(cor_json_get(tree, "node"));
    (void)result;
    if (code != COR_OK || !cor_is_dns_subdomain(node)) {
        return cor_err_set(err, COR_INVALID, "node: expected a DNS name in lower case");
    }
    if (s->revoked == NULL) {
        return cor_err_set(err, COR_RETRY, "the Secrets of cloudhub are not read yet; try again");
    }
    struct revoking *revoking = cor_alloc(sizeof(*revoking));
    *revoking = (struct revoking){s, cor_ctl_defer(in), cor_view_dup(node)};
    revoked_add(s->revoked, revoking->node, on_revoked, revoking);
    return COR_OK;
}

static enum cor_code ca_status(void *self, struct cor_ctl_in *in, struct cor_view args,
                               struct cor_buf *result, struct cor_err *err)
{
    (void)in;
    (void)args;
    return cactl_status(((struct cloudhub *)self)->ca, result, err);
}

#define CA_STEP(name, step)                                                                        \
    static enum cor_code name(void *self, struct cor_ctl_in *in, struct cor_view args,             \
                              struct cor_buf *result, struct cor_err *err)                         \
    {                                                                                              \
        (void)result;                                                                              \
        return cactl_step(((struct cloudhub *)self)->ca, in, step, args, err);                     \
    }
CA_STEP(ca_rotate, ROTATION_ROTATE)
CA_STEP(ca_promote, ROTATION_PROMOTE)
CA_STEP(ca_demote, ROTATION_DEMOTE)
CA_STEP(ca_abort, ROTATION_ABORT)
CA_STEP(ca_finish, ROTATION_FINISH)
CA_STEP(ca_forget, ROTATION_FORGET)
#undef CA_STEP

static const struct cor_ctl_verb VERBS[] = {
    {"token-create",
     "a token: {\"node\": NAME, \"ttlSeconds\": N}, or {\"reusable\": true, \"uses\": N}",
     token_create},
    {"token-list", "the tokens that were made and have not expired", token_list},
    {"token-revoke", "nobody joins with it any more: {\"id\": ID}", token_revoke},
    {"nodes", "the nodes that are connected", list_nodes},
    {"node-revoke", "no certificate that the node has counts any more: {\"node\": NAME}",
     node_revoke},
    {"ca-status", "which CAs count, and how far nodes have followed", ca_status},
    {"ca-rotate", "make a new CA, which is trusted beside the old one", ca_rotate},
    {"ca-promote", "the new CA signs: {\"withinSeconds\": N, \"force\": true}", ca_promote},
    {"ca-demote", "the old CA signs again", ca_demote},
    {"ca-abort", "the new CA is forgotten: {\"force\": true}", ca_abort},
    {"ca-finish", "the old CA counts no more: {\"force\": true, \"renewOnly\": true}", ca_finish},
    {"ca-forget", "what was of the CA before is not even renewed any more", ca_forget},
};

static void stats(void *self, struct cor_buf *out)
{
    struct cloudhub *s = self;
    const struct hub_stats *st = &s->hub->stats;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"nodes", cor_map_count(s->hub->sessions)},
        {"accepted", st->accepted},
        {"refused", st->refused},
        {"closed", st->closed},
        {"tls_resumed", st->resumed},
        {"down", st->down},
        {"acked", st->acked},
        {"held", st->held},
        {"up", st->up},
        {"up_bad", st->up_bad},
        {"up_dropped", st->up_dropped},
        {"calls", st->calls},
        {"reports", st->reports},
        {"reports_waiting", reports_count(s->hub->reports)},
        {"uploads", st->uploads},
        {"denied", st->denied},
        {"uploads_waiting_bytes", s->hub->waiting_bytes},
        {"streams", s->kubelet == NULL ? 0 : kubelet_count(s->kubelet)},
        {"streams_port", s->kubelet == NULL ? 0 : (uint64_t)kubelet_port(s->kubelet)},
        {"tunnels", s->cloudstream == NULL ? 0 : cloudstream_count(s->cloudstream)},
        {"tunnel_requests", s->cloudstream == NULL ? 0 : cloudstream_requests(s->cloudstream)},
        {"tunnel_port", s->cloudstream == NULL ? 0 : (uint64_t)cloudstream_port(s->cloudstream)},
        {"ready", s->ready},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_buf_fmt(out, ",\"%s\":%" PRIu64, rows[i].name, rows[i].value);
    }
}

/* ---- life ---- */

/* Both sockets may be held by the supervisor: connections wait in them while we restart. */
static enum cor_code listen_all(struct cloudhub *s, struct cor_err *err)
{
    struct hub_address link = {s->cfg->address, (int)s->cfg->port, 0};
    struct front_spec front = {
        .ws = s->ws,
        .kube = s->kube,
        .log = s->service->log,
        .authority = s->authority,
        .vault = s->vault,
        .revoked = s->revoked,
        .address = s->cfg->enrol_address,
        .port = (int)s->cfg->enrol_port,
        .cert_life_us = s->cfg->cert_seconds > 0 ? COR_SEC(s->cfg->cert_seconds)
                                                 : COR_SEC(86400) * s->cfg->cert_days,
        .reusable_token = s->cfg->reusable_token,
    };
    front.fd = cor_service_socket(s->service, "enrol", front.address, front.port);
    link.fd = cor_service_socket(s->service, "link", link.address, link.port);
    enum cor_code code = hub_listen(s->hub, s->ws, &link, s->authority, err);
    return code != COR_OK ? code : front_new(&front, &s->front, err);
}

/* API servers may ask nodes. */
static void serve_streams(struct cloudhub *s)
{
    struct kubelet_spec kubelet = {.hub = s->hub,
                                   .kube = s->kube,
                                   .authority = s->authority,
                                   .address = s->cfg->kubelet_address,
                                   .client_ca = s->cfg->kubelet_ca,
                                   .first_port = (int)s->cfg->first_node_port,
                                   .ports = (int)s->cfg->node_ports};
    struct hub_address tunnel = {s->cfg->tunnel_address, (int)s->cfg->tunnel_port, 0};
    struct cor_err err = COR_ERR_NONE;
    if (peers_new(s->hub, &s->peers, &err) != COR_OK) {
        LOGW(s->service->log, "hub.replica.none", "reason=%s", cor_log_esc(cor_view_of(err.text)));
    }
    s->hub->peers = s->peers;
    s->kubelet = kubelet_new(&kubelet);
    if (tunnel.address[0] != '\0') {
        s->cloudstream = cloudstream_new(s->hub, &tunnel);
        s->hub->cloudstream = s->cloudstream;
    }
}

static void on_later(void *self)
{
    struct cloudhub *s = self;
    authority_follow(s->authority);
    if (s->cfg->kubelet_address[0] != '\0') {
        serve_streams(s);
    }
}

/* The CA is there, and it is known who may not come: nodes may come. */
static void on_revoked_known(void *self)
{
    struct cloudhub *s = self;
    struct cor_err err = COR_ERR_NONE;
    if (listen_all(s, &err) != COR_OK) {
        cor_service_fail(s->service, &err);
        return;
    }
    cor_timer_start(s->later, COR_MS(LATER_MS));
    s->ready = true;
    tokenctl_begin(s->tokens);
    cactl_begin(s->ca);
    (void)trust_changed(s->hub);
    LOGI(s->service->log, "hub.listening", "link=%d enrol=%d", cor_ws_port(s->hub->server),
         front_port(s->front));
    cor_service_ready(s->service);
}

static void on_authority_changed(void *self)
{
    struct cloudhub *s = self;
    if (s->ready && !(front_renew(s->front) && trust_changed(s->hub) &&
                      (s->cloudstream == NULL || cloudstream_renew(s->cloudstream)))) {
        LOGE(s->service->log, "hub.cert.bad", "the new certificate and its key do not fit");
    }
    if (s->peers != NULL) {
        peers_renew(s->peers);
    }
    cactl_followed(s->ca);
}

static void on_revoked_changed(void *self)
{
    hub_revoke(((struct cloudhub *)self)->hub);
}

/* Read after the CA, over the same connection: another TLS handshake would take longer. */
static void on_authority(void *self)
{
    struct cloudhub *s = self;
    struct revoked_spec revoked = {.loop = s->service->loop,
                                   .kube = s->kube,
                                   .log = s->service->log,
                                   .ns = s->cfg->ns,
                                   .known = on_revoked_known,
                                   .changed = on_revoked_changed,
                                   .self = s};
    s->revoked = revoked_new(&revoked);
    s->hub->revoked = s->revoked;
}

static struct hub_limits limits_of(const struct config *cfg)
{
    return (struct hub_limits){
        .outbox = {.window = (size_t)cfg->window,
                   .resend_us = COR_MS(cfg->resend_ms),
                   .writes = 5,
                   .rest_us = COR_MS(cfg->resend_ms) * 3},
        .keepalive_us = COR_MS(cfg->keepalive_ms),
        .call_us = COR_MS(cfg->call_ms),
        .nodes = (size_t)cfg->nodes,
    };
}

static enum cor_code start_parts(struct cloudhub *s, struct cor_err *err)
{
    struct cor_ws_limits ws_limits = {
        .message = PX_KUBEEDGE_MAX,
        .unfinished = 2 * (size_t)PX_KUBEEDGE_MAX,
        .queue = PX_KUBEEDGE_MAX,
        .subprotocol = strcmp(s->cfg->dialect, "coracle") == 0 ? PX_LINK_SUBPROTOCOL : NULL};
    struct hub_limits limits = limits_of(s->cfg);
    enum cor_code code = cor_kube_config_load(s->cfg->kubeconfig, &s->kube_config, err);
    if (code != COR_OK) {
        return code == COR_NOTFOUND ? COR_RETRY : code; /* it may be written later */
    }
    code = cor_kube_new(s->service->loop, &s->kube_config, &s->kube, err);
    if (code == COR_OK) {
        code = cor_ws_new(s->service->loop, s->service->log, &ws_limits, &s->ws, err);
    }
    if (code == COR_OK) {
        code = hub_new(s->service, &limits, &s->hub, err);
    }
    return code;
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct cloudhub *s = cor_alloc(sizeof(*s));
    *self_r = s;
    (void)cor_tls_keep_records();
    s->service = service;
    s->cfg = service->cfg;
    s->later = cor_timer_new(service->loop, on_later, s);
    enum cor_code code = start_parts(s, err);
    if (code != COR_OK) {
        return code;
    }
    struct census_spec census = {
        .loop = service->loop, .kube = s->kube, .log = service->log, .ns = s->cfg->ns};
    s->census = census_new(&census);
    s->hub->census = s->census;
    s->hub->ca_pem = s->kube_config.ca_pem;
    s->vault = vault_new(s->kube, s->cfg->ns);
    struct authority_spec spec = {.loop = service->loop,
                                  .kube = s->kube,
                                  .log = service->log,
                                  .ns = s->cfg->ns,
                                  .names = &s->cfg->names,
                                  .reusable_token = s->cfg->reusable_token,
                                  .ready = on_authority,
                                  .changed = on_authority_changed,
                                  .self = s};
    s->authority = authority_new(&spec);
    struct tokenctl_spec tokens = {.bus = service->bus,
                                   .log = service->log,
                                   .vault = s->vault,
                                   .authority = s->authority,
                                   .hours = s->cfg->token_hours,
                                   .most = (size_t)s->cfg->tokens,
                                   .reusable = s->cfg->reusable_token};
    s->tokens = tokenctl_new(&tokens);
    struct cactl_spec ca = {.bus = service->bus,
                            .log = service->log,
                            .vault = s->vault,
                            .authority = s->authority,
                            .census = s->census};
    s->ca = cactl_new(&ca);
    cor_bus_ctl(service->bus, VERBS, COR_COUNT(VERBS), s);
    cor_bus_stats(service->bus, stats, s);
    return COR_OK;
}

static void stop(void *self)
{
    struct cloudhub *s = self;
    cor_timer_free(&s->later);
    kubelet_free(&s->kubelet);
    peers_free(&s->peers);
    vault_free(&s->vault);
    tokenctl_free(&s->tokens);
    cactl_free(&s->ca);
    if (s->hub != NULL) {
        s->hub->cloudstream = NULL; /* its tunnels end with the ws */
    }
    cor_ws_free(&s->ws);
    cloudstream_free(&s->cloudstream);
    front_free(&s->front);
    hub_free(&s->hub);
    census_free(&s->census);
    revoked_free(&s->revoked);
    authority_free(&s->authority);
    cor_kube_free(&s->kube);
    cor_kube_config_free(&s->kube_config);
    cor_free(s);
}

static enum cor_code check(const void *cfg, struct cor_err *err)
{
    const struct config *config = cfg;
    if (config->names.count == 0) {
        return cor_err_set(err, COR_INVALID, "names: expected at least one name or address");
    }
    if (config->first_node_port + config->node_ports > 65536) {
        return cor_err_set(err, COR_INVALID,
                           "streams.node-ports: the last one would be above 65535");
    }
    if (strcmp(config->dialect, "coracle") != 0 && strcmp(config->dialect, "kubeedge") != 0) {
        return cor_err_set(err, COR_INVALID, "link.dialect: expected coracle or kubeedge");
    }
    return COR_OK;
}

const struct cor_service_spec *cloudhub_spec(void)
{
    static const struct cor_service_spec spec = {
        .name = "cloudhub",
        .summary = "server of the nodes' links: enrolment, sessions, acknowledgements",
        .conf = {ROWS, COR_COUNT(ROWS)},
        .cfg_size = sizeof(struct config),
        .messages = px_messages,
        .check = check,
        .start = start,
        .stop = stop,
    };
    return &spec;
}
