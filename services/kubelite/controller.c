// SPDX-License-Identifier: Apache-2.0
// Drives the controllers: a change of a kind they look at asks for a pass at the end of the round;
// the node controller also looks at the time.
#include "controller.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "meta.h"
#include "strategy.h"

/* A node is late 40 s after its last lease (node-monitor-grace-period); looked at every 5 s
 * (node-monitor-period). */
enum { NODES_EVERY_US = 5000000 };

enum { WANT_NAMESPACES = 1, WANT_SCHEDULE = 2, WANT_NODES = 4, WANT_PODGC = 8, WANT_ALL = 15 };

struct kl_controllers {
    struct kl_api *api;
    struct cor_timer *soon;
    struct cor_timer *nodes;
    unsigned wanted;
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

void kl_own_create(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object)
{
    auto_(cor_json_free) struct cor_json *given = object;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_draft_free) struct kl_draft draft = {.kind = kind};
    const char *ns = kind->namespaced ? kl_meta_str(given, "namespace") : NULL;
    auto_(cor_json_free) struct cor_json *there =
        kl_storage_get(api->storage, kind, ns, kl_meta_str(given, "name"));
    if (there != NULL) {
        return;
    }
    char uid[COR_UUID_LEN + 1];
    cor_uuid_new(uid);
    enum cor_code code = kl_decode(kind, given, &draft.object, NULL, &fail);
    if (code == COR_OK) {
        code = kl_draft_create(&draft, cor_wall_now(), uid, &fail);
    }
    if (code != COR_OK) {
        LOGE(api->log, "controller.create.invalid", "error=%s",
             cor_log_esc(cor_view_of(fail.message)));
        return;
    }
    kl_set_type(kind, draft.object);
    commit(api, (struct kl_edit){KL_ADDED, kind, take(&draft.object), NULL});
}

void kl_own_update(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object,
                   struct cor_json *old)
{
    if (cor_json_equal(object, old)) {
        cor_json_free(&object);
        cor_json_free(&old);
        return;
    }
    commit(api, (struct kl_edit){KL_MODIFIED, kind, object, old});
}

void kl_own_delete(struct kl_api *api, const struct kl_kind *kind, struct cor_json *object)
{
    commit(api, (struct kl_edit){KL_DELETED, kind, object, cor_json_copy(object)});
}

static void on_row(void *self, struct cor_view text)
{
    struct cor_json *object = NULL;
    if (cor_json_parse(text, SIZE_MAX, 0, &object, NULL) == COR_OK) {
        cor_json_add(self, object);
    }
}

struct cor_json *kl_own_list(struct kl_api *api, const struct kl_kind *kind, const char *ns)
{
    struct cor_json *list = cor_json_array();
    (void)kl_storage_list(api->storage, kind, ns, on_row, list);
    return list;
}

static void want(struct kl_controllers *controllers, unsigned what)
{
    controllers->wanted |= what;
    if (!cor_timer_running(controllers->soon)) {
        cor_timer_start(controllers->soon, 0);
    }
}

static const struct {
    const char *key;
    unsigned wants;
} interests[] = {
    {"namespaces", WANT_NAMESPACES}, {"serviceaccounts", WANT_NAMESPACES},
    {"configmaps", WANT_NAMESPACES}, {"nodes", WANT_SCHEDULE | WANT_NODES | WANT_PODGC},
    {"pods", WANT_SCHEDULE},
};

/* ConfigMaps and ServiceAccounts are the namespace controller's business when they go, and anything
 * that goes may be the last thing in a namespace that ends. */
static void on_change(void *self, const struct kl_change *change)
{
    struct kl_controllers *controllers = self;
    unsigned wants = change->type == KL_DELETED && change->ns[0] != '\0' ? WANT_NAMESPACES : 0;
    for (size_t i = 0; i < COR_COUNT(interests); i++) {
        bool namespaced = interests[i].wants == WANT_NAMESPACES && change->ns[0] != '\0';
        if (strcmp(interests[i].key, change->key) == 0 && !namespaced) {
            wants |= interests[i].wants;
        }
    }
    if (wants != 0) {
        want(controllers, wants);
    }
}

static void on_soon(void *self)
{
    struct kl_controllers *controllers = self;
    struct kl_api *api = controllers->api;
    unsigned wanted = controllers->wanted;
    controllers->wanted = 0;
    if ((wanted & WANT_NAMESPACES) != 0) {
        kl_namespaces_pass(api);
    }
    if ((wanted & WANT_NODES) != 0) {
        kl_nodes_pass(api, cor_wall_now());
    }
    if ((wanted & WANT_PODGC) != 0) {
        kl_podgc_pass(api);
    }
    if ((wanted & WANT_SCHEDULE) != 0) {
        kl_schedule_pass(api);
    }
}

static void on_nodes(void *self)
{
    struct kl_controllers *controllers = self;
    kl_nodes_pass(controllers->api, cor_wall_now());
}

static void create_namespaces(struct kl_api *api)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        struct cor_json *ns = cor_json_object();
        cor_json_set_at(ns, "metadata.name", cor_json_str(names[i]));
        kl_own_create(api, kl_builtin(KL_NAMESPACE), ns);
    }
}

struct kl_controllers *kl_controllers_new(struct kl_api *api)
{
    struct kl_controllers *controllers = cor_alloc(sizeof(*controllers));
    controllers->api = api;
    controllers->soon = cor_timer_new(api->loop, on_soon, controllers);
    controllers->nodes = cor_timer_new(api->loop, on_nodes, controllers);
    kl_storage_listen(api->storage, on_change, controllers);
    create_namespaces(api);
    want(controllers, WANT_ALL);
    cor_timer_repeat(controllers->nodes, NODES_EVERY_US);
    return controllers;
}

void kl_controllers_free(struct kl_controllers **controllers)
{
    if (*controllers != NULL) {
        cor_timer_free(&(*controllers)->soon);
        cor_timer_free(&(*controllers)->nodes);
        cor_freep(controllers);
    }
}
