// SPDX-License-Identifier: Apache-2.0
#include "workload.h"

#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "controller.h"
#include "labels.h"
#include "meta.h"
#include "plan.h"
#include "write.h"

enum { RETRY_US = 1000000, TRIES_MAX = 6 }; /* after a refusal: 1 s, 2 s ... 64 s */

/* One object to look at. */
struct item {
    enum kl_builtin kind;
    char *ns;
    char *name;
    int64_t due_us; /* monotonic */
    bool adopt;     /* Pods without a controller may belong to it */
    int tries;      /* that were refused, one after the other */
};

struct kl_workloads {
    struct kl_api *api;
    struct cor_map *items; /* "kind/ns/name" -> struct item */
    struct cor_timer *timer;
};

static void item_free(void *value)
{
    struct item *item = value;
    cor_free(item->ns);
    cor_free(item->name);
    cor_free(item);
}

/* The timer runs to the first item. */
static void set_timer(struct kl_workloads *workloads)
{
    int64_t first = INT64_MAX;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(workloads->items, &at, NULL, &value)) {
        const struct item *item = value;
        first = item->due_us < first ? item->due_us : first;
    }
    if (first != INT64_MAX) {
        int64_t rest = first - cor_loop_now(workloads->api->loop).us;
        cor_timer_start(workloads->timer, rest < 0 ? 0 : rest);
    }
}

static struct item *want(struct kl_workloads *workloads, enum kl_builtin kind, const char *ns,
                         const char *name, int64_t after_us, bool adopt)
{
    auto_(cor_buf_free) struct cor_buf id = {0};
    int64_t due = cor_loop_now(workloads->api->loop).us + after_us;
    cor_buf_fmt(&id, "%d/%s/%s", (int)kind, ns, name);
    struct item *item = cor_map_get(workloads->items, cor_buf_as_view(&id));
    if (item == NULL) {
        item = cor_alloc(sizeof(*item));
        *item = (struct item){kind, cor_strdup(ns), cor_strdup(name), due, adopt, 0};
        cor_map_set(workloads->items, cor_buf_as_view(&id), item);
    }
    item->due_us = due < item->due_us ? due : item->due_us;
    item->adopt = item->adopt || adopt;
    return item;
}

static const enum kl_builtin controllers[] = {KL_DEPLOYMENT, KL_REPLICASET, KL_DAEMONSET, KL_JOB};

/* Whoever controls object. */
static bool want_owner(struct kl_workloads *workloads, const struct cor_json *object)
{
    const struct cor_json *owner = kl_meta_controller(object);
    const char *kind = cor_json_str_at(owner, "kind", "");
    for (size_t i = 0; owner != NULL && i < COR_COUNT(controllers); i++) {
        if (strcmp(kl_builtin(controllers[i])->kind, kind) == 0) {
            (void)want(workloads, controllers[i], kl_meta_str(object, "namespace"),
                       cor_json_str_at(owner, "name", ""), 0, false);
        }
    }
    return owner != NULL;
}

/* ReplicaSets that select a Pod nobody controls. */
static void want_adopters(struct kl_workloads *workloads, const struct cor_json *pod)
{
    const char *ns = kl_meta_str(pod, "namespace");
    auto_(cor_json_free) struct cor_json *sets =
        kl_storage_objects(workloads->api->storage, kl_builtin(KL_REPLICASET), ns);
    for (size_t i = 0; i < cor_json_count(sets); i++) {
        const struct cor_json *set = cor_json_item(sets, i);
        if (kl_labels_match(cor_json_at(set, "spec.selector"),
                            cor_json_at(pod, "metadata.labels"))) {
            (void)want(workloads, KL_REPLICASET, ns, kl_meta_str(set, "name"), 0, true);
        }
    }
}

static void on_pod(struct kl_workloads *workloads, const struct kl_change *change)
{
    bool owned = want_owner(workloads, change->object);
    bool was = change->old != NULL && want_owner(workloads, change->old);
    bool relabeled =
        change->old == NULL || !cor_json_equal(cor_json_at(change->object, "metadata.labels"),
                                               cor_json_at(change->old, "metadata.labels"));
    if (!owned && (relabeled || was) && change->type != KL_DELETED) {
        want_adopters(workloads, change->object);
    }
}

/* Whether a change of a node matters to DaemonSets. */
static bool node_matters(const struct kl_change *change)
{
    static const char *const parts[] = {"metadata.labels", "spec"};
    for (size_t i = 0; change->type == KL_MODIFIED && i < COR_COUNT(parts); i++) {
        if (!cor_json_equal(cor_json_at(change->object, parts[i]),
                            cor_json_at(change->old, parts[i]))) {
            return true;
        }
    }
    return change->type != KL_MODIFIED;
}

static void want_all(struct kl_workloads *workloads, enum kl_builtin kind)
{
    auto_(cor_json_free) struct cor_json *list =
        kl_storage_objects(workloads->api->storage, kl_builtin(kind), NULL);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        (void)want(workloads, kind, kl_meta_str(one, "namespace"), kl_meta_str(one, "name"), 0,
                   true);
    }
}

static void on_change(void *self, const struct kl_change *change)
{
    struct kl_workloads *workloads = self;
    if (strcmp(change->key, "pods") == 0) {
        on_pod(workloads, change);
    } else if (strcmp(change->key, "nodes") == 0 && node_matters(change)) {
        want_all(workloads, KL_DAEMONSET);
    }
    for (size_t i = 0; i < COR_COUNT(controllers); i++) {
        auto_(cor_buf_free) struct cor_buf key = {0};
        kl_kind_key(kl_builtin(controllers[i]), &key);
        if (strcmp(key.data, change->key) == 0) {
            (void)want(workloads, controllers[i], change->ns, change->name, 0,
                       change->type == KL_ADDED);
            (void)want_owner(workloads, change->object);
        }
    }
    set_timer(workloads);
}

/* Gives Pods without a controller that the ReplicaSet selects to it. */
static void adopt(struct kl_api *api, const struct cor_json *set)
{
    const struct kl_kind *pods = kl_builtin(KL_POD);
    const char *ns = kl_meta_str(set, "namespace");
    auto_(cor_json_free) struct cor_json *list = kl_storage_objects(api->storage, pods, ns);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        struct cor_json *old =
            kl_storage_look(api->storage, pods, ns, kl_meta_str(cor_json_item(list, i), "name"));
        if (old == NULL || kl_meta_controller(old) != NULL || !kl_pod_active(old) ||
            !kl_labels_match(cor_json_at(set, "spec.selector"),
                             cor_json_at(old, "metadata.labels"))) {
            cor_json_free(&old);
            continue;
        }
        struct cor_json *pod = cor_json_copy(old);
        if (!cor_json_is_array(cor_json_at(pod, "metadata.ownerReferences"))) {
            cor_json_set(kl_meta(pod), "ownerReferences", cor_json_array());
        }
        cor_json_add(cor_json_at(pod, "metadata.ownerReferences"),
                     kl_owner_ref(KL_REPLICASET, set));
        kl_own_update(api, pods, pod, old);
    }
}

static void sync(struct kl_api *api, const struct item *item, const struct cor_json *object,
                 struct kl_plan *plan)
{
    const char *uid = kl_meta_str(object, "uid");
    struct cor_wall now = plan->now;
    enum kl_builtin owned_kind = item->kind == KL_DEPLOYMENT ? KL_REPLICASET : KL_POD;
    if (item->kind == KL_REPLICASET && item->adopt && !kl_meta_deleting(object)) {
        adopt(api, object);
    }
    auto_(cor_json_free) struct cor_json *owned =
        kl_storage_owned(api->storage, kl_builtin(owned_kind), uid);
    if (item->kind == KL_DEPLOYMENT) {
        kl_deployment_sync(object, owned, now, plan);
    } else if (item->kind == KL_REPLICASET) {
        kl_replicaset_sync(object, owned, now, plan);
    } else if (item->kind == KL_JOB) {
        kl_job_sync(object, owned, now, plan);
    } else {
        auto_(cor_json_free) struct cor_json *nodes =
            kl_storage_objects(api->storage, kl_builtin(KL_NODE), NULL);
        auto_(cor_json_free) struct cor_json *revisions =
            kl_storage_owned(api->storage, kl_builtin(KL_CONTROLLERREVISION), uid);
        kl_daemonset_sync(object, owned, nodes, revisions, plan, now);
    }
}

static enum cor_code update(struct kl_api *api, struct kl_step *step, struct kl_fail *fail)
{
    auto_(kl_draft_free) struct kl_draft draft = {
        .kind = kl_builtin(step->kind),
        .sub = step->type == KL_UPDATE_STATUS ? KL_SUB_STATUS : KL_SUB_NONE,
        .object = take(&step->object),
        .old = take(&step->old)};
    enum cor_code code = kl_draft_update(&draft, fail);
    if (code == COR_OK) {
        kl_own_update(api, draft.kind, take(&draft.object), take(&draft.old));
    }
    return code;
}

/* Events tell of Pods that were made: their names are only known then. */
static void tell_created(struct kl_api *api, const struct item *item, const struct cor_json *object,
                         const char *name)
{
    auto_(kl_plan_free) struct kl_plan plan = {.now = cor_wall_now()};
    auto_(kl_fail_free) struct kl_fail fail = {0};
    kl_plan_event(&plan, item->kind, object, "SuccessfulCreate", "Created pod: %s", name);
    (void)!kl_own_make(api, kl_builtin(KL_EVENT), take(&plan.steps[0].object), NULL, &fail);
}

static enum cor_code carry_out(struct kl_api *api, const struct item *item,
                               const struct cor_json *object, struct kl_step *step,
                               struct kl_fail *fail)
{
    const struct kl_kind *kind = kl_builtin(step->kind);
    if (step->type == KL_REMOVE) {
        kl_own_remove(api, kind, step->object, "Background");
        return COR_OK;
    }
    if (step->type != KL_CREATE) {
        return update(api, step, fail);
    }
    auto_(cor_freep) char *name = NULL;
    enum cor_code code = kl_own_make(api, kind, take(&step->object), &name, fail);
    if (code == COR_OK && step->kind == KL_POD) {
        tell_created(api, item, object, name);
    }
    return code;
}

static void look_at(struct kl_workloads *workloads, const struct item *item)
{
    struct kl_api *api = workloads->api;
    auto_(kl_plan_free) struct kl_plan plan = {.now = cor_wall_now()};
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *object =
        kl_storage_look(api->storage, kl_builtin(item->kind), item->ns, item->name);
    if (object == NULL) {
        return;
    }
    sync(api, item, object, &plan);
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < plan.count; i++) {
        if (code == COR_OK || plan.steps[i].type != KL_CREATE) {
            enum cor_code one = carry_out(api, item, object, &plan.steps[i], &fail);
            code = code == COR_OK ? one : code;
        }
    }
    if (code != COR_OK) {
        LOGI(api->log, "workload.refused", "kind=%s ns=%s name=%s error=%s",
             kl_builtin(item->kind)->kind, item->ns, item->name,
             cor_log_esc(cor_view_of(fail.message == NULL ? "" : fail.message)));
        kl_plan_again(&plan,
                      (int64_t)RETRY_US << (item->tries < TRIES_MAX ? item->tries : TRIES_MAX));
    }
    if (plan.again_us > 0) {
        struct item *next = want(workloads, item->kind, item->ns, item->name, plan.again_us, false);
        next->tries = code == COR_OK ? 0 : item->tries + 1;
    }
}

void kl_workloads_pass(struct kl_workloads *workloads)
{
    int64_t now = cor_loop_now(workloads->api->loop).us;
    struct cor_map *before = workloads->items;
    size_t at = 0;
    void *value = NULL;
    workloads->items = cor_map_new(item_free);
    while (cor_map_next(before, &at, NULL, &value)) {
        const struct item *item = value;
        if (item->due_us <= now) {
            look_at(workloads, item);
        } else {
            struct item *same =
                want(workloads, item->kind, item->ns, item->name, item->due_us - now, item->adopt);
            same->tries = item->tries;
        }
    }
    cor_map_free(&before);
    set_timer(workloads);
}

static void on_timer(void *self)
{
    kl_workloads_pass(self);
}

struct kl_workloads *kl_workloads_new(struct kl_api *api)
{
    struct kl_workloads *workloads = cor_alloc(sizeof(*workloads));
    workloads->api = api;
    workloads->items = cor_map_new(item_free);
    workloads->timer = cor_timer_new(api->loop, on_timer, workloads);
    kl_storage_listen(api->storage, on_change, workloads);
    for (size_t i = 0; i < COR_COUNT(controllers); i++) {
        want_all(workloads, controllers[i]);
    }
    set_timer(workloads);
    return workloads;
}

void kl_workloads_free(struct kl_workloads **workloads)
{
    if (*workloads != NULL) {
        cor_timer_free(&(*workloads)->timer);
        cor_map_free(&(*workloads)->items);
        cor_freep(workloads);
    }
}
