// SPDX-License-Identifier: Apache-2.0
#include "common/pki/csr.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/ossl.h"

struct cor_csr {
    X509_REQ *req;      /* owned */
    struct cor_key key; /* owned */
    char *cn;           /* owned */
    char *org;          /* owned */
};

void cor_csr_make(const struct cor_key *key, const struct cor_subject *subject, struct cor_buf *out)
{
    auto_(pki_bio_free) BIO *bio = BIO_new(BIO_s_mem());
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    must(bio != NULL && req != NULL && name != NULL);
    must(pki_name_add(name, "C", subject->country) && pki_name_add(name, "ST", subject->state) &&
         pki_name_add(name, "L", subject->locality) && pki_name_add(name, "O", subject->org) &&
         pki_name_add(name, "CN", subject->cn));
    must(X509_REQ_set_version(req, 0) == 1 && X509_REQ_set_subject_name(req, name) == 1 &&
         X509_REQ_set_pubkey(req, key->pkey) == 1 &&
         X509_REQ_sign(req, key->pkey, EVP_sha256()) > 0 && i2d_X509_REQ_bio(bio, req) == 1);
    X509_NAME_free(name);
    X509_REQ_free(req);
    pki_bio_take(bio, out);
}

/* The key is judged before the signature, which could be made costly by a huge key. */
static enum cor_code check(struct cor_csr *csr, struct cor_err *err)
{
    const X509_NAME *name = X509_REQ_get_subject_name(csr->req);
    csr->key.pkey = X509_REQ_get_pubkey(csr->req);
    if (csr->key.pkey == NULL) {
        return pki_err(err, COR_INVALID, "certificate request without a usable key");
    }
    enum cor_code code = pki_check_key(csr->key.pkey, err);
    if (code != COR_OK) {
        return code;
    }
    if (X509_REQ_verify(csr->req, csr->key.pkey) != 1) {
        return pki_err(err, COR_INVALID, "certificate request is not signed by its own key");
    }
    if (pki_name_count(name, NID_commonName) > 1 ||
        pki_name_count(name, NID_organizationName) > 1) {
        return cor_err_set(err, COR_INVALID, "certificate request with more than one name");
    }
    csr->cn = pki_name_entry(name, NID_commonName);
    csr->org = pki_name_entry(name, NID_organizationName);
    return csr->cn != NULL && csr->org != NULL
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "name in the certificate request is no text");
}

enum cor_code cor_csr_parse(struct cor_view bytes, struct cor_csr **out_r, struct cor_err *err)
{
    *out_r = NULL;
    if (bytes.len > COR_CSR_MAX) {
        return cor_err_set(err, COR_TOOBIG, "certificate request of %zu bytes, at most %d",
                           bytes.len, COR_CSR_MAX);
    }
    auto_(pki_bio_free) BIO *bio = pki_bio(bytes);
    auto_(cor_csr_free) struct cor_csr *csr = cor_alloc(sizeof(*csr));
    csr->req = pki_is_pem(bytes) ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL)
                                 : d2i_X509_REQ_bio(bio, NULL);
    if (csr->req == NULL) {
        return pki_err(err, COR_INVALID, "not a certificate request");
    }
    if (!pki_is_pem(bytes) && BIO_pending(bio) != 0) {
        return cor_err_set(err, COR_INVALID, "bytes after the certificate request");
    }
    enum cor_code code = check(csr, err);
    if (code == COR_OK) {
        *out_r = take(&csr);
    }
    return code;
}

void cor_csr_free(struct cor_csr **csr)
{
    if (*csr != NULL) {
        X509_REQ_free((*csr)->req);
        EVP_PKEY_free((*csr)->key.pkey);
        cor_free((*csr)->cn);
        cor_free((*csr)->org);
        cor_freep(csr);
    }
}

const char *cor_csr_cn(const struct cor_csr *csr)
{
    return csr->cn;
}

const char *cor_csr_org(const struct cor_csr *csr)
{
    return csr->org;
}

bool cor_csr_wants_extensions(const struct cor_csr *csr)
{
    return X509_REQ_get_attr_count(csr->req) > 0;
}

const struct cor_key *cor_csr_key(const struct cor_csr *csr)
{
    return &csr->key;
}
