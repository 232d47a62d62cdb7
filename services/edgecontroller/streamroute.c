// SPDX-License-Identifier: Apache-2.0
// A request to a node's API has come to cloudhub (STREAM_ROUTE): who asks, may he, and which node
// is meant. The API server judges, as for a kubelet with webhook authorization
// (k8s.io/kubernetes pkg/kubelet/server/auth.go): TokenReview of who has no certificate, then
// SubjectAccessReview of nodes/SUBRESOURCE. What it has said counts for a while.
#include <string.h>

#include "claims.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "edgecontroller.h"
#include "nodeports.h"
#include "streamroute.h"

/* The kubelet's: what was allowed, what was not (authorization-webhook-cache-*-ttl). */
enum { ALLOWED_S = 300, DENIED_S = 30, KNOWN_MAX = 1024, ROUTING_MAX = 256, REVIEW_S = 10 };

struct verdict {
    bool allowed;
    struct cor_mono until;
};

struct ec_routes {
    struct ec *ec;
    struct cor_map *known; /* who and what, as text -> struct verdict, owned */
    size_t count;          /* under way */
    struct cor_link all;
};

/* A question under way. */
struct route {
    struct cor_link link;
    struct ec_routes *routes;
    struct cor_ticket ticket;
    struct cor_kube_call *call;
    char *node;
    char *verb;
    const char *sub;      /* of nodes */
    struct cor_json *who; /* {"user":..,"groups":[..]} as in a SubjectAccessReview's spec */
    char *key;            /* in known */
};

static void route_free(struct route *route)
{
    cor_list_del(&route->link);
    route->routes->count--;
    cor_kube_cancel(&route->call);
    cor_json_free(&route->who);
    cor_free(route->node);
    cor_free(route->verb);
    cor_free(route->key);
    cor_free(route);
}

static void refuse(struct cor_in *in, uint64_t status, const char *text)
{
    struct px_stream_routed reply = {.status = status, .text = cor_view_of(text)};
    cor_reply(in, &reply);
}

static void end(struct route *route, uint64_t status, const char *text)
{
    struct px_stream_routed reply = {.status = status, .text = cor_view_of(text)};
    if (status == 200) {
        const char *owner = ec_claims_owner(route->routes->ec->claims, route->node);
        reply.node = cor_view_of(route->node);
        reply.replica = cor_view_of(owner == NULL ? "" : owner);
    }
    cor_ticket_reply(&route->ticket, &reply);
    route_free(route);
}

/* ---- which node ---- */

/* Part number index of the path, from 0. */
static struct cor_view part_of(struct cor_view path, size_t index)
{
    struct cor_view part = {0};
    if (path.len > 0 && path.ptr[0] == '/') {
        path = (struct cor_view){path.ptr + 1, path.len - 1};
    }
    for (size_t i = 0; i <= index; i++) {
        if (!cor_view_split(&path, '/', &part)) {
            return (struct cor_view){0};
        }
    }
    return part;
}

char *ec_route_pod_node(struct ec *ec, struct cor_view path)
{
    static const char *const OF_PODS[] = {"containerLogs", "exec", "attach", "portForward", "run"};
    struct cor_view first = part_of(path, 0);
    for (size_t i = 0; i < COR_COUNT(OF_PODS); i++) {
        if (cor_view_is(first, OF_PODS[i])) {
            auto_(cor_freep) char *ns = cor_view_dup(part_of(path, 1));
            auto_(cor_freep) char *name = cor_view_dup(part_of(path, 2));
            struct cor_json *pod = ec_get(ec, EC_PODS, ns, name);
            return cor_strdup(cor_json_str_at(pod, "spec.nodeName", ""));
        }
    }
    return NULL;
}

/* The node that is meant; NULL: text_r says why there is none. */
static char *find_node(struct ec *ec, const struct px_stream_route *asked, const char **text_r)
{
    struct cor_view host = asked->host;
    struct cor_view label = host;
    char *node = ec_route_pod_node(ec, asked->path);
    if (node != NULL && node[0] != '\0') {
        return node;
    }
    if (node != NULL) {
        cor_free(node);
        *text_r = "no such Pod, or it has no node";
        return NULL;
    }
    const char *of_port = ec_nodeports_node(ec->ports, asked->port);
    if (of_port != NULL) {
        return cor_strdup(of_port);
    }
    node = cor_view_dup(host);
    if (ec_has(ec, EC_NODES, NULL, node)) {
        return node;
    }
    cor_free(node);
    (void)cor_view_split(&host, '.', &label);
    node = cor_view_dup(label);
    if (ec_has(ec, EC_NODES, NULL, node)) {
        return node;
    }
    cor_free(node);
    *text_r = "neither the path nor the port nor the host says which node is meant";
    return NULL;
}

/* ---- who, and may he ---- */

static const char *subresource_of(struct cor_view path)
{
    static const struct {
        const char *first;
        const char *sub;
    } ROWS[] = {{"stats", "stats"}, {"metrics", "metrics"}, {"logs", "log"}, {"spec", "spec"}};
    struct cor_view first = part_of(path, 0);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (cor_view_is(first, ROWS[i].first)) {
            return ROWS[i].sub;
        }
    }
    return "proxy";
}

static const char *verb_of(struct cor_view method)
{
    static const struct {
        const char *method;
        const char *verb;
    } ROWS[] = {{"POST", "create"}, {"PUT", "update"}, {"PATCH", "patch"}, {"DELETE", "delete"}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (cor_view_is(method, ROWS[i].method)) {
            return ROWS[i].verb;
        }
    }
    return "get";
}

static bool is_master(const struct cor_json *who)
{
    const struct cor_json *groups = cor_json_get(who, "groups");
    for (size_t i = 0; i < cor_json_count(groups); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(groups, i), ""), "system:masters") == 0) {
            return true;
        }
    }
    return false;
}

static void judged(struct route *route, bool allowed)
{
    if (allowed) {
        end(route, 200, "");
        return;
    }
    auto_(cor_freep) char *text =
        cor_sprintf("Forbidden (user=%s, verb=%s, resource=nodes, subresource=%s)",
                    cor_json_str_at(route->who, "user", ""), route->verb, route->sub);
    end(route, 403, text);
}

static void remember(struct route *route, bool allowed)
{
    struct ec_routes *routes = route->routes;
    struct verdict *verdict = cor_alloc(sizeof(*verdict));
    *verdict = (struct verdict){
        allowed, cor_mono_add(cor_mono_now(), COR_SEC(allowed ? ALLOWED_S : DENIED_S))};
    if (cor_map_count(routes->known) >= KNOWN_MAX) {
        cor_map_free(&routes->known);
        routes->known = cor_map_new(cor_free);
    }
    cor_map_set(routes->known, cor_view_of(route->key), verdict);
}

static void on_reviewed(void *self, const struct cor_kube_response *response)
{
    struct route *route = self;
    route->call = NULL;
    if (response->code != COR_OK) {
        end(route, 503, "the Kubernetes API does not say whether this is allowed");
        return;
    }
    bool allowed = cor_json_bool_at(response->body, "status.allowed", false);
    remember(route, allowed);
    judged(route, allowed);
}

static void review(struct route *route, const char *path, struct cor_json *body, cor_kube_fn fn)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write(body, &text);
    struct cor_kube_request request = {.method = "POST",
                                       .path = path,
                                       .body = cor_buf_as_view(&text),
                                       .timeout_us = COR_SEC(REVIEW_S)};
    route->call = cor_kube_send(route->routes->ec->kube, &request, fn, route);
    cor_json_free(&body);
}

static void authorize(struct route *route)
{
    auto_(cor_buf_free) struct cor_buf who = {0};
    if (is_master(route->who)) {
        judged(route, true);
        return;
    }
    cor_json_write(route->who, &who);
    route->key = cor_sprintf("%s %s %s %s", route->node, route->verb, route->sub, who.data);
    const struct verdict *known = cor_map_get(route->routes->known, cor_view_of(route->key));
    if (known != NULL && cor_mono_since(known->until, cor_mono_now()) > 0) {
        judged(route, known->allowed);
        return;
    }
    struct cor_json *body = cor_json_object();
    cor_json_set(body, "apiVersion", cor_json_str("authorization.k8s.io/v1"));
    cor_json_set(body, "kind", cor_json_str("SubjectAccessReview"));
    cor_json_set(body, "spec", cor_json_copy(route->who));
    cor_json_set_at(body, "spec.resourceAttributes.verb", cor_json_str(route->verb));
    cor_json_set_at(body, "spec.resourceAttributes.version", cor_json_str("v1"));
    cor_json_set_at(body, "spec.resourceAttributes.resource", cor_json_str("nodes"));
    cor_json_set_at(body, "spec.resourceAttributes.subresource", cor_json_str(route->sub));
    cor_json_set_at(body, "spec.resourceAttributes.name", cor_json_str(route->node));
    review(route, "/apis/authorization.k8s.io/v1/subjectaccessreviews", body, on_reviewed);
}

static void on_identified(void *self, const struct cor_kube_response *response)
{
    struct route *route = self;
    route->call = NULL;
    if (response->code != COR_OK) {
        end(route, 503, "the Kubernetes API does not say whose token this is");
        return;
    }
    const char *user = cor_json_str_at(response->body, "status.user.username", "");
    if (!cor_json_bool_at(response->body, "status.authenticated", false) || user[0] == '\0') {
        end(route, 401, "Unauthorized");
        return;
    }
    const struct cor_json *groups = cor_json_at(response->body, "status.user.groups");
    route->who = cor_json_object();
    cor_json_set(route->who, "user", cor_json_str(user));
    cor_json_set(route->who, "groups", groups == NULL ? cor_json_array() : cor_json_copy(groups));
    authorize(route);
}

static void identify(struct route *route, struct cor_view token)
{
    struct cor_json *body = cor_json_object();
    cor_json_set(body, "apiVersion", cor_json_str("authentication.k8s.io/v1"));
    cor_json_set(body, "kind", cor_json_str("TokenReview"));
    cor_json_set_at(body, "spec.token", cor_json_view(token));
    review(route, "/apis/authentication.k8s.io/v1/tokenreviews", body, on_identified);
}

static void take_certificate(struct route *route, const struct px_stream_route *asked)
{
    struct cor_json *groups = cor_json_array();
    for (size_t i = 0; i < asked->groups.count; i++) {
        cor_json_add(groups, cor_json_view(((const struct cor_view *)asked->groups.items)[i]));
    }
    cor_json_add(groups, cor_json_str("system:authenticated"));
    route->who = cor_json_object();
    cor_json_set(route->who, "user", cor_json_view(asked->user));
    cor_json_set(route->who, "groups", groups);
}

enum cor_code ec_on_stream_route(void *self, struct cor_in *in, const void *body,
                                 struct cor_err *err)
{
    struct ec *ec = self;
    const struct px_stream_route *asked = body;
    const char *text = "";
    (void)err;
    if (asked->user.len == 0 && asked->token.len == 0) {
        refuse(in, 401, "Unauthorized");
        return COR_OK;
    }
    if (ec->routes->count >= ROUTING_MAX) {
        refuse(in, 503, "too many requests at once");
        return COR_OK;
    }
    char *node = find_node(ec, asked, &text);
    if (node == NULL) {
        refuse(in, 404, text);
        return COR_OK;
    }
    struct route *route = cor_alloc(sizeof(*route));
    route->routes = ec->routes;
    route->ticket = cor_defer(in);
    route->node = node;
    route->verb = cor_strdup(verb_of(asked->method));
    route->sub = subresource_of(asked->path);
    cor_list_init(&route->link);
    cor_list_add(&ec->routes->all, &route->link);
    ec->routes->count++;
    if (asked->user.len > 0) {
        take_certificate(route, asked);
        authorize(route);
    } else {
        identify(route, asked->token);
    }
    return COR_OK;
}

struct ec_routes *ec_routes_new(struct ec *ec)
{
    struct ec_routes *routes = cor_alloc(sizeof(*routes));
    routes->ec = ec;
    routes->known = cor_map_new(cor_free);
    cor_list_init(&routes->all);
    return routes;
}

void ec_routes_free(struct ec_routes **routes)
{
    if (*routes != NULL) {
        while (!cor_list_empty(&(*routes)->all)) {
            route_free(COR_LIST_OBJECT((*routes)->all.next, struct route, link));
        }
        cor_map_free(&(*routes)->known);
        cor_freep(routes);
    }
}
