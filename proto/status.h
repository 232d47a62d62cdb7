// SPDX-License-Identifier: Apache-2.0
// metav1.Status (k8s.io/apimachinery/pkg/apis/meta/v1): how failures of the API are worded. Pure.
#ifndef PX_STATUS_H
#define PX_STATUS_H

#include <stdint.h>

#include "common/base/buf.h"

/* Appends the Status of a failure as JSON: code is the HTTP status, reason one of metav1's words,
 * message one line for people (borrows both). */
void px_status(uint64_t code, const char *reason, const char *message, struct cor_buf *out);

#endif
