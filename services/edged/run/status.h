// SPDX-License-Identifier: Apache-2.0
// PodStatus as kubelet reports it. Pure. Source: k8s.io/kubernetes pkg/kubelet/kubelet_pods.go
// convertToAPIContainerStatuses, pkg/kubelet/status/generate.go. Any thread.
#ifndef EDGED_STATUS_H
#define EDGED_STATUS_H

#include "run.h"
#include "services/edged/pod/inputs.h"

/* The status of the pod now. previous (may be NULL) is the status reported before: start time and
 * times of transitions come from it. Absent reasons and messages of conditions are null, so that
 * the object is also a strategic-merge patch. Returns owned. */
struct cor_json *status_build(const struct run *run, const struct facts *facts,
                              const struct cor_json *previous, struct cor_wall now);

/* Status of a Pod that cannot be read at all: Failed, with reason and message. Returns owned. */
struct cor_json *status_failed(const char *reason, const char *message, struct cor_wall now);

/* What podpatch takes: {"metadata":{"uid":uid},"status":status}, a strategic merge patch. known:
 * what the API has, NULL: nothing; addresses that are only there are told to go. Returns owned. */
struct cor_json *status_patch(const char *uid, const struct cor_json *status,
                              const struct cor_json *known);

/* A patch that takes all addresses away, when it is not known which there are. Returns owned. */
struct cor_json *status_clear(const char *uid);

#endif
