// SPDX-License-Identifier: Apache-2.0
// In front of OpenSSL's readers (the linker's --wrap): a key or certificate is parsed once a world,
// however often services start on the same files. What they are given counts references, as always.
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/must.h"

EVP_PKEY *__real_PEM_read_bio_PrivateKey(BIO *bio, EVP_PKEY **x, pem_password_cb *cb, void *u);
EVP_PKEY *__wrap_PEM_read_bio_PrivateKey(BIO *bio, EVP_PKEY **x, pem_password_cb *cb, void *u);
EVP_PKEY *__real_PEM_read_bio_PUBKEY(BIO *bio, EVP_PKEY **x, pem_password_cb *cb, void *u);
EVP_PKEY *__wrap_PEM_read_bio_PUBKEY(BIO *bio, EVP_PKEY **x, pem_password_cb *cb, void *u);
EVP_PKEY *__real_d2i_PrivateKey_bio(BIO *bio, EVP_PKEY **x);
EVP_PKEY *__wrap_d2i_PrivateKey_bio(BIO *bio, EVP_PKEY **x);
X509 *__real_PEM_read_bio_X509(BIO *bio, X509 **x, pem_password_cb *cb, void *u);
X509 *__wrap_PEM_read_bio_X509(BIO *bio, X509 **x, pem_password_cb *cb, void *u);
X509 *__real_d2i_X509_bio(BIO *bio, X509 **x);
X509 *__wrap_d2i_X509_bio(BIO *bio, X509 **x);

enum kind { SECRET_PEM = 's', PUBLIC_PEM = 'p', SECRET_DER = 'd', CERT_PEM = 'c', CERT_DER = 'x' };

/* Parsed, by kind and bytes; kept to the end of the world. */
static struct cor_map *parsed(void)
{
    static struct cor_map *map;
    map = map == NULL ? cor_map_new(NULL) : map;
    return map;
}

static struct cor_view key_of(BIO *bio, enum kind kind, struct cor_buf *out)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    cor_buf_fmt(out, "%c", kind);
    cor_buf_add(out, data, (size_t)len);
    return cor_buf_as_view(out);
}

static EVP_PKEY *read_key(BIO *bio, enum kind kind, pem_password_cb *cb, void *u)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    struct cor_view at = key_of(bio, kind, &key);
    EVP_PKEY *pkey = cor_map_get(parsed(), at);
    if (pkey == NULL) {
        pkey = kind == SECRET_PEM   ? __real_PEM_read_bio_PrivateKey(bio, NULL, cb, u)
               : kind == PUBLIC_PEM ? __real_PEM_read_bio_PUBKEY(bio, NULL, cb, u)
                                    : __real_d2i_PrivateKey_bio(bio, NULL);
        if (pkey == NULL) {
            return NULL;
        }
        cor_map_set(parsed(), at, pkey);
    }
    must(EVP_PKEY_up_ref(pkey) == 1);
    return pkey;
}

struct cert {
    X509 *x509;
    int used; /* bytes of what it was read from: there may be another one behind it */
};

static X509 *read_cert(BIO *bio, enum kind kind, pem_password_cb *cb, void *u)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    struct cor_view at = key_of(bio, kind, &key);
    struct cert *cert = cor_map_get(parsed(), at);
    if (cert == NULL) {
        int before = BIO_pending(bio);
        X509 *x509 = kind == CERT_PEM ? __real_PEM_read_bio_X509(bio, NULL, cb, u)
                                      : __real_d2i_X509_bio(bio, NULL);
        if (x509 == NULL) {
            return NULL;
        }
        cert = cor_alloc(sizeof(*cert));
        *cert = (struct cert){x509, before - BIO_pending(bio)};
        cor_map_set(parsed(), at, cert);
    } else {
        auto_(cor_freep) char *skipped = cor_alloc((size_t)cert->used);
        must(BIO_read(bio, skipped, cert->used) == cert->used);
    }
    must(X509_up_ref(cert->x509) == 1);
    return cert->x509;
}

EVP_PKEY *__wrap_PEM_read_bio_PrivateKey(BIO *bio, EVP_PKEY **x, pem_password_cb *cb, void *u)
{
    must(x == NULL);
    return read_key(bio, SECRET_PEM, cb, u);
}

EVP_PKEY *__wrap_PEM_read_bio_PUBKEY(BIO *bio, EVP_PKEY **x, pem_password_cb *cb, void *u)
{
    must(x == NULL);
    return read_key(bio, PUBLIC_PEM, cb, u);
}

EVP_PKEY *__wrap_d2i_PrivateKey_bio(BIO *bio, EVP_PKEY **x)
{
    must(x == NULL);
    return read_key(bio, SECRET_DER, NULL, NULL);
}

X509 *__wrap_PEM_read_bio_X509(BIO *bio, X509 **x, pem_password_cb *cb, void *u)
{
    must(x == NULL);
    return read_cert(bio, CERT_PEM, cb, u);
}

X509 *__wrap_d2i_X509_bio(BIO *bio, X509 **x)
{
    must(x == NULL);
    return read_cert(bio, CERT_DER, NULL, NULL);
}
