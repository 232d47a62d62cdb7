// SPDX-License-Identifier: Apache-2.0
// Where a pod stands, from its containers. Pure. Source: k8s.io/kubernetes
// pkg/kubelet/kubelet_pods.go getPhase, kuberuntime_manager.go computePodActions. Any thread.
#ifndef EDGED_PHASE_H
#define EDGED_PHASE_H

#include "run.h"

/* The phase by its containers: "Pending", "Running", "Succeeded" or "Failed". */
const char *phase_of(const struct run *run);

/* "Succeeded" or "Failed" when the containers say so and none will run again; NULL otherwise. */
const char *phase_final(const struct run *run);

/* Index of the init container that has to run or complete now; init_count when all are complete. */
size_t phase_next_init(const struct run *run);

/* Whether something is there to be run in a new sandbox. */
bool phase_needs_sandbox(const struct run *run);

/* Whether the container is complete (init: ended with 0, or a sidecar that has started; main:
 * never). */
bool phase_is_complete(const struct run *run, size_t index);

#endif
