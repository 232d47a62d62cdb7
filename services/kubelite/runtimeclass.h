// SPDX-License-Identifier: Apache-2.0
// RuntimeClasses: what they change in new Pods. Pure but for the look into the storage.
#ifndef KUBELITE_RUNTIMECLASS_H
#define KUBELITE_RUNTIMECLASS_H

#include "write.h"

/* The overhead, node selector and tolerations of the class that the new Pod names; 403 when there
 * is none, or what the Pod says itself is something else (plugin/pkg/admission/runtimeclass). */
COR_NODISCARD enum cor_code kl_admit_runtime_class(struct kl_api *api, struct cor_json *pod,
                                                   struct kl_fail *fail);

#endif
