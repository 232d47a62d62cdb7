// SPDX-License-Identifier: Apache-2.0
// Watches what the machine has left, tells the Node's conditions, and ends Pods when something runs
// short: memory by the kernel's word where it gives it, the rest by a slow look. Loop thread only.
#ifndef EDGED_EVICTOR_H
#define EDGED_EVICTOR_H

#include "evict.h"

struct agent;
struct edged_cfg;
struct evictor;

/* Reads the rules from the configuration. COR_INVALID names the setting. */
COR_NODISCARD enum cor_code evictor_rules(const struct edged_cfg *cfg, struct evict_rules *rules_r,
                                          struct cor_err *err);

/* Starts looking. Borrows agent. Returns owned. */
struct evictor *evictor_new(struct agent *agent);

/* Stops, after the runtime's client has gone. *evictor becomes NULL. */
void evictor_free(struct evictor **evictor);

/* What the node is short of (EVICT_PRESSURES of them). Borrowed. */
const bool *evictor_pressure(const struct evictor *evictor);

#endif
