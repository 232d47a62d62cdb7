// SPDX-License-Identifier: Apache-2.0
// Objects to nodes. Only to those that are connected: one that comes is sent everything.
#include <inttypes.h>
#include <string.h>

#include "claims.h"
#include "common/base/mem.h"
#include "edgecontroller.h"
#include "feeds.h"
#include "nodeports.h"
#include "opened.h"
#include "records.h"
#include "tolerations.h"

static const struct ec_kind_info KINDS[EC_KINDS] = {
    [EC_NODES] = {"node", "v1", "Node", "edgecontroller"},
    [EC_PODS] = {"pod", "v1", "Pod", "edgecontroller"},
    [EC_CONFIGMAPS] = {"configmap", "v1", "ConfigMap", "edgecontroller"},
    [EC_SECRETS] = {"secret", "v1", "Secret", "edgecontroller"},
    [EC_DEVICES] = {"device", "devices.kubeedge.io/v1beta1", "Device", "devicecontroller"},
    [EC_MODELS] = {"devicemodel", "devices.kubeedge.io/v1beta1", "DeviceModel", "devicecontroller"},
};

const struct ec_kind_info *ec_kind_info(enum ec_kind kind)
{
    return &KINDS[kind];
}

bool ec_kind_of(struct cor_view type, enum ec_kind *kind_r)
{
    for (unsigned i = 0; i < EC_KINDS; i++) {
        if (KINDS[i].type != NULL && cor_view_is(type, KINDS[i].type)) {
            *kind_r = (enum ec_kind)i;
            return true;
        }
    }
    return false;
}

void ec_session_drop(void *session)
{
    struct ec_session *self = session;
    if (self != NULL) {
        cor_free(self->node);
        cor_free(self->subscriptions);
        cor_free(self);
    }
}

static struct ec_session *session_of(const struct ec *ec, const char *node)
{
    return node[0] == '\0' ? NULL : cor_map_get(ec->sessions, cor_view_of(node));
}

/* The object's text with apiVersion and kind, which items of lists lack. */
static char *text_of(const struct cor_json *object, const struct ec_kind_info *info)
{
    struct cor_json *mutable = cor_json_ref((struct cor_json *)(uintptr_t)object);
    auto_(cor_json_free) struct cor_json *copy = NULL;
    if (cor_json_get(object, "kind") == NULL) {
        copy = cor_json_object();
        cor_json_set(copy, "apiVersion", cor_json_str(info->api_version));
        cor_json_set(copy, "kind", cor_json_str(info->kind));
        void *at = NULL;
        const char *key = NULL;
        struct cor_json *value = NULL;
        while (cor_json_each(object, &at, &key, &value)) {
            cor_json_set(copy, key, cor_json_ref(value));
        }
    }
    char *text = cor_json_text(copy == NULL ? mutable : copy);
    cor_json_free(&mutable);
    return text;
}

/* Whether it was handed to the hub. */
static bool send(struct ec *ec, struct ec_session *session, struct px_node_object *message)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%.*s", session->node, COR_VIEW_ARG(message->key));
    message->path = cor_view_of(path);
    message->node = cor_view_of(session->node);
    enum cor_code code = cor_send(ec->hub, PX_node_object, message);
    if (code == COR_OK) {
        ec->sent++;
    } else if (code == COR_BUSY) {
        session->behind = true;
    } else if (code == COR_TOOBIG) {
        LOGE(ec->service->log, "controller.too-big", "node=%s key=%s", session->node,
             cor_log_esc(message->key));
    }
    return code == COR_OK;
}

void ec_send(struct ec *ec, const char *node, enum ec_kind kind, const struct cor_json *object,
             bool gone)
{
    ec_send_as(ec, node, &KINDS[kind], object, gone);
}

void ec_send_as(struct ec *ec, const char *node, const struct ec_kind_info *info,
                const struct cor_json *object, bool gone)
{
    struct ec_session *session = session_of(ec, node);
    if (session == NULL ||
        (session->records && !session->whole && !gone && ec_records_cover(ec, node, object))) {
        return;
    }
    const char *ns = ec_ns(object);
    auto_(cor_freep) char *key =
        cor_sprintf("%s/%s/%s", ns[0] == '\0' ? "null" : ns, info->type, ec_name(object));
    auto_(cor_freep) char *text = text_of(object, info);
    struct px_node_object message = {
        .key = cor_view_of(key),
        .gone = gone,
        .uid = cor_json_as_view(cor_json_at(object, "metadata.uid")),
        .version = cor_json_as_view(cor_json_at(object, "metadata.resourceVersion")),
        .source = cor_view_of(info->source),
        .body = cor_view_of(text),
        .content = ec_content(object),
    };
    if (send(ec, session, &message) && session->records && !gone && !ec->records_absent) {
        ec_records_sent(ec->records, node, info, object);
    }
}

void ec_send_gone(struct ec *ec, const char *node, const struct ec_lost *lost)
{
    if (lost->kind == EC_DEVICES && session_of(ec, node) != NULL) {
        ec_send_left(ec, node, lost->ns, lost->name);
    }
    ec_send_gone_as(ec, node, ec_kind_info(lost->kind), lost);
}

void ec_send_gone_as(struct ec *ec, const char *node, const struct ec_kind_info *info,
                     const struct ec_lost *lost)
{
    struct ec_session *session = session_of(ec, node);
    if (session == NULL) {
        return;
    }
    auto_(cor_json_free) struct cor_json *object = cor_json_object();
    bool of_cluster = lost->ns.len == 0;
    /* KubeEdge does not say these two; without them MetaServer goes on showing it. */
    cor_json_set(object, "kind", cor_json_str(info->kind));
    cor_json_set(object, "apiVersion", cor_json_str(info->api_version));
    if (!of_cluster) {
        cor_json_set_at(object, "metadata.namespace", cor_json_view(lost->ns));
    }
    cor_json_set_at(object, "metadata.name", cor_json_view(lost->name));
    cor_json_set_at(object, "metadata.uid", cor_json_view(lost->uid));
    struct cor_view ns = of_cluster ? COR_VIEW("null") : lost->ns;
    auto_(cor_freep) char *key =
        cor_sprintf("%.*s/%s/%.*s", COR_VIEW_ARG(ns), info->type, COR_VIEW_ARG(lost->name));
    auto_(cor_freep) char *text = cor_json_text(object);
    struct px_node_object message = {
        .key = cor_view_of(key),
        .gone = true,
        .uid = lost->uid,
        .source = cor_view_of(info->source),
        .body = cor_view_of(text),
    };
    (void)send(ec, session, &message);
}

/* ---- what Pods need -----------------------------------------------------------------------------
 */

/* A walk over the references of one Pod, to send what they name. */
struct needs {
    struct ec *ec;
    const char *node;
    const char *ns;
    const struct cor_json *old; /* what it names needs not be sent again; may be NULL */
};

static void send_need(void *self, const char *type, const char *name)
{
    const struct needs *needs = self;
    enum ec_kind kind = strcmp(type, "secret") == 0 ? EC_SECRETS : EC_CONFIGMAPS;
    if (needs->old != NULL && ec_pod_has_ref(needs->old, type, name)) {
        return;
    }
    const struct cor_json *object = ec_get(needs->ec, kind, needs->ns, name);
    if (object != NULL) {
        ec_send(needs->ec, needs->node, kind, object, false);
    }
}

static void send_opened(void *self, const char *ns, const char *name)
{
    const struct needs *needs = self;
    const struct cor_json *secret = ec_get(needs->ec, EC_SECRETS, ns, name);
    if (secret != NULL) {
        ec_send(needs->ec, needs->node, EC_SECRETS, secret, false);
    }
}

/* First what the Pod needs, then the Pod: so it can start at once. */
static void send_pod(struct ec *ec, const struct cor_json *pod, const struct cor_json *old)
{
    struct needs needs = {ec, ec_node_of(pod), ec_ns(pod), old};
    if (session_of(ec, needs.node) != NULL) {
        ec_pod_refs(pod, send_need, &needs);
        if (old == NULL) { /* its claims stay what they are */
            ec_bound_opened(ec->pods, pod, send_opened, &needs);
        }
        ec_send(ec, needs.node, EC_PODS, pod, false);
    }
}

void ec_on_pod(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    struct ec *ec = self;
    const char *node = ec_node_of(object);
    if (change == COR_DELETED) {
        ec_bound_del(ec->pods, object);
        ec_send(ec, node, EC_PODS, object, true);
        return;
    }
    bool was_there = old != NULL && strcmp(ec_node_of(old), node) == 0;
    if (!was_there || ec_differs(object, old)) {
        ec_bound_put(ec->pods, object);
        ec_tolerations_pod(ec->tolerations, object);
        send_pod(ec, object, was_there ? old : NULL);
    }
}

/* An object on its way to the nodes that need it. */
struct spread {
    struct ec *ec;
    enum ec_kind kind;
    const struct cor_json *object;
    bool gone;
    struct cor_map *told; /* owned: those nodes */
};

static void spread_to(void *self, const char *node)
{
    const struct spread *s = self;
    if (session_of(s->ec, node) != NULL) {
        cor_map_set(s->told, cor_view_of(node), s->ec);
        ec_send(s->ec, node, s->kind, s->object, s->gone);
    }
}

/* To every node with a Pod that names it. */
static void spread(struct ec *ec, enum ec_kind kind, const char *type, enum cor_change change,
                   struct cor_json *object)
{
    struct spread s = {ec, kind, object, change == COR_DELETED, cor_map_new(NULL)};
    ec_bound_needing(ec->pods, ec_ns(object), type, ec_name(object), spread_to, &s);
    if (s.gone) {
        ec_repair_gone(ec, kind, object, s.told);
    }
    cor_map_free(&s.told);
}

void ec_on_configmap(void *self, enum cor_change change, struct cor_json *object,
                     struct cor_json *old)
{
    (void)old;
    spread(self, EC_CONFIGMAPS, "configmap", change, object);
}

void ec_on_secret(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    (void)old;
    spread(self, EC_SECRETS, "secret", change, object);
}

/* What a PersistentVolume opens to a node. */
struct opening {
    struct ec *ec;
    const struct cor_json *volume;
};

static void open_to(void *self, const char *node)
{
    const struct opening *opening = self;
    struct needs needs = {.ec = opening->ec, .node = node};
    if (session_of(needs.ec, node) != NULL) {
        ec_volume_secrets(opening->volume, send_opened, &needs);
    }
}

void ec_on_volume(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    struct ec *ec = self;
    struct opening opening = {ec, object};
    if (change == COR_DELETED) {
        ec_bound_del_volume(ec->pods, object);
    } else if (old == NULL ||
               !cor_json_equal(cor_json_get(object, "spec"), cor_json_get(old, "spec"))) {
        ec_bound_put_volume(ec->pods, object);
        ec_bound_needing(ec->pods, cor_json_str_at(object, "spec.claimRef.namespace", ""),
                         "persistentvolumeclaim", cor_json_str_at(object, "spec.claimRef.name", ""),
                         open_to, &opening);
    }
}

void ec_on_node(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    struct ec *ec = self;
    if (change != COR_DELETED) {
        ec_claims_look(ec->claims, object);
        ec_tolerations_node(ec->tolerations, object);
        ec_nodeports_seen(
            ec->ports, ec_name(object),
            cor_json_int_at(object, "status.daemonEndpoints.kubeletEndpoint.Port", 0));
    }
    if (change == COR_DELETED) {
        ec_send(ec, ec_name(object), EC_NODES, object, true);
        ec_records_sweep(ec->records, ec_name(object));
        ec_nodeports_gone(ec->ports, ec_name(object));
        ec_tolerations_node_gone(ec->tolerations, ec_name(object));
    } else if (old == NULL || ec_differs(object, old)) {
        ec_send(ec, ec_name(object), EC_NODES, object, false);
    }
}

/* ---- sessions -----------------------------------------------------------------------------------
 */

/* Says that the node has been sent everything, once that is so: then cloudhub may compare. */
static void tell_synced(struct ec *ec, struct ec_session *session)
{
    static const enum ec_kind SENT[] = {EC_NODES,   EC_PODS,    EC_CONFIGMAPS,
                                        EC_SECRETS, EC_DEVICES, EC_MODELS};
    for (size_t i = 0; i < COR_COUNT(SENT); i++) {
        if (!ec_is_synced(ec, SENT[i])) {
            return; /* ec_on_synced */
        }
    }
    if (session->synced || session->behind) {
        return;
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/%" PRIu64, session->node, session->epoch);
    struct px_node_synced message = {
        .path = cor_view_of(path), .node = cor_view_of(session->node), .epoch = session->epoch};
    enum cor_code code = cor_send(ec->hub, PX_node_synced, &message);
    session->synced = code == COR_OK;
    session->behind = code == COR_BUSY;
}

void ec_on_synced(void *self)
{
    struct ec *ec = self;
    size_t at = 0;
    void *session = NULL;
    while (cor_map_next(ec->sessions, &at, NULL, &session)) {
        tell_synced(ec, session);
    }
    ec_on_records_synced(ec);
}

static void send_again(void *self, const char *ns, const char *name)
{
    struct ec *ec = self;
    const struct cor_json *pod = ec_get(ec, EC_PODS, ns, name);
    if (pod != NULL) {
        send_pod(ec, pod, NULL);
    }
}

void ec_send_all(struct ec *ec, struct ec_session *session)
{
    session->behind = false;
    const struct cor_json *node = ec_get(ec, EC_NODES, "", session->node);
    if (node != NULL) {
        ec_send(ec, session->node, EC_NODES, node, false);
    }
    ec_bound_of(ec->pods, cor_view_of(session->node), send_again, ec);
    ec_send_devices(ec, session->node);
    ec_send_subscriptions(ec, session, true);
    ec_feeds_send(ec->feeds, session->node);
    tell_synced(ec, session);
    ec_give_back(ec);
}

void ec_greet(struct ec *ec, const char *node, const struct cor_json *object, bool was_known)
{
    struct ec_session *session = session_of(ec, node);
    if (session == NULL) {
        return;
    }
    session->whole = true;
    ec_send(ec, node, EC_NODES, object, false);
    if (session->records && was_known) {
        ec_send_all(ec, session);
    }
    session->whole = session->behind;
}

enum cor_code ec_on_session(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    struct ec *ec = self;
    const struct px_node_session *message = body;
    if (!message->up) {
        const struct ec_session *old = cor_map_get(ec->sessions, message->node);
        if (old != NULL && old->epoch == message->epoch) {
            ec_flows_gone(ec, old->node);
            ec_feeds_end(ec->feeds, old->node);
            ec_claims_end(ec->claims, old->node);
            (void)cor_map_del(ec->sessions, message->node);
        }
        return COR_OK;
    }
    struct ec_session *session = cor_alloc(sizeof(*session));
    session->node = cor_view_dup(message->node);
    session->epoch = message->epoch;
    session->records = message->records;
    session->unrepaired = message->records;
    ec_feeds_end(ec->feeds, session->node); /* it says what it watches now */
    cor_map_set(ec->sessions, message->node, session);
    LOGI(ec->service->log, "controller.node-up", "node=%s epoch=%" PRIu64, session->node,
         session->epoch);
    ec_send_all(ec, session);
    ec_repair(ec);
    ec_claims_begin(ec->claims, message);
    return COR_OK;
}

void ec_on_hub_room(void *self, struct cor_port *port)
{
    (void)port;
    struct ec *ec = self;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(ec->sessions, &at, NULL, &value)) {
        struct ec_session *session = value;
        if (session->behind) {
            ec_send_all(ec, session);
            session->whole = session->whole && session->behind;
        }
    }
}

/* cloudhub tells all its nodes again when it comes back. */
void ec_on_hub_down(void *self, struct cor_port *port)
{
    (void)port;
    struct ec *ec = self;
    ec_flows_gone(ec, NULL);
    ec_feeds_end(ec->feeds, NULL);
    ec_claims_end(ec->claims, NULL);
    cor_map_free(&ec->sessions);
    ec->sessions = cor_map_new(ec_session_drop);
}
