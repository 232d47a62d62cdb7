// SPDX-License-Identifier: Apache-2.0
#include "pages.h"

#include <string.h>

#include "common/base/mem.h"

/* Not the media type that was asked for: Go does not parse it as one. */
static const char openapi_type[] = "application/octet-stream";

static const char all_type[] =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

static struct cor_json *strings(const char *const *list)
{
    struct cor_json *array = cor_json_array();
    for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
        cor_json_add(array, cor_json_str(list[i]));
    }
    return array;
}

static void typed(struct cor_json *object, const char *kind)
{
    cor_json_set(object, "kind", cor_json_str(kind));
    cor_json_set(object, "apiVersion", cor_json_str("v1"));
}

static struct cor_json *api_versions(struct kl_request *request)
{
    static const char *const versions[] = {"v1", NULL};
    struct cor_json *page = cor_json_object();
    struct cor_json *addresses = cor_json_array();
    struct cor_json *address = cor_json_object();
    const char *host = cor_exchange_header(request->exchange, "Host");
    cor_json_set(address, "clientCIDR", cor_json_str("0.0.0.0/0"));
    cor_json_set(address, "serverAddress", cor_json_str(host == NULL ? "" : host));
    cor_json_add(addresses, address);
    cor_json_set(page, "kind", cor_json_str("APIVersions"));
    cor_json_set(page, "versions", strings(versions));
    cor_json_set(page, "serverAddressByClientCIDRs", addresses);
    return page;
}

static struct cor_json *version_of_group(const char *group, const char *version)
{
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "groupVersion", cor_json_fmt("%s/%s", group, version));
    cor_json_set(one, "version", cor_json_str(version));
    return one;
}

/* The group of a list, made when it is not there; NULL for the core group. */
static struct cor_json *group_in(struct cor_json *groups, const char *name)
{
    for (size_t i = 0; i < cor_json_count(groups); i++) {
        struct cor_json *group = cor_json_item(groups, i);
        if (strcmp(cor_json_str_at(group, "name", ""), name) == 0) {
            return group;
        }
    }
    struct cor_json *group = cor_json_object();
    cor_json_set(group, "name", cor_json_str(name));
    cor_json_set(group, "versions", cor_json_array());
    cor_json_add(groups, group);
    return group;
}

static struct cor_json *groups_of(const struct kl_kinds *kinds)
{
    struct cor_json *groups = cor_json_array();
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        if (kind->group[0] == '\0') {
            continue;
        }
        struct cor_json *group = group_in(groups, kind->group);
        auto_(cor_json_free) struct cor_json *version =
            version_of_group(kind->group, kind->version);
        struct cor_json *versions = cor_json_get(group, "versions");
        bool known = false;
        for (size_t v = 0; v < cor_json_count(versions); v++) {
            known = known || cor_json_equal(cor_json_item(versions, v), version);
        }
        if (!known) {
            cor_json_add(versions, cor_json_ref(version));
        }
        if (cor_json_get(group, "preferredVersion") == NULL) {
            cor_json_set(group, "preferredVersion", cor_json_ref(version));
        }
    }
    return groups;
}

static struct cor_json *api_groups(struct kl_request *request)
{
    struct cor_json *page = cor_json_object();
    typed(page, "APIGroupList");
    cor_json_set(page, "groups", groups_of(request->api->kinds));
    return page;
}

static struct cor_json *api_group(struct kl_request *request)
{
    auto_(cor_json_free) struct cor_json *groups = groups_of(request->api->kinds);
    for (size_t i = 0; i < cor_json_count(groups); i++) {
        struct cor_json *group = cor_json_item(groups, i);
        if (strcmp(cor_json_str_at(group, "name", ""), request->route.group) == 0) {
            typed(group, "APIGroup");
            return cor_json_ref(group);
        }
    }
    return NULL;
}

static void add_resource(struct cor_json *list, const struct kl_kind *kind, const char *sub,
                         const char *const *verbs)
{
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "name",
                 sub == NULL ? cor_json_str(kind->plural)
                             : cor_json_fmt("%s/%s", kind->plural, sub));
    cor_json_set(one, "singularName",
                 cor_json_str(kind->custom != NULL && sub == NULL ? kind->singular : ""));
    cor_json_set(one, "namespaced", cor_json_bool(kind->namespaced));
    cor_json_set(one, "kind", cor_json_str(kind->kind));
    cor_json_set(one, "verbs", strings(verbs));
    if (sub == NULL && kind->shorts != NULL) {
        cor_json_set(one, "shortNames", strings(kind->shorts));
    }
    if (sub == NULL && kind->categories != NULL) {
        cor_json_set(one, "categories", strings(kind->categories));
    }
    cor_json_add(list, one);
}

static const struct {
    enum kl_sub sub;
    const char *name;
    const char *kind;  /* NULL: the object's own */
    const char *group; /* of that kind */
    const char *verbs[6];
} subs[] = {
    {KL_SUB_STATUS, "status", NULL, NULL, {"get", "patch", "update"}},
    {KL_SUB_BINDING, "binding", "Binding", NULL, {"create"}},
    {KL_SUB_EVICTION, "eviction", "Eviction", "policy", {"create"}},
    {KL_SUB_TOKEN, "token", "TokenRequest", "authentication.k8s.io", {"create"}},
    {KL_SUB_FINALIZE, "finalize", NULL, NULL, {"update"}},
    {KL_SUB_SCALE, "scale", "Scale", "autoscaling", {"get", "patch", "update"}},
    {KL_SUB_EPHEMERAL, "ephemeralcontainers", NULL, NULL, {"get", "patch", "update"}},
    {KL_SUB_LOG, "log", NULL, NULL, {"get"}},
    {KL_SUB_EXEC, "exec", "PodExecOptions", NULL, {"create", "get"}},
    {KL_SUB_ATTACH, "attach", "PodAttachOptions", NULL, {"create", "get"}},
    {KL_SUB_PORTFORWARD, "portforward", "PodPortForwardOptions", NULL, {"create", "get"}},
    {KL_SUB_PROXY,
     "proxy",
     "NodeProxyOptions",
     NULL,
     {"create", "delete", "get", "patch", "update"}},
};

void kl_page_add_kind(struct cor_json *list, const struct kl_kind *kind)
{
    static const char *const verbs[] = {
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", NULL};
    static const char *const apart[] = {"create", "delete", "get",   "list",
                                        "patch",  "update", "watch", NULL};
    static const char *const asks[] = {"create", NULL};
    static const char *const reads[] = {"get", "list", NULL};
    bool single = kl_is(kind, KL_NAMESPACE) || kl_is(kind, KL_SERVICE);
    const char *const *own = kind->review ? asks : kind->computed ? reads : single ? apart : verbs;
    add_resource(list, kind, NULL, own);
    for (size_t i = 0; i < COR_COUNT(subs); i++) {
        if ((kind->subs & subs[i].sub) == 0) {
            continue;
        }
        add_resource(list, kind, subs[i].name, subs[i].verbs);
        struct cor_json *one = cor_json_item(list, cor_json_count(list) - 1);
        if (subs[i].kind != NULL) {
            cor_json_set(one, "kind", cor_json_str(subs[i].kind));
        }
        if (subs[i].group != NULL) {
            cor_json_set(one, "group", cor_json_str(subs[i].group));
            cor_json_set(one, "version", cor_json_str("v1"));
        }
    }
}

static struct cor_json *api_resources(struct kl_request *request)
{
    const struct kl_route *route = &request->route;
    struct cor_json *list = cor_json_array();
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(request->api->kinds, i)) != NULL; i++) {
        if (strcmp(kind->group, route->group) == 0 && strcmp(kind->version, route->version) == 0) {
            kl_page_add_kind(list, kind);
        }
    }
    if (cor_json_count(list) == 0) {
        cor_json_free(&list);
        return NULL;
    }
    struct cor_json *page = cor_json_object();
    typed(page, "APIResourceList");
    cor_json_set(page, "groupVersion",
                 route->group[0] == '\0' ? cor_json_str(route->version)
                                         : cor_json_fmt("%s/%s", route->group, route->version));
    cor_json_set(page, "resources", list);
    return page;
}

static struct cor_json *version_page(struct kl_request *request)
{
    (void)request;
    struct cor_json *page = cor_json_object();
    cor_json_set(page, "major", cor_json_str("1"));
    cor_json_set(page, "minor", cor_json_str("20"));
    cor_json_set(page, "gitVersion", cor_json_str("v1.20.2+coracle-" CORACLE_VERSION));
    cor_json_set(page, "gitCommit", cor_json_str(""));
    cor_json_set(page, "gitTreeState", cor_json_str("clean"));
    cor_json_set(page, "buildDate", cor_json_str(""));
    cor_json_set(page, "goVersion", cor_json_str(""));
    cor_json_set(page, "compiler", cor_json_str("gcc"));
    cor_json_set(page, "platform", cor_json_str("linux/amd64"));
    return page;
}

static struct cor_json *root_page(struct kl_request *request)
{
    (void)request;
    static const char *const paths[] = {"/api",     "/api/v1", "/apis",       "/healthz",
                                        "/livez",   "/readyz", "/openapi/v2", "/openapi/v3",
                                        "/version", NULL};
    struct cor_json *page = cor_json_object();
    cor_json_set(page, "paths", strings(paths));
    return page;
}

static void reply_openapi(struct kl_request *request)
{
    const char *accept = cor_exchange_header(request->exchange, "Accept");
    auto_(cor_json_free) struct cor_json *document = kl_openapi_document(request->api->kinds);
    if (accept == NULL || strstr(accept, "proto-openapi.spec.v2@v1.0+protobuf") == NULL) {
        kl_reply(request, 200, NULL, document);
        return;
    }
    struct cor_buf bytes = {0};
    kl_openapi_proto(document, &bytes);
    cor_exchange_reply(request->exchange, 200, openapi_type, &bytes);
    kl_request_free(&request);
}

static struct cor_json *openapi3(struct kl_request *request)
{
    const struct kl_route *route = &request->route;
    return route->version == NULL
               ? kl_openapi3_index(request->api->kinds)
               : kl_openapi3_document(request->api->kinds, route->group, route->version);
}

/* Clients since 1.26 ask for everything at once. */
static bool wants_all(const struct kl_request *request)
{
    const char *accept = cor_exchange_header(request->exchange, "Accept");
    bool root = request->route.page == KL_PAGE_API || request->route.page == KL_PAGE_APIS;
    return root && accept != NULL &&
           strstr(accept, "g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList") != NULL;
}

static void reply_all(struct kl_request *request)
{
    struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *all =
        kl_discovery_all(request->api->kinds, request->route.page == KL_PAGE_API);
    cor_json_write(all, &text);
    cor_exchange_reply(request->exchange, 200, all_type, &text);
    kl_request_free(&request);
}

static void reply_health(struct kl_request *request)
{
    struct cor_buf text = {0};
    bool broken = kl_storage_broken(request->api->storage);
    cor_buf_str(&text, broken ? "the disk failed\n" : "ok");
    cor_exchange_reply(request->exchange, broken ? 500 : 200, "text/plain; charset=utf-8", &text);
    kl_request_free(&request);
}

void kl_page(struct kl_request *request)
{
    static struct cor_json *(*const makers[])(struct kl_request * request) = {
        [KL_PAGE_ROOT] = root_page,
        [KL_PAGE_API] = api_versions,
        [KL_PAGE_APIS] = api_groups,
        [KL_PAGE_GROUP] = api_group,
        [KL_PAGE_GROUP_VERSION] = api_resources,
        [KL_PAGE_VERSION] = version_page,
        [KL_PAGE_OPENAPI3] = openapi3,
    };
    if (request->route.page == KL_PAGE_HEALTH) {
        reply_health(request);
        return;
    }
    if (wants_all(request)) {
        reply_all(request);
        return;
    }
    if (request->route.page == KL_PAGE_OPENAPI2) {
        reply_openapi(request);
        return;
    }
    auto_(cor_json_free) struct cor_json *page = makers[request->route.page](request);
    if (page == NULL) {
        auto_(kl_fail_free) struct kl_fail fail = {0};
        (void)kl_fail_nopath(&fail, NULL);
        kl_reply_fail(request, &fail);
        return;
    }
    kl_reply(request, 200, NULL, page);
}
