// SPDX-License-Identifier: Apache-2.0
// faults H3 to H9: a cloudhub under attack. attack.py attacks; here is what it needs.
#include <spawn.h>

#include "tests/contract/cloudhub/harness.h"

/* Time for a part; how often the loop looks whether it has ended. */
enum { PATIENCE_S = 90, LOOK_MS = 20 };

struct attack {
    struct set *set;
    const char *part;
    char *result; /* exit status as text, once it has ended; owned */
    struct cor_mono until;
};

static void write_identity(const struct set *set, const struct identity *identity)
{
    auto_(cor_buf_free) struct cor_buf ca = {0};
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_buf_free) struct cor_buf key = {0};
    cor_cert_pem(identity->ca, &ca);
    cor_cert_pem(identity->cert, &cert);
    cor_key_pem(identity->key, &key);
    test_write(set->dir, "hub-ca.pem", ca.data);
    test_write(set->dir, "n1.pem", cert.data);
    test_write(set->dir, "n1.key", key.data);
}

/* libev reaps children: how one has ended is in a file. */
static void look(void *self)
{
    struct attack *attack = self;
    cor_free(attack->result);
    attack->result = test_read(attack->set->dir, attack->part);
    if (attack->result[0] != '\0' || cor_mono_since(cor_mono_now(), attack->until) > 0) {
        cor_loop_stop(attack->set->loop);
    }
}

extern char **environ;

/* Runs a part while the controller serves. */
static void attack(struct set *set, const char *part)
{
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(cor_freep) char *command =
        cor_sprintf("cd %s; timeout %d python3 %s/tests/contract/cloudhub/attack.py %s . %d %d %d; "
                    "echo $? >new; mv new %s",
                    set->dir, PATIENCE_S, CORACLE_SOURCE_DIR, part, set->link_port, set->enrol_port,
                    (int)set->hub.pid, part);
    const char *const argv[] = {"bash", "-c", command, NULL};
    pid_t pid = 0;
    hub_enrol(set, "n1", &n1);
    write_identity(set, &n1);
    struct attack it = {
        .set = set, .part = part, .until = cor_mono_add(cor_mono_now(), COR_SEC(PATIENCE_S + 5))};
    assert_int_equal(
        posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    struct cor_timer *timer = cor_timer_new(set->loop, look, &it);
    cor_timer_repeat(timer, COR_MS(LOOK_MS));
    cor_loop_run(set->loop);
    cor_timer_free(&timer);
    assert_string_equal(it.result, "0\n");
    cor_free(it.result);
}

/* H3, H4; CVE-2026-62370, CVE-2022-31079; weakness 4. */
static void frames_end_one_link(void **state)
{
    attack(*state, "frames");
}

/* H6, H7; CVE-2022-31075. */
static void requests_are_refused(void **state)
{
    attack(*state, "http");
}

/* H9: who it is, by TLS. */
static void identities_are_judged(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    hub_enrol(set, "n1", &n1);
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    struct cor_cert_spec self = {.cn = "system:node:n1",
                                 .org = "system:nodes",
                                 .from = {cor_wall_now().us - COR_SEC(60)},
                                 .until = {cor_wall_now().us + COR_SEC(600)}};
    auto_(cor_cert_free) struct cor_cert *self_signed = NULL;
    assert_int_equal(cor_ca_make(key, &self, &self_signed, NULL), COR_OK);
    auto_(cor_cert_free) struct cor_cert *early = hub_sign(set, n1.key, 1, 300);
    auto_(cor_cert_free) struct cor_cert *late = hub_sign(set, n1.key, -300, -1);
    auto_(cor_cert_free) struct cor_cert *good = hub_sign(set, n1.key, -1, 300);
    const struct {
        const char *name;
        struct cor_cert *cert;
        struct cor_key *key;
        bool opened;
    } rows[] = {
        {"of another CA", other.client, other.client_key, false},
        {"its own CA", self_signed, key, false},
        {"not valid yet", early, n1.key, false},
        {"expired", late, n1.key, false},
        {"none", NULL, NULL, false},
        {"good", good, n1.key, true},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct node node;
        const struct identity who = {.ca = n1.ca, .cert = rows[i].cert, .key = rows[i].key};
        hub_dial_as(set, &node, &who, "n1", "msg");
        if (node.opened != rows[i].opened) {
            fail_msg("%s", rows[i].name);
        }
        hub_end(&node);
    }
    test_certs_free(&other);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)
    const struct CMUnitTest tests[] = {
        T(frames_end_one_link),
        T(requests_are_refused),
        T(identities_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
