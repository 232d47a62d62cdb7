// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/cloudhub/harness.h"

#include <signal.h>

#include "common/pki/digest.h"

static void enrolment_rules(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *token = hub_new_token(set, "n1");
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_key_free) struct cor_key *other = cor_key_new();
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_buf_free) struct cor_buf other_csr = {0};
    auto_(cor_buf_free) struct cor_buf n2_csr = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    hub_csr_of(key, "n1", &csr);
    hub_csr_of(other, "n1", &other_csr);
    hub_csr_of(key, "n2", &n2_csr);
    assert_int_equal(hub_fetch(set, "/ca.crt", NULL, (struct cor_view){0}), 200);
    cor_sha256_hex(cor_buf_as_view(&set->body), &hex);
    assert_memory_equal(token, hex.data, 64); /* the token names this CA */
    struct cor_view view = cor_buf_as_view(&csr);
    assert_int_equal(hub_fetch_cert(set, "n1", "", view), 401);
    assert_int_equal(hub_fetch_cert(set, "n1", "x.y.z.w", view), 401);
    assert_int_equal(hub_fetch_cert(set, "n2", token, cor_buf_as_view(&n2_csr)), 401);
    assert_int_equal(hub_fetch_cert(set, "n1", token, cor_buf_as_view(&n2_csr)), 400);
    assert_int_equal(hub_fetch_cert(set, "n1", token, COR_VIEW("garbage")), 400);
    assert_int_equal(hub_fetch_cert(set, "n1", token, view), 200);
    assert_int_equal(hub_fetch_cert(set, "n1", token, view),
                     200); /* the same key: the answer got lost */
    assert_int_equal(hub_fetch_cert(set, "n1", token, cor_buf_as_view(&other_csr)),
                     401); /* reused */
    assert_non_null(strstr(set->body.data, "used already"));
    const struct cor_ws_header json[] = {{"Accept", "application/json"}, {NULL, NULL}};
    assert_int_equal(hub_fetch(set, "/ca.crt", json, (struct cor_view){0}), 406);
    assert_int_equal(hub_fetch(set, "/../etc/passwd", NULL, (struct cor_view){0}), 404);
}

static void authority_survives_a_restart(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity before = {0};
    auto_(hub_identity_free) struct identity after = {0};
    hub_enrol(set, "n1", &before);
    (void)test_process_stop(&set->hub, SIGKILL);
    hub_start_hub(set);
    hub_enrol(set, "n2", &after);
    assert_int_equal(cor_cert_verify(before.cert, after.ca, COR_CERT_CLIENT, cor_wall_now(), NULL),
                     COR_OK);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)
    const struct CMUnitTest tests[] = {
        T(enrolment_rules),
        T(authority_survives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
