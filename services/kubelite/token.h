// SPDX-License-Identifier: Apache-2.0
// Tokens of ServiceAccounts: JWTs with the claims of Kubernetes' bound tokens
// (pkg/serviceaccount/claims.go).
#ifndef KUBELITE_TOKEN_H
#define KUBELITE_TOKEN_H

#include "api.h"
#include "common/pki/key.h"

struct kl_tokens;

/* Signs with key (takes). Returns owned. */
struct kl_tokens *kl_tokens_new(struct cor_key *key);

/* Frees; *tokens becomes NULL. */
void kl_tokens_free(struct kl_tokens **tokens);

/* Name of the user that a token stands for, "system:serviceaccount:NS:NAME"; NULL when it is not
 * one of ours, not in time, or what it is bound to is gone. Returns owned. */
char *kl_token_user(struct kl_api *api, struct cor_view token);

#endif
