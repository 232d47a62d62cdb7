// SPDX-License-Identifier: Apache-2.0
// Requests to the runtime from a pod: labels, annotations, names and numbers as kubelet gives them,
// so that either finds the other's containers. Pure. Source: k8s.io/kubernetes pkg/kubelet/
// kuberuntime (kuberuntime_sandbox.go, kuberuntime_container_linux.go, labels.go). Any thread.
#ifndef EDGED_CRISPEC_H
#define EDGED_CRISPEC_H

#include "common/base/arena.h"
#include "cri.h"
#include "services/edged/cgroup/huge.h"
#include "services/edged/node/resolv.h"
#include "services/edged/pod/env.h"
#include "services/edged/pod/pod.h"

/* What the node's configuration adds. Borrowed. */
struct crispec_node {
    const char *root_dir;    /* /var/lib/kubelet */
    const char *log_dir;     /* /var/log/pods */
    const char *cgroup_root; /* "" or "/a/b" */
    const char *const *dns;  /* cluster DNS servers */
    size_t dns_count;
    const char *domain;          /* cluster domain */
    int64_t memory;              /* of the machine */
    const struct resolv *resolv; /* the machine's; NULL: unknown */
    const struct huge *huge;     /* NULL: none */
};

/* A mount of a container whose place on the host is found. */
struct crispec_mount {
    const char *container_path;
    char *host_path; /* owned by the list's owner */
    bool readonly;
    int propagation;
};

/* Strings that the requests borrow are made in arena; NULL from it is not expected: its limit is
 * far above what a bounded pod needs. */

/* Folder of the pod's logs: <log_dir>/<namespace>_<name>_<uid>. */
const char *crispec_log_dir(struct cor_arena *arena, const struct crispec_node *node,
                            const struct pod *pod);

/* cgroup of the pod, as kubelet's cgroupfs driver names it. */
const char *crispec_cgroup(struct cor_arena *arena, const struct crispec_node *node,
                           const struct pod *pod);

/* The pod's host name as its containers see it; also with the node's network. */
const char *crispec_hostname(struct cor_arena *arena, const struct pod *pod);

/* Why the node cannot make a sandbox as the pod wants it: "" or kubelet's words. In arena. */
const char *crispec_cannot(struct cor_arena *arena, const struct crispec_node *node,
                           const struct pod *pod);

/* Fills the sandbox request. */
void crispec_sandbox(struct cor_arena *arena, const struct crispec_node *node,
                     const struct pod *pod, uint32_t attempt, struct cri_sandbox_config *out);

/* What device plug-ins want for a container. Borrowed. */
struct crispec_devices {
    struct cri_kvs env; /* the container's own comes after it */
    const struct cri_mount *mounts;
    size_t mount_count;
    const struct cri_device *devices;
    size_t device_count;
    struct cri_kvs annotations;
    struct cri_strings cdi;
};

/* One attempt at a container of a pod. All borrowed. */
struct crispec_attempt {
    size_t index; /* as in pod_container */
    uint32_t number;
    const struct env *env;
    const struct crispec_mount *mounts;
    size_t mount_count;
    const char *target;                    /* id of the container whose processes it sees; NULL */
    const struct crispec_devices *devices; /* NULL: none */
};

/* Fills the container request. */
void crispec_container(struct cor_arena *arena, const struct crispec_node *node,
                       const struct pod *pod, const struct crispec_attempt *attempt,
                       struct cri_container_config *out);

/* Appends the hosts file of the pod (kubelet's managedHostsFileContent). */
void crispec_hosts(struct cor_arena *arena, const struct pod *pod, const char *const *ips,
                   size_t ip_count, const char *domain, struct cor_buf *out);

#endif
