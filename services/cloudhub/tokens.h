// SPDX-License-Identifier: Apache-2.0
// What is known of the tokens that were made: a Secret with a record for each id, never the token
// itself. Whether they were used or revoked is in the ledger (ledger.h). Pure.
#ifndef CLOUDHUB_TOKENS_H
#define CLOUDHUB_TOKENS_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/json/json.h"
#include "token.h"

#define TOKENS_SECRET "coracle-tokens"

/* Records token (borrows), made at now, in secret, and forgets what has expired. COR_BUSY: as many
 * as most are open already, by this ledger (NULL: nothing is used). */
COR_NODISCARD enum cor_code tokens_add(struct cor_json *secret, const struct token *token,
                                       struct cor_wall now, const struct cor_json *ledger,
                                       size_t most);

/* The tokens that have not expired, oldest first: [{"id", "node", "created", "expires", "uses",
 * "left", "state"}], node "" for any; state is open, used or revoked. Returns owned. */
struct cor_json *tokens_list(const struct cor_json *secret, const struct cor_json *ledger,
                             struct cor_wall now);

/* The whole id that begins with text, and when it expires. COR_NOTFOUND; COR_CONFLICT: several do.
 * Returns owned in *id_r. */
COR_NODISCARD enum cor_code tokens_find(const struct cor_json *secret, struct cor_view text,
                                        struct cor_wall now, char **id_r, struct cor_wall *until_r);

#endif
