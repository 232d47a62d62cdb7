// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/jwt.h"

static const struct cor_wall NOW = {COR_SEC(1300819379)};

/* RFC 7515 appendix A.1: key and token of the standard, made by others. */
static const char RFC_KEY[] =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
static const char RFC_TOKEN[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
                                ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leG"
                                "FtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                                ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

static void standard_token(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf secret = {0};
    auto_(cor_json_free) struct cor_json *claims = NULL;
    assert_true(cor_base64_decode(&secret, cor_view_of(RFC_KEY)));
    assert_int_equal(
        cor_jwt_verify_secret(cor_buf_as_view(&secret), cor_view_of(RFC_TOKEN), NOW, &claims, NULL),
        COR_OK);
    assert_string_equal(cor_json_str_at(claims, "iss", ""), "joe");
    struct cor_wall later = {COR_SEC(1300819380)};
    struct cor_json *none = NULL;
    assert_int_equal(
        cor_jwt_verify_secret(cor_buf_as_view(&secret), cor_view_of(RFC_TOKEN), later, &none, NULL),
        COR_TIMEOUT);
    assert_null(none);
}

static struct cor_json *some_claims(void)
{
    struct cor_json *claims = cor_json_object();
    cor_json_set(claims, "node", cor_json_str("n1"));
    cor_json_set(claims, "exp", cor_json_int(NOW.us / 1000000 + 60));
    return claims;
}

static void secret_round_trip(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *claims = some_claims();
    auto_(cor_json_free) struct cor_json *back = NULL;
    auto_(cor_buf_free) struct cor_buf token = {0};
    cor_jwt_sign_secret(COR_VIEW("secret"), claims, &token);
    assert_int_equal(
        cor_jwt_verify_secret(COR_VIEW("secret"), cor_buf_as_view(&token), NOW, &back, NULL),
        COR_OK);
    assert_true(cor_json_equal(claims, back));
    struct cor_json *none = NULL;
    assert_int_equal(
        cor_jwt_verify_secret(COR_VIEW("Secret"), cor_buf_as_view(&token), NOW, &none, NULL),
        COR_UNAUTHENTICATED);
    assert_null(none);
}

static void key_round_trip(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *claims = some_claims();
    auto_(cor_json_free) struct cor_json *back = NULL;
    auto_(cor_buf_free) struct cor_buf token = {0};
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_key_free) struct cor_key *other = cor_key_new();
    assert_int_equal(cor_jwt_sign(key, "kid1", claims, &token, NULL), COR_OK);
    assert_int_equal(cor_jwt_verify(key, cor_buf_as_view(&token), NOW, &back, NULL), COR_OK);
    assert_true(cor_json_equal(claims, back));
    struct cor_json *none = NULL;
    assert_int_equal(cor_jwt_verify(other, cor_buf_as_view(&token), NOW, &none, NULL),
                     COR_UNAUTHENTICATED);
    token.data[token.len - 2] = token.data[token.len - 2] == 'A' ? 'B' : 'A';
    assert_int_equal(cor_jwt_verify(key, cor_buf_as_view(&token), NOW, &none, NULL),
                     COR_UNAUTHENTICATED);
}

static char *forge(const char *header, const char *claims, const char *signature)
{
    struct cor_buf out = {0};
    cor_base64url(&out, cor_view_of(header));
    cor_buf_str(&out, ".");
    cor_base64url(&out, cor_view_of(claims));
    cor_buf_fmt(&out, ".%s", signature);
    return cor_buf_take(&out);
}

/* faults A4: alg none, confusion of algorithms, pieces missing. */
static void forgeries_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *claims;
        const char *signature;
    } rows[] = {
        {"{\"alg\":\"none\"}", "{\"node\":\"n1\"}", ""},
        {"{\"alg\":\"RS256\"}", "{\"node\":\"n1\"}", "AAAA"},
        {"{\"alg\":\"HS512\"}", "{\"node\":\"n1\"}", "AAAA"},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{}", "AAAA"},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{}", "AAAA"},
        {"{\"alg\":1}", "{}", "AAAA"},
        {"[]", "{}", "AAAA"},
        {"null", "{}", "AAAA"},
        {"{\"alg\":\"HS256\"}", "{}", "*"},
        {"{\"alg\":\"HS256\"}", "{}", "AAAA.AAAA"},
    };
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_freep) char *token = forge(rows[i].header, rows[i].claims, rows[i].signature);
        struct cor_json *claims = NULL;
        assert_int_equal(
            cor_jwt_verify_secret(COR_VIEW("secret"), cor_view_of(token), NOW, &claims, NULL),
            COR_INVALID);
        assert_int_equal(cor_jwt_verify(key, cor_view_of(token), NOW, &claims, NULL), COR_INVALID);
        assert_null(claims);
    }
}

/* An HS256 token made with the public key as the secret must not pass for ES256. */
static void public_key_is_no_secret(void **state)
{
    (void)state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_buf_free) struct cor_buf pem = {0};
    auto_(cor_buf_free) struct cor_buf token = {0};
    auto_(cor_json_free) struct cor_json *claims = some_claims();
    struct cor_json *none = NULL;
    cor_key_public_pem(key, &pem);
    cor_jwt_sign_secret(cor_buf_as_view(&pem), claims, &token);
    assert_int_equal(cor_jwt_verify(key, cor_buf_as_view(&token), NOW, &none, NULL), COR_INVALID);
}

static void claims_of_wrong_kind(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        enum cor_code expected;
    } rows[] = {
        {"{}", COR_OK},
        {"null", COR_INVALID},
        {"[1]", COR_INVALID},
        {"{\"exp\":\"soon\"}", COR_TIMEOUT},
        {"{\"exp\":null}", COR_TIMEOUT},
        {"{\"nbf\":\"x\"}", COR_TIMEOUT},
        {"{\"nbf\":1300819379}", COR_OK},
        {"{\"nbf\":1300819380}", COR_TIMEOUT},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *claims = NULL;
        auto_(cor_json_free) struct cor_json *back = NULL;
        auto_(cor_buf_free) struct cor_buf token = {0};
        assert_int_equal(cor_json_parse(cor_view_of(rows[i].claims), 100, 0, &claims, NULL),
                         COR_OK);
        cor_jwt_sign_secret(COR_VIEW("k"), claims, &token);
        assert_int_equal(
            cor_jwt_verify_secret(COR_VIEW("k"), cor_buf_as_view(&token), NOW, &back, NULL),
            rows[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_token),          cmocka_unit_test(secret_round_trip),
        cmocka_unit_test(key_round_trip),          cmocka_unit_test(forgeries_are_refused),
        cmocka_unit_test(public_key_is_no_secret), cmocka_unit_test(claims_of_wrong_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
