// SPDX-License-Identifier: Apache-2.0
// Pods go from nodes with a NoExecute taint that they do not tolerate, or not any longer
// (pkg/controller/nodelifecycle/scheduler/taint_manager.go).
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "controller.h"
#include "meta.h"
#include "plan.h"
#include "schedule.h"

enum { RETRY_S = 5 };

struct kl_taints {
    struct kl_api *api;
    struct cor_timer *due;
    struct cor_map *since; /* uid of a Pod that may stay for a time -> when that began, owned */
    bool any;
};

struct pass {
    struct kl_taints *taints;
    struct cor_mono now;
    struct cor_map *since; /* of this pass */
    int64_t wait_us;
};

static void tell(struct kl_api *api, const struct cor_json *pod)
{
    auto_(kl_plan_free) struct kl_plan plan = {.now = cor_wall_now()};
    auto_(kl_fail_free) struct kl_fail fail = {0};
    kl_plan_event(&plan, KL_POD, pod, "TaintManagerEviction", "Marking for deletion Pod %s/%s",
                  kl_meta_str(pod, "namespace"), kl_meta_str(pod, "name"));
    (void)!kl_own_make(api, kl_builtin(KL_EVENT), take(&plan.steps[0].object), NULL, &fail);
}

static void remove_pod(struct kl_api *api, const struct cor_json *pod)
{
    LOGI(api->log, "controller.taint.evicted", "pod=%s/%s node=%s", kl_meta_str(pod, "namespace"),
         kl_meta_str(pod, "name"), cor_json_str_at(pod, "spec.nodeName", ""));
    tell(api, pod);
    kl_own_remove(api, kl_builtin(KL_POD), pod, "Background");
}

static struct cor_mono begun(struct pass *pass, struct cor_view uid)
{
    const struct cor_mono *before = cor_map_get(pass->taints->since, uid);
    struct cor_mono since = before != NULL ? *before : pass->now;
    cor_map_set(pass->since, uid, cor_memdup(&since, sizeof(since)));
    return since;
}

static void look_at(struct pass *pass, const struct cor_json *node, const struct cor_json *pod)
{
    struct kl_api *api = pass->taints->api;
    int64_t seconds = kl_tolerates_for(pod, node);
    if (seconds == KL_FOR_EVER || kl_meta_deleting(pod)) {
        return;
    }
    struct cor_mono since = begun(pass, cor_view_of(kl_meta_str(pod, "uid")));
    int64_t rest_us = COR_SEC(seconds) - cor_mono_since(pass->now, since);
    if (rest_us <= 0) {
        remove_pod(api, pod);
        rest_us = COR_SEC(RETRY_S); /* if it could not be written */
    }
    pass->wait_us = rest_us < pass->wait_us ? rest_us : pass->wait_us;
}

static void look_at_pods(struct pass *pass, const struct cor_json *tainted)
{
    auto_(cor_json_free) struct cor_json *pods =
        kl_storage_objects(pass->taints->api->storage, kl_builtin(KL_POD), NULL);
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        const struct cor_json *pod = cor_json_item(pods, i);
        const char *name = cor_json_str_at(pod, "spec.nodeName", "");
        const struct cor_json *node = cor_json_get(tainted, name);
        if (node != NULL) {
            look_at(pass, node, pod);
        }
    }
}

/* By name. */
static struct cor_json *tainted_of(struct kl_api *api)
{
    struct cor_json *tainted = cor_json_object();
    auto_(cor_json_free) struct cor_json *nodes =
        kl_storage_objects(api->storage, kl_builtin(KL_NODE), NULL);
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        struct cor_json *node = cor_json_item(nodes, i);
        if (kl_is_evicting(node)) {
            cor_json_set(tainted, kl_meta_str(node, "name"), cor_json_ref(node));
        }
    }
    return tainted;
}

void kl_taints_pass(struct kl_taints *taints)
{
    auto_(cor_json_free) struct cor_json *tainted = tainted_of(taints->api);
    struct pass pass = {.taints = taints,
                        .now = cor_loop_now(taints->api->loop),
                        .since = cor_map_new(cor_free),
                        .wait_us = INT64_MAX};
    taints->any = cor_json_count(tainted) > 0;
    if (taints->any) {
        look_at_pods(&pass, tainted);
    }
    cor_map_free(&taints->since);
    taints->since = pass.since;
    cor_timer_stop(taints->due);
    if (pass.wait_us != INT64_MAX) {
        cor_timer_start(taints->due, pass.wait_us);
    }
}

bool kl_taints_any(const struct kl_taints *taints)
{
    return taints->any;
}

static void on_due(void *self)
{
    kl_taints_pass(self);
}

struct kl_taints *kl_taints_new(struct kl_api *api)
{
    struct kl_taints *taints = cor_alloc(sizeof(*taints));
    taints->api = api;
    taints->since = cor_map_new(cor_free);
    taints->due = cor_timer_new(api->loop, on_due, taints);
    return taints;
}

void kl_taints_free(struct kl_taints **taints)
{
    if (*taints != NULL) {
        cor_timer_free(&(*taints)->due);
        cor_map_free(&(*taints)->since);
        cor_freep(taints);
    }
}
