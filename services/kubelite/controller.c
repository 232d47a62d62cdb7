// SPDX-License-Identifier: Apache-2.0
// Drives the controllers: a change of a kind they look at asks for a pass at the end of the round;
// the node controller also looks when a node may be late.
#include "controller.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/digest.h"
#include "gc.h"
#include "meta.h"
#include "workload.h"
#include "write.h"

/* See kl_rest_us. */
enum {
    EVENTS_EVERY_US = 300000000,
    REST_TIMES = 4,
    REST_LEAST_US = 4000,
    REST_MOST_US = 2000000,
};

enum {
    WANT_NAMESPACES = 1,
    WANT_SCHEDULE = 2,
    WANT_NODES = 4,
    WANT_PODGC = 8,
    WANT_VOLUMES = 16,
    WANT_TAINTS = 32,
    WANT_BUDGETS = 64,
    WANT_ALL = 127
};

struct kl_controllers {
    struct kl_api *api;
    struct cor_timer *soon;
    struct cor_timer *nodes;
    struct cor_timer *events;
    struct kl_taints *taints;
    struct kl_gc *gc;
    struct kl_workloads *workloads;
    unsigned wanted;
    bool waiting; /* Pods that no node fits */
    struct cor_mono passed;
    int64_t rest_us; /* after passed */
};

static void on_done(void *self, enum cor_code code, const struct cor_err *err,
                    const struct kl_change *change)
{
    struct kl_api *api = self;
    if (code != COR_OK) {
        LOGW(api->log, "controller.write.failed", "kind=%s ns=%s name=%s error=%s", change->key,
             change->ns, change->name, cor_log_esc(cor_view_of(err->text)));
    }
}

static void commit(struct kl_api *api, struct kl_edit edit)
{
    struct cor_err err = COR_ERR_NONE;
    if (kl_storage_commit(api->storage, edit, on_done, api, &err) != COR_OK) {
        LOGW(api->log, "controller.write.refused", "error=%s", cor_log_esc(cor_view_of(err.text)));
    }
}

/* Nothing new in a namespace that is not there or ends. */
static enum cor_code check_place(struct kl_api *api, const struct kl_kind *kind,
                                 const struct cor_json *object, struct kl_fail *fail)
{
    const char *name = kl_meta_str(object, "name");
    const char *ns = kind->namespaced ? kl_meta_str(object, "namespace") : NULL;
    auto_(cor_json_free) struct cor_json *there = kl_storage_look(api->storage, kind, ns, name);
    if (there != NULL) {
        return kl_fail_exists(fail, kind, name);
    }
    auto_(cor_json_free) struct cor_json *space =
        ns == NULL ? NULL : kl_storage_look(api->storage, kl_builtin(KL_NAMESPACE), NULL, ns);
    return space != NULL && kl_meta_deleting(space)
               ? kl_fail_forbidden(fail, kind, name, "its namespace is being terminated")
               : COR_OK;
}

static void name_it(struct cor_json *object)
{
    uint8_t random[5];
    if (kl_meta_str(object, "name")[0] == '\0') {
        cor_random(random, sizeof(random));
        kl_meta_generate_name(object, random);
    }
}

enum cor_code kl_own_make(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object,
                          char **name_r, struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *given = object;
    auto_(kl_draft_free) struct kl_draft draft = {.kind = kind};
    struct cor_err err = COR_ERR_NONE;
    char uid[COR_UUID_LEN + 1];
    cor_uuid_new(uid);
    enum cor_code code = kl_decode(kind, given, &draft.object, NULL, fail);
    if (code == COR_OK) {
        name_it(draft.object);
        code = check_place(api, kind, draft.object, fail);
    }
    if (code == COR_OK && kl_is(kind, KL_POD)) {
        code = kl_admit_pod(api, draft.object, fail);
    }
    if (code == COR_OK) {
        code = kl_draft_create(&draft, cor_wall_now(), uid, fail);
    }
    if (code != COR_OK) {
        return code;
    }
    kl_set_type(kind, draft.object);
    if (name_r != NULL) {
        *name_r = cor_strdup(kl_meta_str(draft.object, "name"));
    }
    struct kl_edit edit = {KL_ADDED, kind, take(&draft.object), NULL};
    code = kl_storage_commit(api->storage, edit, on_done, api, &err);
    return code == COR_OK ? COR_OK : kl_fail_store(fail, code, &err);
}

void kl_own_create(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *given = object;
    const char *ns = kind->namespaced ? kl_meta_str(given, "namespace") : NULL;
    auto_(cor_json_free) struct cor_json *there =
        kl_storage_look(api->storage, kind, ns, kl_meta_str(given, "name"));
    if (there == NULL && kl_own_make(api, kind, take(&given), NULL, &fail) != COR_OK) {
        LOGE(api->log, "controller.create.invalid", "error=%s",
             cor_log_esc(cor_view_of(fail.message)));
    }
}

void kl_own_remove(struct kl_api *api, const struct kl_kind *kind, const struct cor_json *object,
                   const char *policy)
{
    auto_(kl_draft_free) struct kl_draft draft = {
        .kind = kind, .old = cor_json_ref((struct cor_json *)(uintptr_t)object)};
    auto_(cor_json_free) struct cor_json *options = cor_json_object();
    cor_json_set(options, "propagationPolicy", cor_json_str(policy));
    enum kl_change_type type = kl_delete_decide(&draft, options, cor_wall_now());
    if (type == KL_DELETED || !cor_json_equal(draft.object, draft.old)) {
        commit(api, (struct kl_edit){type, kind, take(&draft.object), take(&draft.old)});
    }
}

void kl_own_update(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object,
                   struct cor_json *old)
{
    if (cor_json_equal(object, old)) {
        cor_json_free(&object);
        cor_json_free(&old);
        return;
    }
    struct kl_draft draft = {.kind = kind, .object = object};
    enum kl_change_type type = kl_deletable(&draft) ? KL_DELETED : KL_MODIFIED;
    commit(api, (struct kl_edit){type, kind, object, old});
}

void kl_own_delete(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object)
{
    commit(api, (struct kl_edit){KL_DELETED, kind, object, cor_json_copy(object)});
}

static void want(struct kl_controllers *controllers, unsigned what)
{
    controllers->wanted |= what;
    if (!cor_timer_running(controllers->soon)) {
        int64_t rested = cor_mono_since(cor_mono_now(), controllers->passed);
        int64_t left = controllers->rest_us - rested;
        cor_timer_start(controllers->soon, left > 0 ? left : 0);
    }
}

static unsigned namespace_wants(const struct kl_controllers *controllers,
                                const struct kl_change *change)
{
    (void)controllers;
    (void)change;
    return WANT_NAMESPACES;
}

/* A node that changed may fit Pods that wait, or keep none any more; Pods of one that went are
 * removed. */
static unsigned node_wants(const struct kl_controllers *controllers, const struct kl_change *change)
{
    return WANT_NODES | WANT_TAINTS | (controllers->waiting ? WANT_SCHEDULE : 0) |
           (change->type == KL_DELETED ? WANT_PODGC : 0);
}

/* A Pod that wants a node; one that ended leaves room. */
static unsigned pod_wants(const struct kl_controllers *controllers, const struct kl_change *change)
{
    bool bound = cor_json_str_at(change->object, "spec.nodeName", "")[0] != '\0';
    const char *phase = cor_json_str_at(change->object, "status.phase", "");
    bool ended = change->type == KL_DELETED || strcmp(phase, "Succeeded") == 0 ||
                 strcmp(phase, "Failed") == 0;
    bool schedule = (!bound && change->type != KL_DELETED) || (ended && controllers->waiting);
    bool taints = bound && change->type != KL_DELETED && kl_taints_any(controllers->taints);
    return (schedule ? WANT_SCHEDULE : 0) | (taints ? WANT_TAINTS : 0);
}

static unsigned budget_wants(const struct kl_controllers *controllers,
                             const struct kl_change *change)
{
    (void)controllers;
    (void)change;
    return WANT_BUDGETS;
}

/* Pods may wait for what claims will be bound to. */
static unsigned volume_wants(const struct kl_controllers *controllers,
                             const struct kl_change *change)
{
    (void)change;
    return WANT_VOLUMES | (controllers->waiting ? WANT_SCHEDULE : 0);
}

static const struct {
    const char *key;
    unsigned (*wants)(const struct kl_controllers *controllers, const struct kl_change *change);
} interests[] = {
    {"namespaces", namespace_wants},
    {"nodes", node_wants},
    {"pods", pod_wants},
    {"pods", budget_wants},
    {"replicasets.apps", budget_wants},
    {"deployments.apps", budget_wants},
    {"poddisruptionbudgets.policy", budget_wants},
    {"persistentvolumes", volume_wants},
    {"persistentvolumeclaims", volume_wants},
    {"storageclasses.storage.k8s.io", volume_wants},
};

/* Anything that goes may be the last thing in a namespace that ends, or one of the things that
 * every namespace has. */
static void on_change(void *self, const struct kl_change *change)
{
    struct kl_controllers *controllers = self;
    unsigned wants = change->type == KL_DELETED && change->ns[0] != '\0' ? WANT_NAMESPACES : 0;
    for (size_t i = 0; i < COR_COUNT(interests); i++) {
        if (strcmp(interests[i].key, change->key) == 0) {
            wants |= interests[i].wants(controllers, change);
        }
    }
    if (wants != 0) {
        want(controllers, wants);
    }
}

/* A node is late 40 s after its last lease (node-monitor-grace-period): none is looked at before.
 */
static void look_at_nodes(struct kl_controllers *controllers)
{
    cor_timer_start(controllers->nodes, kl_nodes_pass(controllers->api, cor_wall_now()));
}

static void pass(struct kl_controllers *controllers, unsigned wanted)
{
    struct kl_api *api = controllers->api;
    if ((wanted & WANT_NAMESPACES) != 0) {
        kl_namespaces_pass(api);
    }
    if ((wanted & WANT_NODES) != 0) {
        look_at_nodes(controllers);
    }
    if ((wanted & WANT_TAINTS) != 0) {
        kl_taints_pass(controllers->taints);
    }
    if ((wanted & WANT_PODGC) != 0) {
        kl_podgc_pass(api);
    }
    if ((wanted & WANT_VOLUMES) != 0) {
        kl_volumes_pass(api);
    }
    if ((wanted & WANT_BUDGETS) != 0) {
        kl_budgets_pass(api);
    }
    if ((wanted & WANT_SCHEDULE) != 0) {
        controllers->waiting = kl_schedule_pass(api);
    }
}

int64_t kl_rest_us(int64_t took_us)
{
    int64_t rest_us = took_us < REST_MOST_US / REST_TIMES ? took_us * REST_TIMES : REST_MOST_US;
    return rest_us < REST_LEAST_US ? 0 : rest_us;
}

/* A pass looks at all there is: one that took long is followed by none for some time. */
static void on_soon(void *self)
{
    struct kl_controllers *controllers = self;
    struct cor_mono began = cor_mono_now();
    unsigned wanted = controllers->wanted;
    controllers->wanted = 0;
    pass(controllers, wanted);
    controllers->passed = cor_mono_now();
    controllers->rest_us = kl_rest_us(cor_mono_since(controllers->passed, began));
}

static void on_nodes(void *self)
{
    look_at_nodes(self);
}

static void on_events(void *self)
{
    struct kl_controllers *controllers = self;
    kl_events_pass(controllers->api, cor_wall_now());
}

static void create_namespaces(struct kl_api *api)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        struct cor_json *ns = cor_json_object();
        cor_json_set_at(ns, "metadata.name", cor_json_str(names[i]));
        kl_own_create(api, kl_builtin(KL_NAMESPACE), ns);
        kl_furnish(api, names[i]);
    }
}

struct kl_controllers *kl_controllers_new(struct kl_api *api)
{
    struct kl_controllers *controllers = cor_alloc(sizeof(*controllers));
    controllers->api = api;
    controllers->soon = cor_timer_new(api->loop, on_soon, controllers);
    controllers->nodes = cor_timer_new(api->loop, on_nodes, controllers);
    controllers->events = cor_timer_new(api->loop, on_events, controllers);
    controllers->taints = kl_taints_new(api);
    kl_storage_listen(api->storage, on_change, controllers);
    create_namespaces(api);
    controllers->gc = kl_gc_new(api);
    controllers->workloads = kl_workloads_new(api);
    want(controllers, WANT_ALL);
    cor_timer_repeat(controllers->events, EVENTS_EVERY_US);
    return controllers;
}

void kl_controllers_free(struct kl_controllers **controllers)
{
    if (*controllers != NULL) {
        cor_timer_free(&(*controllers)->soon);
        cor_timer_free(&(*controllers)->nodes);
        cor_timer_free(&(*controllers)->events);
        kl_taints_free(&(*controllers)->taints);
        kl_workloads_free(&(*controllers)->workloads);
        kl_gc_free(&(*controllers)->gc);
        cor_freep(controllers);
    }
}
