// SPDX-License-Identifier: Apache-2.0
// What nodes ask of the API. A node may touch what is its own and no more: its Node and Lease, Pods
// bound to it, and what these Pods name.
#include <inttypes.h>
#include <string.h>

#include "body.h"
#include "common/base/mem.h"
#include "common/kube/path.h"
#include "edgecontroller.h"
#include "nodeports.h"
#include "own.h"
#include "proto/status.h"
#include "route.h"
#include "same.h"

enum {
    OK = 200,
    CREATED = 201,
    BAD_REQUEST = 400,
    FORBIDDEN = 403,
    NOT_FOUND = 404,
    CONFLICT = 409,
    INVALID = 422,
    UNAVAILABLE = 503,
    PATCH_TRIES = 3
};

static const char FOREIGN[] = "a node may only touch what is its own";

/* A call under way. */
struct call {
    struct ec *ec;
    struct cor_ticket ticket;
    char *node;            /* owned */
    char *key;             /* owned */
    char *uid;             /* of the Pod that a patch or delete is about; owned; "" if not known */
    struct cor_json *said; /* what goes to the API, owned; NULL: nothing */
    bool again;            /* a CREATE of this can be told from another's */
    struct cor_json *refusal; /* what was answered to it first; owned */
    int first;                /* and its HTTP status */
    unsigned tries;           /* of the PATCH */
    enum px_verb verb;
    enum px_patch patch;
    bool known; /* a Node that was to be made was there */
    bool brief; /* a success needs no body */
    uint64_t cause;
};

static void call_free(struct call *call)
{
    cor_free(call->node);
    cor_free(call->key);
    cor_free(call->uid);
    cor_json_free(&call->said);
    cor_json_free(&call->refusal);
    cor_free(call);
}

static void refuse(struct cor_in *in, uint64_t code, const char *reason, const char *message)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    px_status(code, reason, message, &text);
    struct px_api_reply reply = {.status = code, .body = cor_buf_as_view(&text)};
    cor_reply(in, &reply);
}

/* ---- answers
 * --------------------------------------------------------------------------------------- */

/* What the object itself says about whose it is. */
static bool may_see(const struct call *call, const struct cor_json *object)
{
    struct px_key key;
    return call->verb != PX_VERB_GET ||
           (px_key_parse(cor_view_of(call->key), &key) &&
            ec_is_own_object(call->ec->pods, call->node, &key, object));
}

static void reply_with(const struct call *call, uint64_t status, const struct cor_json *body)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (body != NULL && !(call->brief && status / 100 == 2)) {
        cor_json_write(body, &text);
    }
    struct px_api_reply reply = {
        .status = status,
        .body = cor_buf_as_view(&text),
        .version = cor_json_as_view(cor_json_at(body, "metadata.resourceVersion")),
    };
    cor_ticket_reply(&call->ticket, &reply);
}

static void deny(const struct call *call)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    ec_denied(call->ec, cor_view_of(call->node), cor_view_of(call->key), FOREIGN);
    px_status(FORBIDDEN, "Forbidden", FOREIGN, &text);
    struct px_api_reply reply = {.status = FORBIDDEN, .body = cor_buf_as_view(&text)};
    cor_ticket_reply(&call->ticket, &reply);
}

/* A node that is there already is told what the API knows of it (kubeedge-protocol: the kubelet of
 * an EdgeCore reads its Node from the edge's own store only). */
static void on_known_node(void *self, const struct cor_kube_response *response)
{
    struct call *call = self;
    if (response->code == COR_OK && response->body != NULL) {
        ec_greet(call->ec, call->node, response->body, call->known);
    }
    call_free(call);
}

static void push_node(struct call *call)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct cor_kube_ref ref = {.group_version = "v1", .plural = "nodes", .name = call->node};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {.method = "GET", .path = path.data};
    (void)cor_kube_send(call->ec->kube, &request, on_known_node, call);
}

/* Whether the answer may mean that the API knows no such Pod, or another one of that name. */
static bool may_be_no_more(const struct call *call, const struct px_key *key, int status)
{
    bool about_pod = cor_view_is(key->type, "pod") || cor_view_is(key->type, "podpatch");
    return about_pod && call->verb == PX_VERB_PATCH &&
           (status == NOT_FOUND || status == CONFLICT || status == INVALID);
}

/* Not what a proxy says, or a server that does not know the path. */
static bool is_no_pod(const struct cor_kube_response *response)
{
    return response->status == NOT_FOUND &&
           strcmp(cor_json_str_at(response->body, "reason", ""), "NotFound") == 0 &&
           strcmp(cor_json_str_at(response->body, "details.kind", ""), "pods") == 0;
}

static void send_call(struct call *call);

/* A PATCH says what is to be, whatever was before: when the server has lost its own race with other
 * writers (409 after five tries), it is asked again. False: often enough. */
static bool patch_again(struct call *call)
{
    if (call->verb != PX_VERB_PATCH || call->tries >= PATCH_TRIES) {
        return false;
    }
    call->tries++;
    cor_json_free(&call->refusal);
    send_call(call);
    return true;
}

static void on_pod_looked_at(void *self, const struct cor_kube_response *response)
{
    struct call *call = self;
    struct px_key key;
    bool other = response->code == COR_OK &&
                 strcmp(cor_json_str_at(response->body, "metadata.uid", call->uid), call->uid) != 0;
    if (response->code == COR_OK && !other && call->first == CONFLICT && patch_again(call)) {
        return;
    }
    cor_bus_set_cause(call->ec->service->bus, call->cause);
    reply_with(call, (uint64_t)call->first, call->refusal);
    if ((other || is_no_pod(response)) && px_key_parse(cor_view_of(call->key), &key)) {
        struct ec_lost lost = {EC_PODS, key.ns, key.name, cor_view_of(call->uid)};
        ec_send_gone(call->ec, call->node, &lost);
    }
    cor_bus_set_cause(call->ec->service->bus, 0);
    call_free(call);
}

/* A refused status says nothing about the Pod: it is deleted at the node only when it is seen that
 * the API has it no more. */
static void look_at_pod(struct call *call, const struct px_key *key,
                        const struct cor_kube_response *refusal)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_freep) char *ns = cor_view_dup(key->ns);
    auto_(cor_freep) char *name = cor_view_dup(key->name);
    struct cor_kube_ref ref = {.group_version = "v1", .plural = "pods", .ns = ns, .name = name};
    cor_kube_path(&ref, &path);
    call->first = refusal->status;
    call->refusal = cor_json_ref(refusal->body);
    struct cor_kube_request request = {.method = "GET", .path = path.data};
    (void)cor_kube_send(call->ec->kube, &request, on_pod_looked_at, call);
}

static void finish(struct call *call, const struct cor_kube_response *response)
{
    struct ec *ec = call->ec;
    struct px_key key;
    cor_bus_set_cause(ec->service->bus, call->cause);
    bool readable = px_key_parse(cor_view_of(call->key), &key);
    bool is_pod = readable && cor_view_is(key.type, "pod");
    uint64_t status = (uint64_t)response->status;
    if (response->status == 0) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        px_status(UNAVAILABLE, "ServiceUnavailable", response->text, &text);
        struct px_api_reply reply = {.status = UNAVAILABLE, .body = cor_buf_as_view(&text)};
        cor_ticket_reply(&call->ticket, &reply);
    } else if (is_pod && call->verb == PX_VERB_DELETE &&
               (status == NOT_FOUND || status == CONFLICT)) {
        reply_with(call, OK, NULL); /* it is gone: that was what was wanted */
        struct ec_lost lost = {EC_PODS, key.ns, key.name, cor_view_of(call->uid)};
        ec_send_gone(ec, call->node, &lost);
    } else if (readable && may_be_no_more(call, &key, response->status)) {
        cor_bus_set_cause(ec->service->bus, 0);
        look_at_pod(call, &key, response);
        return;
    } else if (status == CONFLICT && patch_again(call)) {
        cor_bus_set_cause(ec->service->bus, 0);
        return;
    } else if (status == OK && !may_see(call, response->body)) {
        deny(call);
    } else {
        reply_with(call, status, response->body);
    }
    bool made_node = readable && cor_view_is(key.type, "node") && call->verb == PX_VERB_CREATE;
    cor_bus_set_cause(ec->service->bus, 0);
    if (made_node && (status == CREATED || status == CONFLICT)) {
        call->known = status == CONFLICT || call->first == CONFLICT;
        push_node(call);
        return;
    }
    call_free(call);
}

/* A create whose answer was lost, or that finds the object there, may be our own, done before. */
static void on_looked_at(void *self, const struct cor_kube_response *response)
{
    struct call *call = self;
    struct cor_kube_response said = {.status = call->first, .body = call->refusal};
    said.text = "it is not known whether it was created";
    if (response->code == COR_OK && ec_is_created_from(response->body, call->said)) {
        said.status = CREATED;
        said.body = response->body;
    } else if (response->code == COR_OK) {
        said.status = CONFLICT;
    }
    finish(call, &said);
}

static bool is_uncertain(const struct call *call, const struct cor_kube_response *response)
{
    return call->again && call->said != NULL && call->verb == PX_VERB_CREATE &&
           (response->status == 0 || response->code == COR_EXISTS);
}

static void on_answer(void *self, const struct cor_kube_response *response)
{
    struct call *call = self;
    auto_(ec_route_free) struct ec_route route = {0};
    if (!is_uncertain(call, response) || !ec_route_object(cor_view_of(call->key), &route)) {
        finish(call, response);
        return;
    }
    call->first = response->status;
    call->refusal = cor_json_ref(response->body);
    struct cor_kube_request request = {.method = route.method, .path = route.path};
    (void)cor_kube_send(call->ec->kube, &request, on_looked_at, call);
}

static void send_call(struct call *call)
{
    auto_(ec_route_free) struct ec_route route = {0};
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct px_key key;
    (void)ec_route(call->verb, call->patch, cor_view_of(call->key), &route); /* as ec_on_call */
    (void)px_key_parse(cor_view_of(call->key), &key);
    struct cor_kube_request request = {
        .method = route.method, .path = route.path, .content_type = route.content_type};
    if (call->said != NULL) {
        cor_json_write(call->said, &text);
        request.body = cor_buf_as_view(&text);
    }
    if (cor_view_is(key.type, "node") && call->verb == PX_VERB_UPDATE) {
        request.method = "PATCH";
        request.content_type = COR_KUBE_MERGE;
    }
    (void)cor_kube_send(call->ec->kube, &request, on_answer, call);
}

/* ---- questions
 * ------------------------------------------------------------------------------------- */

/* What the API itself says of an object whose node was not known. */
static void on_owner_known(void *self, const struct cor_kube_response *response)
{
    struct call *call = self;
    struct px_key key;
    (void)px_key_parse(cor_view_of(call->key), &key);
    if (response->code != COR_OK) {
        finish(call, response);
    } else if (!ec_is_own_object(call->ec->pods, call->node, &key, response->body)) {
        deny(call);
        call_free(call);
    } else {
        ec_body_pin(call->said, call->verb, cor_json_str_at(response->body, "metadata.uid", ""));
        cor_free(call->uid);
        call->uid = cor_strdup(ec_body_uid(call->said, call->verb));
        send_call(call);
    }
}

/* Whether it must be looked up whose the object is: the mirrors have neither events nor Pods that
 * are not bound, and may be behind. */
static bool is_owner_unknown(const struct call *call, const struct px_key *key)
{
    bool changes =
        call->verb == PX_VERB_UPDATE || call->verb == PX_VERB_PATCH || call->verb == PX_VERB_DELETE;
    bool is_pod = cor_view_is(key->type, "pod") || cor_view_is(key->type, "podpatch");
    return changes && (cor_view_is(key->type, "event") ||
                       (is_pod && ec_bound_node(call->ec->pods, key->ns, key->name) == NULL));
}

static void start_call(struct call *call, const struct px_key *key)
{
    auto_(ec_route_free) struct ec_route route = {0};
    if (!is_owner_unknown(call, key) || !ec_route_object(cor_view_of(call->key), &route)) {
        send_call(call);
        return;
    }
    struct cor_kube_request request = {.method = route.method, .path = route.path};
    (void)cor_kube_send(call->ec->kube, &request, on_owner_known, call);
}

/* Which Pod the mirror means, when the node does not say. */
static void pin(struct call *call, const struct px_key *key)
{
    bool changes = call->verb == PX_VERB_PATCH || call->verb == PX_VERB_DELETE;
    bool is_pod = cor_view_is(key->type, "pod") || cor_view_is(key->type, "podpatch");
    if (is_pod && changes && ec_body_uid(call->said, call->verb)[0] == '\0') {
        auto_(cor_freep) char *ns = cor_view_dup(key->ns);
        auto_(cor_freep) char *name = cor_view_dup(key->name);
        const struct cor_json *pod = ec_get(call->ec, EC_PODS, ns, name);
        ec_body_pin(call->said, call->verb, cor_json_str_at(pod, "metadata.uid", ""));
    }
    call->uid = cor_strdup(is_pod ? ec_body_uid(call->said, call->verb) : "");
}

/* Takes said. */
static void take_call(struct ec *ec, struct cor_in *in, const struct px_node_call *body,
                      const struct px_key *key, struct cor_json *said)
{
    struct call *call = cor_alloc(sizeof(*call));
    call->ec = ec;
    call->ticket = cor_defer(in);
    call->node = cor_view_dup(body->node);
    call->key = cor_view_dup(body->key);
    call->verb = (enum px_verb)body->verb;
    call->patch = (enum px_patch)body->patch;
    call->brief = body->brief;
    call->said = said;
    call->again = !cor_view_is(key->type, "serviceaccounttoken");
    call->cause = cor_bus_cause(ec->service->bus);
    pin(call, key);
    start_call(call, key);
}

/* ConfigMaps and Secrets are in the mirror already. */
static bool answer_from_mirror(struct ec *ec, struct cor_in *in, const struct px_key *key)
{
    bool is_secret = cor_view_is(key->type, "secret");
    if (!is_secret && !cor_view_is(key->type, "configmap")) {
        return false;
    }
    auto_(cor_freep) char *ns = cor_view_dup(key->ns);
    auto_(cor_freep) char *name = cor_view_dup(key->name);
    struct cor_json *object = ec_get(ec, is_secret ? EC_SECRETS : EC_CONFIGMAPS, ns, name);
    if (object == NULL) {
        return false;
    }
    auto_(cor_json_free) struct cor_json *copy = cor_json_copy(object);
    cor_json_set(copy, "apiVersion", cor_json_str("v1"));
    cor_json_set(copy, "kind", cor_json_str(is_secret ? "Secret" : "ConfigMap"));
    auto_(cor_freep) char *text = cor_json_text(copy);
    struct px_api_reply reply = {
        .status = OK,
        .body = cor_view_of(text),
        .version = cor_json_as_view(cor_json_at(copy, "metadata.resourceVersion")),
    };
    cor_reply(in, &reply);
    return true;
}

/* Names that stay one element of a path (apimachinery/pkg/api/validation/path). */
static bool is_path_element(struct cor_view name)
{
    return name.len > 0 && !cor_view_is(name, ".") && !cor_view_is(name, "..") &&
           memchr(name.ptr, '/', name.len) == NULL && memchr(name.ptr, '%', name.len) == NULL;
}

static bool is_own(const struct ec *ec, const char *node, const struct px_key *key)
{
    return is_path_element(key->ns) && is_path_element(key->name) && ec_is_own(ec->pods, node, key);
}

static void refuse_call(struct ec *ec, struct cor_in *in, const struct px_node_call *call,
                        const struct cor_err *why)
{
    if (why->code == COR_DENIED) {
        ec_denied(ec, call->node, call->key, why->text);
        refuse(in, FORBIDDEN, "Forbidden", FOREIGN);
    } else {
        refuse(in, BAD_REQUEST, "BadRequest", why->text);
    }
}

/* NULL: not known. */
static const char *node_uid(struct ec *ec, const char *node)
{
    return cor_json_str_at(ec_get(ec, EC_NODES, "", node), "metadata.uid", NULL);
}

enum cor_code ec_on_call(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    const struct px_node_call *call = body;
    struct px_key key;
    struct cor_err why = COR_ERR_NONE;
    ec->calls++;
    if (!px_key_parse(call->key, &key)) {
        return cor_err_set(err, COR_INVALID, "key %s", cor_log_esc(call->key));
    }
    auto_(cor_freep) char *node = cor_view_dup(call->node);
    if (!ec_is_synced(ec, EC_PODS)) {
        refuse(in, UNAVAILABLE, "ServiceUnavailable", "the cloud side is still starting");
        return COR_OK;
    }
    if (!is_own(ec, node, &key)) {
        (void)cor_err_set(&why, COR_DENIED, "not its own");
        refuse_call(ec, in, call, &why);
        return COR_OK;
    }
    if (call->verb == PX_VERB_GET && answer_from_mirror(ec, in, &key)) {
        return COR_OK;
    }
    auto_(ec_route_free) struct ec_route route = {0};
    if (call->verb > PX_VERB_DELETE ||
        !ec_route((enum px_verb)call->verb, (enum px_patch)call->patch, call->key, &route)) {
        return cor_err_set(err, COR_UNSUPPORTED, "verb %" PRIu64 " on %s", call->verb,
                           cor_log_esc(call->key));
    }
    struct ec_said said = {.pods = ec->pods,
                           .node = node,
                           .node_uid = node_uid(ec, node),
                           .verb = (enum px_verb)call->verb,
                           .key = &key,
                           .body = call->body};
    struct cor_json *to_api = NULL;
    if (ec_body(&said, &to_api, &why) == COR_OK) {
        if (ec->cfg->streams_address[0] != '\0' && cor_view_starts(key.type, "node")) {
            int64_t port = ec_nodeports_give(ec->ports, node);
            ec_body_point(to_api, ec->cfg->streams_address,
                          port > 0 ? port : ec->cfg->streams_port);
        }
        take_call(ec, in, call, &key, to_api);
    } else {
        cor_json_free(&to_api);
        refuse_call(ec, in, call, &why);
    }
    return COR_OK;
}
