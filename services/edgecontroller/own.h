// SPDX-License-Identifier: Apache-2.0
// What a node may touch (as Kubernetes' Node authorizer and NodeRestriction): its Node and Lease,
// Pods bound to it, and the ConfigMaps, Secrets and service accounts that these Pods name. Pure.
#ifndef EC_OWN_H
#define EC_OWN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/json/json.h"
#include "proto/proto.h"

/* The Pods that are known. */
struct ec_pods {
    const struct cor_json *(*get)(void *self, const char *ns, const char *name); /* NULL: none */
    const struct cor_json *(*next)(void *self, size_t *at); /* *at starts at 0; NULL: the end */
    void *self;
};

/* Whether key is the node's own. Unknown types are nobody's. */
bool ec_is_own(const struct ec_pods *pods, const char *node, const struct px_key *key);

#endif
