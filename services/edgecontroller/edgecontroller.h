// SPDX-License-Identifier: Apache-2.0
// Private to edgecontroller: the service's object and what its files do for each other.
#ifndef EC_EDGECONTROLLER_H
#define EC_EDGECONTROLLER_H

#include <stdbool.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/kube/client.h"
#include "common/kube/config.h"
#include "common/kube/informer.h"
#include "common/service/service.h"
#include "proto/proto.h"
#include "refs.h"

struct ec_cfg {
    struct cor_service_cfg common;
    char *kubeconfig;
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
    EC_KINDS
};

/* A node that is connected to cloudhub. */
struct ec_session {
    char *node; /* owned */
    uint64_t epoch;
    bool behind; /* not everything could be sent: send all of it again when there is room */
};

struct ec {
    struct cor_service *service;
    const struct ec_cfg *cfg;
    struct cor_kube *kube;
    struct cor_port *hub;
    struct cor_informer *informers[EC_KINDS];
    struct cor_map *sessions;  /* node -> struct ec_session, owned */
    struct cor_map *overlays;  /* "<ns>/<name>" -> struct ec_overlay, owned: see reports.c */
    bool device_status_pruned; /* the cluster's Device has no status.twins */
    uint64_t sent, calls, denied, reports, uploads;
};

/* The service's spec, for cor_service_main. */
const struct cor_service_spec *ec_spec(void);

/* Object of a kind in the mirror; NULL: none. Borrowed until the loop goes round. */
struct cor_json *ec_get(const struct ec *ec, enum ec_kind kind, const char *ns, const char *name);

/* Walks the mirror of a kind. */
struct cor_json *ec_next(const struct ec *ec, enum ec_kind kind, size_t *at);

/* Whether a kind has been listed. */
bool ec_is_synced(const struct ec *ec, enum ec_kind kind);

/* metadata.namespace or "", metadata.name. Borrowed. */
const char *ec_ns(const struct cor_json *object);
const char *ec_name(const struct cor_json *object);

/* ---- down.c: objects to nodes -------------------------------------------------------------------
 */

/* Sends an object of a kind to a node if it is connected; gone: it is deleted there. */
void ec_send(struct ec *ec, const char *node, enum ec_kind kind, const struct cor_json *object,
             bool gone);

/* Tells the node that there is no such Pod: only metadata is known. */
void ec_send_no_pod(struct ec *ec, const char *node, struct cor_view ns, struct cor_view name,
                    struct cor_view uid);

/* Sends everything a node needs. */
void ec_send_all(struct ec *ec, struct ec_session *session);

/* Sinks of the informers. */
void ec_on_node(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old);
void ec_on_pod(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old);
void ec_on_configmap(void *self, enum cor_change change, struct cor_json *object,
                     struct cor_json *old);
void ec_on_secret(void *self, enum cor_change change, struct cor_json *object,
                  struct cor_json *old);

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

/* ---- calls.c ------------------------------------------------------------------------------------
 */

enum cor_code ec_on_call(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* ---- reports.c ----------------------------------------------------------------------------------
 */

enum cor_code ec_on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err);
enum cor_code ec_on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err);
void ec_overlay_drop(void *overlay);

#endif
