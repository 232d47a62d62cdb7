// SPDX-License-Identifier: Apache-2.0
// Which Pods a node has and what they name, without a look at the Pods themselves. Pure. One
// thread.
#ifndef EC_BOUND_H
#define EC_BOUND_H

#include <stdbool.h>

#include "common/base/view.h"
#include "common/json/json.h"

struct ec_bound;

/* Knows nothing. Returns owned. */
struct ec_bound *ec_bound_new(void);

/* Frees; *bound becomes NULL. For auto_(). */
void ec_bound_free(struct ec_bound **bound);

/* The Pod or Device is so now (borrows), or is no more. One without a node is not kept. */
void ec_bound_put(struct ec_bound *bound, const struct cor_json *object);
void ec_bound_del(struct ec_bound *bound, const struct cor_json *object);

/* The node of an object; NULL: there is no such. Borrowed until the next change. */
const char *ec_bound_node(const struct ec_bound *bound, struct cor_view ns, struct cor_view name);

/* A PersistentVolume is so now (borrows), or is no more: whose Pods claim it, need its Secrets. */
void ec_bound_put_volume(struct ec_bound *bound, const struct cor_json *volume);
void ec_bound_del_volume(struct ec_bound *bound, const struct cor_json *volume);

/* Whether an object of the node in the namespace names this: type is "configmap", "secret",
 * "persistentvolumeclaim", "serviceaccount" or "model". A Secret of any namespace may be named by
 * the volume behind a claim. */
bool ec_bound_need(const struct ec_bound *bound, struct cor_view node, struct cor_view ns,
                   const char *type, struct cor_view name);

/* Calls fn for each object of a node; it may change nothing here. */
void ec_bound_of(const struct ec_bound *bound, struct cor_view node,
                 void (*fn)(void *self, const char *ns, const char *name), void *self);

/* Calls fn for each node that has an object in the namespace which names this; as above. It may be
 * called twice for one. */
void ec_bound_needing(const struct ec_bound *bound, const char *ns, const char *type,
                      const char *name, void (*fn)(void *self, const char *node), void *self);

/* Calls fn for each Secret that the volumes behind the Pod's claims name; as above. */
void ec_bound_opened(const struct ec_bound *bound, const struct cor_json *pod,
                     void (*fn)(void *self, const char *ns, const char *name), void *self);

#endif
