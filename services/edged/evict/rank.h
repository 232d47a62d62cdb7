// SPDX-License-Identifier: Apache-2.0
// Which Pod goes first when the node runs short, and what it is told. Pure. Source: k8s.io/
// kubernetes pkg/kubelet/eviction/helpers.go (rankMemoryPressure, rankDiskPressureFunc,
// rankPIDPressure, evictionMessage), pkg/kubelet/types/pod_update.go IsCriticalPod. Any thread.
#ifndef EDGED_RANK_H
#define EDGED_RANK_H

#include "common/base/buf.h"
#include "evict.h"
#include "services/edged/pod/pod.h"

/* A Pod that runs, and how much it has of what is short. Unknown amounts are 0. */
struct rank_pod {
    const struct pod *pod;    /* borrowed */
    int64_t used;             /* in all */
    const int64_t *container; /* used, by index as in pod_container; NULL: not known */
};

/* Index of the Pod that goes first; count when none may. Those over their request first, then by
 * priority, then by how much they are over it. Critical ones never go. */
size_t rank_first(const struct rank_pod *pods, size_t count, enum evict_signal signal);

/* Whether it is of a priority that nothing else displaces, static, or a static one's mirror. */
bool rank_is_critical(const struct pod *pod);

/* Its priority; 0: none is given. */
int64_t rank_priority(const struct pod *pod);

/* Appends n as Kubernetes writes it: with binary in the largest binary unit that leaves no rest. */
void rank_quantity(struct cor_buf *out, int64_t n, bool binary);

/* What the kubelet tells of an eviction. Returns owned. */
char *rank_message(const struct rank_pod *pod, const struct evict_threshold *threshold,
                   const struct evict_seen *seen) COR_MALLOC;

/* Whether a new Pod is taken under these pressures: critical ones are; under memory pressure alone
 * all but BestEffort are, and those that tolerate its taint. */
bool rank_may_come(const struct pod *pod, const bool *pressure);

#endif
