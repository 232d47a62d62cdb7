// SPDX-License-Identifier: Apache-2.0
// What a node may touch (as Kubernetes' Node authorizer and NodeRestriction): its Node and Lease,
// Pods bound to it, and the ConfigMaps, Secrets, claims and service accounts that these Pods name,
// the volumes behind these claims, and the Secrets that CSI drivers are given for these. Pure.
#ifndef EC_OWN_H
#define EC_OWN_H

#include <stdbool.h>

#include "bound.h"
#include "proto/proto.h"

/* Whether key is the node's own, as far as that can be said without the object. Unknown types are
 * nobody's. */
bool ec_is_own(const struct ec_bound *pods, const char *node, const struct px_key *key);

/* Whether the object that key names, and that ec_is_own, is the node's own: a volume says itself
 * who has claimed it, an attachment of which node it is. */
bool ec_is_own_object(const struct ec_bound *pods, const char *node, const struct px_key *key,
                      const struct cor_json *object);

#endif
