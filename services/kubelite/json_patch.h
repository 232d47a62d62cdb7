// SPDX-License-Identifier: Apache-2.0
// JSON patch (RFC 6902), with the limits and the words of the real server's library
// (github.com/evanphx/json-patch v4). Pure.
#ifndef KUBELITE_JSON_PATCH_H
#define KUBELITE_JSON_PATCH_H

#include "common/base/err.h"
#include "common/json/json.h"

enum { KL_JSON_PATCH_OPS_MAX = 10000, KL_JSON_PATCH_COPY_MAX = 3 << 20 };

/* Applies patch (borrows, an array of operations) to target (takes) and returns the result in
 * *out_r (owned; NULL on error). COR_INVALID: an operation does not apply or a test failed;
 * COR_TOOBIG: too many operations, or copies. */
COR_NODISCARD enum cor_code kl_json_patch(struct cor_json *target, const struct cor_json *patch,
                                          struct cor_json **out_r, struct cor_err *err);

#endif
