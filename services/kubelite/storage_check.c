// SPDX-License-Identifier: Apache-2.0
// Checks of PersistentVolumes and claims. Source: k8s.io/kubernetes
// pkg/apis/core/validation/validation.go.
#include <string.h>

#include "strategy.h"

static bool has_backstep(const char *path)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    while (cor_view_split(&rest, '/', &part)) {
        if (cor_view_is(part, "..")) {
            return true;
        }
    }
    return false;
}

static void need(struct kl_draft *draft, const char *path)
{
    const struct cor_json *value = cor_json_at(draft->object, path);
    if (cor_json_count(value) == 0 && cor_json_as_view(value).len == 0) {
        kl_cause_required(&draft->causes, path, NULL);
    }
}

void kl_volume_check(struct kl_draft *draft)
{
    static const char *const kinds[] = {"hostPath", "nfs", "local", "csi"};
    const struct cor_json *spec = cor_json_get(draft->object, "spec");
    size_t count = 0;
    need(draft, "spec.accessModes");
    need(draft, "spec.capacity.storage");
    for (size_t i = 0; i < COR_COUNT(kinds); i++) {
        count += cor_json_get(spec, kinds[i]) != NULL ? 1 : 0;
    }
    if (count == 0) {
        kl_cause_required(&draft->causes, "spec", "must specify a volume type");
    } else if (count > 1) {
        kl_cause_forbidden(&draft->causes, "spec", "may not specify more than 1 volume type");
    }
    static const char *const paths[] = {"spec.local.path", "spec.hostPath.path"};
    for (size_t i = 0; i < COR_COUNT(paths); i++) {
        const char *path = cor_json_str_at(draft->object, paths[i], "");
        if (has_backstep(path)) {
            kl_cause_invalid_str(&draft->causes, paths[i], path, "must not contain '..'");
        }
    }
    if (cor_json_get(spec, "local") != NULL) {
        need(draft, "spec.local.path");
        if (cor_json_at(spec, "nodeAffinity.required") == NULL) {
            kl_cause_required(&draft->causes, "spec.nodeAffinity",
                              "Local volume requires node affinity");
        }
    }
}

void kl_csi_driver_fill(struct cor_json *driver)
{
    struct cor_json *spec = cor_json_get(driver, "spec");
    if (cor_json_is_object(spec) &&
        cor_json_count(cor_json_get(spec, "volumeLifecycleModes")) == 0) {
        struct cor_json *modes = cor_json_array();
        cor_json_add(modes, cor_json_str("Persistent"));
        cor_json_set(spec, "volumeLifecycleModes", modes);
    }
}

void kl_csi_driver_check(struct kl_draft *draft)
{
    static const char *const known[] = {"Persistent", "Ephemeral", NULL};
    const struct cor_json *modes = cor_json_at(draft->object, "spec.volumeLifecycleModes");
    for (size_t i = 0; i < cor_json_count(modes); i++) {
        const char *mode = cor_json_as_str(cor_json_item(modes, i), "");
        if (strcmp(mode, known[0]) != 0 && strcmp(mode, known[1]) != 0) {
            kl_cause_unsupported(&draft->causes, "spec.volumeLifecycleModes", mode, known);
        }
    }
}

void kl_csi_driver_check_update(struct kl_draft *draft)
{
    static const char *const fixed[] = {"spec.attachRequired", "spec.fsGroupPolicy"};
    for (size_t i = 0; i < COR_COUNT(fixed); i++) {
        if (!cor_json_equal(cor_json_at(draft->object, fixed[i]),
                            cor_json_at(draft->old, fixed[i]))) {
            kl_cause_forbidden(&draft->causes, fixed[i], "field is immutable");
        }
    }
}

void kl_storage_create(struct kl_draft *draft)
{
    cor_json_set(draft->object, "status", cor_json_object());
    cor_json_set_at(draft->object, "status.phase", cor_json_str("Pending"));
}

void kl_claim_check(struct kl_draft *draft)
{
    need(draft, "spec.accessModes");
    need(draft, "spec.resources.requests.storage");
}

static void same(struct kl_draft *draft, const char *path)
{
    const struct cor_json *new = cor_json_at(draft->object, path);
    if (!cor_json_equal(new, cor_json_at(draft->old, path))) {
        kl_cause_forbidden(&draft->causes, "spec",
                           "spec is immutable after creation except resources.requests for bound "
                           "claims");
    }
}

void kl_claim_check_update(struct kl_draft *draft)
{
    static const char *const fixed[] = {"spec.accessModes", "spec.storageClassName",
                                        "spec.selector", "spec.volumeMode"};
    for (size_t i = 0; i < COR_COUNT(fixed); i++) {
        same(draft, fixed[i]);
    }
    if (cor_json_str_at(draft->old, "spec.volumeName", "")[0] != '\0') {
        same(draft, "spec.volumeName");
    }
}
