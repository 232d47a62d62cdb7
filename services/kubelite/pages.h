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

#endif
