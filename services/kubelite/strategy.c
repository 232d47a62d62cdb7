// SPDX-License-Identifier: Apache-2.0
#include "strategy.h"

#include <string.h>

#include "budget.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "meta.h"
#include "shape.h"

void kl_draft_free(struct kl_draft *draft)
{
    cor_json_free(&draft->object);
    cor_json_free(&draft->old);
    kl_causes_free(&draft->causes);
}

static void namespace_create(struct kl_draft *draft)
{
    struct cor_json *finalizers = cor_json_array();
    cor_json_add(finalizers, cor_json_str("kubernetes"));
    cor_json_set_at(draft->object, "spec.finalizers", finalizers);
    cor_json_set_at(draft->object, "status.phase", cor_json_str("Active"));
}

static void namespace_update(struct kl_draft *draft)
{
    cor_json_set(draft->object, "spec", cor_json_copy(cor_json_get(draft->old, "spec")));
}

/* Keys of ConfigMap and Secret data: IsConfigMapKey. */
static void check_keys(const struct cor_json *map, const char *path, struct kl_causes *causes)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(map, &at, &key, &value)) {
        size_t good =
            strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
        if (key[0] != '\0' && key[good] == '\0' && strlen(key) <= 253 && strcmp(key, ".") != 0 &&
            strncmp(key, "..", 2) != 0) {
            continue;
        }
        auto_(cor_freep) char *field = cor_sprintf("%s[%s]", path, key);
        kl_cause_invalid_str(causes, field, key,
                             "a valid config key must consist of alphanumeric characters, '-', "
                             "'_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex "
                             "used for validation is '[-._a-zA-Z0-9]+')");
    }
}

static void configmap_check(struct kl_draft *draft)
{
    check_keys(cor_json_get(draft->object, "data"), "data", &draft->causes);
    check_keys(cor_json_get(draft->object, "binaryData"), "binaryData", &draft->causes);
}

static void immutable(struct kl_draft *draft, const char *const *fields)
{
    if (!cor_json_bool_at(draft->old, "immutable", false)) {
        return;
    }
    for (size_t i = 0; fields[i] != NULL; i++) {
        if (!cor_json_equal(cor_json_get(draft->object, fields[i]),
                            cor_json_get(draft->old, fields[i]))) {
            kl_cause_forbidden(&draft->causes, fields[i],
                               "field is immutable when `immutable` is set");
        }
    }
}

static void configmap_check_update(struct kl_draft *draft)
{
    static const char *const fields[] = {"immutable", "data", "binaryData", NULL};
    immutable(draft, fields);
}

/* stringData is write-only and wins over data (pkg/apis/core/v1/conversion.go). */
static void secret_fill(struct cor_json *secret)
{
    struct cor_json *strings = cor_json_ref(cor_json_get(secret, "stringData"));
    if (strings == NULL) {
        return;
    }
    if (cor_json_get(secret, "data") == NULL) {
        cor_json_set(secret, "data", cor_json_object());
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(strings, &at, &key, &value)) {
        auto_(cor_buf_free) struct cor_buf coded = {0};
        cor_base64(&coded, cor_json_as_view(value));
        cor_json_set(cor_json_get(secret, "data"), key, cor_json_view(cor_buf_as_view(&coded)));
    }
    cor_json_del(secret, "stringData");
    cor_json_free(&strings);
}

static void secret_check(struct kl_draft *draft)
{
    static const struct {
        const char *type;
        const char *key;
    } needed[] = {
        {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
        {"kubernetes.io/dockercfg", ".dockercfg"},
        {"kubernetes.io/ssh-auth", "ssh-privatekey"},
        {"kubernetes.io/tls", "tls.crt"},
        {"kubernetes.io/tls", "tls.key"},
    };
    const struct cor_json *data = cor_json_get(draft->object, "data");
    check_keys(data, "data", &draft->causes);
    for (size_t i = 0; i < COR_COUNT(needed); i++) {
        if (strcmp(cor_json_str_at(draft->object, "type", ""), needed[i].type) == 0 &&
            cor_json_get(data, needed[i].key) == NULL) {
            auto_(cor_freep) char *field = cor_sprintf("data[%s]", needed[i].key);
            kl_cause_required(&draft->causes, field, NULL);
        }
    }
}

static void secret_check_update(struct kl_draft *draft)
{
    static const char *const fields[] = {"immutable", "data", NULL};
    const struct cor_json *type = cor_json_get(draft->object, "type");
    if (!cor_json_equal(type, cor_json_get(draft->old, "type"))) {
        kl_cause_invalid(&draft->causes, "type", type, "field is immutable");
    }
    immutable(draft, fields);
}

static void event_check(struct kl_draft *draft)
{
    const char *ns = kl_meta_str(draft->object, "namespace");
    const char *involved = cor_json_str_at(draft->object, "involvedObject.namespace", "");
    bool ok = involved[0] == '\0' ? strcmp(ns, "default") == 0 || strcmp(ns, "kube-system") == 0
                                  : strcmp(ns, involved) == 0;
    if (!ok) {
        kl_cause_invalid_str(&draft->causes, "involvedObject.namespace", involved,
                             "does not match event.namespace");
    }
}

static void lease_check(struct kl_draft *draft)
{
    const struct cor_json *seconds = cor_json_at(draft->object, "spec.leaseDurationSeconds");
    const struct cor_json *changes = cor_json_at(draft->object, "spec.leaseTransitions");
    if (seconds != NULL && cor_json_as_int(seconds, 0) <= 0) {
        kl_cause_invalid(&draft->causes, "spec.leaseDurationSeconds", seconds,
                         "must be greater than 0");
    }
    if (changes != NULL && cor_json_as_int(changes, 0) < 0) {
        kl_cause_invalid(&draft->causes, "spec.leaseTransitions", changes,
                         "must be greater than or equal to 0");
    }
}

static const struct kl_strategy strategies[KL_BUILTIN_COUNT] = {
    [KL_NAMESPACE] = {.name = KL_NAME_LABEL,
                      .returns_deleted = true,
                      .create = namespace_create,
                      .update = namespace_update},
    [KL_NODE] = {.keeps_status = true, .fill = kl_node_fill, .check = kl_node_check},
    [KL_POD] = {.returns_deleted = true,
                .fill = kl_pod_fill,
                .create = kl_pod_create,
                .update = kl_pod_update,
                .check = kl_pod_check,
                .check_update = kl_pod_check_update},
    [KL_CONFIGMAP] = {.check = configmap_check, .check_update = configmap_check_update},
    [KL_SECRET] = {.fill = secret_fill, .check = secret_check, .check_update = secret_check_update},
    [KL_SERVICEACCOUNT] = {.returns_deleted = true},
    [KL_EVENT] = {.check = event_check},
    [KL_LEASE] = {.conditional = true, .check = lease_check},
    [KL_CRD] = {.generation = true,
                .conditional = true,
                .fill = kl_crd_fill,
                .create = kl_crd_create,
                .check = kl_crd_check,
                .check_update = kl_crd_check_update},
    [KL_SERVICE] = {.name = KL_NAME_SERVICE,
                    .fill = kl_service_fill,
                    .update = kl_service_update,
                    .check = kl_service_check,
                    .check_update = kl_service_check_update},
    [KL_ENDPOINTS] = {.check = kl_endpoints_check},
    [KL_ENDPOINTSLICE] = {.generation = true},
    [KL_DEPLOYMENT] = {.generation = true,
                       .annotated = true,
                       .fill = kl_deployment_fill,
                       .check = kl_deployment_check,
                       .check_update = kl_apps_check_update},
    [KL_REPLICASET] = {.generation = true,
                       .fill = kl_replicaset_fill,
                       .check = kl_replicaset_check,
                       .check_update = kl_apps_check_update},
    [KL_DAEMONSET] = {.generation = true,
                      .fill = kl_daemonset_fill,
                      .create = kl_daemonset_create,
                      .update = kl_daemonset_update,
                      .check = kl_daemonset_check,
                      .check_update = kl_apps_check_update},
    [KL_JOB] = {.fill = kl_job_fill,
                .create = kl_job_create,
                .check = kl_job_check,
                .check_update = kl_job_check_update},
    [KL_ROLE] = {.name = KL_NAME_PATH, .check = kl_role_check},
    [KL_CLUSTERROLE] = {.name = KL_NAME_PATH, .check = kl_role_check},
    [KL_ROLEBINDING] = {.name = KL_NAME_PATH,
                        .fill = kl_binding_fill,
                        .check = kl_role_binding_check,
                        .check_update = kl_role_binding_check_update},
    [KL_CLUSTERROLEBINDING] = {.name = KL_NAME_PATH,
                               .fill = kl_binding_fill,
                               .check = kl_role_binding_check,
                               .check_update = kl_role_binding_check_update},
    [KL_DISRUPTIONBUDGET] = {.generation = true, .check = kl_budget_check},
    [KL_PERSISTENTVOLUME] = {.create = kl_storage_create, .check = kl_volume_check},
    [KL_PERSISTENTVOLUMECLAIM] = {.create = kl_storage_create,
                                  .check = kl_claim_check,
                                  .check_update = kl_claim_check_update},
    [KL_RUNTIMECLASS] = {.check = kl_runtime_class_check,
                         .check_update = kl_runtime_class_check_update},
    [KL_CSIDRIVER] = {.fill = kl_csi_driver_fill,
                      .check = kl_csi_driver_check,
                      .check_update = kl_csi_driver_check_update},
    [KL_CSINODE] = {.check = kl_csi_node_check, .check_update = kl_csi_node_check_update},
    [KL_VOLUMEATTACHMENT] = {.create = kl_attachment_create,
                             .check = kl_attachment_check,
                             .check_update = kl_attachment_check_update},
    [KL_STORAGECLASS] = {.check = kl_storage_class_check,
                         .check_update = kl_storage_class_check_update},
};

static const struct kl_strategy custom = {
    .generation = true, .conditional = true, .check = kl_custom_check};

const struct kl_strategy *kl_strategy_of(const struct kl_kind *kind)
{
    return kind->custom != NULL ? &custom : &strategies[kind - kl_builtin((enum kl_builtin)0)];
}

/* Custom resources: metadata in shape, the rest by the schema. */
static struct cor_json *shape_custom(struct kl_shape *shape, const struct kl_kind *kind,
                                     const struct cor_json *body)
{
    struct cor_json *object = cor_json_copy(body);
    cor_buf_str(&shape->path, "metadata");
    struct cor_json *meta =
        kl_shape_object(shape, &k8s_meta_v1_ObjectMeta, cor_json_get(body, "metadata"));
    cor_json_set(object, "metadata", meta == NULL ? cor_json_object() : meta);
    if (shape->unknown == NULL) {
        shape->unknown = cor_json_array();
    }
    kl_custom_fill(kind, object, shape->unknown);
    return object;
}

enum cor_code kl_decode(const struct kl_kind *kind, const struct cor_json *body,
                        struct cor_json **object_r, struct cor_json **unknown_r,
                        struct kl_fail *fail)
{
    *object_r = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {.defaults = true};
    auto_(cor_json_free) struct cor_json *object = kind->type == NULL
                                                       ? shape_custom(&shape, kind, body)
                                                       : kl_shape_object(&shape, kind->type, body);
    if (shape.error != NULL) {
        return kl_fail_bad(fail, "%s in version \"%s\" cannot be handled as a %s: %s", kind->kind,
                           kind->version, kind->kind, shape.error);
    }
    const struct kl_strategy *strategy = kl_strategy_of(kind);
    if (strategy->fill != NULL) {
        strategy->fill(object);
    }
    cor_json_del(kl_meta(object), "managedFields");
    *object_r = take(&object);
    if (unknown_r != NULL) {
        *unknown_r = take(&shape.unknown);
    }
    return COR_OK;
}

static enum cor_code check(struct kl_draft *draft, const struct kl_strategy *strategy,
                           struct kl_fail *fail)
{
    kl_meta_check(draft->object, draft->kind->namespaced, strategy->name, &draft->causes);
    if (strategy->check != NULL) {
        strategy->check(draft);
    }
    if (draft->old != NULL && draft->sub == KL_SUB_NONE && strategy->check_update != NULL) {
        strategy->check_update(draft);
    }
    return kl_causes_end(&draft->causes, draft->kind, kl_meta_str(draft->object, "name"), fail);
}

static bool has_status(const struct kl_kind *kind)
{
    return (kind->subs & KL_SUB_STATUS) != 0;
}

/* What the type gives an empty status: not nothing where Go writes zero values. */
static void reset_status(const struct kl_kind *kind, struct cor_json *object)
{
    if (kind->type == NULL) {
        cor_json_del(object, "status");
        return;
    }
    auto_(kl_shape_free) struct kl_shape shape = {0};
    auto_(cor_json_free) struct cor_json *empty = cor_json_object();
    const struct k8s_field *field = k8s_field_of(kind->type, COR_VIEW("status"));
    cor_json_set(object, "status", kl_shape_object(&shape, field->type, empty));
}

enum cor_code kl_draft_create(struct kl_draft *draft, struct cor_wall now, const char *uid,
                              struct kl_fail *fail)
{
    const struct kl_strategy *strategy = kl_strategy_of(draft->kind);
    kl_meta_create(draft->object, now, uid);
    if (has_status(draft->kind) && !strategy->keeps_status) {
        reset_status(draft->kind, draft->object);
    }
    if (strategy->generation) {
        cor_json_set(kl_meta(draft->object), "generation", cor_json_int(1));
    }
    if (strategy->create != NULL) {
        strategy->create(draft);
    }
    return check(draft, strategy, fail);
}

/* Whether anything but metadata and status differs. */
static bool spec_changed(const struct kl_draft *draft)
{
    auto_(cor_json_free) struct cor_json *before = cor_json_copy(draft->old);
    auto_(cor_json_free) struct cor_json *after = cor_json_copy(draft->object);
    static const char *const apart[] = {"metadata", "status", "apiVersion", "kind"};
    for (size_t i = 0; i < COR_COUNT(apart); i++) {
        bool counts = strcmp(apart[i], "status") == 0 && !has_status(draft->kind);
        if (!counts) {
            cor_json_del(before, apart[i]);
            cor_json_del(after, apart[i]);
        }
    }
    return !cor_json_equal(before, after);
}

/* A status update changes the status, and metadata of built-in kinds but not who owns them. */
static void keep_all_but_status(struct kl_draft *draft)
{
    struct cor_json *object = cor_json_copy(draft->old);
    cor_json_set(object, "status", cor_json_ref(cor_json_get(draft->object, "status")));
    if (draft->kind->custom == NULL) {
        struct cor_json *meta = cor_json_ref(cor_json_get(draft->object, "metadata"));
        cor_json_set(meta, "ownerReferences",
                     cor_json_copy(cor_json_at(draft->old, "metadata.ownerReferences")));
        cor_json_set(object, "metadata", meta);
    }
    cor_json_free(&draft->object);
    draft->object = object;
}

enum cor_code kl_draft_update(struct kl_draft *draft, struct kl_fail *fail)
{
    const struct kl_strategy *strategy = kl_strategy_of(draft->kind);
    kl_meta_update(draft->object, draft->old);
    if (draft->sub == KL_SUB_STATUS) {
        keep_all_but_status(draft);
    } else if (draft->sub == KL_SUB_EPHEMERAL) {
        kl_ephemeral_keep(draft);
    } else if (draft->sub == KL_SUB_NONE) {
        if (has_status(draft->kind)) {
            cor_json_set(draft->object, "status",
                         cor_json_copy(cor_json_get(draft->old, "status")));
        }
        if (strategy->update != NULL) {
            strategy->update(draft);
        }
    }
    bool annotated =
        strategy->annotated && !cor_json_equal(cor_json_at(draft->object, "metadata.annotations"),
                                               cor_json_at(draft->old, "metadata.annotations"));
    if (strategy->generation && draft->sub == KL_SUB_NONE && (annotated || spec_changed(draft))) {
        int64_t generation = cor_json_int_at(draft->old, "metadata.generation", 0);
        cor_json_set(kl_meta(draft->object), "generation", cor_json_int(generation + 1));
    }
    return check(draft, strategy, fail);
}
