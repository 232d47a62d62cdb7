// SPDX-License-Identifier: Apache-2.0
#include "block.h"

#include <string.h>

static struct cri_device device_of(const struct pod *pod, const struct pod_device *device)
{
    const struct pod_volume *volume = pod_find_volume(pod, device->volume);
    return (struct cri_device){.container_path = device->path,
                               .host_path = volume->path,
                               .permissions = volume->readonly ? "r" : "mrw"};
}

void block_fill(const struct pod *pod, const struct pod_container *container,
                struct cor_arena *arena, struct crispec_devices *out)
{
    size_t count = out->device_count + container->device_count;
    if (container->device_count == 0) {
        return;
    }
    struct cri_device *list = cor_arena_alloc(arena, count * sizeof(*list));
    if (out->device_count > 0) {
        memcpy(list, out->devices, out->device_count * sizeof(*list));
    }
    for (size_t i = 0; i < container->device_count; i++) {
        list[out->device_count + i] = device_of(pod, &container->devices[i]);
    }
    out->devices = list;
    out->device_count = count;
}
