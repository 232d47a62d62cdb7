// SPDX-License-Identifier: Apache-2.0
// What a Pod needs besides itself, and whether a change of it matters to its node. Pure.
#ifndef EC_REFS_H
#define EC_REFS_H

#include <stdbool.h>

#include "common/json/json.h"

/* Called for each ConfigMap or Secret that the Pod names; may be called twice for one. type is
 * "configmap" or "secret". */
typedef void (*ec_ref_fn)(void *self, const char *type, const char *name);

/* Walks spec.volumes, init and other containers' env and envFrom, imagePullSecrets (core/v1
 * PodSpec). */
void ec_pod_refs(const struct cor_json *pod, ec_ref_fn fn, void *self);

/* Whether the Pod names this ConfigMap or Secret of its namespace. */
bool ec_pod_has_ref(const struct cor_json *pod, const char *type, const char *name);

/* Whether two states of one object differ in more than status, resourceVersion, generation and
 * managedFields: what KubeEdge's edgecontroller passes on. Of a Pod's status the conditions count
 * that its readiness gates name: others set them, and the node goes by them. */
bool ec_differs(const struct cor_json *a, const struct cor_json *b);

/* Hash of what ec_differs looks at, whatever the order of members; never 0. */
uint64_t ec_content(const struct cor_json *object);

/* Name of the node that a Pod or Device is bound to; "" for none. Borrowed from object. */
const char *ec_node_of(const struct cor_json *object);

#endif
