// SPDX-License-Identifier: Apache-2.0
// metrics.k8s.io/v1beta1, which `kubectl top` reads: what nodes and containers use, asked from the
// kubelets when somebody wants to know, and kept for 15 s (metrics-server asks all the time).
#ifndef KUBELITE_METRICS_H
#define KUBELITE_METRICS_H

#include "api.h"

struct kl_metrics;

/* Asks nobody yet. Returns owned. */
struct kl_metrics *kl_metrics_new(struct kl_api *api);

/* Forgets requests that wait, frees. *metrics becomes NULL. Before api->proxies. */
void kl_metrics_free(struct kl_metrics **metrics);

#endif
