// SPDX-License-Identifier: Apache-2.0
// What a Pod's claims mean for where it may run: volumes that are on some nodes only, claims that
// are bound when their Pod has a node, volumes that only one Pod may have. Pure. Source:
// k8s.io/kubernetes pkg/scheduler/framework/plugins/{volumebinding,volumerestrictions}.
#ifndef KUBELITE_SCHEDULE_VOLUMES_H
#define KUBELITE_SCHEDULE_VOLUMES_H

#include <stdbool.h>

#include "common/json/json.h"

/* All of these kinds that there are: arrays. */
struct kl_stock {
    struct cor_json *claims;
    struct cor_json *volumes;
    struct cor_json *classes;
};

/* Whether the Pod can be nowhere for its claims: why (appended). */
bool kl_claims_lack(const struct cor_json *pod, const struct kl_stock *stock, struct cor_buf *why);

/* Why the Pod's claims do not let it be on the node; NULL when they do. Static text. pods: all
 * Pods, an array. */
const char *kl_claims_misfit(const struct cor_json *pod, const struct cor_json *node,
                             const struct cor_json *pods, const struct kl_stock *stock);

/* Whether the claim is bound only when a Pod that has it has a node (its class says so). */
bool kl_claim_waits(const struct cor_json *claim, const struct cor_json *classes);

/* The place in stock->claims of claim number index of the Pod, counted over its volumes; count of
 * claims when there is none. *more_r: there is a volume by that number. */
size_t kl_claim_of(const struct cor_json *pod, size_t index, const struct kl_stock *stock,
                   bool *more_r);

/* The place in stock->volumes of the volume that a claim that waits gets on the node: the smallest
 * that fits and that is no member of taken (NULL: none is); count of volumes when there is none. */
size_t kl_claim_volume(const struct cor_json *claim, const struct cor_json *node,
                       const struct kl_stock *stock, const struct cor_json *taken);

#endif
