// SPDX-License-Identifier: Apache-2.0
// What the cgroup of a whole Pod is limited to: its containers together, with the overhead of its
// runtime. Pure. Source: k8s.io/kubernetes pkg/kubelet/cm/helpers_linux.go ResourceConfigForPod.
// Any thread.
#ifndef EDGED_PODGROUP_H
#define EDGED_PODGROUP_H

#include "huge.h"

struct podgroup {
    int64_t cpu_shares;
    int64_t cpu_quota;             /* per 100 ms; 0: none */
    int64_t memory;                /* 0: none */
    int64_t pids;                  /* 0: none */
    const struct huge *huge;       /* sizes that there are */
    int64_t pages[HUGE_SIZES_MAX]; /* limits of those, in bytes; 0: none may be used */
};

/* The limits of pod. huge is borrowed; pids is the node's limit for each Pod (0: none). */
void podgroup_limits(const struct pod *pod, const struct huge *huge, int64_t pids,
                     struct podgroup *out);

/* Microseconds of each 100 ms for thousandths of a processor; 0: no limit can be said. */
int64_t podgroup_quota(int64_t milli);

/* cpu.shares for thousandths of a processor. */
int64_t podgroup_shares(int64_t milli);

#endif
