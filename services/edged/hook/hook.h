// SPDX-License-Identifier: Apache-2.0
// Private to edged: runs the hooks of containers; results come by run_post_start_done and
// run_pre_stop_done. Source: k8s.io/kubernetes pkg/kubelet/lifecycle/handlers.go. Loop thread only.
#ifndef EDGED_HOOK_H
#define EDGED_HOOK_H

#include "services/edged/agent.h"

/* Begins the hook that the action names. */
void hook_post_start(struct agent_pod *pod, const struct run_action *action);
void hook_pre_stop(struct agent_pod *pod, const struct run_action *action);

/* Gives up the pod's hooks. */
void hooks_free(struct agent_pod *pod);

#endif
