// SPDX-License-Identifier: Apache-2.0
#include "bind.h"

#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "quantity.h"

static int64_t size_of(const struct cor_json *amounts)
{
    return kl_quantity_milli(cor_json_as_view(cor_json_get(amounts, "storage")));
}

static bool is_for(const struct cor_json *volume, const struct cor_json *claim)
{
    const char *uid = cor_json_str_at(volume, "spec.claimRef.uid", "");
    return strcmp(cor_json_str_at(volume, "spec.claimRef.namespace", ""),
                  kl_meta_str(claim, "namespace")) == 0 &&
           strcmp(cor_json_str_at(volume, "spec.claimRef.name", ""), kl_meta_str(claim, "name")) ==
               0 &&
           (uid[0] == '\0' || strcmp(uid, kl_meta_str(claim, "uid")) == 0);
}

static bool has_modes(const struct cor_json *volume, const struct cor_json *claim)
{
    const struct cor_json *wanted = cor_json_at(claim, "spec.accessModes");
    const struct cor_json *there = cor_json_at(volume, "spec.accessModes");
    for (size_t i = 0; i < cor_json_count(wanted); i++) {
        bool found = false;
        for (size_t j = 0; j < cor_json_count(there); j++) {
            found = found || cor_json_equal(cor_json_item(wanted, i), cor_json_item(there, j));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool same(const struct cor_json *volume, const struct cor_json *claim, const char *path,
                 const char *otherwise)
{
    return strcmp(cor_json_str_at(volume, path, otherwise),
                  cor_json_str_at(claim, path, otherwise)) == 0;
}

/* Whether a volume that is nobody's fits. Volumes have labels: a claim that selects by them gets
 * none unasked. */
static bool fits(const struct cor_json *volume, const struct cor_json *claim)
{
    int64_t asked = size_of(cor_json_at(claim, "spec.resources.requests"));
    return same(volume, claim, "spec.storageClassName", "") &&
           same(volume, claim, "spec.volumeMode", "Filesystem") && has_modes(volume, claim) &&
           size_of(cor_json_at(volume, "spec.capacity")) >= asked &&
           cor_json_at(claim, "spec.selector") == NULL;
}

bool kl_bind_may(const struct cor_json *claim, const struct cor_json *volume)
{
    const char *named = cor_json_str_at(claim, "spec.volumeName", "");
    bool reserved = cor_json_at(volume, "spec.claimRef") != NULL;
    if (kl_meta_deleting(volume) || (reserved && !is_for(volume, claim))) {
        return false;
    }
    if (named[0] != '\0') {
        return strcmp(named, kl_meta_str(volume, "name")) == 0;
    }
    return reserved || fits(volume, claim);
}

size_t kl_bind_find(const struct cor_json *claim, const struct cor_json *volumes)
{
    size_t best = cor_json_count(volumes);
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        const struct cor_json *volume = cor_json_item(volumes, i);
        if (!kl_bind_may(claim, volume)) {
            continue;
        }
        if (cor_json_at(volume, "spec.claimRef") != NULL) {
            return i;
        }
        const struct cor_json *other = cor_json_item(volumes, best);
        if (other == NULL || size_of(cor_json_at(volume, "spec.capacity")) <
                                 size_of(cor_json_at(other, "spec.capacity"))) {
            best = i;
        }
    }
    return best;
}

void kl_bind(struct cor_json *claim, struct cor_json *volume)
{
    struct cor_json *ref = cor_json_object();
    cor_json_set(ref, "kind", cor_json_str("PersistentVolumeClaim"));
    cor_json_set(ref, "apiVersion", cor_json_str("v1"));
    cor_json_set(ref, "namespace", cor_json_str(kl_meta_str(claim, "namespace")));
    cor_json_set(ref, "name", cor_json_str(kl_meta_str(claim, "name")));
    cor_json_set(ref, "uid", cor_json_str(kl_meta_str(claim, "uid")));
    cor_json_set_at(volume, "spec.claimRef", ref);
    cor_json_set_at(volume, "status.phase", cor_json_str("Bound"));
    cor_json_set_at(claim, "spec.volumeName", cor_json_str(kl_meta_str(volume, "name")));
    cor_json_set_at(claim, "status.phase", cor_json_str("Bound"));
    cor_json_set_at(claim, "status.accessModes",
                    cor_json_copy(cor_json_at(volume, "spec.accessModes")));
    cor_json_set_at(claim, "status.capacity", cor_json_copy(cor_json_at(volume, "spec.capacity")));
    struct cor_json *notes = cor_json_at(claim, "metadata.annotations");
    if (notes == NULL) {
        notes = cor_json_object();
        cor_json_set_at(claim, "metadata.annotations", notes);
    }
    cor_json_set(notes, "pv.kubernetes.io/bind-completed", cor_json_str("yes"));
}

const char *kl_volume_phase(const struct cor_json *volume, const struct cor_json *claims)
{
    const char *uid = cor_json_str_at(volume, "spec.claimRef.uid", "");
    if (uid[0] == '\0') {
        return "Available";
    }
    for (size_t i = 0; i < cor_json_count(claims); i++) {
        if (strcmp(kl_meta_str(cor_json_item(claims, i), "uid"), uid) == 0) {
            return "Bound";
        }
    }
    return "Released";
}

const char *kl_claim_phase(const struct cor_json *claim, const struct cor_json *volumes)
{
    const char *uid = kl_meta_str(claim, "uid");
    const char *name = cor_json_str_at(claim, "spec.volumeName", "");
    bool was_bound = strcmp(cor_json_str_at(claim, "status.phase", ""), "Pending") != 0;
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        const struct cor_json *volume = cor_json_item(volumes, i);
        if (strcmp(kl_meta_str(volume, "name"), name) == 0 &&
            strcmp(cor_json_str_at(volume, "spec.claimRef.uid", ""), uid) == 0) {
            return "Bound";
        }
    }
    return was_bound && name[0] != '\0' ? "Lost" : "Pending";
}
