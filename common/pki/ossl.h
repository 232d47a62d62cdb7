// SPDX-License-Identifier: Apache-2.0
// Private to common/pki: the room's objects as OpenSSL sees them.
#ifndef COR_PKI_OSSL_H
#define COR_PKI_OSSL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/base/err.h"
#include "common/base/view.h"
#include "common/pki/key.h"

struct cor_key {
    EVP_PKEY *pkey; /* owned */
};

/* cert.h */
struct cor_cert {
    X509 *x509; /* owned */
    char *cn;   /* owned */
    char *org;  /* owned */
};

/* Sets *err with the last reason OpenSSL has; empties its queue. Returns code. */
enum cor_code pki_err(struct cor_err *err, enum cor_code code, const char *what);

/* Makes the room's object of x509 (takes; may be NULL). COR_INVALID. */
enum cor_code pki_wrap_cert(X509 *x509, struct cor_cert **out_r, struct cor_err *err);

/* A memory BIO that reads bytes (borrows). Returns owned. */
BIO *pki_bio(struct cor_view bytes);

/* Appends what was written to a memory BIO. */
void pki_bio_take(BIO *bio, struct cor_buf *out);

/* For auto_(): frees and clears. */
void pki_bio_free(BIO **bio);

/* Whether text looks like PEM. */
bool pki_is_pem(struct cor_view bytes);

/* COR_INVALID unless it is EC P-256 or P-384, or RSA of 2048 to 4096 bits. */
enum cor_code pki_check_key(const EVP_PKEY *pkey, struct cor_err *err);

/* Copy of the only (or first) entry nid of name as UTF-8, "" when absent. Returns owned; NULL when
 * the entry cannot be text without NUL bytes. */
char *pki_name_entry(const X509_NAME *name, int nid);

/* Number of entries nid in name. */
int pki_name_count(const X509_NAME *name, int nid);

/* Adds an entry to name unless value is NULL. False if value is no text or too long. */
bool pki_name_add(X509_NAME *name, const char *field, const char *value);

#endif
