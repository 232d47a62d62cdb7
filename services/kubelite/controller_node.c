// SPDX-License-Identifier: Apache-2.0
// Nodes whose lease is late are NotReady and tainted; Pods whose node is gone are removed
// (pkg/controller/nodelifecycle, pkg/controller/podgc); Events end after an hour.
#include <string.h>

#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"

enum { GRACE_S = 40, PERIOD_S = 5, EVENT_TTL_S = 3600 }; /* --event-ttl of kube-apiserver */

static const char unreachable[] = "node.kubernetes.io/unreachable";
static const char not_ready[] = "node.kubernetes.io/not-ready";

static struct cor_json *ready_condition(const struct cor_json *node)
{
    const struct cor_json *list = cor_json_at(node, "status.conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "type", ""), "Ready") == 0) {
            return one;
        }
    }
    return NULL;
}

/* When the node was last heard of: its lease, its heartbeat or its creation, whichever is newest.
 */
static struct cor_wall heard(struct kl_api *api, const struct cor_json *node)
{
    auto_(cor_json_free) struct cor_json *lease = kl_storage_look(
        api->storage, kl_builtin(KL_LEASE), "kube-node-lease", kl_meta_str(node, "name"));
    const struct cor_json *times[] = {
        cor_json_at(lease, "spec.renewTime"),
        cor_json_get(ready_condition(node), "lastHeartbeatTime"),
        cor_json_at(node, "metadata.creationTimestamp"),
    };
    struct cor_wall newest = {0};
    for (size_t i = 0; i < COR_COUNT(times); i++) {
        struct cor_wall time = {0};
        if (cor_wall_parse(cor_json_as_view(times[i]), &time) && time.us > newest.us) {
            newest = time;
        }
    }
    return newest;
}

/* Every condition of a node that is not heard of is unknown. */
static void mark_unknown(struct cor_json *node, const char *time)
{
    struct cor_json *list = cor_json_at(node, "status.conditions");
    if (ready_condition(node) == NULL) {
        if (!cor_json_is_array(list)) {
            cor_json_set_at(node, "status.conditions", cor_json_array());
            list = cor_json_at(node, "status.conditions");
        }
        struct cor_json *ready = cor_json_object();
        cor_json_set(ready, "type", cor_json_str("Ready"));
        cor_json_set(ready, "lastHeartbeatTime",
                     cor_json_str(cor_json_str_at(node, "metadata.creationTimestamp", "")));
        cor_json_add(list, ready);
    }
    for (size_t i = 0; i < cor_json_count(list); i++) {
        struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "status", ""), "Unknown") == 0) {
            continue;
        }
        cor_json_set(one, "status", cor_json_str("Unknown"));
        cor_json_set(one, "reason", cor_json_str("NodeStatusUnknown"));
        cor_json_set(one, "message", cor_json_str("Kubelet stopped posting node status."));
        cor_json_set(one, "lastTransitionTime", cor_json_str(time));
    }
}

static void set_taint(struct cor_json *node, const char *key, const char *effect, bool wanted,
                      const char *time)
{
    struct cor_json *taints = cor_json_at(node, "spec.taints");
    for (size_t i = 0; i < cor_json_count(taints); i++) {
        const struct cor_json *one = cor_json_item(taints, i);
        if (strcmp(cor_json_str_at(one, "key", ""), key) != 0 ||
            strcmp(cor_json_str_at(one, "effect", ""), effect) != 0) {
            continue;
        }
        if (!wanted) {
            cor_json_put(taints, i, NULL);
        }
        if (cor_json_count(taints) == 0) {
            cor_json_del(cor_json_get(node, "spec"), "taints");
        }
        return;
    }
    if (!wanted) {
        return;
    }
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "key", cor_json_str(key));
    cor_json_set(one, "effect", cor_json_str(effect));
    if (strcmp(effect, "NoExecute") == 0) {
        cor_json_set(one, "timeAdded", cor_json_str(time));
    }
    if (!cor_json_is_array(taints)) {
        cor_json_set_at(node, "spec.taints", cor_json_array());
    }
    cor_json_add(cor_json_at(node, "spec.taints"), one);
}

/* Returns the time until the node can be late; one that is late already is looked at again soon, in
 * case that it could not be written. */
static int64_t look_at(struct kl_api *api, const char *name, struct cor_wall now)
{
    struct cor_json *old = kl_storage_look(api->storage, kl_builtin(KL_NODE), NULL, name);
    if (old == NULL) {
        return COR_SEC(GRACE_S);
    }
    struct cor_json *node = cor_json_copy(old);
    char time[COR_RFC3339_SIZE];
    cor_wall_format(now, time);
    int64_t rest_us = heard(api, node).us + COR_SEC(GRACE_S) - now.us;
    bool late = rest_us < 0;
    if (late) {
        mark_unknown(node, time);
    }
    const char *ready = cor_json_str_at(ready_condition(node), "status", "");
    bool lost = strcmp(ready, "Unknown") == 0;
    bool down = strcmp(ready, "False") == 0 || ready[0] == '\0';
    set_taint(node, unreachable, "NoSchedule", lost, time);
    set_taint(node, unreachable, "NoExecute", lost, time);
    set_taint(node, not_ready, "NoSchedule", down, time);
    set_taint(node, not_ready, "NoExecute", down && ready[0] != '\0', time);
    set_taint(node, "node.kubernetes.io/unschedulable", "NoSchedule",
              cor_json_bool_at(node, "spec.unschedulable", false), time);
    kl_own_update(api, kl_builtin(KL_NODE), node, old);
    return rest_us;
}

/* A clock that is ahead does not keep a node alive for longer than the grace. */
int64_t kl_nodes_pass(struct kl_api *api, struct cor_wall now)
{
    int64_t wait_us = COR_SEC(GRACE_S);
    auto_(cor_json_free) struct cor_json *nodes =
        kl_storage_objects(api->storage, kl_builtin(KL_NODE), NULL);
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        int64_t rest_us = look_at(api, kl_meta_str(cor_json_item(nodes, i), "name"), now);
        wait_us = rest_us < wait_us ? rest_us : wait_us;
    }
    return wait_us < COR_SEC(PERIOD_S) ? COR_SEC(PERIOD_S) : wait_us;
}

static bool has_node(const struct cor_json *nodes, const char *name)
{
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        if (strcmp(kl_meta_str(cor_json_item(nodes, i), "name"), name) == 0) {
            return true;
        }
    }
    return false;
}

/* A Pod whose node was there and is deleted. One that is pinned to a node that has yet to join
 * stays: it was never seen running. */
static bool orphaned(const struct cor_json *pod, const struct cor_json *nodes)
{
    const char *node = cor_json_str_at(pod, "spec.nodeName", "");
    return node[0] != '\0' && !has_node(nodes, node) &&
           cor_json_str_at(pod, "status.startTime", "")[0] != '\0';
}

void kl_podgc_pass(struct kl_api *api)
{
    auto_(cor_json_free) struct cor_json *nodes =
        kl_storage_objects(api->storage, kl_builtin(KL_NODE), NULL);
    auto_(cor_json_free) struct cor_json *pods =
        kl_storage_objects(api->storage, kl_builtin(KL_POD), NULL);
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        const struct cor_json *pod = cor_json_item(pods, i);
        if (!orphaned(pod, nodes)) {
            continue;
        }
        struct cor_json *newest =
            kl_storage_get(api->storage, kl_builtin(KL_POD), kl_meta_str(pod, "namespace"),
                           kl_meta_str(pod, "name"));
        if (newest != NULL && cor_json_count(cor_json_at(newest, "metadata.finalizers")) == 0) {
            kl_own_delete(api, kl_builtin(KL_POD), newest);
        } else {
            cor_json_free(&newest);
        }
    }
}

void kl_events_pass(struct kl_api *api, struct cor_wall now)
{
    const struct kl_kind *kind = kl_builtin(KL_EVENT);
    auto_(cor_json_free) struct cor_json *events = kl_storage_objects(api->storage, kind, NULL);
    for (size_t i = 0; i < cor_json_count(events); i++) {
        struct cor_json *event = cor_json_item(events, i);
        struct cor_wall last = {0};
        (void)cor_wall_parse(cor_json_as_view(cor_json_at(event, "metadata.creationTimestamp")),
                             &last);
        (void)cor_wall_parse(cor_json_as_view(cor_json_get(event, "lastTimestamp")), &last);
        struct cor_json *newest =
            now.us - last.us < COR_SEC(EVENT_TTL_S)
                ? NULL
                : kl_storage_get(api->storage, kind, kl_meta_str(event, "namespace"),
                                 kl_meta_str(event, "name"));
        if (newest != NULL) {
            kl_own_delete(api, kind, newest);
        }
    }
}
