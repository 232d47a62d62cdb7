// SPDX-License-Identifier: Apache-2.0
// Structural schemas (k8s.io/apiextensions-apiserver/pkg/apiserver/schema): pruning, defaults,
// validation of custom resources. Pure.
#ifndef KUBELITE_SCHEMA_H
#define KUBELITE_SCHEMA_H

#include "common/json/json.h"
#include "fail.h"

/* Removes what schema does not specify; x-kubernetes-preserve-unknown-fields keeps. At the top,
 * apiVersion, kind and metadata stay. Names of removed fields go to unknown (an array, may be
 * NULL). */
void kl_schema_prune(const struct cor_json *schema, struct cor_json *value,
                     struct cor_json *unknown);

/* Fills in defaults. */
void kl_schema_default(const struct cor_json *schema, struct cor_json *value);

/* Adds what does not fit to causes. path is that of value, "" at the top. */
void kl_schema_check(const struct cor_json *schema, const struct cor_json *value, const char *path,
                     struct kl_causes *causes);

#endif
