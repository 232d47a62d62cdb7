// SPDX-License-Identifier: Apache-2.0
// Binds Pods without a node to one that fits; says in the Pod's conditions when there is none.
#include <string.h>

#include "bind.h"
#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"
#include "schedule.h"
#include "strategy.h"

static bool waits(const struct cor_json *pod)
{
    return cor_json_str_at(pod, "spec.nodeName", "")[0] == '\0' && !kl_meta_deleting(pod) &&
           cor_json_count(cor_json_at(pod, "spec.schedulingGates")) == 0 &&
           strcmp(cor_json_str_at(pod, "spec.schedulerName", ""), "default-scheduler") == 0;
}

static void set_unschedulable(struct kl_api *api, struct cor_json *pod, const char *why)
{
    struct cor_json *old = cor_json_copy(pod);
    struct cor_json *conditions = cor_json_at(pod, "status.conditions");
    if (!cor_json_is_array(conditions)) {
        cor_json_set_at(pod, "status.conditions", cor_json_array());
        conditions = cor_json_at(pod, "status.conditions");
    }
    struct cor_json *one = NULL;
    for (size_t i = 0; i < cor_json_count(conditions); i++) {
        struct cor_json *each = cor_json_item(conditions, i);
        one = strcmp(cor_json_str_at(each, "type", ""), "PodScheduled") == 0 ? each : one;
    }
    if (one == NULL) {
        char time[COR_RFC3339_SIZE];
        cor_wall_format(cor_wall_now(), time);
        one = cor_json_object();
        cor_json_set(one, "type", cor_json_str("PodScheduled"));
        cor_json_set(one, "lastProbeTime", cor_json_null());
        cor_json_set(one, "lastTransitionTime", cor_json_str(time));
        cor_json_add(conditions, one);
    }
    cor_json_set(one, "status", cor_json_str("False"));
    cor_json_set(one, "reason", cor_json_str("Unschedulable"));
    cor_json_set(one, "message", cor_json_str(why));
    kl_own_update(api, kl_builtin(KL_POD), pod, old);
}

/* Stores an object that the stock has at index, in both. */
static void keep(struct kl_api *api, enum kl_builtin kind, struct cor_json *list, size_t index,
                 struct cor_json *object)
{
    const char *ns = kind == KL_PERSISTENTVOLUME ? NULL : kl_meta_str(object, "namespace");
    struct cor_json *old =
        kl_storage_get(api->storage, kl_builtin(kind), ns, kl_meta_str(object, "name"));
    cor_json_put(list, index, cor_json_copy(object));
    kl_own_update(api, kl_builtin(kind), object, old);
}

/* Claims that have waited for the node get their volumes. */
static void bind_claims(struct kl_api *api, const struct cor_json *pod, const struct cor_json *node,
                        struct kl_stock *stock)
{
    bool more = true;
    for (size_t i = 0; more; i++) {
        size_t at = kl_claim_of(pod, i, stock, &more);
        const struct cor_json *listed = cor_json_item(stock->claims, at);
        if (listed == NULL || !kl_claim_waits(listed, stock->classes)) {
            continue;
        }
        size_t which = kl_claim_volume(listed, node, stock, NULL);
        if (which < cor_json_count(stock->volumes)) {
            struct cor_json *claim = cor_json_copy(listed);
            struct cor_json *volume = cor_json_copy(cor_json_item(stock->volumes, which));
            kl_bind(claim, volume);
            keep(api, KL_PERSISTENTVOLUME, stock->volumes, which, volume);
            keep(api, KL_PERSISTENTVOLUMECLAIM, stock->claims, at, claim);
        }
    }
}

static void schedule(struct kl_api *api, struct cor_json *listed, const struct cor_json *nodes,
                     const struct cor_json *pods, struct kl_stock *stock)
{
    struct cor_json *pod =
        kl_storage_get(api->storage, kl_builtin(KL_POD), kl_meta_str(listed, "namespace"),
                       kl_meta_str(listed, "name"));
    if (pod == NULL || !waits(pod)) {
        cor_json_free(&pod);
        return;
    }
    auto_(cor_buf_free) struct cor_buf why = {0};
    const struct cor_json *node = kl_choose_node(pod, nodes, pods, stock, &why);
    if (node == NULL) {
        set_unschedulable(api, pod, why.data);
        return;
    }
    bind_claims(api, pod, node, stock);
    struct cor_json *old = cor_json_copy(pod);
    kl_pod_bind(pod, kl_meta_str(node, "name"), cor_wall_now());
    /* The next Pods of this pass see it there. */
    cor_json_set_at(listed, "spec.nodeName", cor_json_str(kl_meta_str(node, "name")));
    kl_own_update(api, kl_builtin(KL_POD), pod, old);
}

static struct kl_stock stock_of(struct kl_api *api)
{
    return (struct kl_stock){
        .claims = kl_storage_objects(api->storage, kl_builtin(KL_PERSISTENTVOLUMECLAIM), NULL),
        .volumes = kl_storage_objects(api->storage, kl_builtin(KL_PERSISTENTVOLUME), NULL),
        .classes = kl_storage_objects(api->storage, kl_builtin(KL_STORAGECLASS), NULL)};
}

static void stock_free(struct kl_stock *stock)
{
    cor_json_free(&stock->claims);
    cor_json_free(&stock->volumes);
    cor_json_free(&stock->classes);
}

bool kl_schedule_pass(struct kl_api *api)
{
    bool waiting = false;
    auto_(cor_json_free) struct cor_json *pods =
        kl_storage_objects(api->storage, kl_builtin(KL_POD), NULL);
    auto_(cor_json_free) struct cor_json *nodes = NULL;
    auto_(stock_free) struct kl_stock stock = {0};
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        struct cor_json *pod = cor_json_item(pods, i);
        if (!waits(pod)) {
            continue;
        }
        if (nodes == NULL) {
            nodes = kl_storage_objects(api->storage, kl_builtin(KL_NODE), NULL);
            stock = stock_of(api);
        }
        cor_json_put(pods, i, cor_json_copy(pod)); /* the listed one is everybody's */
        pod = cor_json_item(pods, i);
        schedule(api, pod, nodes, pods, &stock);
        waiting = waiting || waits(pod);
    }
    return waiting;
}
