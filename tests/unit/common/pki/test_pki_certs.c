// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/pki/certs.h"
#include "tests/support/certs.h"

static void pem_has_all_of_them(void **state)
{
    struct test_certs a;
    struct test_certs b;
    auto_(cor_certs_free) struct cor_certs two = {0};
    auto_(cor_certs_free) struct cor_certs again = {0};
    auto_(cor_certs_free) struct cor_certs one = {0};
    auto_(cor_buf_free) struct cor_buf pem = {0};
    auto_(cor_buf_free) struct cor_buf der = {0};
    (void)state;
    test_certs_make(&a, "n1", "nodes");
    test_certs_make(&b, "n1", "nodes");
    assert_true(cor_certs_add(&two, a.ca) && cor_certs_add(&two, b.ca));
    assert_true(cor_certs_add(&two, a.ca)); /* it is there already */
    assert_int_equal(two.count, 2);
    cor_buf_str(&pem, "words before\n");
    cor_certs_pem(&two, &pem);
    cor_buf_str(&pem, "words behind\n");
    assert_int_equal(cor_certs_parse(cor_buf_as_view(&pem), &again, NULL), COR_OK);
    assert_int_equal(again.count, 2);
    assert_int_equal(cor_certs_digest(&again), cor_certs_digest(&two));
    cor_cert_der(a.ca, &der);
    assert_int_equal(cor_certs_parse(cor_buf_as_view(&der), &one, NULL), COR_OK);
    assert_int_equal(one.count, 1);
    assert_int_not_equal(cor_certs_digest(&one), cor_certs_digest(&two));
    test_certs_free(&a);
    test_certs_free(&b);
}

static void what_is_no_list_is_refused(void **state)
{
    struct test_certs certs;
    auto_(cor_buf_free) struct cor_buf pem = {0};
    (void)state;
    test_certs_make(&certs, "n1", "nodes");
    cor_cert_pem(certs.ca, &pem);
    auto_(cor_freep) char *cut = cor_sprintf("%s%.*s", pem.data, (int)pem.len / 2, pem.data);
    auto_(cor_freep) char *bad =
        cor_sprintf("%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", pem.data);
    auto_(cor_freep) char *big = cor_alloc(COR_CERTS_BYTES + 2);
    memset(big, 'x', COR_CERTS_BYTES + 1);
    const struct {
        const char *text;
        enum cor_code expected;
    } rows[] = {{"", COR_INVALID},  {"x", COR_INVALID}, {"-----BEGIN ", COR_INVALID},
                {cut, COR_INVALID}, {bad, COR_INVALID}, {big, COR_TOOBIG}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_certs_free) struct cor_certs out = {0};
        assert_int_equal(cor_certs_parse(cor_view_of(rows[i].text), &out, NULL), rows[i].expected);
    }
    test_certs_free(&certs);
}

static void there_is_a_bound(void **state)
{
    auto_(cor_certs_free) struct cor_certs certs = {0};
    auto_(cor_certs_free) struct cor_certs out = {0};
    auto_(cor_buf_free) struct cor_buf pem = {0};
    (void)state;
    for (int i = 0; i <= COR_CERTS_MAX; i++) {
        struct test_certs one;
        test_certs_make(&one, "n1", "nodes");
        assert_int_equal(cor_certs_add(&certs, one.ca), i < COR_CERTS_MAX);
        cor_cert_pem(one.ca, &pem);
        test_certs_free(&one);
    }
    assert_int_equal(cor_certs_parse(cor_buf_as_view(&pem), &out, NULL), COR_INVALID);
}

/* A CA of the same name as another one, and signed by it: who knows either believes the leaf. */
static void a_cross_certificate_leads_over(void **state)
{
    struct test_certs old;
    struct test_certs next;
    struct test_certs other;
    auto_(cor_cert_free) struct cor_cert *cross = NULL;
    auto_(cor_certs_free) struct cor_certs roots = {0};
    auto_(cor_certs_free) struct cor_certs others = {0};
    auto_(cor_certs_free) struct cor_certs strangers = {0};
    struct cor_wall now = cor_wall_now();
    (void)state;
    test_certs_make(&old, "n1", "nodes");
    test_certs_make(&next, "n1", "nodes");
    test_certs_make(&other, "n1", "nodes");
    struct cor_issuer issuer = {old.ca, old.ca_key};
    assert_int_equal(cor_ca_cross(issuer, next.ca, &cross, NULL), COR_OK);
    assert_true(cor_cert_is_ca(cross) && cor_cert_is_by(cross, old.ca));
    assert_true(cor_cert_is_for(cross, next.ca_key));
    assert_true(cor_certs_add(&roots, old.ca) && cor_certs_add(&others, cross) &&
                cor_certs_add(&strangers, other.ca));
    const struct {
        const struct cor_certs *roots, *others;
        int usage;
        const struct cor_cert *cert;
        enum cor_code expected;
    } rows[] = {
        {&roots, &others, COR_CERT_SERVER, next.server, COR_OK},
        {&roots, &others, COR_CERT_CLIENT, next.client, COR_OK},
        {&roots, &others, COR_CERT_CLIENT, next.server, COR_UNAUTHENTICATED},
        {&roots, NULL, COR_CERT_SERVER, next.server, COR_UNAUTHENTICATED},
        {&roots, &others, COR_CERT_SERVER, other.server, COR_UNAUTHENTICATED},
        {&strangers, &others, COR_CERT_SERVER, next.server, COR_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(
            cor_certs_verify(rows[i].cert, rows[i].roots, rows[i].others, rows[i].usage, now, NULL),
            rows[i].expected);
    }
    test_certs_free(&old);
    test_certs_free(&next);
    test_certs_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pem_has_all_of_them),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(there_is_a_bound),
        cmocka_unit_test(a_cross_certificate_leads_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
