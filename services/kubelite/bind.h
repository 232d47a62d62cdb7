// SPDX-License-Identifier: Apache-2.0
// Which PersistentVolume a claim gets: static binding by claimRef, volumeName, or class, modes and
// size. Pure. Source: k8s.io/kubernetes pkg/controller/volume/persistentvolume.
#ifndef KUBELITE_BIND_H
#define KUBELITE_BIND_H

#include "common/json/json.h"

/* The place in volumes (a list) of the one that the claim gets; count of volumes when there is
 * none. Of several that fit the smallest. */
size_t kl_bind_find(const struct cor_json *claim, const struct cor_json *volumes);

/* Whether the claim may have this volume. */
bool kl_bind_may(const struct cor_json *claim, const struct cor_json *volume);

/* Makes both say that they are bound to each other. */
void kl_bind(struct cor_json *claim, struct cor_json *volume);

/* The phase of a volume, as the claims (a list) are: "Available", "Bound" or "Released". */
const char *kl_volume_phase(const struct cor_json *volume, const struct cor_json *claims);

/* The phase of a claim, as the volumes are: "Pending", "Bound" or "Lost". */
const char *kl_claim_phase(const struct cor_json *claim, const struct cor_json *volumes);

#endif
