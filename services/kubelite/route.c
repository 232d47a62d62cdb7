// SPDX-License-Identifier: Apache-2.0
#include "route.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/httpd/uri.h"

enum { PARTS_MAX = 9 };

struct parts {
    char *part[PARTS_MAX];
    size_t count;
};

static void parts_free(struct parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        cor_free(parts->part[i]);
    }
}

/* Decoded, non-empty parts of path. False when one is not decodable or there are too many. */
static bool split(struct cor_view path, struct parts *parts)
{
    struct cor_view part;
    while (cor_view_split(&path, '/', &part)) {
        struct cor_buf text = {0};
        if (part.len == 0) {
            continue;
        }
        if (parts->count == PARTS_MAX || !cor_uri_decode(part, false, &text)) {
            cor_buf_free(&text);
            return false;
        }
        parts->part[parts->count++] = cor_buf_take(&text);
    }
    return true;
}

static const struct {
    const char *path;
    enum kl_page page;
} pages[] = {
    {"/", KL_PAGE_ROOT},
    {"/api", KL_PAGE_API},
    {"/apis", KL_PAGE_APIS},
    {"/version", KL_PAGE_VERSION},
    {"/openapi/v2", KL_PAGE_OPENAPI2},
    {"/openapi/v3", KL_PAGE_OPENAPI3},
    {"/healthz", KL_PAGE_HEALTH},
    {"/livez", KL_PAGE_HEALTH},
    {"/readyz", KL_PAGE_HEALTH},
};

static const struct {
    const char *name;
    enum kl_sub sub;
} subs[] = {
    {"status", KL_SUB_STATUS},
    {"binding", KL_SUB_BINDING},
    {"token", KL_SUB_TOKEN},
    {"finalize", KL_SUB_FINALIZE},
    {"scale", KL_SUB_SCALE},
    {"log", KL_SUB_LOG},
    {"exec", KL_SUB_EXEC},
    {"attach", KL_SUB_ATTACH},
    {"portforward", KL_SUB_PORTFORWARD},
    {"proxy", KL_SUB_PROXY},
    {"ephemeralcontainers", KL_SUB_EPHEMERAL},
    {"eviction", KL_SUB_EVICTION},
};

const char *kl_sub_name(enum kl_sub sub)
{
    for (size_t i = 0; i < COR_COUNT(subs); i++) {
        if (subs[i].sub == sub) {
            return subs[i].name;
        }
    }
    return "";
}

static enum kl_sub sub_of(const char *name)
{
    for (size_t i = 0; i < COR_COUNT(subs); i++) {
        if (strcmp(subs[i].name, name) == 0) {
            return subs[i].sub;
        }
    }
    return KL_SUB_UNKNOWN;
}

static bool is_page(struct cor_view path, struct kl_route *route)
{
    if (path.len > 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    for (size_t i = 0; i < COR_COUNT(pages); i++) {
        if (cor_view_is(path, pages[i].path)) {
            route->page = pages[i].page;
            return true;
        }
    }
    return false;
}

static void note_missing(const struct parts *parts, size_t at, struct kl_route *route)
{
    bool named = at + 1 < parts->count;
    route->missing = cor_sprintf("%s%s%s%s%s", parts->part[at], route->group[0] == '\0' ? "" : ".",
                                 route->group, named ? " " : "", named ? parts->part[at + 1] : "");
}

/* plural[/name[/sub]] from part at on. */
static bool resource(const struct kl_kinds *kinds, const struct parts *parts, size_t at,
                     struct kl_route *route)
{
    size_t left = parts->count - at;
    if (left == 0 || left > 3) {
        return false;
    }
    route->kind = kl_kinds_find(kinds, cor_view_of(route->group), cor_view_of(route->version),
                                cor_view_of(parts->part[at]));
    if (route->kind == NULL) {
        note_missing(parts, at, route);
    }
    if (route->kind == NULL || (route->ns != NULL && !route->kind->namespaced)) {
        return false;
    }
    if (route->kind->namespaced && route->ns == NULL && left > 1) {
        return false;
    }
    route->name = left > 1 ? cor_strdup(parts->part[at + 1]) : NULL;
    route->sub = left > 2 ? sub_of(parts->part[at + 2]) : KL_SUB_NONE;
    return route->sub == KL_SUB_NONE || (route->kind->subs & route->sub) != 0;
}

static bool is_namespace_sub(const struct parts *parts, size_t at)
{
    return parts->count == at + 3 && sub_of(parts->part[at + 2]) != KL_SUB_UNKNOWN;
}

/* openapi/v3/api/VERSION and openapi/v3/apis/GROUP/VERSION. */
static bool is_document(const struct parts *parts, struct kl_route *route)
{
    bool core = parts->count == 4 && strcmp(parts->part[2], "api") == 0;
    bool group = parts->count == 5 && strcmp(parts->part[2], "apis") == 0;
    if (strcmp(parts->part[0], "openapi") != 0 || strcmp(parts->part[1], "v3") != 0 ||
        (!core && !group)) {
        return false;
    }
    route->page = KL_PAGE_OPENAPI3;
    route->group = cor_strdup(core ? "" : parts->part[3]);
    route->version = cor_strdup(parts->part[parts->count - 1]);
    return true;
}

/* "/api/v1/nodes/NAME/proxy" and what is behind it, which is not ours to read. */
static bool is_node_proxy(const struct kl_kinds *kinds, struct cor_view path,
                          struct kl_route *route)
{
    static const char prefix[] = "/api/v1/nodes/";
    struct cor_view rest = path;
    struct cor_view name;
    struct cor_view sub;
    if (!cor_view_starts(path, prefix)) {
        return false;
    }
    rest.ptr += sizeof(prefix) - 1;
    rest.len -= sizeof(prefix) - 1;
    if (!cor_view_split(&rest, '/', &name) || !cor_view_split(&rest, '/', &sub) ||
        !cor_view_is(sub, "proxy") || memchr(name.ptr, '%', name.len) != NULL || name.len == 0) {
        return false;
    }
    route->page = KL_PAGE_RESOURCE;
    route->group = cor_strdup("");
    route->version = cor_strdup("v1");
    route->kind = kl_kinds_find(kinds, COR_VIEW(""), COR_VIEW("v1"), COR_VIEW("nodes"));
    route->name = cor_view_dup(name);
    route->sub = KL_SUB_PROXY;
    route->rest = rest.ptr == NULL ? cor_strdup("") : cor_sprintf("/%.*s", COR_VIEW_ARG(rest));
    return true;
}

bool kl_route_parse(const struct kl_kinds *kinds, struct cor_view path, struct kl_route *route_r)
{
    *route_r = (struct kl_route){0};
    if (is_page(path, route_r)) {
        return true;
    }
    if (is_node_proxy(kinds, path, route_r)) {
        return true;
    }
    auto_(parts_free) struct parts parts = {0};
    if (!split(path, &parts) || parts.count < 2) {
        return false;
    }
    if (is_document(&parts, route_r)) {
        return true;
    }
    bool core = strcmp(parts.part[0], "api") == 0;
    if (!core && strcmp(parts.part[0], "apis") != 0) {
        return false;
    }
    size_t at = core ? 1 : 2;
    route_r->group = cor_strdup(core ? "" : parts.part[1]);
    if (parts.count == at) {
        route_r->page = KL_PAGE_GROUP;
        return true;
    }
    route_r->version = cor_strdup(parts.part[at++]);
    if (parts.count == at) {
        route_r->page = KL_PAGE_GROUP_VERSION;
        return true;
    }
    route_r->page = KL_PAGE_RESOURCE;
    if (strcmp(parts.part[at], "namespaces") == 0 && parts.count > at + 2 &&
        !is_namespace_sub(&parts, at)) {
        route_r->ns = cor_strdup(parts.part[at + 1]);
        at += 2;
    }
    return resource(kinds, &parts, at, route_r);
}

void kl_route_free(struct kl_route *route)
{
    cor_freep(&route->group);
    cor_freep(&route->version);
    cor_freep(&route->ns);
    cor_freep(&route->name);
    cor_freep(&route->missing);
    cor_freep(&route->rest);
}
