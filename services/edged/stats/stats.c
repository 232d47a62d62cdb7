// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <string.h>

#include "common/clock/clock.h"

struct stats_cpu stats_no_cpu(void)
{
    return (struct stats_cpu){.total_ns = STATS_UNKNOWN, .nano_cores = STATS_UNKNOWN};
}

struct stats_memory stats_no_memory(void)
{
    return (struct stats_memory){.usage = STATS_UNKNOWN,
                                 .working_set = STATS_UNKNOWN,
                                 .available = STATS_UNKNOWN,
                                 .rss = STATS_UNKNOWN,
                                 .cache = STATS_UNKNOWN,
                                 .faults = STATS_UNKNOWN,
                                 .major_faults = STATS_UNKNOWN,
                                 .limit = STATS_UNKNOWN};
}

struct stats_fs stats_no_fs(void)
{
    return (struct stats_fs){.capacity = STATS_UNKNOWN,
                             .available = STATS_UNKNOWN,
                             .used = STATS_UNKNOWN,
                             .inodes = STATS_UNKNOWN,
                             .inodes_free = STATS_UNKNOWN,
                             .inodes_used = STATS_UNKNOWN};
}

/* ---- Summary ---- */

static void set(struct cor_json *out, const char *key, uint64_t value)
{
    if (value != STATS_UNKNOWN) {
        cor_json_set(out, key, cor_json_int(value > INT64_MAX ? INT64_MAX : (int64_t)value));
    }
}

static void set_time(struct cor_json *out, const char *key, int64_t ns)
{
    char text[COR_RFC3339_SIZE];
    cor_wall_format((struct cor_wall){ns / 1000}, text);
    cor_json_set(out, key, ns > 0 ? cor_json_str(text) : cor_json_null());
}

static void set_cpu(struct cor_json *out, const struct stats_cpu *cpu)
{
    struct cor_json *json = cor_json_object();
    set_time(json, "time", cpu->time_ns);
    set(json, "usageNanoCores", cpu->nano_cores);
    set(json, "usageCoreNanoSeconds", cpu->total_ns);
    cor_json_set(out, "cpu", json);
}

static void set_memory(struct cor_json *out, const struct stats_memory *memory)
{
    struct cor_json *json = cor_json_object();
    set_time(json, "time", memory->time_ns);
    set(json, "availableBytes", memory->available);
    set(json, "usageBytes", memory->usage);
    set(json, "workingSetBytes", memory->working_set);
    set(json, "rssBytes", memory->rss);
    set(json, "pageFaults", memory->faults);
    set(json, "majorPageFaults", memory->major_faults);
    cor_json_set(out, "memory", json);
}

static struct cor_json *fs_of(int64_t time_ns, const struct stats_fs *fs)
{
    struct cor_json *json = cor_json_object();
    set_time(json, "time", time_ns);
    set(json, "availableBytes", fs->available);
    set(json, "capacityBytes", fs->capacity);
    set(json, "usedBytes", fs->used);
    set(json, "inodesFree", fs->inodes_free);
    set(json, "inodes", fs->inodes);
    set(json, "inodesUsed", fs->inodes_used);
    return json;
}

static void set_net(struct cor_json *out, const struct stats_net *net)
{
    cor_json_set(out, "name", cor_json_str(net->name));
    set(out, "rxBytes", net->rx_bytes);
    set(out, "rxErrors", net->rx_errors);
    set(out, "txBytes", net->tx_bytes);
    set(out, "txErrors", net->tx_errors);
}

/* The interface that main names, or the first, stands for all; then comes the list. */
static void set_nets(struct cor_json *out, const struct stats_nets *nets, const char *main)
{
    struct cor_json *json = cor_json_object();
    struct cor_json *list = cor_json_array();
    const struct stats_net *first = NULL;
    set_time(json, "time", nets->time_ns);
    for (size_t i = 0; i < nets->count; i++) {
        const struct stats_net *net = &nets->items[i];
        struct cor_json *item = cor_json_object();
        first = first == NULL || strcmp(net->name, main) == 0 ? net : first;
        set_net(item, net);
        cor_json_add(list, item);
    }
    if (first != NULL) {
        set_net(json, first);
    }
    cor_json_set(json, "interfaces", list);
    cor_json_set(out, "network", json);
}

static struct cor_json *container_of(const struct stats *stats, const struct stats_container *c,
                                     bool only)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "name", cor_json_str(c->name));
    set_time(out, "startTime", c->started_ns);
    set_cpu(out, &c->cpu);
    set_memory(out, &c->memory);
    if (!only) {
        struct stats_fs rootfs = stats->node.image_fs;
        struct stats_fs logs = stats->node.fs;
        rootfs.used = c->layer_bytes;
        rootfs.inodes_used = c->layer_inodes;
        logs.used = c->log_bytes;
        logs.inodes_used = STATS_UNKNOWN;
        cor_json_set(out, "rootfs", fs_of(stats->time_ns, &rootfs));
        cor_json_set(out, "logs", fs_of(stats->time_ns, &logs));
    }
    return out;
}

static void add(uint64_t *sum, uint64_t value)
{
    if (value != STATS_UNKNOWN) {
        *sum += value;
    }
}

/* What the pod has written: layers, logs and the volumes that are counted. */
static struct stats_fs ephemeral_of(const struct stats *stats, const struct stats_pod *pod)
{
    struct stats_fs fs = stats->node.fs;
    fs.used = 0;
    fs.inodes_used = STATS_UNKNOWN;
    for (size_t i = 0; i < pod->container_count; i++) {
        add(&fs.used, pod->containers[i].layer_bytes);
        add(&fs.used, pod->containers[i].log_bytes);
    }
    return fs;
}

static void set_volumes(struct cor_json *out, int64_t time_ns, const struct stats_pod *pod)
{
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < pod->volume_count; i++) {
        struct cor_json *volume = fs_of(time_ns, &pod->volumes[i].fs);
        cor_json_set(volume, "name", cor_json_str(pod->volumes[i].name));
        if (pod->volumes[i].claim != NULL) {
            cor_json_set_at(volume, "pvcRef.name", cor_json_str(pod->volumes[i].claim));
            cor_json_set_at(volume, "pvcRef.namespace", cor_json_str(pod->ns));
        }
        cor_json_add(list, volume);
    }
    cor_json_set(out, "volume", list);
}

static struct cor_json *pod_of(const struct stats *stats, const struct stats_pod *pod, bool only)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *containers = cor_json_array();
    cor_json_set_at(out, "podRef.name", cor_json_str(pod->name));
    cor_json_set_at(out, "podRef.namespace", cor_json_str(pod->ns));
    cor_json_set_at(out, "podRef.uid", cor_json_str(pod->uid));
    set_time(out, "startTime", pod->started_ns);
    for (size_t i = 0; i < pod->container_count; i++) {
        cor_json_add(containers, container_of(stats, &pod->containers[i], only));
    }
    cor_json_set(out, "containers", containers);
    set_cpu(out, &pod->cpu);
    set_memory(out, &pod->memory);
    if (only) {
        return out;
    }
    if (pod->nets.count > 0) {
        set_nets(out, &pod->nets, "eth0");
    }
    struct stats_fs ephemeral = ephemeral_of(stats, pod);
    set_volumes(out, stats->time_ns, pod);
    cor_json_set(out, "ephemeral-storage", fs_of(stats->time_ns, &ephemeral));
    if (pod->processes != STATS_UNKNOWN) {
        cor_json_set_at(out, "process_stats.process_count", cor_json_int((int64_t)pod->processes));
    }
    return out;
}

static struct cor_json *node_of(const struct stats *stats, bool only)
{
    const struct stats_node *node = &stats->node;
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "nodeName", cor_json_str(node->name));
    set_time(out, "startTime", node->booted_ns);
    set_cpu(out, &node->cpu);
    set_memory(out, &node->memory);
    if (only) {
        return out;
    }
    set_nets(out, &node->nets, node->main_net);
    cor_json_set(out, "fs", fs_of(stats->time_ns, &node->fs));
    cor_json_set_at(out, "runtime.imageFs", fs_of(stats->time_ns, &node->image_fs));
    struct cor_json *rlimit = cor_json_object();
    set_time(rlimit, "time", stats->time_ns);
    set(rlimit, "maxpid", node->pids_max);
    set(rlimit, "curproc", node->pids);
    cor_json_set(out, "rlimit", rlimit);
    return out;
}

struct cor_json *stats_summary(const struct stats *stats, bool only)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *pods = cor_json_array();
    cor_json_set(out, "node", node_of(stats, only));
    for (size_t i = 0; i < stats->pod_count; i++) {
        cor_json_add(pods, pod_of(stats, &stats->pods[i], only));
    }
    cor_json_set(out, "pods", pods);
    return out;
}
