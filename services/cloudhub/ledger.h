// SPDX-License-Identifier: Apache-2.0
// Which enrolment tokens were used, and by which key: a Secret, changed only on the version that
// was read, so that of two replicas one loses. A node that asks again with the same key is answered
// again: it may not have got the first answer. Loop thread only.
#ifndef CLOUDHUB_LEDGER_H
#define CLOUDHUB_LEDGER_H

#include "common/kube/client.h"
#include "common/pki/key.h"
#include "token.h"

#define LEDGER_SECRET "coracle-used-tokens"

struct ledger;

/* kube and ns are borrowed and must outlive it. Returns owned. */
struct ledger *ledger_new(struct cor_kube *kube, const char *ns);

/* Ends what is under way with COR_RETRY and frees; *ledger becomes NULL. */
void ledger_free(struct ledger **ledger);

/* Told once: COR_OK: the token is now, or was before, used by this key. COR_DENIED: by another.
 * COR_RETRY: the API does not answer. */
typedef void (*ledger_fn)(void *self, enum cor_code code);

/* Uses token up for key; fn runs later. */
void ledger_use(struct ledger *ledger, const struct token *token, const struct cor_key *key,
                ledger_fn fn, void *self);

/* The decision, pure: what data (of the Secret; NULL: none yet) says about id and the key with this
 * fingerprint. COR_OK: used by it already; COR_DENIED: used by another; COR_NOTFOUND: not used. */
enum cor_code ledger_judge(const struct cor_json *secret, const char *id, const char *fingerprint);

/* Pure: records the use in secret, and removes what has expired at now. */
void ledger_record(struct cor_json *secret, const struct token *token, const char *fingerprint,
                   struct cor_wall now);

#endif
