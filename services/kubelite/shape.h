// SPDX-License-Identifier: Apache-2.0
// Brings an object into the shape that the Go API server gives it by decoding it into its types and
// encoding it again: unknown fields go, zero values go or stay as the struct tags say, quantities
// and times are canonical, defaults are filled in. Pure.
#ifndef KUBELITE_SHAPE_H
#define KUBELITE_SHAPE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/json/json.h"
#include "proto/k8s/k8s.h"

/* What happened on the way. Zeroed is ready. */
struct kl_shape {
    bool defaults;            /* fill in defaults */
    struct cor_json *unknown; /* owned: "unknown field \"spec.x\"" ...; NULL when none */
    char *error;              /* owned: the first wrong type; NULL when none */
    struct cor_buf path;      /* private */
};

/* Frees what it owns. For auto_(). */
void kl_shape_free(struct kl_shape *shape);

/* The object (borrows) in shape. Returns owned; when shape->error is set it is not complete. */
struct cor_json *kl_shape_object(struct kl_shape *shape, const struct k8s_type *type,
                                 const struct cor_json *object);

#endif
