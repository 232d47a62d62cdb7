// SPDX-License-Identifier: Apache-2.0
// Which nodes a Pod may run on: readiness, nodeSelector, required node affinity, taints, resources
// (a small part of kube-scheduler's filters). Pure.
#ifndef KUBELITE_SCHEDULE_H
#define KUBELITE_SCHEDULE_H

#include <stdbool.h>

#include "common/json/json.h"
#include "schedule_volumes.h"

/* Why a Pod does not fit on a node; NULL when it fits. Static text. pods: all Pods, an array. */
const char *kl_misfit(const struct cor_json *pod, const struct cor_json *node,
                      const struct cor_json *pods);

/* The node that fits with the fewest Pods, by name among equals; NULL when none fits, with the
 * reasons in why ("0/2 nodes are available: ..."). stock: what the Pod's claims may be; NULL: they
 * do not count. Borrowed from nodes. */
const struct cor_json *kl_choose_node(const struct cor_json *pod, const struct cor_json *nodes,
                                      const struct cor_json *pods, const struct kl_stock *stock,
                                      struct cor_buf *why);

/* Whether a node is what nodeSelectorTerms (an array) ask for. */
bool kl_terms_fit(const struct cor_json *terms, const struct cor_json *node);

/* Whether a DaemonSet's Pod shall run on a node; *stays_r: one that is there may stay. Readiness
 * and room do not count (nodeShouldRunDaemonPod of pkg/controller/daemon). */
bool kl_daemon_fits(const struct cor_json *pod, const struct cor_json *node, bool *stays_r);

/* Whether a node has NoExecute taints. */
bool kl_is_evicting(const struct cor_json *node);

/* How many seconds a Pod may stay on a node with NoExecute taints: 0 when one of them is not
 * tolerated, KL_FOR_EVER when no toleration that it needs ends. */
enum { KL_FOR_EVER = -1 };
int64_t kl_tolerates_for(const struct cor_json *pod, const struct cor_json *node);

#endif
