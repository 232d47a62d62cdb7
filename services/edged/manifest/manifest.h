// SPDX-License-Identifier: Apache-2.0
// Static Pods: what a file of the node's says, as a Pod, and the mirror that shows it in the API.
// Pure. Source: k8s.io/kubernetes pkg/kubelet/config/common.go applyDefaults, tryDecodeSinglePod,
// pkg/kubelet/pod/mirror_client.go, pkg/kubelet/types/pod_update.go. Any thread.
#ifndef EDGED_MANIFEST_H
#define EDGED_MANIFEST_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/clock/clock.h"
#include "common/json/json.h"

enum { MANIFEST_MAX = 1024 * 1024 }; /* an object of the API has at most 1.5 MiB in etcd */

/* The Pod that the file at path (borrowed) asks for on the node: named NAME-NODE, with an uid that
 * is a hash of node, path and content, annotations config.source, config.hash and config.seen, and
 * tolerating every NoExecute taint. text is YAML or JSON. COR_INVALID and COR_TOOBIG say what is
 * wrong: it is no Pod that can be run, or names what only the API has (ConfigMaps, Secrets, claims,
 * accounts). Returns owned in *pod_r. */
COR_NODISCARD enum cor_code manifest_read(struct cor_view text, const char *path, const char *node,
                                          struct cor_wall seen, struct cor_json **pod_r,
                                          struct cor_err *err);

/* Whether the object is a mirror: somebody else runs it, or nobody. */
bool manifest_is_mirror(const struct cor_json *pod);

/* The hash that a static Pod or its mirror has. Borrowed; "": none. */
const char *manifest_hash(const struct cor_json *pod);

/* The mirror of a static Pod (borrowed), to be created: owned by the Node. Returns owned. */
struct cor_json *manifest_mirror(const struct cor_json *pod, const char *node,
                                 const char *node_uid);

/* What is wanted of a mirror, and what the API has. */
struct manifest_wish {
    const char *hash; /* of the static Pod; NULL: there is none */
    bool ending;      /* it is being ended: its mirror shows that as long as it lasts */
};
struct manifest_shown {
    const char *hash; /* NULL: the API has none */
    bool leaving;     /* it is marked as deleted */
};

enum manifest_act { MANIFEST_NOTHING, MANIFEST_CREATE, MANIFEST_DELETE };

/* What is to be done next. */
enum manifest_act manifest_next(const struct manifest_wish *wish,
                                const struct manifest_shown *shown);

#endif
