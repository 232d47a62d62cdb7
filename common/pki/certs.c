// SPDX-License-Identifier: Apache-2.0
#include "common/pki/certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/digest.h"
#include "common/pki/ossl.h"

bool cor_certs_add(struct cor_certs *certs, const struct cor_cert *cert)
{
    for (size_t i = 0; i < certs->count; i++) {
        if (cor_cert_same(certs->items[i], cert)) {
            return true;
        }
    }
    if (certs->count == COR_CERTS_MAX) {
        return false;
    }
    certs->items[certs->count++] = cor_cert_ref(cert);
    return true;
}

static enum cor_code add_new(struct cor_certs *certs, X509 *x509, struct cor_err *err)
{
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    enum cor_code code = pki_wrap_cert(x509, &cert, err);
    if (code == COR_OK && !cor_certs_add(certs, cert)) {
        return cor_err_set(err, COR_INVALID, "more than %d certificates", COR_CERTS_MAX);
    }
    return code;
}

/* PEM ends where there is no further beginning. */
static enum cor_code parse_pem(BIO *bio, struct cor_certs *certs, struct cor_err *err)
{
    enum cor_code code = COR_OK;
    while (code == COR_OK) {
        X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        bool end = x509 == NULL && certs->count > 0 &&
                   ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        if (end) {
            ERR_clear_error();
            break;
        }
        code = add_new(certs, x509, err);
    }
    return code;
}

enum cor_code cor_certs_parse(struct cor_view bytes, struct cor_certs *out_r, struct cor_err *err)
{
    *out_r = (struct cor_certs){0};
    if (bytes.len > COR_CERTS_BYTES) {
        return cor_err_set(err, COR_TOOBIG, "certificates of %zu bytes, at most %d", bytes.len,
                           COR_CERTS_BYTES);
    }
    auto_(pki_bio_free) BIO *bio = pki_bio(bytes);
    return pki_is_pem(bytes) ? parse_pem(bio, out_r, err)
                             : add_new(out_r, d2i_X509_bio(bio, NULL), err);
}

enum cor_code cor_certs_load(const char *path, struct cor_certs *out_r, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    *out_r = (struct cor_certs){0};
    enum cor_code code = cor_file_read(path, COR_CERTS_BYTES, &text, err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_certs_parse(cor_buf_as_view(&text), out_r, err);
    return code == COR_OK ? COR_OK : cor_err_wrap(err, "%s", path);
}

void cor_certs_pem(const struct cor_certs *certs, struct cor_buf *out)
{
    for (size_t i = 0; i < certs->count; i++) {
        cor_cert_pem(certs->items[i], out);
    }
}

uint64_t cor_certs_digest(const struct cor_certs *certs)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    uint8_t hash[COR_SHA256_LEN];
    uint64_t digest = 0;
    for (size_t i = 0; i < certs->count; i++) {
        cor_cert_der(certs->items[i], &der);
    }
    cor_sha256(cor_buf_as_view(&der), hash);
    for (size_t i = 0; i < sizeof(digest); i++) {
        digest = digest << 8 | hash[i];
    }
    return digest == 0 ? 1 : digest;
}

void cor_certs_free(struct cor_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++) {
        cor_cert_free(&certs->items[i]);
    }
    certs->count = 0;
}

static enum cor_code verify(X509_STORE_CTX *ctx, int usage, struct cor_wall now,
                            struct cor_err *err)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    if (now.us == 0) {
        must(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_NO_CHECK_TIME) == 1);
    } else {
        X509_VERIFY_PARAM_set_time(param, (time_t)(now.us / 1000000));
    }
    X509_VERIFY_PARAM_set_purpose(param, usage == COR_CERT_CLIENT ? X509_PURPOSE_SSL_CLIENT
                                                                  : X509_PURPOSE_SSL_SERVER);
    if (X509_verify_cert(ctx) == 1) {
        return COR_OK;
    }
    const char *reason = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    return cor_err_set(err, COR_UNAUTHENTICATED, "certificate refused: %s", reason);
}

enum cor_code cor_certs_verify(const struct cor_cert *cert, const struct cor_certs *roots,
                               const struct cor_certs *others, int usage, struct cor_wall now,
                               struct cor_err *err)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *rest = sk_X509_new_null();
    must(store != NULL && ctx != NULL && rest != NULL);
    for (size_t i = 0; i < roots->count; i++) {
        must(X509_STORE_add_cert(store, roots->items[i]->x509) == 1);
    }
    for (size_t i = 0; others != NULL && i < others->count; i++) {
        must(sk_X509_push(rest, others->items[i]->x509) > 0);
    }
    must(X509_STORE_CTX_init(ctx, store, cert->x509, rest) == 1);
    enum cor_code code = verify(ctx, usage, now, err);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    sk_X509_free(rest);
    return code;
}
