// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/cert.h"
#include "common/pki/digest.h"

static const struct cor_wall NOW = {COR_SEC(1795408000)};

static struct cor_wall days(int n)
{
    return (struct cor_wall){NOW.us + COR_SEC(86400) * n};
}

static struct cor_cert *make_ca(const struct cor_key *key, const char *cn)
{
    struct cor_cert_spec spec = {
        .cn = cn, .serial = 1024, .from = days(-1), .until = days(364 * 100)};
    struct cor_cert *ca = NULL;
    assert_int_equal(cor_ca_make(key, &spec, &ca, NULL), COR_OK);
    return ca;
}

/* A CA and a client and server certificate of it. */
struct set {
    struct cor_key *ca_key;
    struct cor_cert *ca;
    struct cor_key *key;
    struct cor_cert *client;
    struct cor_cert *server;
};

static int setup(void **state)
{
    static const char *const dns_good[] = {"cloud.example", NULL};
    static const char *const ips[] = {"192.0.2.2", "2001:db8::1", NULL};
    struct set *set = cor_alloc(sizeof(*set));
    set->ca_key = cor_key_new();
    set->ca = make_ca(set->ca_key, "KubeEdge");
    set->key = cor_key_new();
    struct cor_issuer issuer = {set->ca, set->ca_key};
    struct cor_cert_spec client = {.cn = "system:node:n1",
                                   .org = "system:nodes",
                                   .usage = COR_CERT_CLIENT,
                                   .from = NOW,
                                   .until = days(365)};
    struct cor_cert_spec server = {.cn = "KubeEdge",
                                   .org = "KubeEdge",
                                   .dns = dns_good,
                                   .ips = ips,
                                   .usage = COR_CERT_SERVER,
                                   .from = NOW,
                                   .until = days(365)};
    assert_int_equal(cor_cert_sign(issuer, set->key, &client, &set->client, NULL), COR_OK);
    assert_int_equal(cor_cert_sign(issuer, set->key, &server, &set->server, NULL), COR_OK);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_key_free(&set->ca_key);
    cor_cert_free(&set->ca);
    cor_key_free(&set->key);
    cor_cert_free(&set->client);
    cor_cert_free(&set->server);
    cor_free(set);
    return 0;
}

static void subject_and_dates(void **state)
{
    struct set *set = *state;
    assert_string_equal(cor_cert_cn(set->client), "system:node:n1");
    assert_string_equal(cor_cert_org(set->client), "system:nodes");
    assert_string_equal(cor_cert_org(set->ca), "");
    assert_int_equal(cor_cert_from(set->client).us, NOW.us);
    assert_int_equal(cor_cert_days_left(set->client, NOW), 365);
    assert_int_equal(cor_cert_days_left(set->client, days(364)), 1);
    assert_int_equal(cor_cert_days_left(set->client, days(366)), -1);
    assert_int_equal(cor_cert_days_left(set->ca, NOW), 36400); /* beyond 2050: GeneralizedTime */
    assert_true(cor_cert_is_for(set->client, set->key));
    assert_false(cor_cert_is_for(set->client, set->ca_key));
}

static void verify_by_use_and_time(void **state)
{
    struct set *set = *state;
    struct {
        const struct cor_cert *cert;
        int usage;
        struct cor_wall now;
        enum cor_code expected;
    } rows[] = {
        {set->client, COR_CERT_CLIENT, days(1), COR_OK},
        {set->server, COR_CERT_SERVER, days(1), COR_OK},
        {set->client, COR_CERT_SERVER, days(1), COR_UNAUTHENTICATED},
        {set->server, COR_CERT_CLIENT, days(1), COR_UNAUTHENTICATED},
        {set->client, COR_CERT_CLIENT, days(366), COR_UNAUTHENTICATED},
        {set->client, COR_CERT_CLIENT, days(-1), COR_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code =
            cor_cert_verify(rows[i].cert, set->ca, rows[i].usage, rows[i].now, &err);
        assert_int_equal(code, rows[i].expected);
        assert_int_equal(strlen(err.text) > 0, code != COR_OK);
    }
}

static void other_ca_is_refused(void **state)
{
    struct set *set = *state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *other = make_ca(key, "KubeEdge");
    assert_int_equal(cor_cert_verify(set->client, other, COR_CERT_CLIENT, days(1), NULL),
                     COR_UNAUTHENTICATED);
}

static void covers_its_names(void **state)
{
    struct set *set = *state;
    assert_true(cor_cert_covers(set->server, "cloud.example"));
    assert_true(cor_cert_covers(set->server, "192.0.2.2"));
    assert_true(cor_cert_covers(set->server, "2001:db8::1"));
    assert_false(cor_cert_covers(set->server, "192.0.2.3"));
    assert_false(cor_cert_covers(set->server, "evil.example"));
    assert_false(cor_cert_covers(set->client, "192.0.2.2"));
}

static void encodings_round_trip(void **state)
{
    struct set *set = *state;
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_buf_free) struct cor_buf pem = {0};
    auto_(cor_buf_free) struct cor_buf again = {0};
    auto_(cor_cert_free) struct cor_cert *a = NULL;
    auto_(cor_cert_free) struct cor_cert *b = NULL;
    cor_cert_der(set->client, &der);
    cor_cert_pem(set->client, &pem);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&der), &a, NULL), COR_OK);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&pem), &b, NULL), COR_OK);
    cor_cert_der(b, &again);
    assert_true(cor_view_eq(cor_buf_as_view(&der), cor_buf_as_view(&again)));
    struct cor_cert *none = NULL;
    assert_int_equal(cor_cert_parse(COR_VIEW("0\x82"), &none, NULL), COR_INVALID);
    assert_null(none);
}

static void bad_specs_are_refused(void **state)
{
    struct set *set = *state;
    static const char *const bad_ip[] = {"192.0.2.300", NULL};
    struct cor_issuer issuer = {set->ca, set->ca_key};
    struct cor_cert_spec spec = {
        .cn = "x", .ips = bad_ip, .usage = COR_CERT_SERVER, .from = NOW, .until = days(1)};
    struct cor_cert *cert = NULL;
    assert_int_equal(cor_cert_sign(issuer, set->key, &spec, &cert, NULL), COR_INVALID);
    assert_null(cert);
    char name[100];
    memset(name, 'n', sizeof(name));
    name[99] = 0; /* X.520 allows 64 */
    spec =
        (struct cor_cert_spec){.cn = name, .usage = COR_CERT_CLIENT, .from = NOW, .until = days(1)};
    assert_int_equal(cor_cert_sign(issuer, set->key, &spec, &cert, NULL), COR_INVALID);
}

/* CA of a real CloudCore, made with throw-away keys. */
static const char KUBEEDGE_CA[] =
    "3082017a3082011fa00302010202020400300a06082a8648ce3d04030230133111300f060355040313084b75626545"
    "6467653020170d3236313132333034303835395a180f32313236303732323034303835395a30133111300f06035504"
    "0313084b756265456467653059301306072a8648ce3d020106082a8648ce3d030107034200045e4acefb299f44d6ad"
    "492ce4b13eb10e1377512f8a42bdc84dba70428fc131c31d688c2096b24121c3884bdf7472a70acc37ca9d904f1164"
    "923a79e1db42913fa361305f300e0603551d0f0101ff0404030202a4301d0603551d250416301406082b0601050507"
    "030106082b06010505070302300f0603551d130101ff040530030101ff301d0603551d0e0416041472f2687c8008ef"
    "0f74561f3fa747820694c53a59300a06082a8648ce3d0403020349003046022100b248fb2c01771cabbc0365daf571"
    "6f3d025c2f64c2ebd96342dda856b1bf885d022100e6e719ce87f415758c3a14db7897f283ce8195d599144b85a1f7"
    "1881b76b3978";

static void kubeedge_ca_reads(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_buf_free) struct cor_buf hash = {0};
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    for (size_t i = 0; KUBEEDGE_CA[i] != 0; i += 2) {
        const char pair[3] = {KUBEEDGE_CA[i], KUBEEDGE_CA[i + 1], 0};
        char byte = (char)strtol(pair, NULL, 16);
        cor_buf_add(&der, &byte, 1);
    }
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&der), &ca, NULL), COR_OK);
    assert_string_equal(cor_cert_cn(ca), "KubeEdge");
    cor_sha256_hex(cor_buf_as_view(&der), &hash);
    assert_string_equal(hash.data,
                        "6361ee970e6fb8040c86e2aea82d0be0a51367346cd09b229a96768de3981c8c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(subject_and_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(verify_by_use_and_time, setup, teardown),
        cmocka_unit_test_setup_teardown(other_ca_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(covers_its_names, setup, teardown),
        cmocka_unit_test_setup_teardown(encodings_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_specs_are_refused, setup, teardown),
        cmocka_unit_test(kubeedge_ca_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
