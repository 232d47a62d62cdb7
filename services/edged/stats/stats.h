// SPDX-License-Identifier: Apache-2.0
// What node, pods and containers use, as it was read at one time, and what is told of it: Summary
// (k8s.io/kubelet pkg/apis/stats/v1alpha1) and Prometheus' text. Pure. Amounts that are not known
// are STATS_UNKNOWN and are left out. Any thread.
#ifndef EDGED_STATS_H
#define EDGED_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/json/json.h"

#define STATS_UNKNOWN UINT64_MAX

struct stats_cpu {
    int64_t time_ns; /* since the epoch: when it was so */
    uint64_t total_ns;
    uint64_t nano_cores; /* of the time since the sample before */
};

struct stats_memory {
    int64_t time_ns;
    uint64_t usage;
    uint64_t working_set;
    uint64_t available; /* what the limit leaves */
    uint64_t rss;
    uint64_t cache;
    uint64_t faults;
    uint64_t major_faults;
    uint64_t limit;
};

struct stats_fs {
    uint64_t capacity;
    uint64_t available;
    uint64_t used;
    uint64_t inodes;
    uint64_t inodes_free;
    uint64_t inodes_used;
};

enum { STATS_NETS_MAX = 16, STATS_NAME_MAX = 16 };

struct stats_net {
    char name[STATS_NAME_MAX];
    uint64_t rx_bytes, rx_packets, rx_errors, rx_dropped;
    uint64_t tx_bytes, tx_packets, tx_errors, tx_dropped;
};

struct stats_nets {
    int64_t time_ns;
    const struct stats_net *items;
    size_t count;
};

struct stats_container {
    const char *name;
    const char *id;
    const char *image;
    const char *cgroup;
    int64_t started_ns;
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t layer_bytes;
    uint64_t layer_inodes;
    uint64_t log_bytes;
    int64_t memory_limit;    /* of its spec; 0: none */
    int64_t cpu_limit_milli; /* likewise */
    int64_t cpu_request_milli;
};

struct stats_volume {
    const char *name;
    const char *claim; /* of the Pod's namespace; NULL: none */
    struct stats_fs fs;
};

struct stats_pod {
    const char *name;
    const char *ns;
    const char *uid;
    const char *sandbox; /* id */
    const char *cgroup;
    int64_t started_ns;
    struct stats_cpu cpu;
    struct stats_memory memory;
    struct stats_nets nets;
    uint64_t processes;
    struct stats_volume *volumes;
    size_t volume_count;
    struct stats_container *containers;
    size_t container_count;
};

struct stats_node {
    const char *name;
    int64_t booted_ns;
    uint64_t cpus;
    uint64_t memory_total;
    struct stats_cpu cpu;
    struct stats_memory memory;
    struct stats_nets nets;
    const char *main_net; /* with the default route; "" */
    struct stats_fs fs;
    struct stats_fs image_fs;
    uint64_t pids_max;
    uint64_t pids;
};

struct stats {
    int64_t time_ns; /* when this was read */
    bool failed;     /* the runtime did not tell what containers use */
    struct stats_node node;
    struct stats_pod *pods;
    size_t pod_count;
};

/* Unknown everywhere. */
struct stats_cpu stats_no_cpu(void);
struct stats_memory stats_no_memory(void);
struct stats_fs stats_no_fs(void);

/* What edged itself counts. */
struct stats_self {
    const char *node;                   /* its name */
    uint64_t pods, desired, containers; /* pods and containers that run; pods that are wanted */
    uint64_t starts, restarts, patches, events_sent, events_lost;
    uint64_t streams;
    uint64_t runtime_up, link_up;
    uint64_t cpu_ns, rss, fds, started_s; /* of the process */
};

/* Summary. only: cpu and memory and nothing else. Returns owned. */
struct cor_json *stats_summary(const struct stats *stats, bool only);

/* The text of /metrics/resource (k8s.io/kubernetes pkg/kubelet/metrics/collectors
 * /resource_metrics.go). */
void stats_resource(const struct stats *stats, struct cor_buf *out);

/* The text of /metrics/cadvisor: the series that dashboards use (github.com/google/cadvisor
 * metrics/prometheus.go). */
void stats_cadvisor(const struct stats *stats, struct cor_buf *out);

/* The text of /metrics. */
void stats_own(const struct stats_self *self, struct cor_buf *out);

#endif
