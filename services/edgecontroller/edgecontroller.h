// SPDX-License-Identifier: Apache-2.0
// Private to edgecontroller: the service's object and what its files do for each other.
#ifndef EC_EDGECONTROLLER_H
#define EC_EDGECONTROLLER_H

#include <stdbool.h>

#include "bound.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/kube/client.h"
#include "common/kube/config.h"
#include "common/kube/informer.h"
#include "common/ledger/ledger.h"
#include "common/log/limit.h"
#include "common/service/service.h"
#include "proto/proto.h"
#include "refs.h"

struct ec_cfg {
    struct cor_service_cfg common;
    char *kubeconfig;
    char *replica;             /* "replica.address" */
    char *target_ca;           /* "rules.ca-file" */
    int64_t per_target;        /* "rules.per-target" */
    int64_t all_targets;       /* "rules.all-targets" */
    int64_t target_timeout_ms; /* "rules.timeout-ms" */
    int64_t retry_first_ms;    /* "rules.retry-first-ms" */
    int64_t retry_last_ms;     /* "rules.retry-last-ms" */
    bool entrance;             /* "entrance.enable" */
    char *entrance_address;    /* "entrance.address" */
    int64_t entrance_port;     /* "entrance.port" */
    int64_t entrance_timeout_ms;
    int64_t entrance_per_node;
    int64_t entrance_all;
    char *streams_address;
    int64_t streams_port;
    int64_t first_node_port;
    int64_t node_ports;
    int64_t default_toleration;
};

/* Collections that are watched. */
enum ec_kind {
    EC_NODES,
    EC_PODS,
    EC_CONFIGMAPS,
    EC_SECRETS,
    EC_DEVICES,
    EC_MODELS,
    EC_STATUSES,
    EC_RULES,
    EC_ENDPOINTS,
    EC_SYNCS,         /* ObjectSync: see records.h */
    EC_CLUSTER_SYNCS, /* ClusterObjectSync */
    EC_VOLUMES,       /* PersistentVolume: for the Secrets that they name */
    EC_KINDS
};

/* A node that is connected to cloudhub. */
struct ec_session {
    char *node; /* owned */
    uint64_t epoch;
    char *subscriptions; /* topics sent last, one a line; owned; NULL: none yet */
    bool synced;         /* was told that it has been sent everything */
    bool behind;         /* not everything could be sent: send all of it again when there is room */
    bool records;        /* the node speaks KubeEdge's dialect: what it has is recorded */
    bool unrepaired;     /* its records have not been looked at since it came */
    bool whole;          /* what it should have already is sent, too */
    struct cor_log_limit audit; /* of what it may not do */
};

struct ec_router;
struct ec_records;
struct ec_routes;
struct ec_nodeports;
struct ec_tolerations;

/* Topics of rules for one node. */
enum { EC_TOPICS_MAX = 1024 };

struct ec {
    struct cor_service *service;
    const struct ec_cfg *cfg;
    struct cor_kube *kube;
    struct cor_port *hub;
    struct cor_informer *informers[EC_KINDS];
    struct cor_timer *rest;   /* until those that nothing waits for are listed: see ec_list_rest */
    unsigned listed;          /* of the kinds, by it */
    struct cor_json *lent;    /* what ec_get and ec_next have handed out in this round, an array */
    struct cor_timer *round;  /* runs while there is such */
    struct ec_bound *pods;    /* which node needs what */
    struct ec_bound *devices; /* the same of Devices */
    struct cor_map *sessions; /* node -> struct ec_session, owned */
    struct cor_map *overlays; /* "<ns>/<name>" -> struct ec_overlay, owned: see reports.c */
    struct ec_leases *leases; /* see lease.c */
    struct ec_records *records;         /* see records.h */
    bool records_absent;                /* the cluster has no ObjectSyncs */
    struct ec_surplus *surplus;         /* see surplus.c */
    struct ec_feeds *feeds;             /* see feeds.h */
    struct ec_claims *claims;           /* see claims.h */
    struct ec_routes *routes;           /* see streamroute.h */
    struct ec_nodeports *ports;         /* see nodeports.h */
    struct ec_tolerations *tolerations; /* see tolerations.h */
    size_t asking;                      /* questions under way: see ask.c */
    struct cor_ledger *ledger;
    struct ec_router *router;               /* rules at work: see router.h */
    bool rules_absent;                      /* the cluster has no Rules or RuleEndpoints */
    bool device_status_pruned;              /* the cluster's Device has no status.twins */
    struct cor_ledger_counts *report_books; /* the ledger's */
    uint64_t sent, calls, denied, reports;
    struct cor_log_limit audit; /* of nodes without a session */
};

/* The service's spec, for cor_service_main. */
const struct cor_service_spec *ec_spec(void);

/* The rules are known: what nodes send passes, and the other kinds are listed. Each list is a TLS
 * handshake of its own, which takes both ends longer than all else of a start. */
void ec_list_rest(struct ec *ec);

/* Object of a kind in the mirror; NULL: none. Borrowed until the loop goes round. */
struct cor_json *ec_get(struct ec *ec, enum ec_kind kind, const char *ns, const char *name);

/* Frees what was borrowed in this round: at the end of what may borrow much. */
void ec_give_back(struct ec *ec);

/* Whether the mirror has it. */
bool ec_has(const struct ec *ec, enum ec_kind kind, const char *ns, const char *name);

/* Walks the mirror of a kind: *at starts at 0, NULL at the end. Borrowed as above. Each is
 * unpacked: not for kinds of which there are many. */
struct cor_json *ec_next(struct ec *ec, enum ec_kind kind, size_t *at);

/* Walks the names of a kind in the same way, unpacking nothing. False at the end. */
bool ec_next_name(const struct ec *ec, enum ec_kind kind, size_t *at, struct cor_view *ns_r,
                  struct cor_view *name_r);

/* Whether a kind has been listed. */
bool ec_is_synced(const struct ec *ec, enum ec_kind kind);

/* metadata.namespace or "", metadata.name. Borrowed. */
const char *ec_ns(const struct cor_json *object);
const char *ec_name(const struct cor_json *object);

/* ---- down.c: objects to nodes -------------------------------------------------------------------
 */

/* How objects of a kind are called; all NULL: they are not sent to nodes. */
struct ec_kind_info {
    const char *type; /* in a key */
    const char *api_version;
    const char *kind;
    const char *source; /* controller that sends it (KubeEdge's route.source) */
};

/* Never NULL. */
const struct ec_kind_info *ec_kind_info(enum ec_kind kind);

/* The kind with that type in its keys. False: there is none. */
bool ec_kind_of(struct cor_view type, enum ec_kind *kind_r);

/* Sends an object of a kind to a node if it is connected; gone: it is deleted there. Not what the
 * node has already by its records. */
void ec_send(struct ec *ec, const char *node, enum ec_kind kind, const struct cor_json *object,
             bool gone);

/* The same of an object of another kind, which is called so. */
void ec_send_as(struct ec *ec, const char *node, const struct ec_kind_info *info,
                const struct cor_json *object, bool gone);

/* Of an object that is no more only this is known. */
struct ec_lost {
    enum ec_kind kind;
    struct cor_view ns; /* "": of the cluster */
    struct cor_view name;
    struct cor_view uid;
};

/* Tells the node, if it is connected, that there is no such object. */
void ec_send_gone(struct ec *ec, const char *node, const struct ec_lost *lost);

/* The same of an object of another kind; lost->kind says nothing. */
void ec_send_gone_as(struct ec *ec, const char *node, const struct ec_kind_info *info,
                     const struct ec_lost *lost);

/* Sends everything a node needs. */
void ec_send_all(struct ec *ec, struct ec_session *session);

/* A node has asked for its Node to be made; object: the Node. If it was known, the node has started
 * anew, perhaps without what it had: one with records is sent what it should have already, too. */
void ec_greet(struct ec *ec, const char *node, const struct cor_json *object, bool was_known);

/* Sinks of the informers. */
void ec_on_node(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old);
void ec_on_pod(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old);
void ec_on_configmap(void *self, enum cor_change change, struct cor_json *object,
                     struct cor_json *old);
void ec_on_secret(void *self, enum cor_change change, struct cor_json *object,
                  struct cor_json *old);
void ec_on_volume(void *self, enum cor_change change, struct cor_json *object,
                  struct cor_json *old);

/* Of each informer whose objects go down: it has listed all. */
void ec_on_synced(void *self);

/* Handlers of hub-controller. */
enum cor_code ec_on_session(void *self, struct cor_in *in, const void *body, struct cor_err *err);
void ec_on_hub_room(void *self, struct cor_port *port);
void ec_on_hub_down(void *self, struct cor_port *port);
void ec_session_drop(void *session);

/* ---- devices.c ----------------------------------------------------------------------------------
 */

void ec_on_device(void *self, enum cor_change change, struct cor_json *object,
                  struct cor_json *old);
void ec_on_model(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old);
void ec_on_status(void *self, enum cor_change change, struct cor_json *object,
                  struct cor_json *old);

/* Makes the DeviceStatus of a Device unless the mirror shows one. */
void ec_make_status(struct ec *ec, const struct cor_json *device);

/* Sends the devices of a node, their models and its membership. */
void ec_send_devices(struct ec *ec, const char *node);

/* Tells the node that a device is its no more. */
void ec_send_left(struct ec *ec, const char *node, struct cor_view ns, struct cor_view name);

/* ---- calls.c ------------------------------------------------------------------------------------
 */

enum cor_code ec_on_call(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* audit.c: a node has tried what it may not: counted, and a line in the log, within bounds for each
 * node. */
void ec_denied(struct ec *ec, struct cor_view node, struct cor_view key, const char *why);

/* ---- ask.c --------------------------------------------------------------------------------------
 */

/* Handler of NODE_ASK. */
enum cor_code ec_on_ask(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* ---- surplus.c ----------------------------------------------------------------------------------
 */

struct ec_surplus;
struct ec_surplus *ec_surplus_new(struct ec *ec);
void ec_surplus_free(struct ec_surplus **surplus);
enum cor_code ec_on_surplus(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* ---- reports.c ----------------------------------------------------------------------------------
 */

enum cor_code ec_on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err);
void ec_overlay_drop(void *overlay);

/* ---- router.c, ruleset.c, sink.c ----------------------------------------------------------------
 */

/* Makes ec->router. COR_INVALID, COR_IO: the CA file, the REST entrance. */
enum cor_code ec_router_open(struct ec *ec, struct cor_err *err);

/* Ends and frees it; after the informers have ended, before the API's client. */
void ec_router_close(struct ec *ec);

/* Appends its counters to the answer of "stats". */
void ec_router_stats(const struct ec *ec, struct cor_buf *out);

/* Forgets streams of nodes that went long ago. */
void ec_router_sweep(struct ec_router *router);

/* Sinks of the informers. */
void ec_on_rule(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old);
void ec_on_endpoint(void *self, enum cor_change change, struct cor_json *object,
                    struct cor_json *old);
void ec_on_rules_synced(void *self);
void ec_on_rules_absent(void *self);

/* Tells a node the topics of its rules: when they have changed, or again. */
void ec_send_subscriptions(struct ec *ec, struct ec_session *session, bool again);

/* The same for all nodes that are connected, when they have changed. */
void ec_send_all_subscriptions(struct ec *ec);

/* A node (NULL: every node) went: its streams are kept for a while, or until they are opened again.
 */
void ec_flows_gone(struct ec *ec, const char *node);

/* Another replica has the node: what its streams have here and is not committed is dropped, for the
 * origins send it there. */
void ec_flows_lost(struct ec *ec, const char *node);

/* Handlers of hub-controller, and its streams. */
enum cor_code ec_on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err);
enum cor_code ec_on_stream_upload(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err);
uint64_t ec_upload_committed(void *self, struct cor_port *port, const struct cor_wire_open *open);

#endif
