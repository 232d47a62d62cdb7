// SPDX-License-Identifier: Apache-2.0
// What a driver says of this node, and what the CSINode and the Node say of it then. Pure. Source:
// k8s.io/kubernetes pkg/volume/csi/nodeinfomanager. Any thread.
#ifndef EDGED_CSI_NODEINFO_H
#define EDGED_CSI_NODEINFO_H

#include "common/json/json.h"
#include "services/edged/csi/csi.pb-c.h"

/* Of one driver; all owned. */
struct csi_node_info {
    char *id;
    int64_t most;              /* volumes that the node can have; 0: it does not say */
    struct cor_json *segments; /* topology: label to value; NULL: none */
};

/* Reads an answer of NodeGetInfo. Free with csi_node_info_free. */
void csi_node_info_read(const Csi__V1__NodeGetInfoResponse *in, struct csi_node_info *out);
void csi_node_info_free(struct csi_node_info *info);

/* An entry of CSINode's spec.drivers. Returns owned. */
struct cor_json *csi_node_entry(const char *name, const struct csi_node_info *info);

/* The entry by that name in drivers (a list; may be NULL); NULL: there is none. Borrowed. */
struct cor_json *csi_node_find(const struct cor_json *drivers, const char *name);

/* spec.drivers as it is to be: had (NULL: none) without the names that are members of gone, and
 * with here. An entry that changes is left out: the API takes it when it knows it no more.
 * *again_r: there is such. Returns owned. */
struct cor_json *csi_node_drivers(const struct cor_json *had, const struct cor_json *gone,
                                  const struct cor_json *here, bool *again_r);

/* Whether two lists of drivers say the same. */
bool csi_node_same(const struct cor_json *a, const struct cor_json *b);

#endif
