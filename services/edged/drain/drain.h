// SPDX-License-Identifier: Apache-2.0
// Graceful shutdown of the node: asked to stop, edged ends the Pods first, critical ones last, and
// tells the API of it. Source: k8s.io/kubernetes pkg/kubelet/nodeshutdown. Loop thread only.
#ifndef EDGED_DRAIN_H
#define EDGED_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct agent;
struct drain;

/* Pure: the seconds that Pods of a kind have, of total for all, critical of it for critical ones.
 */
int64_t drain_period(int64_t total, int64_t critical, bool is_critical);

/* Begins; the service is told when it is over. Borrows agent. Returns owned. */
struct drain *drain_new(struct agent *agent);

/* Frees; *drain becomes NULL. */
void drain_free(struct drain **drain);

/* Pods may have come further: goes on. drain NULL: nothing to do. */
void drain_look(struct drain *drain);

#endif
