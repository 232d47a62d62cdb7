// SPDX-License-Identifier: Apache-2.0
// Enrolment tokens: "<SHA-256 of the CA certificate>.<JWT>", the JWT signed with HS256 under the CA
// key's DER, as CloudCore does (pkg/security/token); an EdgeCore passes them on unread. Ours carry
// a node and an id, so that each is good for one key of one node. Pure.
#ifndef CLOUDHUB_TOKEN_H
#define CLOUDHUB_TOKEN_H

#include <stdbool.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/clock/clock.h"
#include "common/pki/cert.h"

/* Who makes and checks tokens. Borrowed. */
struct token_maker {
    const struct cor_cert *ca;
    struct cor_view secret; /* the CA key's DER */
};

/* Keys that a token for any node may be good for. */
enum { TOKEN_USES_MAX = 1000 };

/* What a token says. Texts are owned. */
struct token {
    char *node;    /* NULL: any */
    char *id;      /* NULL: KubeEdge's own, of which nothing is recorded */
    unsigned uses; /* keys that it is good for: 1 if it has a node, 0 without id */
    struct cor_wall until;
};

/* Appends a token that says this (borrows): for one node with an id, for any node with an id and
 * uses, or without either. */
void token_make(const struct token_maker *maker, const struct token *token, struct cor_buf *out);

/* Checks the JWT part of a token. COR_UNAUTHENTICATED with the text that CloudCore answers. Fills
 * *out_r; free it with token_free in any case. */
COR_NODISCARD enum cor_code token_check(const struct token_maker *maker, struct cor_view jwt,
                                        struct cor_wall now, struct token *out_r,
                                        struct cor_err *err);

/* Frees. For auto_(). */
void token_free(struct token *token);

/* The JWT in an Authorization header: two words. COR_UNAUTHENTICATED. Borrows from header. */
COR_NODISCARD enum cor_code token_from_header(struct cor_view header, struct cor_view *jwt_r,
                                              struct cor_err *err);

#endif
