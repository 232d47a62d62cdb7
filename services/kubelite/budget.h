// SPDX-License-Identifier: Apache-2.0
// What a PodDisruptionBudget allows, by the Pods as they are now (k8s.io/kubernetes
// pkg/controller/disruption, pkg/registry/core/pod/storage/eviction.go). Pure.
#ifndef KUBELITE_BUDGET_H
#define KUBELITE_BUDGET_H

#include "common/json/json.h"
#include "fail.h"
#include "strategy.h"

struct kl_budget {
    int64_t expected; /* Pods that there are to be */
    int64_t healthy;  /* that are Ready, and stay */
    int64_t desired;  /* that must be */
    int64_t allowed;  /* that may be evicted now */
};

/* Counts pods (a list, those of the budget's namespace); scale: Pods that their controllers want in
 * all, -1: those that there are. */
struct kl_budget kl_budget_count(const struct cor_json *budget, const struct cor_json *pods,
                                 int64_t scale);

/* Whether it counts by a part, so that what controllers want matters: not by a number that must be
 * there. */
bool kl_budget_is_scaled(const struct cor_json *budget);

/* Whether the Pod may be evicted: one of those allowed, or one that is not healthy and that the
 * budget's unhealthyPodEvictionPolicy lets go. */
bool kl_budget_lets_go(const struct cor_json *budget, const struct kl_budget *count,
                       const struct cor_json *pod);

/* Whether the budget is about the Pod: of its namespace, and selected. */
bool kl_budget_covers(const struct cor_json *budget, const struct cor_json *pod);

/* Whether the Pod counts in no budget: it has ended, has not begun, or is going already. */
bool kl_budget_exempts(const struct cor_json *pod);

/* Whether it is Ready. */
bool kl_budget_is_healthy(const struct cor_json *pod);

/* Checks a new or changed budget. */
void kl_budget_check(struct kl_draft *draft);

#endif
