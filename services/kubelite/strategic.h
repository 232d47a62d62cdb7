// SPDX-License-Identifier: Apache-2.0
// Strategic merge patch (k8s.io/apimachinery/pkg/util/strategicpatch): lists of objects merge by
// the merge key of the field tables. Pure.
#ifndef KUBELITE_STRATEGIC_H
#define KUBELITE_STRATEGIC_H

#include "common/base/err.h"
#include "common/json/json.h"
#include "proto/k8s/k8s.h"

/* Applies patch (borrows) to target (takes, an object) of type and returns the result in *out_r
 * (owned; NULL on error). COR_INVALID: the patch does not fit; COR_INTERNAL: an element has no
 * merge key, which the real server calls its own fault. Both with the text for the client. */
COR_NODISCARD enum cor_code kl_strategic_apply(const struct k8s_type *type, struct cor_json *target,
                                               const struct cor_json *patch,
                                               struct cor_json **out_r, struct cor_err *err);

#endif
