// SPDX-License-Identifier: Apache-2.0
// Readiness gates: conditions that others put into a Pod's status and without which it is not
// ready. Pure. Source: k8s.io/kubernetes pkg/kubelet/status/generate.go
// GeneratePodReadyCondition. Any thread.
#ifndef EDGED_GATES_H
#define EDGED_GATES_H

#include "services/edged/pod/pod.h"

/* The conditions of status (borrowed, may be NULL) that the Pod's gates name. Returns owned; NULL:
 * the Pod has no gates. */
struct cor_json *gates_pick(const struct pod *pod, const struct cor_json *status);

/* Why the Pod is not ready though its containers are, in the kubelet's words, by what gates_pick
 * gave (borrowed, may be NULL); "": nothing stands in the way. Returns owned. */
char *gates_closed(const struct pod *pod, const struct cor_json *conditions);

#endif
