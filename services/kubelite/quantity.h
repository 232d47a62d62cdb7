// SPDX-License-Identifier: Apache-2.0
// Quantities ("100m", "1.5Gi", "1e3"): k8s.io/apimachinery/pkg/api/resource. Pure.
#ifndef KUBELITE_QUANTITY_H
#define KUBELITE_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

enum { KL_QUANTITY_LEN = 48 };

struct kl_quantity {
    __int128 nano; /* value times 10^9 */
    enum { KL_DECIMAL, KL_BINARY, KL_EXPONENT } format;
};

/* Reads a quantity of less than 2^63 in absolute value. False when it is none. */
bool kl_quantity_parse(struct cor_view text, struct kl_quantity *out_r);

/* Appends the canonical form: no fraction, the largest suffix. */
void kl_quantity_format(struct kl_quantity quantity, struct cor_buf *out);

/* Value in thousandths, rounded up; 0 for what is no quantity. */
int64_t kl_quantity_milli(struct cor_view text);

#endif
