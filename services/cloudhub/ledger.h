// SPDX-License-Identifier: Apache-2.0
// Which enrolment tokens were used, and by which keys, and which were revoked: a Secret, changed
// only on the version that was read (vault.h). A node that asks again with the same key is answered
// again: it may not have got the first answer. Loop thread only.
#ifndef CLOUDHUB_LEDGER_H
#define CLOUDHUB_LEDGER_H

#include "common/pki/key.h"
#include "token.h"
#include "vault.h"

#define LEDGER_SECRET "coracle-used-tokens"

/* Told once: COR_OK: the token is now, or was before, used by this key. COR_DENIED: it is used up,
 * or revoked. COR_RETRY: the API does not answer. */
typedef void (*ledger_fn)(void *self, enum cor_code code);

/* Uses token up for key; fn runs later. */
void ledger_use(struct vault *vault, const struct token *token, const struct cor_key *key,
                ledger_fn fn, void *self);

/* The decision, pure: what the Secret (NULL: none yet) says about token and the key with this
 * fingerprint. COR_OK: used by it already; COR_DENIED: used up by others, or revoked; COR_NOTFOUND:
 * it may be used. */
enum cor_code ledger_judge(const struct cor_json *secret, const struct token *token,
                           const char *fingerprint);

/* Pure: records the use in secret, and removes what has expired at now. */
void ledger_record(struct cor_json *secret, const struct token *token, const char *fingerprint,
                   struct cor_wall now);

/* Pure: nobody uses the token of this id from now on; until: when it would have ended. */
void ledger_revoke(struct cor_json *secret, const char *id, struct cor_wall until,
                   struct cor_wall now);

/* Pure: keys that have used the token of this id; *revoked_r: it was revoked. */
unsigned ledger_uses(const struct cor_json *secret, const char *id, bool *revoked_r);

#endif
