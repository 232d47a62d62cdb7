// SPDX-License-Identifier: Apache-2.0
// Private to common/kube: who we are and whom we trust, from files that may change under us: bound
// tokens, which the kubelet exchanges before they expire, client certificates and authorities.
#ifndef COR_KUBE_CREDS_H
#define COR_KUBE_CREDS_H

#include <stdbool.h>

#include "common/clock/clock.h"
#include "common/kube/config.h"

struct kube_creds {
    struct cor_kube_config config; /* owned */
    struct cor_mono read;          /* when the files were read last */
    bool doubted;                  /* the server refused them, or we the server */
    unsigned token_number;         /* of the token: changes with it */
};

/* Copies config (borrows). */
void kube_creds_init(struct kube_creds *creds, const struct cor_kube_config *config);

/* Reads the files again when that was a minute ago, or a second when they are in doubt. What cannot
 * be read stays as it was. True: certificates or authorities have changed. Blocks on small files.
 */
bool kube_creds_refresh(struct kube_creds *creds, struct cor_mono now);

/* Frees and wipes. */
void kube_creds_free(struct kube_creds *creds);

#endif
