// SPDX-License-Identifier: Apache-2.0
// CustomResourceDefinitions: the kinds they define, their schemas (structural, OpenAPI v3) and
// columns.
#ifndef KUBELITE_CRD_H
#define KUBELITE_CRD_H

#include "api.h"

struct kl_crds;
struct kl_crd_version;

/* Serves the kinds of all definitions that are stored, and follows their changes. Returns owned. */
struct kl_crds *kl_crds_new(struct kl_api *api);

/* Frees; *crds becomes NULL. */
void kl_crds_free(struct kl_crds **crds);

/* additionalPrinterColumns of the version (an Age column when it has none). Borrowed. */
const struct cor_json *kl_crd_columns(const struct kl_crd_version *version);

/* openAPIV3Schema of the version, NULL when it has none. Borrowed. */
const struct cor_json *kl_crd_schema(const struct kl_crd_version *version);

/* Value at a simple JSONPath (".spec.x", ".status.list[0].y", ".metadata.annotations.a\.b"); NULL
 * when absent. Returns owned. */
struct cor_json *kl_crd_json_path(const struct cor_json *object, const char *path);

#endif
