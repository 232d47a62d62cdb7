// SPDX-License-Identifier: Apache-2.0
// Node selectors, required node affinity, taints and tolerations. Pure; what is malformed matches
// nothing. Source: k8s.io/component-helpers scheduling/corev1 (nodeaffinity, helpers.go),
// core/v1 toleration.go. Any thread.
#ifndef EDGED_AFFINITY_H
#define EDGED_AFFINITY_H

#include <stdbool.h>

#include "common/json/json.h"

/* Whether nodeSelector and requiredDuringSchedulingIgnoredDuringExecution of the Pod select a node
 * with this name and these labels. */
bool affinity_matches(const struct cor_json *pod, const char *name, const struct cor_json *labels);

/* Whether the Pod tolerates all taints with this effect. */
bool affinity_tolerates(const struct cor_json *pod, const struct cor_json *taints,
                        const char *effect);

#endif
