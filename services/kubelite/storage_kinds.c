// SPDX-License-Identifier: Apache-2.0
// Checks of CSINode, VolumeAttachment and StorageClass. Source: k8s.io/kubernetes
// pkg/apis/storage/validation/validation.go.
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "strategy.h"

enum { NODE_ID_MAX = 192 };

static void need(struct kl_draft *draft, const char *path)
{
    if (cor_json_str_at(draft->object, path, "")[0] == '\0') {
        kl_cause_required(&draft->causes, path, NULL);
    }
}

static void fixed(struct kl_draft *draft, const char *path)
{
    if (!cor_json_equal(cor_json_at(draft->object, path), cor_json_at(draft->old, path))) {
        kl_cause_forbidden(&draft->causes, path, "field is immutable");
    }
}

/* ---- CSINode ---- */

static const struct cor_json *named(const struct cor_json *drivers, const char *name, size_t before)
{
    for (size_t i = 0; i < before && i < cor_json_count(drivers); i++) {
        const struct cor_json *driver = cor_json_item(drivers, i);
        if (strcmp(cor_json_str_at(driver, "name", ""), name) == 0) {
            return driver;
        }
    }
    return NULL;
}

void kl_csi_node_check(struct kl_draft *draft)
{
    const struct cor_json *drivers = cor_json_at(draft->object, "spec.drivers");
    for (size_t i = 0; i < cor_json_count(drivers); i++) {
        const struct cor_json *driver = cor_json_item(drivers, i);
        const char *name = cor_json_str_at(driver, "name", "");
        size_t len = strlen(cor_json_str_at(driver, "nodeID", ""));
        auto_(cor_freep) char *of_name = cor_sprintf("spec.drivers[%zu].name", i);
        auto_(cor_freep) char *of_id = cor_sprintf("spec.drivers[%zu].nodeID", i);
        if (name[0] == '\0') {
            kl_cause_required(&draft->causes, of_name, NULL);
        } else if (named(drivers, name, i) != NULL) {
            kl_cause_duplicate(&draft->causes, of_name, name);
        }
        if (len == 0) {
            kl_cause_required(&draft->causes, of_id, NULL);
        } else if (len > NODE_ID_MAX) {
            kl_cause_invalid_str(&draft->causes, of_id, "", "must be 192 characters or less");
        }
        if (cor_json_int_at(driver, "allocatable.count", 0) < 0) {
            kl_cause_invalid(&draft->causes, "spec.drivers.allocatable.count",
                             cor_json_at(driver, "allocatable.count"),
                             "must be greater than or equal to 0");
        }
    }
}

/* Drivers come and go; one that stays is what it was. */
void kl_csi_node_check_update(struct kl_draft *draft)
{
    const struct cor_json *now = cor_json_at(draft->object, "spec.drivers");
    const struct cor_json *old = cor_json_at(draft->old, "spec.drivers");
    for (size_t i = 0; i < cor_json_count(now); i++) {
        const struct cor_json *driver = cor_json_item(now, i);
        const struct cor_json *was =
            named(old, cor_json_str_at(driver, "name", ""), cor_json_count(old));
        if (was != NULL && !cor_json_equal(driver, was)) {
            auto_(cor_freep) char *path = cor_sprintf("spec.drivers[%zu]", i);
            kl_cause_invalid(&draft->causes, path, driver, "field is immutable");
        }
    }
}

/* ---- VolumeAttachment ---- */

void kl_attachment_create(struct kl_draft *draft)
{
    cor_json_set(draft->object, "status", cor_json_object());
    cor_json_set_at(draft->object, "status.attached", cor_json_bool(false));
}

void kl_attachment_check(struct kl_draft *draft)
{
    need(draft, "spec.attacher");
    need(draft, "spec.nodeName");
    need(draft, "spec.source.persistentVolumeName");
}

void kl_attachment_check_update(struct kl_draft *draft)
{
    fixed(draft, "spec");
}

/* ---- StorageClass ---- */

static void check_one_of(struct kl_draft *draft, const char *path, const char *const *known)
{
    const char *value = cor_json_str_at(draft->object, path, "");
    if (strcmp(value, known[0]) != 0 && strcmp(value, known[1]) != 0) {
        kl_cause_unsupported(&draft->causes, path, value, known);
    }
}

void kl_storage_class_check(struct kl_draft *draft)
{
    static const char *const policies[] = {"Delete", "Retain", NULL};
    static const char *const modes[] = {"Immediate", "WaitForFirstConsumer", NULL};
    need(draft, "provisioner");
    check_one_of(draft, "reclaimPolicy", policies);
    check_one_of(draft, "volumeBindingMode", modes);
}

void kl_storage_class_check_update(struct kl_draft *draft)
{
    static const char *const paths[] = {"provisioner", "parameters", "reclaimPolicy",
                                        "volumeBindingMode"};
    for (size_t i = 0; i < COR_COUNT(paths); i++) {
        fixed(draft, paths[i]);
    }
}
