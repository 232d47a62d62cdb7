// SPDX-License-Identifier: Apache-2.0
#include "route.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/kube/client.h"
#include "common/kube/path.h"

enum {
    GET = 1 << PX_VERB_GET,
    CREATE = 1 << PX_VERB_CREATE,
    UPDATE = 1 << PX_VERB_UPDATE,
    PATCH = 1 << PX_VERB_PATCH,
    DELETE = 1 << PX_VERB_DELETE
};

static const struct kind {
    const char *type; /* in a key */
    const char *group_version;
    const char *plural;
    bool namespaced;
    const char *patch_sub; /* subresource that a PATCH means */
    unsigned verbs;
} KINDS[] = {
    {"node", "v1", "nodes", false, "status", GET | CREATE | UPDATE | PATCH},
    {"nodepatch", "v1", "nodes", false, "status", PATCH},
    {"pod", "v1", "pods", true, "status", GET | CREATE | PATCH | DELETE},
    {"podpatch", "v1", "pods", true, "status", PATCH},
    {"configmap", "v1", "configmaps", true, NULL, GET},
    {"secret", "v1", "secrets", true, NULL, GET},
    {"lease", "coordination.k8s.io/v1", "leases", true, NULL, GET | CREATE | UPDATE},
    {"event", "v1", "events", true, NULL, CREATE | UPDATE | PATCH},
    {"persistentvolume", "v1", "persistentvolumes", false, NULL, GET},
    {"persistentvolumeclaim", "v1", "persistentvolumeclaims", true, "status", GET | PATCH},
    {"volumeattachment", "storage.k8s.io/v1", "volumeattachments", false, NULL, GET},
    {"csidriver", "storage.k8s.io/v1", "csidrivers", false, NULL, GET},
    {"csinode", "storage.k8s.io/v1", "csinodes", false, NULL, GET | CREATE | PATCH},
    {"runtimeclass", "node.k8s.io/v1", "runtimeclasses", false, NULL, GET},
    {"serviceaccounttoken", "v1", "serviceaccounts", true, NULL, GET | CREATE},
    {"device", "devices.kubeedge.io/v1beta1", "devices", true, NULL, 0},
    {"devicemodel", "devices.kubeedge.io/v1beta1", "devicemodels", true, NULL, 0},
};

static const struct kind *kind_of(struct cor_view type)
{
    for (size_t i = 0; i < COR_COUNT(KINDS); i++) {
        if (cor_view_is(type, KINDS[i].type)) {
            return &KINDS[i];
        }
    }
    return NULL;
}

static const char *method_of(enum px_verb verb)
{
    switch (verb) {
    case PX_VERB_GET:
        return "GET";
    case PX_VERB_CREATE:
        return "POST";
    case PX_VERB_UPDATE:
        return "PUT";
    case PX_VERB_PATCH:
        return "PATCH";
    case PX_VERB_DELETE:
        return "DELETE";
    case PX_VERB_LIST:
    case PX_VERB_WATCH:
        break;
    }
    return NULL;
}

bool ec_route(enum px_verb verb, enum px_patch patch, struct cor_view key, struct ec_route *route_r)
{
    struct px_key parts;
    *route_r = (struct ec_route){.method = method_of(verb)};
    const struct kind *kind = px_key_parse(key, &parts) ? kind_of(parts.type) : NULL;
    if (kind == NULL || route_r->method == NULL || (kind->verbs & (1u << verb)) == 0 ||
        parts.name.len == 0 || (kind->namespaced && parts.ns.len == 0)) {
        return false;
    }
    auto_(cor_freep) char *ns = cor_view_dup(parts.ns);
    auto_(cor_freep) char *name = cor_view_dup(parts.name);
    struct cor_kube_ref ref = {
        .group_version = kind->group_version,
        .ns = kind->namespaced ? ns : NULL,
        .plural = kind->plural,
        .name = verb == PX_VERB_CREATE ? NULL : name,
        .sub = verb == PX_VERB_PATCH ? kind->patch_sub : NULL,
    };
    route_r->content_type = COR_KUBE_JSON;
    if (verb == PX_VERB_PATCH) {
        route_r->content_type = patch == PX_PATCH_MERGE ? COR_KUBE_MERGE : COR_KUBE_STRATEGIC;
    }
    if (strcmp(kind->type, "serviceaccounttoken") == 0) {
        route_r->method = "POST"; /* TokenRequest (authentication.k8s.io/v1) */
        ref.name = name;
        ref.sub = "token";
    }
    struct cor_buf path = {0};
    cor_kube_path(&ref, &path);
    route_r->path = cor_buf_take(&path);
    return true;
}

bool ec_route_object(struct cor_view key, struct ec_route *route_r)
{
    struct px_key parts;
    *route_r = (struct ec_route){.method = "GET", .content_type = COR_KUBE_JSON};
    const struct kind *kind = px_key_parse(key, &parts) ? kind_of(parts.type) : NULL;
    if (kind == NULL || parts.name.len == 0) {
        return false;
    }
    auto_(cor_freep) char *ns = cor_view_dup(parts.ns);
    auto_(cor_freep) char *name = cor_view_dup(parts.name);
    struct cor_kube_ref ref = {.group_version = kind->group_version,
                               .ns = kind->namespaced ? ns : NULL,
                               .plural = kind->plural,
                               .name = name};
    struct cor_buf path = {0};
    cor_kube_path(&ref, &path);
    route_r->path = cor_buf_take(&path);
    return true;
}

void ec_route_free(struct ec_route *route)
{
    cor_freep(&route->path);
}
