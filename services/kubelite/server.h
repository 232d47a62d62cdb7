// SPDX-License-Identifier: Apache-2.0
// Requests: who asks, what for, in which form; then the handler of the path and method.
#ifndef KUBELITE_SERVER_H
#define KUBELITE_SERVER_H

#include "api.h"

/* Handles one request (cor_httpd_fn); self is a struct kl_api. */
void kl_serve(void *self, struct cor_exchange *exchange);

/* Body of what the HTTP server refuses by itself (cor_httpd_refusal_fn). */
char *kl_refusal(void *self, int status, const char *text, const char **type_r);

#endif
