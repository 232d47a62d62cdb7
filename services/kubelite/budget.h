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
};

/* Counts pods (a list, those of the budget's namespace); replicas: Pods that their controllers want
 * in all, 0: not known. */
struct kl_budget kl_budget_count(const struct cor_json *budget, const struct cor_json *pods,
                                 int64_t replicas);

/* Whether the budget is about the Pod: of its namespace, and selected. */
bool kl_budget_covers(const struct cor_json *budget, const struct cor_json *pod);

/* Whether the Pod counts in no budget: it has ended, has not begun, or is going already. */
bool kl_budget_exempts(const struct cor_json *pod);

/* Whether it is Ready. */
bool kl_budget_is_healthy(const struct cor_json *pod);

/* Checks a new or changed budget. */
void kl_budget_check(struct kl_draft *draft);

#endif
