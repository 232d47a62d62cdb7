// SPDX-License-Identifier: Apache-2.0
// What a path of the API names (Kubernetes API concepts, "Resource URIs"). Pure.
#ifndef KUBELITE_ROUTE_H
#define KUBELITE_ROUTE_H

#include <stdbool.h>

#include "common/base/view.h"
#include "kind.h"

enum kl_page {
    KL_PAGE_RESOURCE, /* kind, ns, name, sub are set */
    KL_PAGE_ROOT,
    KL_PAGE_API,
    KL_PAGE_APIS,
    KL_PAGE_GROUP,         /* group */
    KL_PAGE_GROUP_VERSION, /* group, version: the resources */
    KL_PAGE_VERSION,
    KL_PAGE_OPENAPI2,
    KL_PAGE_OPENAPI3, /* group, version: one document; else the index */
    KL_PAGE_HEALTH,
};

struct kl_route {
    enum kl_page page;
    const struct kl_kind *kind;
    char *group; /* owned, like the rest; "" is the core group */
    char *version;
    char *ns;   /* NULL: none in the path */
    char *name; /* NULL: the collection */
    enum kl_sub sub;
    char *rest;    /* KL_SUB_PROXY: the path behind it, as the client sent it */
    char *missing; /* "plural.group name" of a resource that is not served; else NULL */
};

/* Reads path (not decoded). False when nothing is there. Free with kl_route_free in any case. */
bool kl_route_parse(const struct kl_kinds *kinds, struct cor_view path, struct kl_route *route_r);

/* Name of a subresource in paths; "" for none. Static. */
const char *kl_sub_name(enum kl_sub sub);

/* Frees what it owns. For auto_(). */
void kl_route_free(struct kl_route *route);

#endif
