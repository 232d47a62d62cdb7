// SPDX-License-Identifier: Apache-2.0
#include "edgecontroller.h"

#include <inttypes.h>

#include "claims.h"
#include "common/base/mem.h"
#include "common/kube/path.h"
#include "feeds.h"
#include "lease.h"
#include "nodeports.h"
#include "record.h"
#include "records.h"
#include "streamroute.h"
#include "tolerations.h"

static const struct cor_conf_row ROWS[] = {
    COR_SERVICE_ROWS(struct ec_cfg),
    COR_CONF_STR_ROW(struct ec_cfg, kubeconfig, "kubeconfig",
                     "/etc/coracle/edgecontroller.kubeconfig", "kubeconfig of the Kubernetes API"),
    COR_CONF_STR_ROW(struct ec_cfg, replica, "replica.address", "",
                     "of several replicas of the cloud side: address at which the others reach "
                     "this one's REST entrance; empty: it is the only one"),
    COR_CONF_STR_ROW(struct ec_cfg, target_ca, "rules.ca-file", "",
                     "certificates that https targets of rules are verified with; empty: the "
                     "system's"),
    COR_CONF_INT_ROW(struct ec_cfg, per_target, "rules.per-target", "16", 1, 256,
                     "requests under way to one target"),
    COR_CONF_INT_ROW(struct ec_cfg, all_targets, "rules.all-targets", "256", 1, 4096,
                     "requests under way to all targets; each may have one beyond it"),
    COR_CONF_INT_ROW(struct ec_cfg, target_timeout_ms, "rules.timeout-ms", "30000", 100, 600000,
                     "milliseconds until a target must have answered"),
    COR_CONF_INT_ROW(struct ec_cfg, retry_first_ms, "rules.retry-first-ms", "1000", 10, 600000,
                     "milliseconds until a message is sent again; doubles"),
    COR_CONF_INT_ROW(struct ec_cfg, retry_last_ms, "rules.retry-last-ms", "60000", 10, 3600000,
                     "longest such time"),
    COR_CONF_BOOL_ROW(struct ec_cfg, entrance, "entrance.enable", "false",
                      "whether HTTP clients may publish on nodes' brokers by rules (plain HTTP, "
                      "open to whoever reaches it)"),
    COR_CONF_STR_ROW(struct ec_cfg, entrance_address, "entrance.address", "127.0.0.1",
                     "where it listens"),
    COR_CONF_INT_ROW(struct ec_cfg, entrance_port, "entrance.port", "9443", 1, 65535, "its port"),
    COR_CONF_INT_ROW(struct ec_cfg, entrance_timeout_ms, "entrance.timeout-ms", "60000", 100,
                     600000, "milliseconds until the node's broker must have acknowledged"),
    COR_CONF_INT_ROW(struct ec_cfg, entrance_per_node, "entrance.per-node", "256", 1, 4096,
                     "publications under way to one node"),
    COR_CONF_INT_ROW(struct ec_cfg, entrance_all, "entrance.all", "512", 1, 65536,
                     "publications under way"),
    COR_CONF_STR_ROW(struct ec_cfg, streams_address, "streams.address", "",
                     "IP address at which the API server reaches cloudhub's streams.listen, for "
                     "logs and exec: Nodes are reported with it; empty: with what nodes say"),
    COR_CONF_INT_ROW(struct ec_cfg, streams_port, "streams.port", "10003", 1, 65535,
                     "port of that address"),
    COR_CONF_INT_ROW(
        struct ec_cfg, first_node_port, "streams.first-node-port", "10400", 1, 65535,
        "each node is reported with a port of its own from this one on, as metrics-server needs "
        "it: cloudhub must have the same"),
    COR_CONF_INT_ROW(struct ec_cfg, node_ports, "streams.node-ports", "0", 0, 4096,
                     "how many there are; nodes beyond them, or with 0 all, have streams.port"),
    COR_CONF_INT_ROW(struct ec_cfg, default_toleration, "autonomy.default-seconds", "300", 0,
                     1000000,
                     "tolerationSeconds that the API server gives Pods by itself: on "
                     "autonomous nodes it becomes for ever"),
};

/* An API that does not answer the first lists within this is asked for the others too; so much
 * after each other. */
enum { REST_MS = 250, EACH_MS = 5 };

#define EDGE_NODES "labelSelector=node-role.kubernetes.io%2Fedge"
#define BOUND_PODS "fieldSelector=spec.nodeName%21%3D"
#define DEVICES_V1BETA1 "devices.kubeedge.io/v1beta1"
#define RULES_V1 "rules.kubeedge.io/v1"

static const struct {
    const char *group_version;
    const char *plural;
    const char *kind;
    const char *selector;
    void (*changed)(void *self, enum cor_change change, struct cor_json *object,
                    struct cor_json *old);
    void (*synced)(void *self);
    void (*absent)(void *self);
} WATCHES[EC_KINDS] = {
    [EC_NODES] = {.group_version = "v1",
                  .plural = "nodes",
                  .kind = "Node",
                  .selector = EDGE_NODES,
                  .changed = ec_on_node,
                  .synced = ec_on_synced},
    [EC_PODS] = {.group_version = "v1",
                 .plural = "pods",
                 .kind = "Pod",
                 .selector = BOUND_PODS,
                 .changed = ec_on_pod,
                 .synced = ec_on_synced},
    [EC_CONFIGMAPS] = {.group_version = "v1",
                       .plural = "configmaps",
                       .kind = "ConfigMap",
                       .changed = ec_on_configmap,
                       .synced = ec_on_synced},
    [EC_SECRETS] = {.group_version = "v1",
                    .plural = "secrets",
                    .kind = "Secret",
                    .changed = ec_on_secret,
                    .synced = ec_on_synced},
    [EC_DEVICES] = {.group_version = DEVICES_V1BETA1,
                    .plural = "devices",
                    .kind = "Device",
                    .changed = ec_on_device,
                    .synced = ec_on_synced},
    [EC_MODELS] = {.group_version = DEVICES_V1BETA1,
                   .plural = "devicemodels",
                   .kind = "DeviceModel",
                   .changed = ec_on_model,
                   .synced = ec_on_synced},
    [EC_STATUSES] = {.group_version = DEVICES_V1BETA1,
                     .plural = "devicestatuses",
                     .kind = "DeviceStatus",
                     .changed = ec_on_status},
    [EC_RULES] = {.group_version = RULES_V1,
                  .plural = "rules",
                  .kind = "Rule",
                  .changed = ec_on_rule,
                  .synced = ec_on_rules_synced,
                  .absent = ec_on_rules_absent},
    [EC_ENDPOINTS] = {.group_version = RULES_V1,
                      .plural = "ruleendpoints",
                      .kind = "RuleEndpoint",
                      .changed = ec_on_endpoint,
                      .synced = ec_on_rules_synced,
                      .absent = ec_on_rules_absent},
    [EC_SYNCS] = {.group_version = EC_RECORD_API,
                  .plural = "objectsyncs",
                  .kind = "ObjectSync",
                  .changed = ec_on_record,
                  .synced = ec_on_records_synced,
                  .absent = ec_on_records_absent},
    [EC_CLUSTER_SYNCS] = {.group_version = EC_RECORD_API,
                          .plural = "clusterobjectsyncs",
                          .kind = "ClusterObjectSync",
                          .changed = ec_on_record,
                          .synced = ec_on_records_synced,
                          .absent = ec_on_records_absent},
    [EC_VOLUMES] = {.group_version = "v1",
                    .plural = "persistentvolumes",
                    .kind = "PersistentVolume",
                    .changed = ec_on_volume},
};

/* What must be known before messages pass: where rules send them. */
static bool is_first(enum ec_kind kind)
{
    return kind == EC_RULES || kind == EC_ENDPOINTS;
}

/* One after the other: each takes a TLS handshake, and messages are to pass between them. */
static void on_rest(void *self)
{
    struct ec *ec = self;
    cor_informer_go(ec->informers[ec->listed++]);
    if (ec->listed < EC_KINDS) {
        cor_timer_start(ec->rest, COR_MS(EACH_MS));
    }
}

void ec_list_rest(struct ec *ec)
{
    if (ec->listed == 0) {
        cor_timer_start(ec->rest, COR_MS(EACH_MS));
    }
}

/* The mirrors have objects packed; what is unpacked lives until the loop goes round. */
void ec_give_back(struct ec *ec)
{
    cor_json_free(&ec->lent);
}

static void on_round(void *self)
{
    ec_give_back(self);
}

static struct cor_json *lend(struct ec *ec, struct cor_json *object)
{
    if (object != NULL && ec->lent == NULL) {
        ec->lent = cor_json_array();
        cor_timer_start(ec->round, 0);
    }
    if (object != NULL) {
        cor_json_add(ec->lent, object);
    }
    return object;
}

struct cor_json *ec_get(struct ec *ec, enum ec_kind kind, const char *ns, const char *name)
{
    return lend(ec, cor_reflector_get(cor_informer_mirror(ec->informers[kind]), ns, name));
}

bool ec_has(const struct ec *ec, enum ec_kind kind, const char *ns, const char *name)
{
    return cor_reflector_has(cor_informer_mirror(ec->informers[kind]), ns, name);
}

struct cor_json *ec_next(struct ec *ec, enum ec_kind kind, size_t *at)
{
    return lend(ec, cor_reflector_next(cor_informer_mirror(ec->informers[kind]), at));
}

bool ec_next_name(const struct ec *ec, enum ec_kind kind, size_t *at, struct cor_view *ns_r,
                  struct cor_view *name_r)
{
    return cor_reflector_next_name(cor_informer_mirror(ec->informers[kind]), at, ns_r, name_r);
}

bool ec_is_synced(const struct ec *ec, enum ec_kind kind)
{
    return cor_reflector_is_synced(cor_informer_mirror(ec->informers[kind]));
}

const char *ec_ns(const struct cor_json *object)
{
    return cor_json_str_at(object, "metadata.namespace", "");
}

const char *ec_name(const struct cor_json *object)
{
    return cor_json_str_at(object, "metadata.name", "");
}

static const struct cor_handler HANDLERS[] = {
    {PX_node_session, ec_on_session},
    {PX_node_call, ec_on_call},
    {PX_node_report, ec_on_report},
    {PX_node_upload, ec_on_upload},
    {PX_upload, ec_on_stream_upload},
    {PX_node_alive, ec_on_alive},
    {PX_node_stored, ec_on_stored},
    {PX_node_surplus, ec_on_surplus},
    {PX_node_ask, ec_on_ask},
    {PX_node_watches, ec_on_watches},
    {PX_stream_route, ec_on_stream_route},
};

static const struct cor_port_ops HUB_OPS = {
    .down = ec_on_hub_down,
    .room = ec_on_hub_room,
    .committed = ec_upload_committed,
    .handlers = HANDLERS,
    .handler_count = COR_COUNT(HANDLERS),
};

static void start_informer(struct ec *ec, enum ec_kind kind)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct cor_kube_ref ref = {.group_version = WATCHES[kind].group_version,
                               .plural = WATCHES[kind].plural};
    cor_kube_path(&ref, &path);
    struct cor_informer_spec spec = {
        .path = path.data,
        .selector = WATCHES[kind].selector,
        .api_version = WATCHES[kind].group_version,
        .kind = WATCHES[kind].kind,
        .held = !is_first(kind),
        .sink = {.self = ec, .changed = WATCHES[kind].changed, .synced = WATCHES[kind].synced},
        .absent = WATCHES[kind].absent,
    };
    ec->informers[kind] = cor_informer_new(ec->service->loop, ec->kube, ec->service->log, &spec);
}

/* Those that messages wait for begin; the others wait for them, but not for ever. */
static void start_informers(struct ec *ec)
{
    for (unsigned kind = 0; kind < EC_KINDS; kind++) {
        start_informer(ec, (enum ec_kind)kind);
    }
    cor_timer_start(ec->rest, COR_MS(REST_MS));
}

static enum cor_code open_kube(struct ec *ec, struct cor_err *err)
{
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    enum cor_code code = cor_kube_config_load(ec->cfg->kubeconfig, &config, err);
    if (code != COR_OK) {
        return code;
    }
    return cor_kube_new(ec->service->loop, &config, &ec->kube, err);
}

static void add_stats(void *self, struct cor_buf *out)
{
    const struct ec *ec = self;
    cor_buf_fmt(out,
                ",\"nodes\":%zu,\"sentObjects\":%" PRIu64 ",\"calls\":%" PRIu64
                ",\"denied\":%" PRIu64 ",\"reports\":%" PRIu64,
                cor_map_count(ec->sessions), ec->sent, ec->calls, ec->denied, ec->reports);
    ec_router_stats(ec, out);
    ec_records_stats(ec->records, out);
    ec_feeds_stats(ec->feeds, out);
}

/* What the bus has dropped because it had come before. */
static void tell_repeats(void *self, struct cor_ledger_writer *out)
{
    const struct ec *ec = self;
    struct cor_ledger_row row = {.flow = "uploads",
                                 .role = COR_LEDGER_SINK,
                                 .stream = COR_VIEW("(dropped by the bus)"),
                                 .n = {.duplicates = cor_port_duplicates(ec->hub)}};
    if (row.n.duplicates > 0) {
        cor_ledger_row(out, &row);
    }
}

static enum cor_code start(struct cor_service *service, void **self_r, struct cor_err *err)
{
    struct ec *ec = cor_alloc(sizeof(*ec));
    ec->service = service;
    ec->cfg = service->cfg;
    ec->sessions = cor_map_new(ec_session_drop);
    ec->overlays = cor_map_new(ec_overlay_drop);
    ec->pods = ec_bound_new();
    ec->devices = ec_bound_new();
    ec->round = cor_timer_new(service->loop, on_round, ec);
    ec->rest = cor_timer_new(service->loop, on_rest, ec);
    ec->ledger = cor_ledger_new(service->bus, "edgecontroller");
    ec->report_books =
        cor_ledger_account(ec->ledger, "reports", COR_LEDGER_SINK, COR_VIEW("devices"));
    ec->leases = ec_leases_new(ec);
    ec->records = ec_records_new(ec);
    ec->surplus = ec_surplus_new(ec);
    ec->feeds = ec_feeds_new(ec);
    ec->claims = ec_claims_new(ec);
    ec->routes = ec_routes_new(ec);
    ec->tolerations = ec_tolerations_new(ec);
    ec->ports = ec_nodeports_new(ec->cfg->first_node_port, ec->cfg->node_ports);
    *self_r = ec;
    enum cor_code code = open_kube(ec, err);
    code = code == COR_OK ? ec_router_open(ec, err) : code;
    if (code != COR_OK) {
        return code;
    }
    start_informers(ec);
    code = cor_port_open(service->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER), &HUB_OPS, ec,
                         &ec->hub, err);
    if (code == COR_OK) {
        cor_ledger_source(ec->ledger, tell_repeats, ec);
        cor_bus_stats(service->bus, add_stats, ec);
        cor_service_ready(service);
    }
    return code;
}

static void stop(void *self)
{
    struct ec *ec = self;
    cor_port_close(&ec->hub);
    for (unsigned kind = 0; kind < EC_KINDS; kind++) {
        if (ec->informers[kind] != NULL) {
            cor_informer_free(&ec->informers[kind]);
        }
    }
    ec_feeds_free(&ec->feeds);
    ec_claims_free(&ec->claims);
    ec_routes_free(&ec->routes);
    ec_nodeports_free(&ec->ports);
    ec_tolerations_free(&ec->tolerations);
    ec_router_close(ec);
    if (ec->kube != NULL) {
        cor_kube_free(&ec->kube);
    }
    ec_leases_free(&ec->leases);
    ec_records_free(&ec->records);
    ec_surplus_free(&ec->surplus);
    cor_map_free(&ec->overlays);
    cor_ledger_free(&ec->ledger);
    cor_map_free(&ec->sessions);
    ec_bound_free(&ec->pods);
    ec_bound_free(&ec->devices);
    cor_timer_free(&ec->round);
    cor_timer_free(&ec->rest);
    cor_json_free(&ec->lent);
    cor_free(ec);
}

const struct cor_service_spec *ec_spec(void)
{
    static const struct cor_service_spec SPEC = {
        .name = "edgecontroller",
        .summary =
            "Carries Kubernetes objects to edge nodes and what nodes say back to Kubernetes.",
        .conf = {ROWS, COR_COUNT(ROWS)},
        .cfg_size = sizeof(struct ec_cfg),
        .messages = px_messages,
        .start = start,
        .stop = stop,
    };
    return &SPEC;
}
