// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/pki/cert.h"
#include "common/pki/key.h"

static void der_and_pem_round_trip(void **state)
{
    (void)state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_secret_free) struct cor_buf der = {0};
    auto_(cor_secret_free) struct cor_buf pem = {0};
    cor_key_der(key, &der);
    cor_key_pem(key, &pem);
    assert_memory_equal(pem.data, "-----BEGIN EC PRIVATE KEY-----", 30);
    auto_(cor_key_free) struct cor_key *from_der = NULL;
    auto_(cor_key_free) struct cor_key *from_pem = NULL;
    assert_int_equal(cor_key_parse(cor_buf_as_view(&der), &from_der, NULL), COR_OK);
    assert_int_equal(cor_key_parse(cor_buf_as_view(&pem), &from_pem, NULL), COR_OK);
    auto_(cor_secret_free) struct cor_buf again = {0};
    cor_key_der(from_pem, &again);
    assert_true(cor_view_eq(cor_buf_as_view(&der), cor_buf_as_view(&again)));
}

static void public_half_round_trips(void **state)
{
    (void)state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_buf_free) struct cor_buf pem = {0};
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_buf_free) struct cor_buf again = {0};
    cor_key_public_pem(key, &pem);
    cor_key_public_der(key, &der);
    auto_(cor_key_free) struct cor_key *half = NULL;
    assert_int_equal(cor_key_parse_public(cor_buf_as_view(&pem), &half, NULL), COR_OK);
    cor_key_public_der(half, &again);
    assert_true(cor_view_eq(cor_buf_as_view(&der), cor_buf_as_view(&again)));
}

static void files_are_private(void **state)
{
    (void)state;
    char dir[] = "/tmp/pki-XXXXXX";
    assert_non_null(mkdtemp(dir));
    auto_(cor_freep) char *path = cor_sprintf("%s/key.pem", dir);
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_key_free) struct cor_key *back = NULL;
    struct stat st;
    assert_int_equal(cor_key_save(key, path, NULL), COR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(cor_key_load(path, &back, NULL), COR_OK);
    assert_int_equal(unlink(path), 0);
    struct cor_key *none = NULL;
    assert_int_equal(cor_key_load(path, &none, NULL), COR_NOTFOUND);
    assert_null(none);
    assert_int_equal(rmdir(dir), 0);
}

static void bad_keys_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nMAo=\n-----END EC PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAo=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        /* Ed25519, RFC 8410 section 10.3 */
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/"
        "nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < COR_COUNT(bad); i++) {
        struct cor_key *key = NULL;
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(cor_key_parse(cor_view_of(bad[i]), &key, &err), COR_INVALID);
        assert_null(key);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(cor_key_parse_public(cor_view_of(bad[i]), &key, NULL), COR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(der_and_pem_round_trip),
        cmocka_unit_test(public_half_round_trips),
        cmocka_unit_test(files_are_private),
        cmocka_unit_test(bad_keys_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
