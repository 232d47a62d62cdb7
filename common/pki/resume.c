// SPDX-License-Identifier: Apache-2.0
#include "common/pki/resume.h"

#include <openssl/core_names.h>
#include <openssl/ssl.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/clock/clock.h"
#include "common/pki/digest.h"
#include "common/pki/ossl.h"

/* A ticket key is used for 12 h, and known for as long again. */
enum { EPOCH_S = 12 * 3600, NAME_LEN = 16, AES_KEY_LEN = 32 };

/* What a client keeps; the app data of its SSL_CTX. A copy, for OpenSSL gives up a session whose
 * connection ended without a word, which is when we want it. */
struct kept {
    SSL_SESSION *session;        /* owned; NULL: none */
    uint8_t who[COR_SHA256_LEN]; /* hash of what it was made with */
};

/* ---- server ---- */

struct ticket_key {
    uint8_t name[COR_SHA256_LEN]; /* NAME_LEN of it count */
    uint8_t aes[COR_SHA256_LEN];
    uint8_t mac[COR_SHA256_LEN];
};

static void derive(const uint8_t *secret, const char *purpose, uint64_t epoch,
                   uint8_t out[COR_SHA256_LEN])
{
    auto_(cor_freep) char *text = cor_sprintf("%s %llu", purpose, (unsigned long long)epoch);
    struct cor_view key = {(const char *)secret, COR_TICKET_SECRET_LEN};
    cor_hmac_sha256(key, cor_view_of(text), out);
}

static struct ticket_key key_of(const uint8_t *secret, uint64_t epoch)
{
    struct ticket_key key = {0};
    derive(secret, "name", epoch, key.name);
    derive(secret, "aes", epoch, key.aes);
    derive(secret, "mac", epoch, key.mac);
    return key;
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int make_ticket(const uint8_t *secret, uint64_t epoch, unsigned char *name,
                       unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct ticket_key key = key_of(secret, epoch);
    memcpy(name, key.name, NAME_LEN);
    cor_random(iv, EVP_MAX_IV_LENGTH);
    bool done =
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv) == 1 && set_mac(mac, &key);
    cor_wipe(&key, sizeof(key));
    return done ? 1 : -1;
}

/* 0: not ours, a whole handshake follows; 1: good; 2: good, and one of the new key is to be made.
 * To make one costs a server as much as to read one. */
static int read_ticket(const uint8_t *secret, uint64_t epoch, const unsigned char *name,
                       unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    int result = 0;
    for (uint64_t age = 0; result == 0 && age <= 1 && age <= epoch; age++) {
        struct ticket_key key = key_of(secret, epoch - age);
        if (memcmp(name, key.name, NAME_LEN) == 0) {
            result = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv) == 1 &&
                             set_mac(mac, &key)
                         ? 1 + (int)age
                         : -1;
        }
        cor_wipe(&key, sizeof(key));
    }
    return result;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int making)
{
    const uint8_t *secret = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    uint64_t epoch = (uint64_t)(cor_wall_now().us / COR_SEC(EPOCH_S));
    return making != 0 ? make_ticket(secret, epoch, name, iv, cipher, mac)
                       : read_ticket(secret, epoch, name, iv, cipher, mac);
}

void cor_ticket_secret(const struct cor_key *key, uint8_t out[COR_TICKET_SECRET_LEN])
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    cor_key_der(key, &der);
    cor_hmac_sha256(cor_buf_as_view(&der), COR_VIEW("coracle tls tickets 1"), out);
    cor_wipe(der.data, der.len);
}

void cor_tls_server_resume(void *ctx, const uint8_t *secret)
{
    static const unsigned char context[] = "coracle"; /* without one OpenSSL takes no ticket */
    must(SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) == 1);
    SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_num_tickets(ctx, 1);
    (void)SSL_CTX_set_timeout(ctx, EPOCH_S);
    SSL_CTX_set_app_data(ctx, (void *)(uintptr_t)secret);
    must(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1);
}

/* ---- client ---- */

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct kept *kept = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (SSL_get_verify_result(ssl) != X509_V_OK || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE) {
        return 0; /* of a server that nobody vouched for */
    }
    SSL_SESSION_free(kept->session);
    kept->session = SSL_SESSION_dup(session);
    return 0;
}

/* libwebsockets gives no hook between making an SSL and its handshake; OpenSSL tells of the start.
 */
static void on_info(const SSL *ssl, int where, int value)
{
    (void)value;
    const struct kept *kept = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if ((where & SSL_CB_HANDSHAKE_START) != 0 && kept->session != NULL &&
        SSL_get_session(ssl) == NULL && SSL_SESSION_is_resumable(kept->session)) {
        SSL_SESSION *copy = SSL_SESSION_dup(kept->session);
        (void)SSL_set_session((SSL *)(uintptr_t)ssl, copy);
        SSL_SESSION_free(copy);
    }
}

void cor_tls_client_resume(void *ctx)
{
    struct kept *kept = cor_alloc(sizeof(*kept));
    SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(ctx, kept);
    SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    SSL_CTX_set_info_callback(ctx, on_info);
}

void cor_tls_client_resume_for(void *ctx, const struct cor_tls *tls, const char *peer)
{
    struct kept *kept = SSL_CTX_get_app_data(ctx);
    auto_(cor_buf_free) struct cor_buf who = {0};
    uint8_t hash[COR_SHA256_LEN];
    cor_buf_fmt(&who, "%s ", peer);
    if (tls->cert != NULL) {
        cor_cert_der(tls->cert, &who);
    }
    if (tls->ca != NULL) {
        cor_cert_der(tls->ca, &who);
    }
    for (size_t i = 0; tls->roots != NULL && i < tls->roots->count; i++) {
        cor_cert_der(tls->roots->items[i], &who);
    }
    cor_sha256(cor_buf_as_view(&who), hash);
    if (memcmp(kept->who, hash, sizeof(hash)) != 0) {
        memcpy(kept->who, hash, sizeof(hash));
        SSL_SESSION_free(kept->session);
        kept->session = NULL;
    }
}

void cor_tls_client_resume_end(void *ctx)
{
    struct kept *kept = SSL_CTX_get_app_data(ctx);
    SSL_CTX_set_app_data(ctx, NULL);
    SSL_CTX_set_info_callback(ctx, NULL);
    SSL_CTX_sess_set_new_cb(ctx, NULL);
    SSL_SESSION_free(kept->session);
    cor_free(kept);
}

bool cor_tls_resumed(void *ssl)
{
    return ssl != NULL && SSL_session_reused(ssl) == 1;
}
