// SPDX-License-Identifier: Apache-2.0
// What the API of a node (KubeEdge's MetaServer) may read on the node's behalf: what the node
// itself may (Kubernetes' Node authorizer with selectors, plugin/pkg/auth/authorizer/node), its
// Devices, and what a node proxy needs (system:node-proxier): Services and where they are. Lists
// and watches hold what is the node's own and nothing else. Pure.
#ifndef EC_REACH_H
#define EC_REACH_H

#include <stdbool.h>

#include "bound.h"
#include "edgecontroller.h"

/* A collection that may be read. */
struct ec_reach {
    const char *group;    /* "": core */
    const char *versions; /* words */
    const char *plural;
    struct ec_kind_info info; /* type and kind; api_version is that of the first version */
    bool (*is_own)(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                   const struct cor_json *object); /* NULL: every node may read all */
    const char *fields; /* of lists: field that must be the node's name; NULL: none */
    bool by_name;       /* is_own looks at namespace and name only */
    bool lists;         /* may be listed and watched, not only got */
    bool pushed;        /* what is the node's own is sent to it in any case: a watch adds nothing */
};

/* The row of a collection; NULL: no node may read it. */
const struct ec_reach *ec_reach_of(struct cor_view group_version, struct cor_view plural);

/* The row of objects with that type in their keys that are not pushed; NULL: none. */
const struct ec_reach *ec_reach_of_type(struct cor_view type);

/* The same by kind. */
const struct ec_reach *ec_reach_of_kind(const char *kind);

/* Whether the object is the node's to read. */
bool ec_reach_has(const struct ec_reach *reach, const struct ec *ec, const char *node,
                  const struct cor_json *object);

/* Changes an object as KubeEdge does before it goes to a node: the API server's own EndpointSlice
 * names the node's API, 127.0.0.1:10550 (cloud/pkg/dynamiccontroller/filter/defaultmaster). */
void ec_reach_shape(const struct ec_reach *reach, struct cor_json *object);

#endif
