// SPDX-License-Identifier: Apache-2.0
// Drives the controllers of workloads: what changed is looked at at the end of the round, one
// object at a time; nothing is polled.
#ifndef KUBELITE_WORKLOAD_H
#define KUBELITE_WORKLOAD_H

#include "api.h"

struct kl_workloads;

/* Listens to the storage of api; looks at everything once. Returns owned. */
struct kl_workloads *kl_workloads_new(struct kl_api *api);

/* Stops and frees; *workloads becomes NULL. */
void kl_workloads_free(struct kl_workloads **workloads);

/* Looks at what is due now. */
void kl_workloads_pass(struct kl_workloads *workloads);

#endif
