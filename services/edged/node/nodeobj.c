// SPDX-License-Identifier: Apache-2.0
#include "nodeobj.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "marks.h"

enum { EVICT_MEMORY = 100 * 1024 * 1024, EVICT_STORAGE_PERCENT = 10, LEASE_SECONDS = 40 };

/* Kubernetes' and KubeEdge's version that this behaves as, and our own. */
#define KUBELET_VERSION "v1.32.10-kubeedge-v1.23.0+coracle-" CORACLE_VERSION

int64_t node_memory_allocatable(const struct node_info *info)
{
    return info->memory > EVICT_MEMORY ? info->memory - EVICT_MEMORY : 0;
}

int64_t node_storage_allocatable(const struct node_info *info)
{
    return info->storage / 100 * (100 - EVICT_STORAGE_PERCENT);
}

static struct cor_json *resources(int64_t cpus, int64_t memory, int64_t storage)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "cpu", cor_json_fmt("%lld", (long long)cpus));
    cor_json_set(out, "memory", cor_json_fmt("%lldKi", (long long)(memory / 1024)));
    cor_json_set(out, "ephemeral-storage", cor_json_fmt("%lldKi", (long long)(storage / 1024)));
    cor_json_set(out, "pods", cor_json_fmt("%d", NODE_PODS));
    return out;
}

static struct cor_json *time_of(struct cor_wall t)
{
    char text[COR_RFC3339_SIZE];
    cor_wall_format(t, text);
    return cor_json_str(text);
}

struct condition {
    const char *type;
    bool is_true;
    const char *reason;
    const char *message;
};

static const struct cor_json *before_of(const struct cor_json *before, const char *type)
{
    const struct cor_json *list = cor_json_get(before, "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "type", ""), type) == 0) {
            return cor_json_item(list, i);
        }
    }
    return NULL;
}

static void add_condition(struct cor_json *list, struct condition c, const struct cor_json *before,
                          struct cor_wall now)
{
    const struct cor_json *old = before_of(before, c.type);
    const char *status = c.is_true ? "True" : "False";
    const char *since = cor_json_str_at(old, "lastTransitionTime", "");
    bool same = since[0] != '\0' && strcmp(cor_json_str_at(old, "status", ""), status) == 0;
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "type", cor_json_str(c.type));
    cor_json_set(out, "status", cor_json_str(status));
    cor_json_set(out, "lastHeartbeatTime", time_of(now));
    cor_json_set(out, "lastTransitionTime", same ? cor_json_str(since) : time_of(now));
    cor_json_set(out, "reason", cor_json_str(c.reason));
    cor_json_set(out, "message", cor_json_str(c.message));
    cor_json_add(list, out);
}

static struct condition ready_of(const struct node_state *state, const char *network)
{
    if (state->shutting_down) {
        return (struct condition){"Ready", false, "KubeletNotReady", "node is shutting down"};
    }
    if (!state->runtime_up) {
        return (struct condition){"Ready", false, "KubeletNotReady", "container runtime is down"};
    }
    if (!state->network_up) {
        return (struct condition){"Ready", false, "KubeletNotReady", network};
    }
    return (struct condition){"Ready", true, "EdgeReady", "edge is posting ready status"};
}

static struct cor_json *conditions(const struct node_state *state, const struct cor_json *before,
                                   struct cor_wall now)
{
    bool memory = state->memory_pressure;
    bool disk = state->disk_pressure;
    bool pids = state->pid_pressure;
    auto_(cor_freep) char *network =
        cor_sprintf("container runtime network not ready: NetworkReady=false message:%s",
                    state->network_text == NULL ? "" : state->network_text);
    const struct condition all[] = {
        {"MemoryPressure", memory,
         memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
         memory ? "kubelet has insufficient memory available"
                : "kubelet has sufficient memory available"},
        {"DiskPressure", disk, disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
         disk ? "kubelet has disk pressure" : "kubelet has no disk pressure"},
        {"PIDPressure", pids, pids ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
         pids ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available"},
        ready_of(state, network),
    };
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < COR_COUNT(all); i++) {
        add_condition(list, all[i], before, now);
    }
    return list;
}

static void add_address(struct cor_json *list, const char *type, const char *address)
{
    struct cor_json *entry = cor_json_object();
    cor_json_set(entry, "type", cor_json_str(type));
    cor_json_set(entry, "address", cor_json_str(address));
    cor_json_add(list, entry);
}

static struct cor_json *addresses(const struct node_info *info)
{
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < info->ip_count; i++) {
        add_address(list, "InternalIP", info->ips[i]);
    }
    add_address(list, "Hostname", info->name);
    return list;
}

static struct cor_json *system_info(const struct node_info *info)
{
    const struct {
        const char *key;
        const char *value;
    } rows[] = {
        {"machineID", info->machine_id},     {"systemUUID", info->system_uuid},
        {"bootID", info->boot_id},           {"kernelVersion", info->kernel},
        {"osImage", info->os_image},         {"containerRuntimeVersion", info->runtime},
        {"kubeletVersion", KUBELET_VERSION}, {"kubeProxyVersion", KUBELET_VERSION},
        {"operatingSystem", "linux"},        {"architecture", info->arch},
    };
    struct cor_json *out = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_json_set(out, rows[i].key, cor_json_str(rows[i].value));
    }
    return out;
}

struct cor_json *node_status(const struct node_info *info, const struct node_state *state,
                             const struct cor_json *before, struct cor_wall now)
{
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "capacity", resources(info->cpus, info->memory, info->storage));
    cor_json_set(
        out, "allocatable",
        resources(info->cpus, node_memory_allocatable(info), node_storage_allocatable(info)));
    cor_json_set(out, "conditions", conditions(state, before, now));
    cor_json_set(out, "addresses", addresses(info));
    cor_json_set_at(out, "daemonEndpoints.kubeletEndpoint.Port", cor_json_int(info->port));
    cor_json_set(out, "nodeInfo", system_info(info));
    if (state->images != NULL) {
        cor_json_set(out, "images", cor_json_copy(state->images));
    }
    return out;
}

static struct cor_json *without_heartbeats(const struct cor_json *status)
{
    struct cor_json *copy = cor_json_copy(status);
    struct cor_json *list = cor_json_get(copy, "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        cor_json_del(cor_json_item(list, i), "lastHeartbeatTime");
    }
    return copy;
}

bool node_status_differs(const struct cor_json *a, const struct cor_json *b)
{
    auto_(cor_json_free) struct cor_json *left = without_heartbeats(a);
    auto_(cor_json_free) struct cor_json *right = without_heartbeats(b);
    return !cor_json_equal(left, right);
}

static struct cor_json *labels(const struct node_info *info)
{
    const struct {
        const char *key;
        const char *value;
    } rows[] = {
        {"kubernetes.io/hostname", info->name},  {"kubernetes.io/os", "linux"},
        {"kubernetes.io/arch", info->arch},      {"beta.kubernetes.io/os", "linux"},
        {"beta.kubernetes.io/arch", info->arch}, {"node-role.kubernetes.io/edge", ""},
        {"node-role.kubernetes.io/agent", ""},
    };
    struct cor_json *out = cor_json_object();
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_json_set(out, rows[i].key, cor_json_str(rows[i].value));
    }
    for (size_t i = 0; i < info->label_count; i++) {
        struct cor_view rest = cor_view_of(info->labels[i]);
        struct cor_view key = {0};
        (void)cor_view_split(&rest, '=', &key);
        auto_(cor_freep) char *name = cor_view_dup(key);
        cor_json_set(out, name, cor_json_view(rest));
    }
    return out;
}

/* "key=value:Effect" or "key:Effect". */
static struct cor_json *taint_of(const char *text)
{
    struct cor_view rest = cor_view_of(text);
    struct cor_view front = {0};
    (void)cor_view_split(&rest, ':', &front);
    struct cor_view key = {0};
    struct cor_view effect = rest;
    (void)cor_view_split(&front, '=', &key);
    struct cor_json *out = cor_json_object();
    cor_json_set(out, "key", cor_json_view(key));
    if (front.ptr != NULL) {
        cor_json_set(out, "value", cor_json_view(front));
    }
    cor_json_set(out, "effect", cor_json_view(effect));
    return out;
}

struct cor_json *node_object(const struct node_info *info, const struct cor_json *status)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *taints = cor_json_array();
    cor_json_set(out, "kind", cor_json_str("Node"));
    cor_json_set(out, "apiVersion", cor_json_str("v1"));
    cor_json_set_at(out, "metadata.name", cor_json_str(info->name));
    cor_json_set_at(out, "metadata.creationTimestamp", cor_json_null());
    cor_json_set_at(out, "metadata.labels", labels(info));
    cor_json_set(cor_json_get(out, "metadata"), "annotations", cor_json_object());
    cor_json_set(cor_json_at(out, "metadata.annotations"),
                 "volumes.kubernetes.io/controller-managed-attach-detach", cor_json_str("true"));
    if (info->autonomous) {
        cor_json_set(cor_json_at(out, "metadata.annotations"), "coracle.io/autonomous",
                     cor_json_str("true"));
    }
    marks_annotate(info, cor_json_at(out, "metadata.annotations"));
    cor_json_set(out, "spec", cor_json_object());
    for (size_t i = 0; i < info->taint_count; i++) {
        cor_json_add(taints, taint_of(info->taints[i]));
    }
    if (cor_json_count(taints) > 0) {
        cor_json_set_at(out, "spec.taints", take(&taints));
    }
    cor_json_free(&taints);
    if (!info->schedulable) {
        cor_json_set_at(out, "spec.unschedulable", cor_json_bool(true));
    }
    cor_json_set(out, "status", cor_json_copy(status));
    return out;
}

struct cor_json *node_patch(const struct cor_json *status)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *copy = cor_json_copy(status);
    struct cor_json *replace = cor_json_object();
    cor_json_set(replace, "$patch", cor_json_str("replace"));
    cor_json_add(cor_json_get(copy, "addresses"), replace);
    cor_json_set(out, "status", copy);
    return out;
}

struct cor_json *node_patch_heartbeats(const struct cor_json *status)
{
    static const char *const KEPT[] = {"type", "lastHeartbeatTime"};
    struct cor_json *out = cor_json_object();
    struct cor_json *list = cor_json_array();
    const struct cor_json *all = cor_json_get(status, "conditions");
    for (size_t i = 0; i < cor_json_count(all); i++) {
        struct cor_json *condition = cor_json_object();
        for (size_t k = 0; k < COR_COUNT(KEPT); k++) {
            struct cor_json *value = cor_json_get(cor_json_item(all, i), KEPT[k]);
            cor_json_set(condition, KEPT[k], cor_json_ref(value));
        }
        cor_json_add(list, condition);
    }
    cor_json_set_at(out, "status.conditions", list);
    return out;
}

struct cor_json *node_lease(const char *name, const char *node_uid, const struct cor_json *base,
                            struct cor_wall now)
{
    char time[COR_RFC3339_SIZE];
    cor_wall_format_us(now, time);
    struct cor_json *out = base != NULL ? cor_json_copy(base) : cor_json_object();
    cor_json_set(out, "kind", cor_json_str("Lease"));
    cor_json_set(out, "apiVersion", cor_json_str("coordination.k8s.io/v1"));
    cor_json_set_at(out, "metadata.name", cor_json_str(name));
    cor_json_set_at(out, "metadata.namespace", cor_json_str("kube-node-lease"));
    if (node_uid[0] != '\0') {
        struct cor_json *owner = cor_json_object();
        struct cor_json *owners = cor_json_array();
        cor_json_set(owner, "apiVersion", cor_json_str("v1"));
        cor_json_set(owner, "kind", cor_json_str("Node"));
        cor_json_set(owner, "name", cor_json_str(name));
        cor_json_set(owner, "uid", cor_json_str(node_uid));
        cor_json_add(owners, owner);
        cor_json_set_at(out, "metadata.ownerReferences", owners);
    }
    cor_json_set_at(out, "spec.holderIdentity", cor_json_str(name));
    cor_json_set_at(out, "spec.leaseDurationSeconds", cor_json_int(LEASE_SECONDS));
    cor_json_set_at(out, "spec.renewTime", cor_json_str(time));
    return out;
}
