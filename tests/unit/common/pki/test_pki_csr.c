// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/pki/csr.h"

static const struct cor_subject N1 = {.country = "CN",
                                      .state = "Zhejiang",
                                      .locality = "Hangzhou",
                                      .org = "system:nodes",
                                      .cn = "system:node:n1"};

static void made_and_read(void **state)
{
    (void)state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_csr_free) struct cor_csr *csr = NULL;
    cor_csr_make(key, &N1, &der);
    assert_int_equal(cor_csr_parse(cor_buf_as_view(&der), &csr, NULL), COR_OK);
    assert_string_equal(cor_csr_cn(csr), "system:node:n1");
    assert_string_equal(cor_csr_org(csr), "system:nodes");
    assert_false(cor_csr_wants_extensions(csr));
    auto_(cor_buf_free) struct cor_buf a = {0};
    auto_(cor_buf_free) struct cor_buf b = {0};
    cor_key_public_der(key, &a);
    cor_key_public_der(cor_csr_key(csr), &b);
    assert_true(cor_view_eq(cor_buf_as_view(&a), cor_buf_as_view(&b)));
}

/* Every truncation and every flipped byte of a good request is refused. */
static void damage_is_refused(void **state)
{
    (void)state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_buf_free) struct cor_buf der = {0};
    cor_csr_make(key, &N1, &der);
    for (size_t i = 0; i < der.len; i++) {
        struct cor_csr *csr = NULL;
        assert_int_equal(cor_csr_parse((struct cor_view){der.data, i}, &csr, NULL), COR_INVALID);
        assert_null(csr);
        der.data[i] ^= 0x21;
        assert_int_equal(cor_csr_parse(cor_buf_as_view(&der), &csr, NULL), COR_INVALID);
        assert_null(csr);
        der.data[i] ^= 0x21;
    }
}

static void size_is_bounded(void **state)
{
    (void)state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_csr *csr = NULL;
    cor_csr_make(key, &N1, &der);
    cor_buf_add(&der, "x", 1);
    assert_int_equal(cor_csr_parse(cor_buf_as_view(&der), &csr, NULL), COR_INVALID);
    size_t more = COR_CSR_MAX + 1 - der.len;
    memset(cor_buf_room(&der, more), 'A', more);
    der.len += more;
    assert_int_equal(cor_csr_parse(cor_buf_as_view(&der), &csr, NULL), COR_TOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_read),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(size_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
