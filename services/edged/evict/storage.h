// SPDX-License-Identifier: Apache-2.0
// Whether a Pod has written more than it may: sizeLimit of an emptyDir, limits of
// ephemeral-storage. Pure. Source: k8s.io/kubernetes pkg/kubelet/eviction/eviction_manager.go
// localStorageEviction. Any thread.
#ifndef EDGED_STORAGE_H
#define EDGED_STORAGE_H

#include "services/edged/pod/pod.h"

/* What a Pod has written, in bytes. Borrowed; unknown amounts are 0. */
struct storage_used {
    const uint64_t *volumes;    /* of emptyDirs, by index as in the Pod's */
    const uint64_t *containers; /* layer and logs, by index as in pod_container */
};

/* Whether the Pod has any such limit, so that it is worth measuring. */
bool storage_is_limited(const struct pod *pod);

/* The kubelet's words for the first limit that is exceeded; NULL: none is. Returns owned. */
char *storage_exceeded(const struct pod *pod, const struct storage_used *used);

/* All that counts as ephemeral storage. */
int64_t storage_sum(const struct pod *pod, const struct storage_used *used);

#endif
