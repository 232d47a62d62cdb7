// SPDX-License-Identifier: Apache-2.0
// Gets the node a certificate from port 10002: the first with a token, later ones with the one it
// has (edge/pkg/edgehub/certificate). Loop thread only.
#ifndef EDGEHUB_JOIN_H
#define EDGEHUB_JOIN_H

#include "common/ws/http.h"
#include "identity.h"

struct join;

/* What it needs; all borrowed, must outlive it. */
struct join_spec {
    struct cor_ws *ws;
    struct identity *identity;
    const char *host; /* as the server's certificate says it */
    int port;
};

/* Told once: COR_OK: the identity is new and on the disk. COR_UNAUTHENTICATED: refused, or the CA
 * is not the token's; others: try again. err has text. */
typedef void (*join_fn)(void *self, enum cor_code code, const struct cor_err *err);

/* Returns owned. */
struct join *join_new(const struct join_spec *spec, join_fn fn, void *self);

/* Frees, after the ws; *join becomes NULL. */
void join_free(struct join **join);

/* Begins, unless it is under way. address: numeric, to connect to. token (borrows): "<hash>.<JWT>";
 * NULL: renew with the certificate that there is. */
void join_start(struct join *join, const char *address, const char *token);

/* Whether it is under way. */
bool join_is_busy(const struct join *join);

/* Pure: the two parts of a token; the JWT is what is sent. False if it has not four parts. */
bool join_split_token(struct cor_view token, struct cor_view *hash_r, struct cor_view *jwt_r);

#endif
