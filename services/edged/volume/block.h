// SPDX-License-Identifier: Apache-2.0
// Raw block volumes: claims of volumeMode Block are devices of a container. Pure. Any thread.
#ifndef EDGED_BLOCK_H
#define EDGED_BLOCK_H

#include "common/base/arena.h"
#include "services/edged/cri/crispec.h"
#include "services/edged/pod/pod.h"

/* Adds the container's volumeDevices, whose claims are known, to what it gets. In arena. */
void block_fill(const struct pod *pod, const struct pod_container *container,
                struct cor_arena *arena, struct crispec_devices *out);

#endif
