// SPDX-License-Identifier: Apache-2.0
// Rows of PersistentVolumes and claims, as kubectl get shows them.
#include <string.h>

#include "meta.h"
#include "table.h"

/* "RWO,ROX" */
static struct cor_json *modes(const struct cor_json *list)
{
    static const char *const names[][2] = {{"ReadWriteOnce", "RWO"},
                                           {"ReadOnlyMany", "ROX"},
                                           {"ReadWriteMany", "RWX"},
                                           {"ReadWriteOncePod", "RWOP"}};
    auto_(cor_buf_free) struct cor_buf text = {0};
    for (size_t i = 0; i < cor_json_count(list); i++) {
        for (size_t n = 0; n < COR_COUNT(names); n++) {
            if (strcmp(cor_json_as_str(cor_json_item(list, i), ""), names[n][0]) == 0) {
                cor_buf_fmt(&text, "%s%s", text.len == 0 ? "" : ",", names[n][1]);
            }
        }
    }
    return cor_json_view(cor_buf_as_view(&text));
}

static void add_text(struct cor_json *cells, const struct cor_json *object, const char *path)
{
    cor_json_add(cells, cor_json_str(cor_json_str_at(object, path, "")));
}

static void add_age(struct cor_json *cells, const struct cor_json *object, struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf age = {0};
    kl_age(cor_json_at(object, "metadata.creationTimestamp"), now, &age);
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&age)));
}

void kl_volume_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    bool claimed = cor_json_at(object, "spec.claimRef") != NULL;
    add_text(cells, object, "metadata.name");
    add_text(cells, object, "spec.capacity.storage");
    cor_json_add(cells, modes(cor_json_at(object, "spec.accessModes")));
    add_text(cells, object, "spec.persistentVolumeReclaimPolicy");
    add_text(cells, object, "status.phase");
    cor_json_add(cells,
                 claimed
                     ? cor_json_fmt("%s/%s", cor_json_str_at(object, "spec.claimRef.namespace", ""),
                                    cor_json_str_at(object, "spec.claimRef.name", ""))
                     : cor_json_str(""));
    add_text(cells, object, "spec.storageClassName");
    add_text(cells, object, "status.reason");
    add_age(cells, object, now);
    cor_json_add(cells, cor_json_str(cor_json_str_at(object, "spec.volumeMode", "Filesystem")));
}

void kl_claim_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    add_text(cells, object, "metadata.name");
    add_text(cells, object, "status.phase");
    add_text(cells, object, "spec.volumeName");
    add_text(cells, object, "status.capacity.storage");
    cor_json_add(cells, modes(cor_json_at(object, "status.accessModes")));
    add_text(cells, object, "spec.storageClassName");
    add_age(cells, object, now);
    cor_json_add(cells, cor_json_str(cor_json_str_at(object, "spec.volumeMode", "Filesystem")));
}

/* A number, or a part in percent. */
static void add_part(struct cor_json *cells, const struct cor_json *object, const char *path)
{
    const struct cor_json *part = cor_json_at(object, path);
    if (cor_json_is_string(part)) {
        cor_json_add(cells, cor_json_copy(part));
    } else {
        cor_json_add(cells, part == NULL
                                ? cor_json_str("N/A")
                                : cor_json_fmt("%lld", (long long)cor_json_as_int(part, 0)));
    }
}

void kl_budget_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    add_text(cells, object, "metadata.name");
    add_part(cells, object, "spec.minAvailable");
    add_part(cells, object, "spec.maxUnavailable");
    cor_json_add(cells, cor_json_int(cor_json_int_at(object, "status.disruptionsAllowed", 0)));
    add_age(cells, object, now);
}

void kl_csi_driver_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    const struct cor_json *list = cor_json_at(object, "spec.volumeLifecycleModes");
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_buf_str(&text, "");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        cor_buf_fmt(&text, "%s%s", i > 0 ? "," : "", cor_json_as_str(cor_json_item(list, i), ""));
    }
    add_text(cells, object, "metadata.name");
    cor_json_add(cells, cor_json_bool(cor_json_bool_at(object, "spec.attachRequired", true)));
    cor_json_add(cells, cor_json_bool(cor_json_bool_at(object, "spec.podInfoOnMount", false)));
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&text)));
    add_age(cells, object, now);
}

void kl_csi_node_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    size_t count = cor_json_count(cor_json_at(object, "spec.drivers"));
    add_text(cells, object, "metadata.name");
    cor_json_add(cells, cor_json_int((int64_t)count));
    add_age(cells, object, now);
}

void kl_attachment_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    static const char *const paths[] = {"metadata.name", "spec.attacher",
                                        "spec.source.persistentVolumeName", "spec.nodeName"};
    for (size_t i = 0; i < COR_COUNT(paths); i++) {
        add_text(cells, object, paths[i]);
    }
    cor_json_add(cells, cor_json_bool(cor_json_bool_at(object, "status.attached", false)));
    add_age(cells, object, now);
}

void kl_storage_class_cells(const struct cor_json *object, struct cor_wall now,
                            struct cor_json *cells)
{
    static const char *const paths[] = {"metadata.name", "provisioner", "reclaimPolicy",
                                        "volumeBindingMode"};
    for (size_t i = 0; i < COR_COUNT(paths); i++) {
        add_text(cells, object, paths[i]);
    }
    cor_json_add(cells, cor_json_bool(cor_json_bool_at(object, "allowVolumeExpansion", false)));
    add_age(cells, object, now);
}
