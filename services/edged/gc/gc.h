// SPDX-License-Identifier: Apache-2.0
// Removes what nobody needs: images when the disk is full, logs of containers and Pods that are
// gone. Also knows which images are here, for the Node's status. Loop thread only.
#ifndef EDGED_GC_H
#define EDGED_GC_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "images.h"

struct agent;
struct agent_pod;
struct edged_cfg;
struct gc;

/* Reads the rules from the configuration. COR_INVALID names the setting. */
COR_NODISCARD enum cor_code gc_rules(const struct edged_cfg *cfg, struct images_rules *rules_r,
                                     struct cor_err *err);

/* Starts. Borrows agent. Returns owned. */
struct gc *gc_new(struct agent *agent);

/* Stops, after the runtime's client has gone. *gc becomes NULL. */
void gc_free(struct gc **gc);

/* An image came, or the runtime is up: looks which there are. */
void gc_look(struct gc *gc);

/* Removes all images that are not in use and old enough; fn is called when that is over, with the
 * bytes that were freed. One at a time: false when one is under way. */
bool gc_reclaim(struct gc *gc, void (*fn)(void *self, int64_t freed), void *self);

#endif
