// SPDX-License-Identifier: Apache-2.0
// Server-side apply: who manages which field (metadata.managedFields), conflicts, what goes when
// nobody applies it any more (sigs.k8s.io/structured-merge-diff/merge,
// k8s.io/apiserver/pkg/endpoints/handlers/fieldmanager). Managers are kept track of from the first
// apply on, as with a trackOnCreateProbability of 0. Pure.
#ifndef KUBELITE_APPLY_H
#define KUBELITE_APPLY_H

#include "common/clock/clock.h"
#include "fail.h"

struct kl_applying {
    const struct kl_kind *kind;
    const char *manager;
    bool force;
    struct cor_wall now;
};

/* config laid over live (NULL: a new object), with its managedFields. COR_CONFLICT (409): others
 * manage what config changes. Returns owned in *out_r. */
COR_NODISCARD enum cor_code kl_apply(const struct kl_applying *applying,
                                     const struct cor_json *live, const struct cor_json *config,
                                     struct cor_json **out_r, struct kl_fail *fail);

/* Notes in object (the new state) who changed what of old by PUT or PATCH; nothing, unless old
 * was applied before. */
void kl_apply_track(const struct kl_applying *applying, const struct cor_json *old,
                    struct cor_json *object);

#endif
