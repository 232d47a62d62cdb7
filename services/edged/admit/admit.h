// SPDX-License-Identifier: Apache-2.0
// Whether the node takes a Pod that was given to it: the kubelet's predicates, in its words. Pure.
// Source: k8s.io/kubernetes pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl/allowlist.go,
// pkg/scheduler/eventhandlers.go AdmissionCheck, component-helpers scheduling/corev1. Any thread.
#ifndef EDGED_ADMIT_H
#define EDGED_ADMIT_H

#include "services/edged/pod/pod.h"

/* What the node has. Borrowed. */
struct admit_node {
    const char *name;
    const struct cor_json *object; /* the Node as the API has it; NULL: not known, so that labels
                                      and taints do not count */
    int64_t cpu_milli;             /* allocatable, as the rest */
    int64_t memory;
    int64_t storage;
    int64_t pods;
    const struct pod_extra *extras; /* extended resources and huge pages; others do not count */
    size_t extra_count;
    bool apparmor; /* the kernel enforces it */
    const char *const
        *sysctls; /* that are allowed besides the safe ones; "a*": all that begin so */
    size_t sysctl_count;
};

struct admit_refusal {
    const char *reason; /* valid as long as this */
    char message[512];
    char own[400]; /* where a reason with a resource's name is */
};

/* Whether pod may run beside others (count of them, which run or are to). False fills *refusal_r
 * with the first reason. */
bool admit_pod(const struct admit_node *node, const struct pod *const *others, size_t count,
               const struct pod *pod, struct admit_refusal *refusal_r);

/* What a Pod asks for in all: sidecars beside its main containers, and the most that an init
 * container needs beside the sidecars before it; and its runtime's overhead. Cpu in thousandths. */
struct pod_resources admit_requests(const struct pod *pod);

/* The same of an extended resource or of huge pages. */
int64_t admit_extra_request(const struct pod *pod, const char *resource);

#endif
