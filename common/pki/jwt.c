// SPDX-License-Identifier: Apache-2.0
#include "common/pki/jwt.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/text.h"
#include "common/pki/digest.h"
#include "common/pki/ossl.h"

enum { ES256_HALF = 32 };

static void add_encoded(struct cor_buf *out, const struct cor_json *value)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write(value, &text);
    cor_base64url(out, cor_buf_as_view(&text));
}

/* header "." claims: what is signed */
static void add_signed_part(struct cor_buf *out, const char *alg, const char *kid,
                            const struct cor_json *claims)
{
    auto_(cor_json_free) struct cor_json *header = cor_json_object();
    cor_json_set(header, "alg", cor_json_str(alg));
    if (kid != NULL) {
        cor_json_set(header, "kid", cor_json_str(kid));
    }
    cor_json_set(header, "typ", cor_json_str("JWT"));
    add_encoded(out, header);
    cor_buf_str(out, ".");
    add_encoded(out, claims);
}

void cor_jwt_sign_secret(struct cor_view secret, const struct cor_json *claims, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf token = {0};
    uint8_t mac[COR_SHA256_LEN];
    add_signed_part(&token, "HS256", NULL, claims);
    cor_hmac_sha256(secret, cor_buf_as_view(&token), mac);
    cor_buf_str(&token, ".");
    cor_base64url(&token, (struct cor_view){(const char *)mac, sizeof(mac)});
    cor_buf_view(out, cor_buf_as_view(&token));
}

/* Algorithm that goes with a key, NULL if none. */
static const char *alg_of(const struct cor_key *key)
{
    switch (EVP_PKEY_get_base_id(key->pkey)) {
    case EVP_PKEY_RSA:
        return "RS256";
    case EVP_PKEY_EC:
        return EVP_PKEY_get_bits(key->pkey) == 256 ? "ES256" : NULL;
    default:
        return NULL;
    }
}

/* DER signature of EC to the fixed r || s of RFC 7518 section 3.4. */
static bool to_fixed(const unsigned char *der, size_t len, struct cor_buf *out)
{
    unsigned char fixed[2 * ES256_HALF];
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);
    bool done = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), fixed, ES256_HALF) > 0 &&
                BN_bn2binpad(ECDSA_SIG_get0_s(sig), fixed + ES256_HALF, ES256_HALF) > 0;
    ECDSA_SIG_free(sig);
    if (done) {
        cor_buf_add(out, fixed, sizeof(fixed));
    }
    return done;
}

static bool to_der(struct cor_view fixed, struct cor_buf *out)
{
    if (fixed.len != 2 * ES256_HALF) {
        return false;
    }
    const unsigned char *bytes = (const unsigned char *)fixed.ptr;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, ES256_HALF, NULL);
    BIGNUM *s = BN_bin2bn(bytes + ES256_HALF, ES256_HALF, NULL);
    must(sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1);
    unsigned char *der = NULL;
    int len = i2d_ECDSA_SIG(sig, &der);
    must(len > 0);
    cor_buf_add(out, der, (size_t)len);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return true;
}

static bool sign_bytes(const struct cor_key *key, struct cor_view text, struct cor_buf *out)
{
    unsigned char sig[1024];
    size_t len = sizeof(sig);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx != NULL && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    if (!done) {
        return false;
    }
    if (EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_EC) {
        return to_fixed(sig, len, out);
    }
    cor_buf_add(out, sig, len);
    return true;
}

enum cor_code cor_jwt_sign(const struct cor_key *key, const char *kid,
                           const struct cor_json *claims, struct cor_buf *out, struct cor_err *err)
{
    const char *alg = alg_of(key);
    if (alg == NULL) {
        return cor_err_set(err, COR_INVALID, "this kind of key cannot sign tokens");
    }
    auto_(cor_buf_free) struct cor_buf token = {0};
    auto_(cor_buf_free) struct cor_buf sig = {0};
    add_signed_part(&token, alg, kid, claims);
    if (!sign_bytes(key, cor_buf_as_view(&token), &sig)) {
        return pki_err(err, COR_INVALID, "signing a token");
    }
    cor_buf_str(&token, ".");
    cor_base64url(&token, cor_buf_as_view(&sig));
    cor_buf_view(out, cor_buf_as_view(&token));
    return COR_OK;
}

/* A token taken apart; the signature is decoded, the claims are not yet to be trusted. */
struct parts {
    struct cor_view text; /* header "." claims */
    struct cor_view claims;
    struct cor_buf signature;
};

static bool header_is(struct cor_view encoded, const char *alg)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *header = NULL;
    if (!cor_base64_decode(&text, encoded) ||
        cor_json_parse(cor_buf_as_view(&text), COR_JWT_MAX, COR_JSON_STRICT, &header, NULL) !=
            COR_OK) {
        return false;
    }
    /* An extension that a token calls critical must be understood (RFC 7515 section 4.1.11). */
    return strcmp(cor_json_str_at(header, "alg", ""), alg) == 0 &&
           cor_json_get(header, "crit") == NULL;
}

static enum cor_code split(struct cor_view token, const char *alg, struct parts *parts,
                           struct cor_err *err)
{
    struct cor_view rest = token;
    struct cor_view header;
    struct cor_view signature;
    if (token.len > COR_JWT_MAX) {
        return cor_err_set(err, COR_INVALID, "token of %zu bytes", token.len);
    }
    if (!cor_view_split(&rest, '.', &header) || !cor_view_split(&rest, '.', &parts->claims) ||
        !cor_view_split(&rest, '.', &signature) || rest.ptr != NULL) {
        return cor_err_set(err, COR_INVALID,
                           "token is malformed: token contains an invalid number of segments");
    }
    if (!header_is(header, alg)) {
        return cor_err_set(err, COR_INVALID, "token is not signed with %s", alg);
    }
    if (!cor_base64_decode(&parts->signature, signature)) {
        return cor_err_set(err, COR_INVALID, "token signature is not base64");
    }
    parts->text = (struct cor_view){token.ptr, header.len + 1 + parts->claims.len};
    return COR_OK;
}

/* exp and nbf are NumericDate: seconds, perhaps with a fraction (RFC 7519 section 2). */
static enum cor_code check_time(const struct cor_json *claims, struct cor_wall now,
                                struct cor_err *err)
{
    const struct cor_json *exp = cor_json_get(claims, "exp");
    const struct cor_json *nbf = cor_json_get(claims, "nbf");
    double seconds = (double)now.us / 1e6;
    if (exp != NULL && !(cor_json_as_real(exp, 0) > seconds)) {
        return cor_err_set(err, COR_TIMEOUT, "token is expired");
    }
    if (nbf != NULL && !(cor_json_as_real(nbf, 1e300) <= seconds)) {
        return cor_err_set(err, COR_TIMEOUT, "token is not valid yet");
    }
    return COR_OK;
}

static enum cor_code read_claims(struct cor_view encoded, struct cor_wall now,
                                 struct cor_json **claims_r, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *claims = NULL;
    if (!cor_base64_decode(&text, encoded) ||
        cor_json_parse(cor_buf_as_view(&text), COR_JWT_MAX, COR_JSON_STRICT, &claims, NULL) !=
            COR_OK ||
        !cor_json_is_object(claims)) {
        return cor_err_set(err, COR_INVALID, "claims of the token are not a JSON object");
    }
    enum cor_code code = check_time(claims, now, err);
    if (code == COR_OK) {
        *claims_r = take(&claims);
    }
    return code;
}

enum cor_code cor_jwt_verify_secret(struct cor_view secret, struct cor_view token,
                                    struct cor_wall now, struct cor_json **claims_r,
                                    struct cor_err *err)
{
    struct parts parts = {0};
    uint8_t mac[COR_SHA256_LEN];
    *claims_r = NULL;
    enum cor_code code = split(token, "HS256", &parts, err);
    if (code == COR_OK) {
        cor_hmac_sha256(secret, parts.text, mac);
        struct cor_view expected = {(const char *)mac, sizeof(mac)};
        code = cor_equal_secret(expected, cor_buf_as_view(&parts.signature))
                   ? read_claims(parts.claims, now, claims_r, err)
                   : cor_err_set(err, COR_UNAUTHENTICATED, "signature is invalid");
    }
    cor_buf_free(&parts.signature);
    return code;
}

static bool signature_ok(const struct cor_key *key, struct cor_view text, struct cor_view sig)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    if (EVP_PKEY_get_base_id(key->pkey) == EVP_PKEY_EC) {
        if (!to_der(sig, &der)) {
            return false;
        }
        sig = cor_buf_as_view(&der);
    }
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx != NULL &&
                EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                EVP_DigestVerify(ctx, (const unsigned char *)sig.ptr, sig.len,
                                 (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

enum cor_code cor_jwt_verify(const struct cor_key *key, struct cor_view token, struct cor_wall now,
                             struct cor_json **claims_r, struct cor_err *err)
{
    struct parts parts = {0};
    const char *alg = alg_of(key);
    *claims_r = NULL;
    if (alg == NULL) {
        return cor_err_set(err, COR_INVALID, "this kind of key cannot verify tokens");
    }
    enum cor_code code = split(token, alg, &parts, err);
    if (code == COR_OK) {
        code = signature_ok(key, parts.text, cor_buf_as_view(&parts.signature))
                   ? read_claims(parts.claims, now, claims_r, err)
                   : pki_err(err, COR_UNAUTHENTICATED, "signature is invalid");
    }
    cor_buf_free(&parts.signature);
    return code;
}
