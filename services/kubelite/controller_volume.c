// SPDX-License-Identifier: Apache-2.0
// Binds claims to volumes, and says in both how they stand.
#include <string.h>

#include "bind.h"
#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"
#include "schedule_volumes.h"

/* As it is now: what is being stored counts. NULL: it is gone. Returns owned. */
static struct cor_json *newest(struct kl_api *api, enum kl_builtin kind,
                               const struct cor_json *listed)
{
    const char *ns = kind == KL_PERSISTENTVOLUME ? NULL : kl_meta_str(listed, "namespace");
    return kl_storage_get(api->storage, kl_builtin(kind), ns, kl_meta_str(listed, "name"));
}

/* Stores the object (takes), which the list has then at index. */
static void store(struct kl_api *api, enum kl_builtin kind, struct cor_json *list, size_t index,
                  struct cor_json *object)
{
    struct cor_json *old = newest(api, kind, object);
    cor_json_put(list, index, cor_json_copy(object));
    kl_own_update(api, kl_builtin(kind), object, old);
}

static void bind_one(struct kl_api *api, struct cor_json *claims, size_t index,
                     struct cor_json *volumes, const struct cor_json *classes)
{
    auto_(cor_json_free) struct cor_json *claim =
        newest(api, KL_PERSISTENTVOLUMECLAIM, cor_json_item(claims, index));
    if (claim == NULL || kl_meta_deleting(claim) ||
        strcmp(kl_claim_phase(claim, volumes), "Pending") != 0) {
        return;
    }
    size_t which = kl_bind_find(claim, volumes);
    auto_(cor_json_free) struct cor_json *volume =
        which < cor_json_count(volumes)
            ? newest(api, KL_PERSISTENTVOLUME, cor_json_item(volumes, which))
            : NULL;
    if (volume == NULL || !kl_bind_may(claim, volume)) {
        return;
    }
    if (kl_claim_waits(claim, classes) && cor_json_at(volume, "spec.claimRef") == NULL) {
        return; /* the scheduler does it */
    }
    kl_bind(claim, volume);
    store(api, KL_PERSISTENTVOLUME, volumes, which, take(&volume));
    store(api, KL_PERSISTENTVOLUMECLAIM, claims, index, take(&claim));
}

static void set_phase(struct kl_api *api, enum kl_builtin kind, struct cor_json *list, size_t index,
                      const char *phase)
{
    auto_(cor_json_free) struct cor_json *object = newest(api, kind, cor_json_item(list, index));
    if (object != NULL && strcmp(cor_json_str_at(object, "status.phase", ""), phase) != 0) {
        cor_json_set_at(object, "status.phase", cor_json_str(phase));
        store(api, kind, list, index, take(&object));
    }
}

void kl_volumes_pass(struct kl_api *api)
{
    auto_(cor_json_free) struct cor_json *claims =
        kl_storage_objects(api->storage, kl_builtin(KL_PERSISTENTVOLUMECLAIM), NULL);
    auto_(cor_json_free) struct cor_json *volumes =
        kl_storage_objects(api->storage, kl_builtin(KL_PERSISTENTVOLUME), NULL);
    auto_(cor_json_free) struct cor_json *classes =
        kl_storage_objects(api->storage, kl_builtin(KL_STORAGECLASS), NULL);
    for (size_t i = 0; i < cor_json_count(claims); i++) {
        bind_one(api, claims, i, volumes, classes);
    }
    for (size_t i = 0; i < cor_json_count(claims); i++) {
        set_phase(api, KL_PERSISTENTVOLUMECLAIM, claims, i,
                  kl_claim_phase(cor_json_item(claims, i), volumes));
    }
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        set_phase(api, KL_PERSISTENTVOLUME, volumes, i,
                  kl_volume_phase(cor_json_item(volumes, i), claims));
    }
}
