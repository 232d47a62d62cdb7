// SPDX-License-Identifier: Apache-2.0
// What a node may touch (as Kubernetes' Node authorizer and NodeRestriction): its Node and Lease,
// Pods bound to it, and the ConfigMaps, Secrets, claims and service accounts that these Pods name,
// and the volumes behind these claims. Pure.
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

/* Whether key is the node's own, as far as that can be said without the object. Unknown types are
 * nobody's. */
bool ec_is_own(const struct ec_pods *pods, const char *node, const struct px_key *key);

/* Whether the object that key names, and that ec_is_own, is the node's own: a volume says itself
 * who has claimed it, an attachment of which node it is. */
bool ec_is_own_object(const struct ec_pods *pods, const char *node, const struct px_key *key,
                      const struct cor_json *object);

#endif
