// SPDX-License-Identifier: Apache-2.0
// Private to the authority: what it has at one time, out of several Secrets, and what follows from
// it. Pure.
#ifndef CLOUDHUB_HOLDINGS_H
#define CLOUDHUB_HOLDINGS_H

#include "common/json/json.h"
#include "rotation.h"
#include "token.h"

/* All that belongs together; changes at once. */
struct holdings {
    struct cor_key *ca_key; /* of casecret */
    struct cor_cert *ca;
    struct rotation rotation;
    char *version;       /* of the Secret of the rotation */
    struct cor_key *key; /* the server's */
    struct cor_cert *cert;
    /* what follows from it */
    struct cor_certs roots, renewable, chain;
    struct cor_buf face_der, face_key_der, roots_pem;
    uint64_t digest; /* of the roots */
    char ids[COR_CERTS_MAX][ROTATION_ID_LEN + 1];
    char signer_id[ROTATION_ID_LEN + 1];
};

/* Frees what it has; it is empty and ready again. */
void holdings_free(struct holdings *h);

/* The CA that tokens name; who signs. Borrowed. */
struct cor_issuer holdings_face(const struct holdings *h);
struct cor_issuer holdings_signer(const struct holdings *h);

/* For tokens, once the face is known. Borrowed. */
struct token_maker holdings_maker(const struct holdings *h);

/* All Secrets are read, or made, as far as the face depends on them: what follows for tokens. */
void holdings_know_face(struct holdings *h);

/* All Secrets are read: what follows. */
void holdings_conclude(struct holdings *h);

/* A certificate and its key out of a Secret, under these names; owned. False if they are not there
 * or no pair. */
bool holdings_read_pair(const struct cor_json *secret, const char *const names[2],
                        struct cor_cert **cert_r, struct cor_key **key_r);

/* The Secret with this pair: found, changed, or a new one. Returns owned. */
struct cor_json *holdings_pair_secret(const char *ns, const struct cor_json *found,
                                      const char *name, struct cor_issuer pair,
                                      const char *const names[2]);

#endif
