// SPDX-License-Identifier: Apache-2.0
// Prometheus' text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats).
#include <inttypes.h>
#include <string.h>

#include "common/base/attr.h"
#include "stats.h"

/* What a number is. */
enum unit { NUMBER, SECONDS /* given in nanoseconds */ };

struct family {
    const char *name;
    const char *help;
    const char *type;
    enum unit unit;
    size_t at; /* where the number is, in the struct that the walk is about */
};

struct label {
    const char *name;
    const char *value;
};

static void write_family(struct cor_buf *out, const struct family *family)
{
    cor_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                family->type);
}

static void write_label(struct cor_buf *out, const char *before, const struct label *label)
{
    cor_buf_fmt(out, "%s%s=\"", before, label->name);
    for (const char *c = label->value; *c != '\0'; c++) {
        const char *escaped = *c == '\\' ? "\\\\" : *c == '"' ? "\\\"" : *c == '\n' ? "\\n" : NULL;
        if (escaped != NULL) {
            cor_buf_str(out, escaped);
        } else {
            cor_buf_add(out, c, 1);
        }
    }
    cor_buf_str(out, "\"");
}

/* One line. time_ns 0: without a time. */
static void write_sample(struct cor_buf *out, const struct family *family,
                         const struct label *labels, size_t count, uint64_t value, int64_t time_ns)
{
    cor_buf_str(out, family->name);
    for (size_t i = 0; i < count; i++) {
        write_label(out, i == 0 ? "{" : ",", &labels[i]);
    }
    cor_buf_str(out, count > 0 ? "} " : " ");
    if (family->unit == SECONDS) {
        cor_buf_fmt(out, "%" PRIu64 ".%09" PRIu64, value / 1000000000, value % 1000000000);
    } else {
        cor_buf_fmt(out, "%" PRIu64, value);
    }
    if (time_ns > 0) {
        cor_buf_fmt(out, " %" PRId64, time_ns / 1000000);
    }
    cor_buf_str(out, "\n");
}

static uint64_t number_at(const void *from, size_t at)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)from + at, sizeof(value));
    return value;
}

/* ---- /metrics/resource ---- */

/* A line of a container, of a pod (container NULL) or of the node (pod NULL). */
struct resource {
    const char *container;
    const char *pod;
    const char *ns;
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t started_ns;
};

enum level { OF_CONTAINER, OF_NODE, OF_POD };

static const struct resource_family {
    struct family family;
    enum level level;
    size_t time_at; /* of what it has a time of; 0: it has none */
} RESOURCES[] = {
    {{"container_cpu_usage_seconds_total",
      "[STABLE] Cumulative cpu time consumed by the container in core-seconds", "counter", SECONDS,
      offsetof(struct resource, cpu.total_ns)},
     OF_CONTAINER,
     offsetof(struct resource, cpu.time_ns)},
    {{"container_memory_working_set_bytes",
      "[STABLE] Current working set of the container in bytes", "gauge", NUMBER,
      offsetof(struct resource, memory.working_set)},
     OF_CONTAINER,
     offsetof(struct resource, memory.time_ns)},
    {{"container_start_time_seconds",
      "[STABLE] Start time of the container since unix epoch in seconds", "gauge", SECONDS,
      offsetof(struct resource, started_ns)},
     OF_CONTAINER,
     0},
    {{"node_cpu_usage_seconds_total",
      "[STABLE] Cumulative cpu time consumed by the node in core-seconds", "counter", SECONDS,
      offsetof(struct resource, cpu.total_ns)},
     OF_NODE,
     offsetof(struct resource, cpu.time_ns)},
    {{"node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes", "gauge",
      NUMBER, offsetof(struct resource, memory.working_set)},
     OF_NODE,
     offsetof(struct resource, memory.time_ns)},
    {{"pod_cpu_usage_seconds_total",
      "[STABLE] Cumulative cpu time consumed by the pod in core-seconds", "counter", SECONDS,
      offsetof(struct resource, cpu.total_ns)},
     OF_POD,
     offsetof(struct resource, cpu.time_ns)},
    {{"pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes", "gauge",
      NUMBER, offsetof(struct resource, memory.working_set)},
     OF_POD,
     offsetof(struct resource, memory.time_ns)},
};

/* Writes the family's head before its first line. */
static void write_resource(struct cor_buf *out, const struct resource_family *row,
                           const struct resource *resource, bool *begun)
{
    const struct label container[] = {
        {"container", resource->container}, {"namespace", resource->ns}, {"pod", resource->pod}};
    uint64_t value = number_at(resource, row->family.at);
    int64_t time_ns = row->time_at == 0 ? 0 : (int64_t)number_at(resource, row->time_at);
    if (value == STATS_UNKNOWN || (row->time_at == 0 && value == 0)) {
        return;
    }
    if (!*begun) {
        write_family(out, &row->family);
        *begun = true;
    }
    size_t skip = row->level == OF_CONTAINER ? 0 : 1;
    write_sample(out, &row->family, container + skip,
                 row->level == OF_NODE ? 0 : COR_COUNT(container) - skip, value, time_ns);
}

static void write_resource_pod(struct cor_buf *out, const struct resource_family *row,
                               const struct stats_pod *pod, bool *begun)
{
    struct resource resource = {
        .pod = pod->name, .ns = pod->ns, .cpu = pod->cpu, .memory = pod->memory};
    if (row->level == OF_POD) {
        write_resource(out, row, &resource, begun);
    }
    for (size_t i = 0; row->level == OF_CONTAINER && i < pod->container_count; i++) {
        const struct stats_container *c = &pod->containers[i];
        resource.container = c->name;
        resource.cpu = c->cpu;
        resource.memory = c->memory;
        resource.started_ns = c->started_ns > 0 ? (uint64_t)c->started_ns : 0;
        write_resource(out, row, &resource, begun);
    }
}

void stats_resource(const struct stats *stats, struct cor_buf *out)
{
    static const struct family ERROR = {
        "resource_scrape_error",
        "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", "gauge",
        NUMBER, 0};
    const struct resource node = {.cpu = stats->node.cpu, .memory = stats->node.memory};
    for (size_t i = 0; i < COR_COUNT(RESOURCES); i++) {
        bool begun = false;
        if (RESOURCES[i].level == OF_NODE) {
            write_resource(out, &RESOURCES[i], &node, &begun);
        }
        for (size_t j = 0; RESOURCES[i].level != OF_NODE && j < stats->pod_count; j++) {
            write_resource_pod(out, &RESOURCES[i], &stats->pods[j], &begun);
        }
    }
    write_family(out, &ERROR);
    write_sample(out, &ERROR, NULL, 0, stats->failed ? 1 : 0, 0);
}

/* ---- /metrics/cadvisor ---- */

/* What the series of a cgroup are made of. */
struct group {
    struct label labels[7]; /* the last one is the interface's */
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t fs_used;
    uint64_t fs_limit;
    uint64_t inodes_free;
    uint64_t started_s;
    uint64_t processes;
    uint64_t spec_memory;
    uint64_t spec_quota;
    uint64_t spec_period;
    uint64_t spec_shares;
    const struct stats_nets *nets;
    int64_t time_ns;
};

enum { GROUP_LABELS = 6, PERIOD_US = 100000, SHARES_OF_CPU = 1024 };

static const struct family GROUPS[] = {
    {"container_cpu_usage_seconds_total", "Cumulative cpu time consumed in seconds.", "counter",
     SECONDS, offsetof(struct group, cpu.total_ns)},
    {"container_fs_inodes_free", "Number of available Inodes", "gauge", NUMBER,
     offsetof(struct group, inodes_free)},
    {"container_fs_limit_bytes",
     "Number of bytes that can be consumed by the container on this filesystem.", "gauge", NUMBER,
     offsetof(struct group, fs_limit)},
    {"container_fs_usage_bytes",
     "Number of bytes that are consumed by the container on this filesystem.", "gauge", NUMBER,
     offsetof(struct group, fs_used)},
    {"container_memory_cache", "Number of bytes of page cache memory.", "gauge", NUMBER,
     offsetof(struct group, memory.cache)},
    {"container_memory_rss", "Size of RSS in bytes.", "gauge", NUMBER,
     offsetof(struct group, memory.rss)},
    {"container_memory_usage_bytes",
     "Current memory usage in bytes, including all memory regardless of when it was accessed",
     "gauge", NUMBER, offsetof(struct group, memory.usage)},
    {"container_memory_working_set_bytes", "Current working set in bytes.", "gauge", NUMBER,
     offsetof(struct group, memory.working_set)},
    {"container_processes", "Number of processes running inside the container.", "gauge", NUMBER,
     offsetof(struct group, processes)},
    {"container_spec_cpu_period", "CPU period of the container.", "gauge", NUMBER,
     offsetof(struct group, spec_period)},
    {"container_spec_cpu_quota", "CPU quota of the container.", "gauge", NUMBER,
     offsetof(struct group, spec_quota)},
    {"container_spec_cpu_shares", "CPU share of the container.", "gauge", NUMBER,
     offsetof(struct group, spec_shares)},
    {"container_spec_memory_limit_bytes", "Memory limit for the container.", "gauge", NUMBER,
     offsetof(struct group, spec_memory)},
    {"container_start_time_seconds", "Start time of the container since unix epoch in seconds.",
     "gauge", NUMBER, offsetof(struct group, started_s)},
};

#define NET_ROW(series, text, field)                                                               \
    {                                                                                              \
        "container_network_" series "_total", "Cumulative count of " text, "counter", NUMBER,      \
            offsetof(struct stats_net, field)                                                      \
    }

static const struct family NETS[] = {
    NET_ROW("receive_bytes", "bytes received", rx_bytes),
    NET_ROW("receive_errors", "errors encountered while receiving", rx_errors),
    NET_ROW("receive_packets", "packets received", rx_packets),
    NET_ROW("receive_packets_dropped", "packets dropped while receiving", rx_dropped),
    NET_ROW("transmit_bytes", "bytes transmitted", tx_bytes),
    NET_ROW("transmit_errors", "errors encountered while transmitting", tx_errors),
    NET_ROW("transmit_packets", "packets transmitted", tx_packets),
    NET_ROW("transmit_packets_dropped", "packets dropped while transmitting", tx_dropped),
};

static void set_labels(struct group *group, const char *const values[GROUP_LABELS])
{
    static const char *const NAMES[] = {"container", "id", "image", "name", "namespace", "pod"};
    for (size_t i = 0; i < GROUP_LABELS; i++) {
        group->labels[i] = (struct label){NAMES[i], values[i]};
    }
}

static struct group no_group(const char *const labels[GROUP_LABELS], const struct stats *stats)
{
    struct group group = {.cpu = stats_no_cpu(),
                          .memory = stats_no_memory(),
                          .fs_used = STATS_UNKNOWN,
                          .fs_limit = STATS_UNKNOWN,
                          .inodes_free = STATS_UNKNOWN,
                          .started_s = STATS_UNKNOWN,
                          .processes = STATS_UNKNOWN,
                          .spec_memory = STATS_UNKNOWN,
                          .spec_quota = STATS_UNKNOWN,
                          .spec_period = STATS_UNKNOWN,
                          .spec_shares = STATS_UNKNOWN,
                          .time_ns = stats->time_ns};
    set_labels(&group, labels);
    return group;
}

static struct group node_group(const struct stats *stats)
{
    const struct stats_node *node = &stats->node;
    struct group group = no_group((const char *const[]){"", "/", "", "", "", ""}, stats);
    group.cpu = node->cpu;
    group.memory = node->memory;
    group.fs_used = node->fs.used;
    group.fs_limit = node->fs.capacity;
    group.inodes_free = node->fs.inodes_free;
    group.started_s = (uint64_t)(node->booted_ns / 1000000000);
    group.nets = &node->nets;
    return group;
}

static struct group pod_group(const struct stats *stats, const struct stats_pod *pod)
{
    struct group group =
        no_group((const char *const[]){"", pod->cgroup, "", "", pod->ns, pod->name}, stats);
    group.cpu = pod->cpu;
    group.memory = pod->memory;
    group.processes = pod->processes;
    group.started_s = (uint64_t)(pod->started_ns / 1000000000);
    group.nets = &pod->nets;
    return group;
}

static uint64_t shares_of(int64_t milli)
{
    uint64_t shares = milli > 0 ? (uint64_t)milli * SHARES_OF_CPU / 1000 : 0;
    return shares < 2 ? 2 : shares;
}

static struct group container_group(const struct stats *stats, const struct stats_pod *pod,
                                    const struct stats_container *c)
{
    struct group group = no_group(
        (const char *const[]){c->name, c->cgroup, c->image, c->id, pod->ns, pod->name}, stats);
    group.cpu = c->cpu;
    group.memory = c->memory;
    group.fs_used = c->layer_bytes;
    group.started_s = (uint64_t)(c->started_ns / 1000000000);
    group.spec_memory = (uint64_t)c->memory_limit;
    group.spec_period = PERIOD_US;
    group.spec_quota =
        c->cpu_limit_milli > 0 ? (uint64_t)c->cpu_limit_milli * PERIOD_US / 1000 : STATS_UNKNOWN;
    group.spec_shares = shares_of(c->cpu_request_milli);
    return group;
}

struct walk {
    struct cor_buf *out;
    const struct family *family;
    bool begun;
};

static void begin(struct walk *walk)
{
    if (!walk->begun) {
        write_family(walk->out, walk->family);
        walk->begun = true;
    }
}

static void write_group(struct walk *walk, const struct group *group)
{
    uint64_t value = number_at(group, walk->family->at);
    if (value != STATS_UNKNOWN) {
        begin(walk);
        write_sample(walk->out, walk->family, group->labels, GROUP_LABELS, value, group->time_ns);
    }
}

static void write_nets(struct walk *walk, const struct group *group)
{
    struct group one = *group;
    for (size_t i = 0; one.nets != NULL && i < one.nets->count; i++) {
        const struct stats_net *net = &one.nets->items[i];
        one.labels[GROUP_LABELS] = (struct label){"interface", net->name};
        begin(walk);
        write_sample(walk->out, walk->family, one.labels, GROUP_LABELS + 1,
                     number_at(net, walk->family->at), one.nets->time_ns);
    }
}

typedef void (*group_fn)(struct walk *walk, const struct group *group);

static void each_group(const struct stats *stats, struct walk *walk, group_fn fn)
{
    struct group group = node_group(stats);
    fn(walk, &group);
    for (size_t i = 0; i < stats->pod_count; i++) {
        const struct stats_pod *pod = &stats->pods[i];
        group = pod_group(stats, pod);
        fn(walk, &group);
        for (size_t j = 0; j < pod->container_count; j++) {
            group = container_group(stats, pod, &pod->containers[j]);
            fn(walk, &group);
        }
    }
}

void stats_cadvisor(const struct stats *stats, struct cor_buf *out)
{
    static const struct family MACHINE[] = {
        {"machine_cpu_cores", "Number of logical CPU cores.", "gauge", NUMBER,
         offsetof(struct stats_node, cpus)},
        {"machine_memory_bytes", "Amount of memory installed on the machine.", "gauge", NUMBER,
         offsetof(struct stats_node, memory_total)},
    };
    for (size_t i = 0; i < COR_COUNT(GROUPS); i++) {
        each_group(stats, &(struct walk){out, &GROUPS[i], false}, write_group);
    }
    for (size_t i = 0; i < COR_COUNT(NETS); i++) {
        each_group(stats, &(struct walk){out, &NETS[i], false}, write_nets);
    }
    for (size_t i = 0; i < COR_COUNT(MACHINE); i++) {
        write_family(out, &MACHINE[i]);
        write_sample(out, &MACHINE[i], NULL, 0, number_at(&stats->node, MACHINE[i].at), 0);
    }
}

/* ---- /metrics ---- */

static const struct own_family {
    struct family family;
    struct label label; /* name NULL: none */
} OWN[] = {
    {{"coracle_edged_events_lost_total", "Events that could not be reported.", "counter", NUMBER,
      offsetof(struct stats_self, events_lost)},
     {0}},
    {{"coracle_edged_events_sent_total", "Events that were reported.", "counter", NUMBER,
      offsetof(struct stats_self, events_sent)},
     {0}},
    {{"coracle_edged_container_restarts_total", "Containers that were started again.", "counter",
      NUMBER, offsetof(struct stats_self, restarts)},
     {0}},
    {{"coracle_edged_link_up", "1 if the node is connected to the cloud.", "gauge", NUMBER,
      offsetof(struct stats_self, link_up)},
     {0}},
    {{"coracle_edged_runtime_up", "1 if the container runtime answers.", "gauge", NUMBER,
      offsetof(struct stats_self, runtime_up)},
     {0}},
    {{"coracle_edged_status_patches_total", "Statuses of pods that were sent.", "counter", NUMBER,
      offsetof(struct stats_self, patches)},
     {0}},
    {{"coracle_edged_streams", "Requests to this API that are open.", "gauge", NUMBER,
      offsetof(struct stats_self, streams)},
     {0}},
    {{"kubelet_desired_pods", "Number of pods the node is being instructed to run.", "gauge",
      NUMBER, offsetof(struct stats_self, desired)},
     {0}},
    {{"kubelet_running_containers", "Number of containers currently running", "gauge", NUMBER,
      offsetof(struct stats_self, containers)},
     {"container_state", "running"}},
    {{"kubelet_running_pods", "Number of pods that have a running pod sandbox", "gauge", NUMBER,
      offsetof(struct stats_self, pods)},
     {0}},
    {{"kubelet_started_containers_total", "Cumulative number of containers started", "counter",
      NUMBER, offsetof(struct stats_self, starts)},
     {0}},
    {{"process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", "counter",
      SECONDS, offsetof(struct stats_self, cpu_ns)},
     {0}},
    {{"process_open_fds", "Number of open file descriptors.", "gauge", NUMBER,
      offsetof(struct stats_self, fds)},
     {0}},
    {{"process_resident_memory_bytes", "Resident memory size in bytes.", "gauge", NUMBER,
      offsetof(struct stats_self, rss)},
     {0}},
    {{"process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
      "gauge", NUMBER, offsetof(struct stats_self, started_s)},
     {0}},
};

void stats_own(const struct stats_self *self, struct cor_buf *out)
{
    static const struct family NAME = {
        "kubelet_node_name", "The node's name. The count is always 1.", "gauge", NUMBER, 0};
    const struct label name = {"node", self->node};
    for (size_t i = 0; i < COR_COUNT(OWN); i++) {
        const struct own_family *row = &OWN[i];
        uint64_t value = number_at(self, row->family.at);
        if (value != STATS_UNKNOWN) {
            write_family(out, &row->family);
            write_sample(out, &row->family, &row->label, row->label.name == NULL ? 0 : 1, value, 0);
        }
    }
    write_family(out, &NAME);
    write_sample(out, &NAME, &name, 1, 1, 0);
}
