// SPDX-License-Identifier: Apache-2.0
// What is not an object: discovery, version, health, OpenAPI.
#ifndef KUBELITE_PAGES_H
#define KUBELITE_PAGES_H

#include "api.h"

/* Answers a request for a page of the API (route.page). */
void kl_page(struct kl_request *request);

/* The same as the protobuf of gnostic's openapiv2.Document. */
void kl_openapi_proto(const struct cor_json *document, struct cor_buf *out);

/* The OpenAPI v2 document. Returns owned. */
struct cor_json *kl_openapi_document(const struct kl_kinds *kinds);

/* OpenAPI v3: where the documents are; the one of a group and version, NULL when it is not served.
 * Return owned. */
struct cor_json *kl_openapi3_index(const struct kl_kinds *kinds);
struct cor_json *kl_openapi3_document(const struct kl_kinds *kinds, const char *group,
                                      const char *version);

/* Adds what one kind serves, with its subresources, to a list of APIResources. */
void kl_page_add_kind(struct cor_json *list, const struct kl_kind *kind);

/* All groups with all that they serve in one answer (apidiscovery.k8s.io/v2); core: those of /api,
 * else those of /apis. Returns owned. */
struct cor_json *kl_discovery_all(const struct kl_kinds *kinds, bool core);

#endif
