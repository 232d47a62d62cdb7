// SPDX-License-Identifier: Apache-2.0
#include "common/pki/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/ossl.h"

/* What CloudCore offers for TLS 1.2 (pkg/viaduct); TLS 1.3 has its own list. */
static const char CIPHERS[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305";

void cor_tls_stay_small(void)
{
    uint64_t options = OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
                       OPENSSL_INIT_NO_LOAD_CONFIG;
    must(OPENSSL_init_ssl(options, NULL) == 1);
}

static void common_settings(SSL_CTX *ctx)
{
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    must(SSL_CTX_set_cipher_list(ctx, CIPHERS) == 1);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* What is shown behind a certificate is said, not looked for among the roots. */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_NO_AUTO_CHAIN);
    (void)SSL_CTX_set_num_tickets(ctx, 0);
}

/* The certificate, its key and what is behind it change together, or not at all. */
static bool set_identity(SSL_CTX *ctx, const struct cor_tls *tls)
{
    STACK_OF(X509) *chain = sk_X509_new_null();
    must(chain != NULL);
    for (size_t i = 0; tls->chain != NULL && i < tls->chain->count; i++) {
        must(sk_X509_push(chain, tls->chain->items[i]->x509) > 0);
    }
    bool done = cor_cert_is_for(tls->cert, tls->key) &&
                SSL_CTX_use_cert_and_key(ctx, tls->cert->x509, tls->key->pkey, chain, 1) == 1;
    sk_X509_free(chain);
    return done;
}

static void add_root(SSL_CTX *ctx, X509_STORE *store, const struct cor_cert *root, bool server)
{
    must(X509_STORE_add_cert(store, root->x509) == 1);
    if (server) {
        must(SSL_CTX_add_client_CA(ctx, root->x509) == 1);
    }
}

static void set_roots(SSL_CTX *ctx, const struct cor_tls *tls, bool server)
{
    X509_STORE *store = X509_STORE_new();
    must(store != NULL);
    if (server) {
        SSL_CTX_set_client_CA_list(ctx, sk_X509_NAME_new_null());
    }
    if (tls->ca != NULL) {
        add_root(ctx, store, tls->ca, server);
    }
    for (size_t i = 0; tls->roots != NULL && i < tls->roots->count; i++) {
        add_root(ctx, store, tls->roots->items[i], server);
    }
    SSL_CTX_set_cert_store(ctx, store); /* takes it */
}

void *cor_tls_client(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    must(ctx != NULL);
    common_settings(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return ctx;
}

bool cor_tls_client_set(void *ctx, const struct cor_tls *tls)
{
    set_roots(ctx, tls, false);
    if (tls->at.us != 0) {
        X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), (time_t)(tls->at.us / COR_SEC(1)));
    }
    bool done = tls->cert == NULL || set_identity(ctx, tls);
    ERR_clear_error();
    return done;
}

void cor_tls_free(void **ctx)
{
    SSL_CTX_free(*ctx);
    *ctx = NULL;
}

bool cor_tls_server(void *ctx, const struct cor_tls *tls)
{
    common_settings(ctx);
    return cor_tls_server_renew(ctx, tls);
}

bool cor_tls_server_renew(void *ctx, const struct cor_tls *tls)
{
    bool done = set_identity(ctx, tls);
    if (done) {
        set_roots(ctx, tls, true);
    }
    ERR_clear_error();
    return done;
}

bool cor_tls_is_expired(void *store_ctx)
{
    return X509_STORE_CTX_get_error(store_ctx) == X509_V_ERR_CERT_HAS_EXPIRED &&
           X509_STORE_CTX_get_error_depth(store_ctx) == 0;
}

bool cor_tls_is_stranger(void *store_ctx)
{
    switch (X509_STORE_CTX_get_error(store_ctx)) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return true;
    default:
        return false;
    }
}

bool cor_tls_greeted(const void *ssl)
{
    return ssl != NULL && SSL_get_state(ssl) != TLS_ST_BEFORE;
}

/* Before and after each read; its argument is the number of bytes that may come. */
static long count_read(BIO *bio, int what, const char *data, size_t len, int argi, long argl,
                       int result, size_t *got) /* NOLINT(google-runtime-int): OpenSSL's */
{
    uintptr_t left = (uintptr_t)BIO_get_callback_arg(bio);
    (void)data;
    (void)len;
    (void)argi;
    (void)argl;
    if (what == BIO_CB_READ && left == 0) {
        BIO_clear_retry_flags(bio);
        return -1;
    }
    if (what == (BIO_CB_READ | BIO_CB_RETURN) && result > 0) {
        left -= *got < left ? *got : left;
        BIO_set_callback_arg(bio, (char *)left); /* NOLINT(performance-no-int-to-ptr) */
    }
    return result;
}

void cor_tls_bound(void *ssl, size_t bytes)
{
    BIO *bio = ssl == NULL ? NULL : SSL_get_rbio(ssl);
    if (bio != NULL) {
        BIO_set_callback_ex(bio, bytes == 0 ? NULL : count_read);
        BIO_set_callback_arg(bio, (char *)(uintptr_t)bytes); /* NOLINT(performance-no-int-to-ptr) */
    }
}

struct cor_cert *cor_tls_peer(void *ssl)
{
    X509 *x509 = ssl == NULL ? NULL : SSL_get1_peer_certificate(ssl);
    struct cor_cert *cert = NULL;
    return x509 != NULL && pki_wrap_cert(x509, &cert, NULL) == COR_OK ? cert : NULL;
}
