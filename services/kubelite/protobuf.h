// SPDX-License-Identifier: Apache-2.0
// Bodies in application/vnd.kubernetes.protobuf, which kubectl 1.32 sends for built-in kinds: an
// envelope (k8s.io/apimachinery/pkg/runtime, Unknown) around an object whose field numbers are in
// the field tables. Reading only; answers are JSON, which every client accepts beside it. Pure.
#ifndef KUBELITE_PROTOBUF_H
#define KUBELITE_PROTOBUF_H

#include "common/base/err.h"
#include "common/json/json.h"
#include "proto/k8s/k8s.h"

/* The object of a body as JSON, with apiVersion and kind of the envelope. COR_INVALID. Returns
 * owned in *out_r; NULL on error. */
COR_NODISCARD enum cor_code kl_protobuf_read(const struct k8s_type *type, struct cor_view body,
                                             struct cor_json **out_r, struct cor_err *err);

#endif
