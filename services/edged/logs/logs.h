// SPDX-License-Identifier: Apache-2.0
// Keeps containers' logs from filling the disk: looks at them now and then, sooner at those that
// grow fast, puts full ones aside and tells the runtime to begin a new file. Loop thread only.
#ifndef EDGED_LOGS_H
#define EDGED_LOGS_H

#include "common/base/err.h"
#include "rotate.h"

struct agent;
struct agent_pod;
struct logs;
struct edged_cfg;

/* Reads the rules from the configuration. COR_INVALID names the setting. */
COR_NODISCARD enum cor_code logs_rules(const struct edged_cfg *cfg, struct rotate_rules *rules_r,
                                       struct cor_err *err);

/* Starts looking. Borrows agent. Returns owned. */
struct logs *logs_new(struct agent *agent);

/* A container was started: logs of its former lives that nobody can ask for any more go. logs may
 * be NULL. */
void logs_begun(struct logs *logs, const struct agent_pod *pod, size_t index);

/* Stops, after the runtime's client has gone. *logs becomes NULL. */
void logs_free(struct logs **logs);

#endif
