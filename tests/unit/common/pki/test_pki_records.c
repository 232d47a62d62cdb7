// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/crypto.h>
#include <string.h>

#include "common/pki/tls.h"

enum { RECORD = 16 * 1024 + 325, MANY = 64 };

/* Before anything else of OpenSSL: it runs first. */
static void records_are_kept_for_the_next(void **state)
{
    (void)state;
    assert_true(cor_tls_keep_records());
    void *first = OPENSSL_malloc(RECORD);
    OPENSSL_free(first);
    void *second = OPENSSL_malloc(RECORD + 64);
    assert_ptr_equal(first, second);
    memset(second, 'x', RECORD + 64);
    OPENSSL_free(second);
}

static void many_at_a_time_are_their_own(void **state)
{
    unsigned char *all[MANY];
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            all[i] = OPENSSL_malloc(RECORD + i);
            memset(all[i], (int)i, RECORD + i);
        }
        for (unsigned i = 0; i < MANY; i++) {
            assert_int_equal(all[i][0], i);
            assert_int_equal(all[i][RECORD + i - 1], i);
            OPENSSL_free(all[i]);
        }
    }
}

static void other_sizes_are_as_ever(void **state)
{
    static const size_t SIZES[] = {0, 1, 1000, 16383, 16384, 17408, 17409, 40000, 1000000};
    (void)state;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++) {
        char *ptr = OPENSSL_malloc(SIZES[i]);
        assert_true((ptr == NULL) == (SIZES[i] == 0));
        if (ptr != NULL) {
            memset(ptr, 'x', SIZES[i]);
        }
        ptr = OPENSSL_realloc(ptr, SIZES[i] + RECORD);
        memset(ptr, 'y', SIZES[i] + RECORD);
        OPENSSL_free(ptr);
    }
    OPENSSL_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_kept_for_the_next),
        cmocka_unit_test(many_at_a_time_are_their_own),
        cmocka_unit_test(other_sizes_are_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
