// SPDX-License-Identifier: Apache-2.0
// Which Secrets PersistentVolumes open to nodes: those that a CSI driver is given when it mounts or
// grows the volume on a node, to the nodes of whoever has claimed it. As Kubernetes' Node
// authorizer (plugin/pkg/auth/authorizer/node/graph.go) knows it. Pure. One thread.
#ifndef EC_OPENED_H
#define EC_OPENED_H

#include <stdbool.h>

#include "common/base/view.h"
#include "common/json/json.h"

struct ec_opened;

/* Knows nothing. Returns owned. */
struct ec_opened *ec_opened_new(void);

/* Frees; *opened becomes NULL. For auto_(). */
void ec_opened_free(struct ec_opened **opened);

/* The PersistentVolume is so now (borrows), or is no more. One that names no Secret or that nobody
 * has claimed is not kept. */
void ec_opened_put(struct ec_opened *opened, const struct cor_json *volume);
void ec_opened_del(struct ec_opened *opened, const struct cor_json *volume);

typedef void (*ec_opened_fn)(void *self, const char *ns, const char *name);

/* Calls fn for each Secret that volumes of this claim name, or for each claim whose volume names
 * this Secret; it may change nothing here. */
void ec_opened_secrets(const struct ec_opened *opened, const char *ns, const char *claim,
                       ec_opened_fn fn, void *self);
void ec_opened_claims(const struct ec_opened *opened, struct cor_view ns, struct cor_view secret,
                      ec_opened_fn fn, void *self);

/* The same of the Secrets that one PersistentVolume names. */
void ec_volume_secrets(const struct cor_json *volume, ec_opened_fn fn, void *self);

#endif
