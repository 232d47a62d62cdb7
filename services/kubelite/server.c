// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "pages.h"
#include "rbac.h"
#include "token.h"

/* "system:serviceaccounts:NS" of "system:serviceaccount:NS:NAME". Returns owned. */
static char *account_group(const char *name)
{
    struct cor_view rest = cor_view_of(name);
    struct cor_view part = {0};
    for (int i = 0; i < 3 && cor_view_split(&rest, ':', &part); i++) {}
    return cor_sprintf("system:serviceaccounts:%.*s", COR_VIEW_ARG(part));
}

/* By client certificate: CN and O; by bearer token: a ServiceAccount. */
static bool authenticate(struct kl_request *request)
{
    struct kl_user *user = &request->user;
    const char *name = cor_exchange_peer_name(request->exchange);
    const char *header = cor_exchange_header(request->exchange, "Authorization");
    if (name != NULL && name[0] != '\0') {
        user->name = cor_strdup(name);
        const char *org = NULL;
        for (size_t i = 0; (org = cor_exchange_peer_org(request->exchange, i)) != NULL; i++) {
            kl_user_add_group(user, org);
        }
    } else if (header != NULL && strncmp(header, "Bearer ", 7) == 0) {
        user->name = kl_token_user(request->api, cor_view_trim(cor_view_of(header + 7)));
        if (user->name == NULL) {
            return false;
        }
        kl_user_add_group(user, "system:serviceaccounts");
        auto_(cor_freep) char *of_ns = account_group(user->name);
        kl_user_add_group(user, of_ns);
    } else {
        return false;
    }
    kl_user_add_group(user, "system:authenticated");
    return true;
}

/* Everybody may look at what is served, and ask what he may do. */
static bool authorized(const struct kl_request *request)
{
    if (request->route.page != KL_PAGE_RESOURCE || request->route.kind == NULL ||
        kl_is(request->route.kind, KL_SELF_ACCESS_REVIEW)) {
        return true;
    }
    struct kl_deed deed = kl_deed_of(request);
    return kl_allowed(request->api, &request->user, &deed);
}

static enum kl_show show_of(const char *accept)
{
    struct cor_view rest = cor_view_of(accept == NULL ? "" : accept);
    struct cor_view part;
    while (cor_view_split(&rest, ',', &part)) {
        auto_(cor_freep) char *text = cor_view_dup(part);
        if (strstr(text, "application/json") == NULL) {
            continue;
        }
        if (strstr(text, "as=Table") == NULL) {
            if (strstr(text, "as=") == NULL) {
                return KL_SHOW_JSON;
            }
            continue;
        }
        if (strstr(text, "v=v1beta1") != NULL) {
            return KL_SHOW_TABLE_BETA;
        }
        return KL_SHOW_TABLE;
    }
    return KL_SHOW_JSON;
}

static bool read_options(struct kl_request *request, struct kl_fail *fail)
{
    auto_(cor_freep) char *dry = cor_query_get(request->query, "dryRun");
    auto_(cor_freep) char *include = cor_query_get(request->query, "includeObject");
    auto_(cor_freep) char *strict = cor_query_get(request->query, "fieldValidation");
    request->show = show_of(cor_exchange_header(request->exchange, "Accept"));
    request->dry_run = dry != NULL && strcmp(dry, "All") == 0;
    if (dry != NULL && dry[0] != '\0' && !request->dry_run) {
        (void)kl_fail_bad(fail, "Invalid value: \"%s\": dryRun: supported values: \"All\"", dry);
        return false;
    }
    if (include != NULL && strcmp(include, "Object") == 0) {
        request->include = KL_INCLUDE_OBJECT;
    } else if (include != NULL && strcmp(include, "None") == 0) {
        request->include = KL_INCLUDE_NONE;
    }
    if (strict != NULL && strcmp(strict, "Strict") == 0) {
        request->strict = KL_STRICT;
    } else if (strict != NULL && strcmp(strict, "Warn") == 0) {
        request->strict = KL_WARN;
    }
    return true;
}

typedef void (*handler_fn)(struct kl_request *request);

static void read_collection(struct kl_request *request)
{
    if (cor_query_is(request->query, "watch")) {
        kl_read_watch(request);
    } else {
        kl_read_list(request);
    }
}

static void read_named(struct kl_request *request)
{
    if (cor_query_is(request->query, "watch")) {
        kl_read_watch(request);
    } else {
        kl_read_object(request);
    }
}

/* What can be done where: a collection, an object, its subresources. */
static const struct {
    const char *method;
    bool named;
    unsigned subs; /* 0: the object itself */
    handler_fn handler;
} handlers[] = {
    {"GET", false, 0, read_collection},
    {"GET", true, 0, read_named},
    {"GET", true, KL_SUB_STATUS | KL_SUB_EPHEMERAL, kl_read_object},
    {"POST", false, 0, kl_write_create},
    {"PUT", true, 0, kl_write_update},
    {"PUT", true, KL_SUB_STATUS | KL_SUB_FINALIZE | KL_SUB_EPHEMERAL, kl_write_update},
    {"PATCH", true, 0, kl_write_patch},
    {"PATCH", true, KL_SUB_STATUS | KL_SUB_EPHEMERAL, kl_write_patch},
    {"DELETE", true, 0, kl_write_delete},
    {"POST", true, KL_SUB_BINDING, kl_write_binding},
    {"POST", true, KL_SUB_EVICTION, kl_write_eviction},
    {"POST", true, KL_SUB_TOKEN, kl_write_token},
    {"DELETE", false, 0, kl_write_delete_collection},
    {"GET", true, KL_SUB_SCALE, kl_read_scale},
    {"PUT", true, KL_SUB_SCALE, kl_write_scale},
    {"PATCH", true, KL_SUB_SCALE, kl_write_scale},
    {"GET", true, KL_SUB_LOG | KL_SUB_EXEC | KL_SUB_ATTACH | KL_SUB_PORTFORWARD, kl_connect_pod},
    {"POST", true, KL_SUB_EXEC | KL_SUB_ATTACH | KL_SUB_PORTFORWARD, kl_connect_pod},
    {"GET", true, KL_SUB_PROXY, kl_connect_node},
    {"POST", true, KL_SUB_PROXY, kl_connect_node},
    {"PUT", true, KL_SUB_PROXY, kl_connect_node},
    {"PATCH", true, KL_SUB_PROXY, kl_connect_node},
    {"DELETE", true, KL_SUB_PROXY, kl_connect_node},
};

static handler_fn handler_of(const struct kl_route *route, const char *method)
{
    if (route->kind->review) {
        handler_fn review =
            kl_is(route->kind, KL_TOKEN_REVIEW) ? kl_write_token_review : kl_write_review;
        return strcmp(method, "POST") == 0 && route->name == NULL ? review : NULL;
    }
    if (route->kind->computed) {
        return strcmp(method, "GET") == 0 && route->sub == KL_SUB_NONE ? kl_metrics_read : NULL;
    }
    for (size_t i = 0; i < COR_COUNT(handlers); i++) {
        bool sub_fits = handlers[i].subs == 0 ? route->sub == KL_SUB_NONE
                                              : (handlers[i].subs & route->sub) != 0;
        if (strcmp(handlers[i].method, method) == 0 && handlers[i].named == (route->name != NULL) &&
            sub_fits) {
            return handlers[i].handler;
        }
    }
    return NULL;
}

/* The real server lets nobody sweep these away together. */
static bool can_sweep(const struct kl_kind *kind)
{
    return !kl_is(kind, KL_NAMESPACE) && !kl_is(kind, KL_SERVICE);
}

/* What is made or swept away must be in a namespace, for namespaced kinds. */
static bool placed(const struct kl_route *route, const char *method)
{
    bool sweeps = strcmp(method, "DELETE") == 0 && route->name == NULL;
    if (sweeps && !can_sweep(route->kind)) {
        return false;
    }
    return (strcmp(method, "POST") != 0 && !sweeps) || !route->kind->namespaced ||
           route->ns != NULL;
}

static void forbid(struct kl_request *request, struct kl_fail *fail)
{
    const struct kl_route *route = &request->route;
    struct kl_deed deed = kl_deed_of(request);
    bool sub = deed.sub != NULL && deed.sub[0] != '\0';
    bool spaced = route->ns != NULL;
    auto_(cor_freep) char *why = cor_sprintf(
        "User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\" %s%s%s", request->user.name,
        deed.verb, deed.resource, sub ? "/" : "", sub ? deed.sub : "", deed.group,
        spaced ? "in the namespace \"" : "at the cluster scope", spaced ? route->ns : "",
        spaced ? "\"" : "");
    (void)kl_fail_forbidden(fail, route->kind, route->name == NULL ? "" : route->name, why);
    kl_reply_fail(request, fail);
}

static void nopath(const struct kl_request *request, const char *method, struct kl_fail *fail)
{
    if (request->route.missing == NULL) {
        (void)kl_fail_nopath(fail, NULL);
        return;
    }
    auto_(cor_freep) char *what = cor_sprintf("%s %s", method, request->route.missing);
    for (char *c = what; *c != ' '; c++) {
        *c = (char)(*c | 0x20);
    }
    (void)kl_fail_nopath(fail, what);
}

static void dispatch(struct kl_request *request, bool found)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    const char *method = cor_exchange_method(request->exchange);
    handler_fn handler = NULL;
    if (!found) {
        nopath(request, method, &fail);
    } else if (!authorized(request)) {
        forbid(request, &fail);
        return;
    } else if (request->route.page != KL_PAGE_RESOURCE) {
        handler = strcmp(method, "GET") == 0 ? kl_page : NULL;
    } else if (placed(&request->route, method)) {
        handler = handler_of(&request->route, method);
    }
    if (found && handler == NULL) {
        (void)kl_fail_method(&fail);
    }
    if (handler == NULL || !read_options(request, &fail)) {
        kl_reply_fail(request, &fail);
        return;
    }
    handler(request);
}

void kl_serve(void *self, struct cor_exchange *exchange)
{
    struct kl_request *request = cor_alloc(sizeof(*request));
    request->api = self;
    request->exchange = exchange;
    request->query = cor_exchange_query(exchange);
    request->status = 200;
    bool found = kl_route_parse(request->api->kinds, cor_exchange_path(exchange), &request->route);
    bool open = found && request->route.page == KL_PAGE_HEALTH;
    if (!open && !authenticate(request)) {
        auto_(kl_fail_free) struct kl_fail fail = {0};
        (void)kl_fail_other(&fail, 401, "Unauthorized", "Unauthorized");
        kl_reply_fail(request, &fail);
        return;
    }
    dispatch(request, found);
}

static const struct {
    int status;
    const char *reason;
} refusals[] = {
    {413, "RequestEntityTooLarge"},
    {415, "UnsupportedMediaType"},
    {501, "NotImplemented"},
};

char *kl_refusal(void *self, int status, const char *text, const char **type_r)
{
    (void)self;
    const char *reason = "BadRequest";
    for (size_t i = 0; i < COR_COUNT(refusals); i++) {
        reason = refusals[i].status == status ? refusals[i].reason : reason;
    }
    auto_(kl_fail_free) struct kl_fail fail = {0};
    (void)kl_fail_other(&fail, status, reason, "%s", text);
    auto_(cor_json_free) struct cor_json *body = kl_fail_json(&fail);
    *type_r = "application/json";
    return cor_json_text(body);
}
