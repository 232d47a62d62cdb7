// SPDX-License-Identifier: Apache-2.0
// Static Pods: which file of the folder wants which Pod, and what that means for the Pods that are
// here. The folder decides; the cloud only sees mirrors (mirrors.h). Loop thread only.
#ifndef EDGED_STATICS_H
#define EDGED_STATICS_H

#include "services/edged/agent.h"

/* Reads pods.static-dir, if there is one: its Pods are wanted when this returns, so that none of
 * them is taken for an orphan. A folder that cannot be watched is told in the log. Returns owned.
 */
struct statics *statics_new(struct agent *agent);

/* Frees; the Pods stay. *statics becomes NULL. */
void statics_free(struct statics **statics);

/* A static Pod has ended and is forgotten: what its file wants by now begins. */
void statics_buried(struct statics *statics, const char *key);

#endif
