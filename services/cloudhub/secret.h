// SPDX-License-Identifier: Apache-2.0
// Kubernetes Secrets as they are read and written here. Pure.
#ifndef CLOUDHUB_SECRET_H
#define CLOUDHUB_SECRET_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/view.h"
#include "common/json/json.h"

/* An Opaque Secret without data. Returns owned. */
struct cor_json *secret_new(const char *ns, const char *name);

/* Sets a value (borrows); any bytes. */
void secret_set(struct cor_json *secret, const char *key, struct cor_view value);

/* Appends a value to out. False if it is not there or is not base64. */
bool secret_get(const struct cor_json *secret, const char *key, struct cor_buf *out);

#endif
