// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/cloudhub/harness.h"

#include <signal.h>

#include "common/base/text.h"
#include "common/pki/digest.h"
#include "tools/ctl/ctl.h"

enum { DAY_S = 86400 };

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

static void revoke_node(struct set *set, const char *node)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    auto_(cor_freep) char *args = cor_sprintf("{\"node\":\"%s\"}", node);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    struct cor_err err = COR_ERR_NONE;
    if (tool_ask(ctl, "node-revoke", cor_view_of(args), 30000, &answer, &err) != COR_OK) {
        fail_msg("node-revoke: %s", err.text);
    }
}

/* Asks for a certificate with the one that the node has. */
static int renew(struct set *set, const struct identity *node, const char *name,
                 struct cor_view csr)
{
    const struct cor_ws_header headers[] = {{"NodeName", name}, {NULL, NULL}};
    set->tls = (struct cor_tls){.cert = node->cert, .key = node->key, .ca = node->ca};
    int status = hub_fetch(set, "/edge.crt", headers, csr);
    set->tls = (struct cor_tls){0};
    return status;
}

/* Away for longer than its certificate lived: it renews with the key that it has, and no other. */
static void expired_renews_for_its_own_key(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity node = {0};
    auto_(cor_key_free) struct cor_key *other = cor_key_new();
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_buf_free) struct cor_buf other_csr = {0};
    auto_(cor_buf_free) struct cor_buf n2_csr = {0};
    hub_enrol(set, "n1", &node);
    cor_cert_free(&node.cert);
    node.cert = hub_sign(set, node.key, -800 * DAY_S, -400 * DAY_S);
    hub_csr_of(node.key, "n1", &csr);
    hub_csr_of(other, "n1", &other_csr);
    hub_csr_of(node.key, "n2", &n2_csr);
    assert_int_equal(renew(set, &node, "n1", cor_buf_as_view(&other_csr)), 401);
    assert_non_null(strstr(set->body.data, "it has expired"));
    assert_int_equal(renew(set, &node, "n1", cor_buf_as_view(&n2_csr)), 400);
    assert_int_equal(renew(set, &node, "n2", cor_buf_as_view(&n2_csr)), 401);
    assert_int_equal(renew(set, &node, "n1", cor_buf_as_view(&csr)), 200);
    struct node link;
    hub_dial_as(set, &link, &node, "n1", "msg"); /* but it carries no link */
    assert_false(link.opened);
    hub_end(&link);
    revoke_node(set, "n1");
    assert_int_equal(renew(set, &node, "n1", cor_buf_as_view(&csr)), 401);
    assert_non_null(strstr(set->body.data, "revoked"));
}

/* Its link ends, it gets no other and no certificate; with a token it may come again. */
static void revoked_is_out(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(hub_identity_free) struct identity n2 = {0};
    auto_(cor_buf_free) struct cor_buf csr = {0};
    struct node first;
    struct node second;
    hub_enrol(set, "n1", &n1);
    hub_enrol(set, "n2", &n2);
    cor_cert_free(&n1.cert);
    n1.cert = hub_sign(set, n1.key, -DAY_S, 300 * DAY_S);
    hub_dial_as(set, &first, &n1, "n1", "msg");
    hub_dial_as(set, &second, &n2, "n2", "msg");
    assert_true(first.opened && second.opened);
    revoke_node(set, "n1");
    hub_wait(set, hub_is_closed, &first);
    assert_true(second.conn != NULL);
    struct node again;
    hub_dial_as(set, &again, &n1, "n1", "msg");
    assert_false(again.opened);
    hub_end(&again);
    hub_csr_of(n1.key, "n1", &csr);
    assert_int_equal(renew(set, &n1, "n1", cor_buf_as_view(&csr)), 401);
    hub_identity_free(&n1);
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &again, &n1, "n1", "msg");
    assert_true(again.opened);
    hub_end(&again);
    hub_end(&second);
}

static bool is_closed_or_later(void *arg)
{
    void **args = arg;
    const struct cor_mono *until = args[1];
    return ((struct node *)args[0])->closed || cor_mono_since(cor_mono_now(), *until) > 0;
}

static bool is_expired(void *arg)
{
    const struct set *set = arg;
    auto_(cor_freep) char *log = test_read(set->dir, "log");
    return strstr(log, "certificate has expired") != NULL;
}

/* faults H10: a link ends with the certificate that it began with. */
static void a_session_ends_with_its_certificate(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    cor_cert_free(&n1.cert);
    n1.cert = hub_sign(set, n1.key, -DAY_S, 3);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened);
    while (!node.closed) {
        hub_say(&node, "k", "", "\"source\":\"x\",\"operation\":\"keepalive\",\"resource\":\"y\"",
                "null");
        struct cor_mono next = cor_mono_add(cor_mono_now(), COR_MS(300));
        void *args[] = {&node, &next};
        hub_wait(set, is_closed_or_later, args);
    }
    hub_wait(set, is_expired, set);
    hub_end(&node);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)
    const struct CMUnitTest tests[] = {
        T(enrolment_rules),
        T(authority_survives_a_restart),
        T(expired_renews_for_its_own_key),
        T(revoked_is_out),
        T(a_session_ends_with_its_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
