// SPDX-License-Identifier: Apache-2.0
// Several certificates: the roots that somebody trusts, or a chain. Part of the door to OpenSSL.
// Any thread, one at a time per object.
#ifndef COR_PKI_CERTS_H
#define COR_PKI_CERTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/pki/cert.h"

/* So many, and bytes of a file with them. */
enum { COR_CERTS_MAX = 8, COR_CERTS_BYTES = 64 * 1024 };

/* Zeroed is none. */
struct cor_certs {
    struct cor_cert *items[COR_CERTS_MAX]; /* owned */
    size_t count;
};

/* Adds one (takes a reference) unless it is there already. False: there is no room. */
bool cor_certs_add(struct cor_certs *certs, const struct cor_cert *cert);

/* Reads all certificates of PEM text, or one in DER. COR_INVALID: none, one that cannot be read, or
 * more than COR_CERTS_MAX; COR_TOOBIG. cor_certs_free in any case. */
COR_NODISCARD enum cor_code cor_certs_parse(struct cor_view bytes, struct cor_certs *out_r,
                                            struct cor_err *err);

/* cor_certs_parse of a file (blocks on the disk). COR_NOTFOUND, COR_INVALID, COR_IO. */
COR_NODISCARD enum cor_code cor_certs_load(const char *path, struct cor_certs *out_r,
                                           struct cor_err *err);

/* Appends them as PEM, in order. */
void cor_certs_pem(const struct cor_certs *certs, struct cor_buf *out);

/* The first 8 bytes of the SHA-256 of their DER, one after the other; never 0. For who wants to
 * know whether two have the same. */
uint64_t cor_certs_digest(const struct cor_certs *certs);

/* Frees all; it is empty and ready again. For auto_(). */
void cor_certs_free(struct cor_certs *certs);

/* Checks that one of roots, or a certificate of others (NULL: none) that leads to one, has signed
 * cert, that it is valid at now (0: whenever that is) and may be used as usage. COR_UNAUTHENTICATED
 * with the reason. */
COR_NODISCARD enum cor_code cor_certs_verify(const struct cor_cert *cert,
                                             const struct cor_certs *roots,
                                             const struct cor_certs *others, int usage,
                                             struct cor_wall now, struct cor_err *err);

#endif
