// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/base/text.h"
#include "common/pki/digest.h"

static void hex_is(const uint8_t digest[COR_SHA256_LEN], const char *expected)
{
    auto_(cor_buf_free) struct cor_buf hex = {0};
    cor_hex(&hex, (struct cor_view){(const char *)digest, COR_SHA256_LEN});
    assert_string_equal(hex.data, expected);
}

/* FIPS 180-4 example and the empty message. */
static void sha256_vectors(void **state)
{
    (void)state;
    uint8_t digest[COR_SHA256_LEN];
    cor_sha256(COR_VIEW("abc"), digest);
    hex_is(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cor_sha256((struct cor_view){0}, digest);
    hex_is(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231 test case 2. */
static void hmac_vector(void **state)
{
    (void)state;
    uint8_t mac[COR_SHA256_LEN];
    cor_hmac_sha256(COR_VIEW("Jefe"), COR_VIEW("what do ya want for nothing?"), mac);
    hex_is(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void random_differs(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    cor_random(a, sizeof(a));
    cor_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

static void secrets_compare(void **state)
{
    (void)state;
    assert_true(cor_equal_secret(COR_VIEW("same"), COR_VIEW("same")));
    assert_false(cor_equal_secret(COR_VIEW("same"), COR_VIEW("sane")));
    assert_false(cor_equal_secret(COR_VIEW("same"), COR_VIEW("samer")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vector),
        cmocka_unit_test(random_differs),
        cmocka_unit_test(secrets_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
