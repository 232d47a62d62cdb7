// SPDX-License-Identifier: Apache-2.0
// Cells of Pods and Nodes (pkg/printers/internalversion/printers.go).
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "table.h"

static const char none[] = "<none>";

/* What a container that has ended or waits says about itself; false when nothing. */
static bool bad_state(const struct cor_json *status, struct cor_buf *reason)
{
    const struct cor_json *waiting = cor_json_at(status, "state.waiting");
    const struct cor_json *ended = cor_json_at(status, "state.terminated");
    const char *why = cor_json_str_at(waiting, "reason", "");
    if (why[0] != '\0') {
        cor_buf_clear(reason);
        cor_buf_str(reason, why);
        return true;
    }
    if (ended == NULL) {
        return false;
    }
    why = cor_json_str_at(ended, "reason", "");
    int64_t sig = cor_json_int_at(ended, "signal", 0);
    cor_buf_clear(reason);
    if (why[0] != '\0') {
        cor_buf_str(reason, why);
    } else if (sig != 0) {
        cor_buf_fmt(reason, "Signal:%lld", (long long)sig);
    } else {
        cor_buf_fmt(reason, "ExitCode:%lld", (long long)cor_json_int_at(ended, "exitCode", 0));
    }
    return true;
}

/* The first init container that has not succeeded gives the reason. Its restarts are added. */
static bool init_reason(const struct cor_json *pod, struct cor_buf *reason, int64_t *restarts)
{
    const struct cor_json *list = cor_json_at(pod, "status.initContainerStatuses");
    size_t wanted = cor_json_count(cor_json_at(pod, "spec.initContainers"));
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        const struct cor_json *ended = cor_json_at(one, "state.terminated");
        *restarts += cor_json_int_at(one, "restartCount", 0);
        if (ended != NULL && cor_json_int_at(ended, "exitCode", 0) == 0) {
            continue;
        }
        auto_(cor_buf_free) struct cor_buf why = {0};
        const char *waiting = cor_json_str_at(one, "state.waiting.reason", "");
        cor_buf_clear(reason);
        if (ended != NULL && bad_state(one, &why)) {
            cor_buf_fmt(reason, "Init:%s", why.data);
        } else if (waiting[0] != '\0' && strcmp(waiting, "PodInitializing") != 0) {
            cor_buf_fmt(reason, "Init:%s", waiting);
        } else {
            cor_buf_fmt(reason, "Init:%zu/%zu", i, wanted);
        }
        return true;
    }
    return false;
}

static bool is_ready(const struct cor_json *pod)
{
    const struct cor_json *list = cor_json_at(pod, "status.conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "type", ""), "Ready") == 0) {
            return strcmp(cor_json_str_at(one, "status", ""), "True") == 0;
        }
    }
    return false;
}

static void container_reason(const struct cor_json *pod, struct cor_buf *reason, int64_t *restarts,
                             size_t *ready)
{
    const struct cor_json *list = cor_json_at(pod, "status.containerStatuses");
    bool running = false;
    *restarts = 0;
    for (size_t i = cor_json_count(list); i > 0; i--) {
        const struct cor_json *one = cor_json_item(list, i - 1);
        *restarts += cor_json_int_at(one, "restartCount", 0);
        bool is = cor_json_bool_at(one, "ready", false);
        if (!bad_state(one, reason) && is && cor_json_at(one, "state.running") != NULL) {
            running = true;
            (*ready)++;
        }
    }
    if (running && reason->data != NULL && strcmp(reason->data, "Completed") == 0) {
        cor_buf_clear(reason);
        cor_buf_str(reason, is_ready(pod) ? "Running" : "NotReady");
    }
}

static void gates_cell(const struct cor_json *pod, struct cor_json *cells)
{
    const struct cor_json *gates = cor_json_at(pod, "spec.readinessGates");
    const struct cor_json *conditions = cor_json_at(pod, "status.conditions");
    size_t met = 0;
    for (size_t g = 0; g < cor_json_count(gates); g++) {
        const char *type = cor_json_str_at(cor_json_item(gates, g), "conditionType", "");
        for (size_t i = 0; i < cor_json_count(conditions); i++) {
            const struct cor_json *one = cor_json_item(conditions, i);
            met += strcmp(cor_json_str_at(one, "type", ""), type) == 0 &&
                           strcmp(cor_json_str_at(one, "status", ""), "True") == 0
                       ? 1
                       : 0;
        }
    }
    cor_json_add(cells, cor_json_count(gates) == 0
                            ? cor_json_str(none)
                            : cor_json_fmt("%zu/%zu", met, cor_json_count(gates)));
}

static void add_or_none(struct cor_json *cells, const char *text)
{
    cor_json_add(cells, cor_json_str(text[0] == '\0' ? none : text));
}

static void add_age(struct cor_json *cells, const struct cor_json *object, struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf age = {0};
    kl_age(cor_json_at(object, "metadata.creationTimestamp"), now, &age);
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&age)));
}

void kl_pod_cells(const struct cor_json *pod, struct cor_wall now, struct cor_json *cells)
{
    auto_(cor_buf_free) struct cor_buf reason = {0};
    int64_t restarts = 0;
    size_t ready = 0;
    const char *said = cor_json_str_at(pod, "status.reason", "");
    cor_buf_str(&reason, said[0] != '\0' ? said : cor_json_str_at(pod, "status.phase", ""));
    if (!init_reason(pod, &reason, &restarts)) {
        container_reason(pod, &reason, &restarts, &ready);
    }
    if (kl_meta_deleting(pod)) {
        bool lost = strcmp(said, "NodeLost") == 0;
        cor_buf_clear(&reason);
        cor_buf_str(&reason, lost ? "Unknown" : "Terminating");
    }
    cor_json_add(cells, cor_json_str(kl_meta_str(pod, "name")));
    cor_json_add(
        cells, cor_json_fmt("%zu/%zu", ready, cor_json_count(cor_json_at(pod, "spec.containers"))));
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&reason)));
    cor_json_add(cells, cor_json_int(restarts));
    add_age(cells, pod, now);
    const char *ip = cor_json_str_at(pod, "status.podIP", "");
    const struct cor_json *ips = cor_json_at(pod, "status.podIPs");
    add_or_none(cells,
                cor_json_count(ips) > 0 ? cor_json_str_at(cor_json_item(ips, 0), "ip", "") : ip);
    add_or_none(cells, cor_json_str_at(pod, "spec.nodeName", ""));
    add_or_none(cells, cor_json_str_at(pod, "status.nominatedNodeName", ""));
    gates_cell(pod, cells);
}

static void roles(const struct cor_json *node, struct cor_buf *out)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    auto_(cor_json_free) struct cor_json *names = cor_json_array();
    while (cor_json_each(cor_json_at(node, "metadata.labels"), &at, &key, &value)) {
        const char *role = NULL;
        if (strncmp(key, prefix, sizeof(prefix) - 1) == 0) {
            role = key + sizeof(prefix) - 1;
        } else if (strcmp(key, "kubernetes.io/role") == 0) {
            role = cor_json_as_str(value, "");
        }
        if (role == NULL || role[0] == '\0') {
            continue;
        }
        size_t place = 0;
        while (place < cor_json_count(names) &&
               strcmp(cor_json_as_str(cor_json_item(names, place), ""), role) < 0) {
            place++;
        }
        cor_json_insert(names, place, cor_json_str(role));
    }
    for (size_t i = 0; i < cor_json_count(names); i++) {
        cor_buf_fmt(out, "%s%s", i == 0 ? "" : ",", cor_json_as_str(cor_json_item(names, i), ""));
    }
    cor_buf_str(out, out->len == 0 ? none : "");
}

static const char *address(const struct cor_json *node, const char *type)
{
    const struct cor_json *list = cor_json_at(node, "status.addresses");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "type", ""), type) == 0) {
            return cor_json_str_at(one, "address", none);
        }
    }
    return none;
}

static void add_or_unknown(struct cor_json *cells, const struct cor_json *node, const char *path)
{
    const char *text = cor_json_str_at(node, path, "");
    cor_json_add(cells, cor_json_str(text[0] == '\0' ? "<unknown>" : text));
}

void kl_node_cells(const struct cor_json *node, struct cor_wall now, struct cor_json *cells)
{
    auto_(cor_buf_free) struct cor_buf status = {0};
    auto_(cor_buf_free) struct cor_buf role = {0};
    const struct cor_json *list = cor_json_at(node, "status.conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "type", ""), "Ready") == 0) {
            bool ready = strcmp(cor_json_str_at(one, "status", ""), "True") == 0;
            cor_buf_clear(&status);
            cor_buf_str(&status, ready ? "Ready" : "NotReady");
        }
    }
    cor_buf_str(&status, status.len == 0 ? "Unknown" : "");
    if (cor_json_bool_at(node, "spec.unschedulable", false)) {
        cor_buf_str(&status, ",SchedulingDisabled");
    }
    roles(node, &role);
    cor_json_add(cells, cor_json_str(kl_meta_str(node, "name")));
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&status)));
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&role)));
    add_age(cells, node, now);
    cor_json_add(cells, cor_json_str(cor_json_str_at(node, "status.nodeInfo.kubeletVersion", "")));
    cor_json_add(cells, cor_json_str(address(node, "InternalIP")));
    cor_json_add(cells, cor_json_str(address(node, "ExternalIP")));
    add_or_unknown(cells, node, "status.nodeInfo.osImage");
    add_or_unknown(cells, node, "status.nodeInfo.kernelVersion");
    add_or_unknown(cells, node, "status.nodeInfo.containerRuntimeVersion");
}
