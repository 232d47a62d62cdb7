// SPDX-License-Identifier: Apache-2.0
// PKCS#10 certificate requests (RFC 2986); part of the door to OpenSSL. A parsed request has a good
// self-signature and a key of a sane kind, whoever sent it. Any thread, one at a time per object.
#ifndef COR_PKI_CSR_H
#define COR_PKI_CSR_H

#include <stdbool.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/pki/key.h"

/* The largest request that is looked at; an honest one has some 300 bytes. */
enum { COR_CSR_MAX = 64 * 1024 };

/* Parts of a distinguished name; NULL parts are left out. */
struct cor_subject {
    const char *country;
    const char *state;
    const char *locality;
    const char *org;
    const char *cn;
};

/* Appends the DER of a request for subject, signed by key. */
void cor_csr_make(const struct cor_key *key, const struct cor_subject *subject,
                  struct cor_buf *out);

struct cor_csr;

/* Reads DER or PEM. COR_TOOBIG over COR_CSR_MAX; COR_INVALID for garbage, a weak, huge or unknown
 * key, a bad self-signature, or a name with more than one CN or O. Returns owned in *out_r. */
COR_NODISCARD enum cor_code cor_csr_parse(struct cor_view bytes, struct cor_csr **out_r,
                                          struct cor_err *err);

/* Frees; *csr becomes NULL. For auto_(). */
void cor_csr_free(struct cor_csr **csr);

/* Common name, "" when absent. Valid as long as csr. */
const char *cor_csr_cn(const struct cor_csr *csr);

/* Organization, "" when absent. Valid as long as csr. */
const char *cor_csr_org(const struct cor_csr *csr);

/* Whether it asks for extensions (alternative names, key usage, CA...). */
bool cor_csr_wants_extensions(const struct cor_csr *csr);

/* The requested public key. Borrowed from csr. */
const struct cor_key *cor_csr_key(const struct cor_csr *csr);

#endif
