// SPDX-License-Identifier: Apache-2.0
// The Node object as KubeEdge's edged registers and reports it. Pure. Source: k8s.io/kubernetes
// pkg/kubelet/nodestatus/setters.go, kubelet_node_status.go; KubeEdge edge/pkg/edged. Any thread.
#ifndef EDGED_NODEOBJ_H
#define EDGED_NODEOBJ_H

#include "common/clock/clock.h"
#include "common/json/json.h"

enum { NODE_IPS_MAX = 4, NODE_PODS = 110 };

/* What does not change while edged runs. Borrowed. */
struct node_info {
    const char *name;
    const char *ips[NODE_IPS_MAX];
    size_t ip_count;
    const char *machine_id;
    const char *system_uuid;
    const char *boot_id;
    const char *kernel;
    const char *os_image;
    const char *arch;          /* as Go names it */
    const char *runtime;       /* "containerd://1.6.20" */
    const char *const *labels; /* "key=value" */
    size_t label_count;
    const char *const *annotations; /* "key=value" */
    size_t annotation_count;
    const char *const *taints; /* "key=value:Effect" */
    size_t taint_count;
    bool schedulable;
    bool autonomous; /* its Pods stay however long it is away: services/edgecontroller/tolerations.h
                      */
    int64_t cpus;
    int64_t memory;  /* bytes */
    int64_t storage; /* bytes of the file system with the pods */
    int64_t port;    /* of the kubelet API */
};

/* What does. */
struct node_state {
    bool runtime_up;
    bool network_up;
    const char *network_text; /* why not */
    bool memory_pressure;
    bool disk_pressure;
    bool pid_pressure;
    bool shutting_down;
    const struct cor_json *images; /* status.images; NULL: not known yet */
};

/* What pods may use: capacity less what eviction keeps free (kubelet's hard thresholds: 100 MiB of
 * memory, 10 % of the disk). */
int64_t node_memory_allocatable(const struct node_info *info);
int64_t node_storage_allocatable(const struct node_info *info);

/* status of the node. before (may be NULL) is the one reported before: times of transitions come
 * from it. Returns owned. */
struct cor_json *node_status(const struct node_info *info, const struct node_state *state,
                             const struct cor_json *before, struct cor_wall now);

/* Whether two statuses differ in more than the times of their heartbeats. */
bool node_status_differs(const struct cor_json *a, const struct cor_json *b);

/* The Node to create; status is borrowed. Returns owned. */
struct cor_json *node_object(const struct node_info *info, const struct cor_json *status);

/* Body of nodepatch: a strategic-merge patch of the status; status is borrowed. Returns owned. */
struct cor_json *node_patch(const struct cor_json *status);

/* The same when nothing but the times of heartbeats has changed since status was last reported: a
 * few hundred bytes. Returns owned. */
struct cor_json *node_patch_heartbeats(const struct cor_json *status);

/* The Lease: base (borrowed, may be NULL) as the API gave it, with a new renewTime. node_uid may be
 * "". Returns owned. */
struct cor_json *node_lease(const char *name, const char *node_uid, const struct cor_json *base,
                            struct cor_wall now);

#endif
