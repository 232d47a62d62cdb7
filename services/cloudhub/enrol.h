// SPDX-License-Identifier: Apache-2.0
// Who may get which certificate: the rules of /edge.crt. Pure: everything that counts is a
// parameter.
#ifndef CLOUDHUB_ENROL_H
#define CLOUDHUB_ENROL_H

#include "common/pki/certs.h"
#include "common/pki/csr.h"
#include "token.h"

/* A request for a certificate. All borrowed. */
struct enrol_request {
    struct cor_view node;          /* header NodeName */
    struct cor_view authorization; /* header Authorization */
    struct cor_view usages;        /* header ExtKeyUsages */
    struct cor_view csr;           /* body */
    const struct cor_cert *cert;   /* what the peer showed in the TLS handshake, whose key it has;
                                    * NULL: nothing */
    const struct cor_certs *roots; /* whose certificates may be renewed */
    struct cor_wall now;
    bool revoked;  /* cert counts no more */
    bool reusable; /* tokens without a node are good */
    bool former;   /* there was another CA before, whose tokens count no more */
};

/* What comes out when it is granted. */
struct enrol_grant {
    struct cor_csr *csr; /* owned */
    struct token token;  /* owned; without an id there is nothing to record */
};

/* Judges. COR_OK fills *grant_r. COR_UNAUTHENTICATED (401), COR_TOOBIG (413), COR_INVALID (400),
 * with the text for the answer. enrol_grant_free in any case. */
COR_NODISCARD enum cor_code enrol_judge(const struct token_maker *maker,
                                        const struct enrol_request *request,
                                        struct enrol_grant *grant_r, struct cor_err *err);

/* Frees. For auto_(). */
void enrol_grant_free(struct enrol_grant *grant);

/* Whether cert is a node's certificate: O system:nodes, CN system:node:<node>. */
bool enrol_is_node(const struct cor_cert *cert, struct cor_view node);

/* Signs the granted certificate for so long. COR_INVALID. Returns owned in *cert_r. */
COR_NODISCARD enum cor_code enrol_sign(struct cor_issuer issuer, const struct cor_csr *csr,
                                       struct cor_wall now, int64_t life_us,
                                       struct cor_cert **cert_r, struct cor_err *err);

#endif
