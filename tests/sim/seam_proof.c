// SPDX-License-Identifier: Apache-2.0
// In front of OpenSSL's verifier and writers (the linker's --wrap): a signature is verified and a
// key is written once a world. Whether certificates are valid at the time is looked at each time.
#include <openssl/encoder.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/must.h"

int __real_X509_verify_cert(X509_STORE_CTX *ctx);
int __wrap_X509_verify_cert(X509_STORE_CTX *ctx);
int __real_X509_VERIFY_PARAM_set_purpose(X509_VERIFY_PARAM *param, int number);
int __wrap_X509_VERIFY_PARAM_set_purpose(X509_VERIFY_PARAM *param, int number);
int __real_i2d_PUBKEY_bio(BIO *bio, const EVP_PKEY *pkey);
int __wrap_i2d_PUBKEY_bio(BIO *bio, const EVP_PKEY *pkey);
OSSL_ENCODER_CTX *__real_OSSL_ENCODER_CTX_new_for_pkey(const EVP_PKEY *pkey, int selection,
                                                       const char *format, const char *structure,
                                                       const char *properties);
OSSL_ENCODER_CTX *__wrap_OSSL_ENCODER_CTX_new_for_pkey(const EVP_PKEY *pkey, int selection,
                                                       const char *format, const char *structure,
                                                       const char *properties);
int __real_OSSL_ENCODER_to_data(OSSL_ENCODER_CTX *ctx, unsigned char **data_r, size_t *len_r);
int __wrap_OSSL_ENCODER_to_data(OSSL_ENCODER_CTX *ctx, unsigned char **data_r, size_t *len_r);
void __real_OSSL_ENCODER_CTX_free(OSSL_ENCODER_CTX *ctx);
void __wrap_OSSL_ENCODER_CTX_free(OSSL_ENCODER_CTX *ctx);

/* What was found or written, by its objects; both are kept to the end of the world. */
static struct cor_map *known(void)
{
    static struct cor_map *map;
    map = map == NULL ? cor_map_new(NULL) : map;
    return map;
}

struct proof {
    int what; /* no gap: it is a key */
    int number;
    const void *one;
    const void *other;
};

static struct cor_view key_of(const struct proof *proof)
{
    return (struct cor_view){(const char *)proof, sizeof(*proof)};
}

/* ---- certificates ---- */

/* The only trusted one; NULL: there are more. */
static X509 *trusted(X509_STORE_CTX *ctx)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(X509_STORE_CTX_get0_store(ctx));
    return sk_X509_OBJECT_num(all) == 1 ? X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, 0))
                                        : NULL;
}

static bool is_now(const X509 *x509, X509_VERIFY_PARAM *param)
{
    return X509_cmp_timeframe(param, X509_get0_notBefore(x509), X509_get0_notAfter(x509)) == 0;
}

/* OpenSSL does not tell it: what was set last, for the verification that follows. */
static int *purpose(void)
{
    static int it;
    return &it;
}

int __wrap_X509_VERIFY_PARAM_set_purpose(X509_VERIFY_PARAM *param, int number)
{
    *purpose() = number;
    return __real_X509_VERIFY_PARAM_set_purpose(param, number);
}

int __wrap_X509_verify_cert(X509_STORE_CTX *ctx)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509 *cert = X509_STORE_CTX_get0_cert(ctx);
    X509 *ca = trusted(ctx);
    struct proof proof = {0};
    proof.what = 'v';
    proof.number = *purpose();
    proof.one = cert;
    proof.other = ca;
    if (ca != NULL && cor_map_get(known(), key_of(&proof)) != NULL && is_now(cert, param) &&
        is_now(ca, param)) {
        return 1;
    }
    int good = __real_X509_verify_cert(ctx);
    if (ca != NULL && good == 1) {
        must(X509_up_ref(cert) == 1 && X509_up_ref(ca) == 1);
        cor_map_set(known(), key_of(&proof), cert);
    }
    return good;
}

/* ---- keys ---- */

static const struct cor_buf *written(const struct proof *proof)
{
    return cor_map_get(known(), key_of(proof));
}

static void keep(const struct proof *proof, const void *bytes, size_t len)
{
    struct cor_buf *buf = cor_alloc(sizeof(*buf));
    must(EVP_PKEY_up_ref((EVP_PKEY *)(uintptr_t)proof->one) == 1);
    cor_buf_add(buf, bytes, len);
    cor_map_set(known(), key_of(proof), buf);
}

int __wrap_i2d_PUBKEY_bio(BIO *bio, const EVP_PKEY *pkey)
{
    struct proof proof = {0};
    proof.what = 'p';
    proof.one = pkey;
    if (written(&proof) == NULL) {
        char *bytes = NULL;
        BIO *whole = BIO_new(BIO_s_mem());
        must(whole != NULL && __real_i2d_PUBKEY_bio(whole, pkey) == 1);
        size_t len = (size_t)BIO_get_mem_data(whole, &bytes);
        keep(&proof, bytes, len);
        (void)BIO_free(whole);
    }
    const struct cor_buf *buf = written(&proof);
    return BIO_write(bio, buf->data, (int)buf->len) == (int)buf->len;
}

/* One encoder at a time: its context is only a name for what it will write. */
static struct proof *encoder(void)
{
    static struct proof it;
    return &it;
}

OSSL_ENCODER_CTX *__wrap_OSSL_ENCODER_CTX_new_for_pkey(const EVP_PKEY *pkey, int selection,
                                                       const char *format, const char *structure,
                                                       const char *properties)
{
    struct proof *proof = encoder();
    must(proof->one == NULL);
    memset(proof, 0, sizeof(*proof));
    proof->what = format[0];
    proof->number = selection;
    proof->one = pkey;
    if (written(proof) == NULL) {
        unsigned char *bytes = NULL;
        size_t len = 0;
        OSSL_ENCODER_CTX *ctx =
            __real_OSSL_ENCODER_CTX_new_for_pkey(pkey, selection, format, structure, properties);
        must(ctx != NULL && __real_OSSL_ENCODER_to_data(ctx, &bytes, &len) == 1);
        keep(proof, bytes, len);
        __real_OSSL_ENCODER_CTX_free(ctx);
        OPENSSL_free(bytes);
    }
    return (OSSL_ENCODER_CTX *)proof;
}

int __wrap_OSSL_ENCODER_to_data(OSSL_ENCODER_CTX *ctx, unsigned char **data_r, size_t *len_r)
{
    const struct cor_buf *buf = written((const struct proof *)ctx);
    *data_r = OPENSSL_memdup(buf->data, buf->len);
    *len_r = buf->len;
    return *data_r != NULL;
}

void __wrap_OSSL_ENCODER_CTX_free(OSSL_ENCODER_CTX *ctx)
{
    (void)ctx;
    encoder()->one = NULL;
}
