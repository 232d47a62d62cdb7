// SPDX-License-Identifier: Apache-2.0
// Who this node is to the cloud: the CAs it trusts, its key and certificate. In a folder of files:
// ca.crt (one or more), identity.pem (key and certificate in one, 0600, so that they change
// together) and, while a certificate is asked for, new.key. Blocks on the disk: start, enrolment
// and renewal only.
#ifndef EDGEHUB_IDENTITY_H
#define EDGEHUB_IDENTITY_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/pki/certs.h"
#include "common/pki/tls.h"

struct identity {
    char *dir;              /* owned */
    char *node;             /* owned */
    struct cor_certs roots; /* whom the cloud's certificate must be of */
    struct cor_cert *cert;
    struct cor_key *key;
};

/* Loads what there is. COR_OK: a pair that is good for node. COR_NOTFOUND: there is none, or it is
 * another node's or broken: enrol. Whether it has expired is the cloud's to judge: a node's clock
 * may start in 1970. COR_IO: the folder cannot be made. identity_free in any case. */
COR_NODISCARD enum cor_code identity_load(const char *dir, const char *node,
                                          struct identity *identity_r, struct cor_err *err);

/* The time to judge certificates by: now, unless our own certificate says that our clock cannot be
 * right; then the nearest moment of its life. */
struct cor_wall identity_time(const struct identity *identity, struct cor_wall now);

/* Frees. For auto_(). */
void identity_free(struct identity *identity);

/* Forgets certificate and key (not the files): they have expired. */
void identity_drop(struct identity *identity);

/* The key to ask a certificate for: the one of an earlier try, or a fresh one that is kept before
 * it is used, so that a try can be repeated. COR_IO. Returns owned. */
COR_NODISCARD enum cor_code identity_new_key(const struct identity *identity,
                                             struct cor_key **key_r, struct cor_err *err);

/* The key that the next certificate is for: another one; but the cloud renews what has expired at
 * now only for the key that it was made for. As identity_new_key. */
COR_NODISCARD enum cor_code identity_next_key(const struct identity *identity, bool renews,
                                              struct cor_wall now, struct cor_key **key_r,
                                              struct cor_err *err);

/* Takes over a new certificate and key (takes both), and the only CA to trust (borrows; NULL: those
 * that are trusted), after they are on the disk. Which CA has signed the certificate is for the
 * cloud to judge, which may be changing it. COR_UNAUTHENTICATED if they do not belong together or
 * to this node; COR_IO. The old identity stays then. */
COR_NODISCARD enum cor_code identity_adopt(struct identity *identity, const struct cor_cert *ca,
                                           struct cor_cert *cert, struct cor_key *key,
                                           struct cor_err *err);

/* Trusts these CAs (borrows) from now on and no others, after they are on the disk. COR_INVALID:
 * one is no CA, or there is none; COR_IO. The old ones stay then. */
COR_NODISCARD enum cor_code identity_trust(struct identity *identity, const struct cor_certs *roots,
                                           struct cor_err *err);

/* For connections; borrowed from identity. */
struct cor_tls identity_tls(const struct identity *identity);

/* Moment to renew: at from 70 to 90 % of the certificate's life (as EdgeCore), by random in [0, 1).
 */
struct cor_wall identity_renew_at(const struct identity *identity, double random);

#endif
