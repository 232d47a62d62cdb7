// SPDX-License-Identifier: Apache-2.0
// Making, copying and freeing devices and twins.
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "twin.h"

struct dt_device *dt_device_new(struct cor_view id, struct cor_view name,
                                struct cor_view description)
{
    struct dt_device *device = cor_alloc(sizeof(*device));
    device->id = cor_view_dup(id);
    device->name = cor_view_dup(name);
    device->description = cor_view_dup(description);
    device->state = cor_strdup("");
    device->last_online = cor_strdup("");
    device->twins = cor_map_new(dt_twin_drop);
    return device;
}

void dt_device_drop(void *device)
{
    struct dt_device *self = device;
    if (self == NULL) {
        return;
    }
    cor_map_free(&self->twins);
    cor_free(self->id);
    cor_free(self->name);
    cor_free(self->description);
    cor_free(self->state);
    cor_free(self->last_online);
    cor_free(self);
}

struct dt_twin *dt_twin_copy(const struct dt_twin *twin)
{
    struct dt_twin *copy = cor_alloc(sizeof(*copy));
    *copy = *twin;
    copy->name = cor_strdup(twin->name);
    copy->type = cor_strdup(twin->type);
    copy->expected.value = cor_strdup(twin->expected.value);
    copy->actual.value = cor_strdup(twin->actual.value);
    return copy;
}

void dt_twin_drop(void *twin)
{
    struct dt_twin *self = twin;
    if (self == NULL) {
        return;
    }
    cor_free(self->name);
    cor_free(self->type);
    cor_free(self->expected.value);
    cor_free(self->actual.value);
    cor_free(self);
}

bool dt_twin_is_deleted(const struct dt_twin *twin)
{
    return strcmp(twin->type, "deleted") == 0;
}

void dt_change_free(struct dt_change *change)
{
    cor_map_free(&change->changed);
    cor_freep(&change->reason);
}

void dt_apply(struct dt_device *device, struct dt_change *change)
{
    size_t at = 0;
    struct cor_view name;
    while (change->changed != NULL && cor_map_next(change->changed, &at, &name, NULL)) {
        struct dt_twin *twin = cor_map_take(change->changed, name);
        cor_map_set(device->twins, cor_view_of(twin->name), twin);
    }
    dt_change_free(change);
}

bool dt_state_is_known(struct cor_view text, bool *online_r)
{
    static const struct {
        const char *name;
        bool online;
    } STATES[] = {
        {"online", true},   {"ok", true},         {"offline", false},
        {"unknown", false}, {"unhealthy", false},
    };
    for (size_t i = 0; i < COR_COUNT(STATES); i++) {
        if (text.len == strlen(STATES[i].name) &&
            strncasecmp(text.ptr, STATES[i].name, text.len) == 0) {
            *online_r = STATES[i].online;
            return true;
        }
    }
    return false;
}
