// SPDX-License-Identifier: Apache-2.0
// Changing the CA under nodes that know one CA and speak KubeEdge's dialect, as an EdgeCore does.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/pki/digest.h"
#include "tests/contract/cloudhub/harness.h"
#include "tools/ctl/ctl.h"

static enum cor_code ask(const struct set *set, const char *run, const char *verb, const char *args,
                         struct cor_json **answer_r, struct cor_err *err)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/%s/ctl/cloudhub", set->dir, run);
    *err = COR_ERR_NONE;
    return tool_ask_json(ctl, verb, cor_view_of(args), 30000, answer_r, err);
}

/* A hub under a run folder, and what its ca-status is to say. */
struct wanted {
    struct set *set;
    const char *run;
    const char *path;
    const char *value;
};

static bool says(void *arg)
{
    const struct wanted *wanted = arg;
    auto_(cor_json_free) struct cor_json *status = NULL;
    struct cor_err err = COR_ERR_NONE;
    return ask(wanted->set, wanted->run, "ca-status", "{}", &status, &err) == COR_OK &&
           strcmp(cor_json_str_at(status, wanted->path, ""), wanted->value) == 0;
}

static void phase_is(struct set *set, const char *run, const char *phase)
{
    struct wanted wanted = {set, run, "phase", phase};
    hub_wait(set, says, &wanted);
}

static void take_step(struct set *set, const char *verb, const char *args, const char *phase)
{
    auto_(cor_json_free) struct cor_json *answer = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (ask(set, "run", verb, args, &answer, &err) != COR_OK) {
        fail_msg("%s: %s", verb, err.text);
    }
    phase_is(set, "run", phase);
}

static void refused_step(struct set *set, const char *verb, const char *args, const char *word)
{
    auto_(cor_json_free) struct cor_json *answer = NULL;
    struct cor_err err = COR_ERR_NONE;
    assert_int_not_equal(ask(set, "run", verb, args, &answer, &err), COR_OK);
    if (strstr(err.text, word) == NULL) {
        fail_msg("%s: %s", verb, err.text);
    }
}

/* Whether the hub takes a link of this identity. */
static bool dials(struct set *set, const struct identity *identity, const char *name)
{
    struct node node;
    hub_dial_as(set, &node, identity, name, "msg");
    bool opened = node.opened;
    hub_end(&node);
    return opened;
}

/* Renews as an EdgeCore does: another key, the roots that it has. Status of the answer. */
static int renew(struct set *set, struct identity *node, const char *name)
{
    const struct cor_ws_header headers[] = {{"NodeName", name}, {NULL, NULL}};
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_buf_free) struct cor_buf csr = {0};
    hub_csr_of(key, name, &csr);
    set->tls = (struct cor_tls){.cert = node->cert, .key = node->key, .ca = node->ca};
    int status = hub_fetch(set, "/edge.crt", headers, cor_buf_as_view(&csr));
    set->tls = (struct cor_tls){0};
    if (status == 200) {
        cor_cert_free(&node->cert);
        cor_key_free(&node->key);
        node->key = take(&key);
        assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &node->cert, NULL), COR_OK);
    }
    return status;
}

static int join(struct set *set, const char *name, const char *token, struct identity *node)
{
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    node->key = cor_key_new();
    hub_csr_of(node->key, name, &csr);
    assert_int_equal(hub_fetch(set, "/ca.crt", NULL, (struct cor_view){0}), 200);
    cor_sha256_hex(cor_buf_as_view(&set->body), &hex);
    if (strncmp(token, hex.data, hex.len) != 0) {
        return -1; /* where an EdgeCore ends: the CA is not the token's */
    }
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &node->ca, NULL), COR_OK);
    set->tls = (struct cor_tls){.ca = node->ca};
    int status = hub_fetch_cert(set, name, token, cor_buf_as_view(&csr));
    set->tls = (struct cor_tls){0};
    if (status == 200) {
        assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &node->cert, NULL), COR_OK);
    }
    return status;
}

/* All phases, with a node that never learns of the new CA, one that joins amid, and one that is
 * away through all of it. */
static void all_phases(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(hub_identity_free) struct identity n2 = {0};
    auto_(hub_identity_free) struct identity away = {0};
    auto_(hub_identity_free) struct identity late = {0};
    struct node link;
    hub_enrol(set, "n1", &n1);
    hub_enrol(set, "away", &away);
    hub_dial_as(set, &link, &n1, "n1", "msg");
    assert_true(link.opened);
    assert_true(dials(set, &away, "away"));
    auto_(cor_freep) char *n2_token = hub_new_token(set, "n2");
    auto_(cor_freep) char *late_token = hub_new_token(set, "late");

    refused_step(set, "ca-promote", "{}", "there is no rotation");
    take_step(set, "ca-rotate", "{}", "introduced");
    assert_true(dials(set, &away, "away"));
    take_step(set, "ca-promote", "{}", "promoted");
    assert_true(link.conn != NULL);
    assert_true(dials(set, &away, "away")); /* by the cross-certificate */
    assert_int_equal(join(set, "n2", n2_token, &n2), 200);
    assert_int_equal(cor_cert_verify(n2.cert, n2.ca, COR_CERT_CLIENT, cor_wall_now(), NULL),
                     COR_UNAUTHENTICATED); /* it is the new CA's */
    assert_true(dials(set, &n2, "n2"));

    refused_step(set, "ca-finish", "{}", "n1");
    refused_step(set, "ca-abort", "{}", "demote it first");
    assert_int_equal(renew(set, &n1, "n1"), 200);
    hub_end(&link);
    hub_dial_as(set, &link, &n1, "n1", "msg");
    assert_true(link.opened);
    refused_step(set, "ca-finish", "{}", "away");
    take_step(set, "ca-finish", "{\"force\":true}", "none");

    assert_true(link.conn != NULL);
    assert_true(dials(set, &n2, "n2"));
    assert_false(dials(set, &away, "away")); /* though it has a ticket of a session */
    assert_int_equal(renew(set, &away, "away"), 401);
    assert_non_null(strstr(set->body.data, "needs a new token"));
    assert_int_equal(join(set, "late", late_token, &late), -1);
    auto_(cor_buf_free) struct cor_buf csr = {0};
    hub_csr_of(late.key, "late", &csr);
    assert_int_equal(hub_fetch_cert(set, "late", late_token, cor_buf_as_view(&csr)), 401);
    assert_non_null(strstr(set->body.data, "make a new one"));
    hub_identity_free(&away);
    hub_enrol(set, "away", &away);
    assert_true(dials(set, &away, "away"));
    hub_end(&link);
}

/* Back from each phase, and the nodes with it. */
static void back_again(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    hub_enrol(set, "n1", &n1);
    take_step(set, "ca-rotate", "{}", "introduced");
    take_step(set, "ca-abort", "{}", "none");
    assert_true(dials(set, &n1, "n1"));
    take_step(set, "ca-rotate", "{}", "introduced");
    take_step(set, "ca-promote", "{}", "promoted");
    assert_int_equal(renew(set, &n1, "n1"), 200);
    assert_true(dials(set, &n1, "n1"));
    take_step(set, "ca-demote", "{}", "introduced");
    refused_step(set, "ca-abort", "{}", "n1");
    assert_true(dials(set, &n1, "n1"));
    assert_int_equal(renew(set, &n1, "n1"), 200);
    assert_int_equal(cor_cert_verify(n1.cert, n1.ca, COR_CERT_CLIENT, cor_wall_now(), NULL),
                     COR_OK);
    assert_true(dials(set, &n1, "n1"));
    take_step(set, "ca-abort", "{}", "none");
    assert_true(dials(set, &n1, "n1"));
}

static bool is_forgotten(void *arg)
{
    auto_(cor_json_free) struct cor_json *status = NULL;
    struct cor_err err = COR_ERR_NONE;
    return ask(arg, "run", "ca-status", "{}", &status, &err) == COR_OK &&
           cor_json_count(cor_json_get(status, "cas")) == 1;
}

/* Finished so that who was away renews, but has no link with what he has. */
static void away_renews(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(hub_identity_free) struct identity n2 = {0};
    hub_enrol(set, "n1", &n1);
    hub_enrol(set, "n2", &n2);
    take_step(set, "ca-rotate", "{}", "introduced");
    take_step(set, "ca-promote", "{}", "promoted");
    take_step(set, "ca-finish", "{\"renewOnly\":true}", "none");
    assert_false(dials(set, &n1, "n1"));
    assert_int_equal(renew(set, &n1, "n1"), 200);
    assert_true(dials(set, &n1, "n1"));
    take_step(set, "ca-forget", "{}", "none");
    hub_wait(set, is_forgotten, set);
    assert_int_equal(renew(set, &n2, "n2"), 401);
}

/* kill -9 as soon as a step is told to be written: what was written is what holds. */
static void killed_between_steps(void **state)
{
    static const struct {
        const char *verb, *phase;
    } steps[] = {{"ca-rotate", "introduced"}, {"ca-promote", "promoted"}, {"ca-finish", "none"}};
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    hub_enrol(set, "n1", &n1);
    for (size_t i = 0; i < COR_COUNT(steps); i++) {
        auto_(cor_json_free) struct cor_json *answer = NULL;
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(ask(set, "run", steps[i].verb, "{\"force\":true}", &answer, &err), COR_OK);
        (void)test_process_stop(&set->hub, SIGKILL);
        hub_start_hub(set);
        phase_is(set, "run", steps[i].phase);
        if (i == 1) {
            assert_int_equal(renew(set, &n1, "n1"), 200);
        }
        assert_true(dials(set, &n1, "n1"));
    }
    auto_(cor_freep) char *token = hub_new_token(set, "n2");
    auto_(hub_identity_free) struct identity n2 = {0};
    assert_int_equal(join(set, "n2", token, &n2), 200);
    assert_int_equal(cor_cert_verify(n1.cert, n2.ca, COR_CERT_CLIENT, cor_wall_now(), NULL),
                     COR_OK);
}

static bool is_finishing(void *arg)
{
    auto_(cor_freep) char *objects = test_read(((struct set *)arg)->dir, "objects.json");
    return strstr(objects, "\"ZmluaXNoaW5n\"") != NULL; /* "finishing" */
}

/* Asks for it, without an answer, until it is. */
static bool is_begun(void *arg)
{
    const struct set *set = arg;
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    if (is_finishing(arg)) {
        return true;
    }
    assert_int_not_equal(
        tool_ask(ctl, "ca-finish", COR_VIEW("{\"force\":true}"), 200, &answer, NULL), COR_OK);
    return false;
}

static bool has_new_ca(void *arg)
{
    struct set *set = arg;
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    return hub_fetch(set, "/ca.crt", NULL, (struct cor_view){0}) == 200 &&
           cor_cert_parse(cor_buf_as_view(&set->body), &ca, NULL) == COR_OK &&
           strcmp(cor_cert_cn(ca), "KubeEdge") != 0;
}

/* finish is three writes, of which the first decides: killed before the second, or the third, the
 * next hub does what is left. Until then both CAs count. */
static void killed_while_finishing(void **state)
{
    static const char *const refused[] = {"casecret all", "coracle-ca closing"};
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    hub_enrol(set, "n1", &n1);
    for (size_t i = 0; i < COR_COUNT(refused); i++) {
        auto_(cor_freep) char *refuse = cor_sprintf("%s/refuse", set->dir);
        take_step(set, "ca-rotate", "{}", "introduced");
        take_step(set, "ca-promote", "{}", "promoted");
        test_write(set->dir, "refuse", refused[i]);
        hub_wait(set, is_begun, set);
        assert_true(dials(set, &n1, "n1"));
        assert_int_equal(renew(set, &n1, "n1"), 200);
        (void)test_process_stop(&set->hub, SIGKILL);
        assert_int_equal(unlink(refuse), 0);
        hub_start_hub(set);
        phase_is(set, "run", "none");
        assert_false(is_finishing(set));
        assert_true(has_new_ca(set));
        assert_true(dials(set, &n1, "n1"));
    }
}

/* Another hub on the same Secrets. */
static void start_second(struct set *set, struct test_process *second, int ports_r[2])
{
    char line[64];
    auto_(cor_freep) char *text =
        cor_sprintf("run-dir: %s/run2\nkubeconfig: %s/kubeconfig\nnames: [127.0.0.1]\n"
                    "streams: {listen: \"\"}\n"
                    "listen: {address: 127.0.0.1, port: 0}\nenrol: {address: 127.0.0.1, port: 0}\n",
                    set->dir, set->dir);
    auto_(cor_freep) char *config = cor_sprintf("%s/hub2.yaml", set->dir);
    auto_(cor_freep) char *log_path = cor_sprintf("%s/log2", set->dir);
    const char *const argv[] = {
        CORACLE_BINARY_DIR "/bin/cloudhub", "--config", config, "--ready-fd", "READY-FD", NULL};
    test_write(set->dir, "hub2.yaml", text);
    test_process_start(second, argv, log_path, line, sizeof(line));
    auto_(cor_freep) char *log = test_read(set->dir, "log2");
    ports_r[0] = (int)test_number(log, "link");
    ports_r[1] = (int)test_number(log, "enrol");
}

static bool knows_n1(void *arg)
{
    const struct wanted *wanted = arg;
    auto_(cor_json_free) struct cor_json *status = NULL;
    struct cor_err err = COR_ERR_NONE;
    return ask(wanted->set, wanted->run, "ca-status", "{}", &status, &err) == COR_OK &&
           cor_json_int_at(status, "summary.nodes", 0) == 1 &&
           cor_json_int_at(status, "summary.ofSigner", 0) == 1;
}

/* It follows within seconds, and knows of the other one's nodes. */
static void a_second_hub_follows(void **state)
{
    struct set *set = *state;
    struct test_process second = {0};
    int ports[2];
    int first_port = set->link_port;
    struct node link;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct wanted seen = {set, "run2", NULL, NULL};
    start_second(set, &second, ports);
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &link, &n1, "n1", "msg");
    take_step(set, "ca-rotate", "{}", "introduced");
    phase_is(set, "run2", "introduced");
    hub_wait(set, knows_n1, &seen);
    take_step(set, "ca-promote", "{}", "promoted");
    phase_is(set, "run2", "promoted");
    hub_end(&link);
    set->link_port = ports[0];
    assert_true(dials(set, &n1, "n1")); /* of the old CA, at the other one */
    assert_int_equal(renew(set, &n1, "n1"), 200);
    assert_true(dials(set, &n1, "n1"));
    seen.run = "run"; /* what the other one has seen */
    hub_wait(set, knows_n1, &seen);
    take_step(set, "ca-finish", "{}", "none");
    phase_is(set, "run2", "none");
    assert_true(dials(set, &n1, "n1"));
    set->link_port = first_port;
    assert_true(dials(set, &n1, "n1"));
    int status = test_process_stop(&second, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)
    const struct CMUnitTest tests[] = {
        T(all_phases),
        T(back_again),
        T(away_renews),
        T(killed_between_steps),
        T(killed_while_finishing),
        T(a_second_hub_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
