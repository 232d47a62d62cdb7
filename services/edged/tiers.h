// SPDX-License-Identifier: Apache-2.0
// The cgroups of the QoS classes: Burstable Pods together have as much of a busy processor as they
// ask for, BestEffort Pods what is left. Source: k8s.io/kubernetes pkg/kubelet/cm
// qos_container_manager_linux.go. The loop's thread.
#ifndef EDGED_TIERS_H
#define EDGED_TIERS_H

#include "agent.h"

/* Sets them by the Pods that there are now, if that is something new. A failure is told in the log.
 */
void tiers_set(struct agent *agent);

#endif
