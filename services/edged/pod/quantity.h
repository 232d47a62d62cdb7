// SPDX-License-Identifier: Apache-2.0
// Kubernetes quantities: "100m", "1.5", "64Mi", "1e3". Pure. Source: k8s.io/apimachinery
// pkg/api/resource/quantity.go. Any thread.
#ifndef EDGED_QUANTITY_H
#define EDGED_QUANTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/view.h"
#include "common/json/json.h"

/* Thousandths of text, rounded up, not over INT64_MAX. False (leaves *milli_r) when it is none. */
bool quantity_milli(struct cor_view text, int64_t *milli_r);

/* Whole units of text, rounded up. */
bool quantity_value(struct cor_view text, int64_t *value_r);

/* The same of a JSON string or integer; false for anything else. */
bool quantity_json_milli(const struct cor_json *json, int64_t *milli_r);
bool quantity_json_value(const struct cor_json *json, int64_t *value_r);

/* a + b, neither negative; INT64_MAX where it would be more. */
int64_t quantity_sum(int64_t a, int64_t b);

#endif
