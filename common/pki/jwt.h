// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens (RFC 7519) in compact form; part of the door to OpenSSL. The algorithm follows
// from the key, never from the token: "none" and every mismatch are refused. Any thread.
#ifndef COR_PKI_JWT_H
#define COR_PKI_JWT_H

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/clock/clock.h"
#include "common/json/json.h"
#include "common/pki/key.h"

/* The longest token that is looked at. */
enum { COR_JWT_MAX = 16 * 1024 };

/* Appends claims (borrows) signed with HS256 under secret. */
void cor_jwt_sign_secret(struct cor_view secret, const struct cor_json *claims,
                         struct cor_buf *out);

/* Appends claims (borrows) signed with key: ES256 for EC P-256, RS256 for RSA. kid (may be NULL)
 * goes into the header. COR_INVALID for other keys and for public ones. */
COR_NODISCARD enum cor_code cor_jwt_sign(const struct cor_key *key, const char *kid,
                                         const struct cor_json *claims, struct cor_buf *out,
                                         struct cor_err *err);

/* Checks an HS256 token under secret, and its exp and nbf (when present) against now. COR_INVALID
 * when it is no such token, COR_UNAUTHENTICATED for a bad signature, COR_TIMEOUT when it is not
 * valid at now. Returns the claims owned in *claims_r; NULL on error. */
COR_NODISCARD enum cor_code cor_jwt_verify_secret(struct cor_view secret, struct cor_view token,
                                                  struct cor_wall now, struct cor_json **claims_r,
                                                  struct cor_err *err);

/* The same for ES256 (EC P-256 key) or RS256 (RSA key); the public half is enough. */
COR_NODISCARD enum cor_code cor_jwt_verify(const struct cor_key *key, struct cor_view token,
                                           struct cor_wall now, struct cor_json **claims_r,
                                           struct cor_err *err);

#endif
