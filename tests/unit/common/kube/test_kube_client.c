// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/kube/client.h"
#include "common/kube/informer.h"
#include "common/pki/cert.h"
#include "tests/support/process.h"

/* A CA, a server and a client of it, and fake_api.py running. */
struct set {
    char *dir;
    struct test_process server;
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_kube_config config;
    struct cor_kube *kube;
    struct cor_timer *deadline;
    int done;
};

static char *pem_of_cert(const struct cor_cert *cert)
{
    struct cor_buf pem = {0};
    cor_cert_pem(cert, &pem);
    return cor_buf_take(&pem);
}

static char *pem_of_key(const struct cor_key *key)
{
    struct cor_buf pem = {0};
    cor_key_pem(key, &pem);
    return cor_buf_take(&pem);
}

static void make_certificates(struct set *set)
{
    static const char *const ips[] = {"127.0.0.1", NULL};
    struct cor_wall now = cor_wall_now();
    struct cor_wall until = {now.us + COR_SEC(3600)};
    auto_(cor_key_free) struct cor_key *ca_key = cor_key_new();
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    auto_(cor_cert_free) struct cor_cert *server = NULL;
    auto_(cor_cert_free) struct cor_cert *client = NULL;
    struct cor_cert_spec spec = {.cn = "test", .from = now, .until = until};
    assert_int_equal(cor_ca_make(ca_key, &spec, &ca, NULL), COR_OK);
    struct cor_issuer issuer = {ca, ca_key};
    spec.cn = "server";
    spec.ips = ips;
    spec.usage = COR_CERT_SERVER;
    assert_int_equal(cor_cert_sign(issuer, key, &spec, &server, NULL), COR_OK);
    spec.ips = NULL;
    spec.cn = "someone";
    spec.usage = COR_CERT_CLIENT;
    assert_int_equal(cor_cert_sign(issuer, key, &spec, &client, NULL), COR_OK);
    set->config.ca_pem = pem_of_cert(ca);
    set->config.cert_pem = pem_of_cert(client);
    set->config.key_pem = pem_of_key(key);
    set->config.token = cor_strdup("tok");
    auto_(cor_freep) char *server_pem = pem_of_cert(server);
    test_write(set->dir, "ca.pem", set->config.ca_pem);
    test_write(set->dir, "server.pem", server_pem);
    test_write(set->dir, "server.key", set->config.key_pem);
}

static void start_server(struct set *set)
{
    char line[32];
    const char *const argv[] = {"python3", CORACLE_SOURCE_DIR "/tests/unit/common/kube/fake_api.py",
                                set->dir, NULL};
    test_process_start(&set->server, argv, "/dev/null", line, sizeof(line));
    set->config.server = cor_sprintf("https://127.0.0.1:%d", atoi(line));
}

static void too_late(void *self)
{
    (void)self;
    fail_msg("nothing happened for a minute");
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->dir = test_dir_new();
    make_certificates(set);
    start_server(set);
    set->loop = cor_loop_new();
    set->log = cor_log_new("test", COR_LEVEL_ERROR);
    set->deadline = cor_timer_new(set->loop, too_late, NULL);
    cor_timer_start(set->deadline, COR_SEC(60));
    assert_int_equal(cor_kube_new(set->loop, &set->config, &set->kube, NULL), COR_OK);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_kube_free(&set->kube);
    cor_timer_free(&set->deadline);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    cor_kube_config_free(&set->config);
    (void)test_process_stop(&set->server, SIGKILL);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

static void on_echo(void *self, const struct cor_kube_response *response)
{
    struct set *set = self;
    assert_string_equal(response->text, "");
    assert_int_equal(response->code, COR_OK);
    assert_int_equal(response->status, 201);
    assert_string_equal(cor_json_str_at(response->body, "method", ""), "PATCH");
    assert_string_equal(cor_json_str_at(response->body, "path", ""), "/x?a=b");
    assert_string_equal(cor_json_str_at(response->body, "body", ""), "{\"a\":1}");
    assert_string_equal(cor_json_str_at(response->body, "cn", ""), "someone");
    assert_string_equal(cor_json_str_at(response->body, "type", ""), COR_KUBE_STRATEGIC);
    assert_string_equal(cor_json_str_at(response->body, "authorization", ""), "Bearer tok");
    if (++set->done == 200) {
        cor_loop_stop(set->loop);
    }
}

static void many_requests_with_bodies(void **state)
{
    struct set *set = *state;
    struct cor_kube_request request = {.method = "PATCH",
                                       .path = "/x?a=b",
                                       .content_type = COR_KUBE_STRATEGIC,
                                       .body = COR_VIEW("{\"a\":1}")};
    for (int i = 0; i < 200; i++) {
        (void)cor_kube_send(set->kube, &request, on_echo, set);
    }
    cor_loop_run(set->loop);
    assert_int_equal(set->done, 200);
}

static void on_busy(void *self, const struct cor_kube_response *response)
{
    struct set *set = self;
    assert_int_equal(response->code, COR_BUSY);
    assert_int_equal(response->retry_after_us, COR_SEC(7));
    assert_string_equal(response->text, "slow down");
    cor_loop_stop(set->loop);
}

static void never(void *self, const struct cor_kube_response *response)
{
    (void)self;
    (void)response;
    fail_msg("a cancelled call came back");
}

static void errors_and_cancel(void **state)
{
    struct set *set = *state;
    /* It asks for more time than there is. */
    struct cor_kube_request request = {.method = "GET", .path = "/busy", .timeout_us = COR_SEC(5)};
    struct cor_kube_call *call = cor_kube_send(set->kube, &request, never, set);
    cor_kube_cancel(&call);
    assert_null(call);
    (void)cor_kube_send(set->kube, &request, on_busy, set);
    cor_loop_run(set->loop);
}

static void on_timeout(void *self, const struct cor_kube_response *response)
{
    struct set *set = self;
    assert_int_equal(response->code, COR_RETRY);
    assert_int_equal(response->status, 0);
    assert_true(strlen(response->text) > 0);
    cor_loop_stop(set->loop);
}

static void silent_server_times_out(void **state)
{
    struct set *set = *state;
    struct cor_kube_request request = {.method = "GET", .path = "/big", .timeout_us = COR_MS(300)};
    (void)cor_kube_send(set->kube, &request, on_timeout, set);
    cor_loop_run(set->loop);
}

/* A server of another CA is not talked to. */
static void wrong_ca_is_refused(void **state)
{
    struct set *set = *state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    struct cor_wall now = cor_wall_now();
    struct cor_cert_spec spec = {.cn = "test", .from = now, .until = {now.us + COR_SEC(60)}};
    assert_int_equal(cor_ca_make(key, &spec, &ca, NULL), COR_OK);
    cor_kube_free(&set->kube);
    cor_freep(&set->config.ca_pem);
    set->config.ca_pem = pem_of_cert(ca);
    assert_int_equal(cor_kube_new(set->loop, &set->config, &set->kube, NULL), COR_OK);
    struct cor_kube_request request = {.method = "GET", .path = "/busy"};
    (void)cor_kube_send(set->kube, &request, on_timeout, set);
    cor_loop_run(set->loop);
}

static void on_change(void *self, enum cor_change change, struct cor_json *object,
                      struct cor_json *old)
{
    (void)old;
    struct set *set = self;
    const char *name = cor_json_str_at(object, "metadata.name", "");
    set->done += change == COR_ADDED ? 1 : change == COR_DELETED ? 100 : 10000;
    if (strcmp(name, "last") == 0) {
        cor_loop_stop(set->loop);
    }
}

/* Two pages, a watch with an event in pieces and garbage between, its end, 410, two pages again
 * without news, a second watch. */
static void informer_follows(void **state)
{
    struct set *set = *state;
    struct cor_informer_spec spec = {.path = "/api/v1/pods",
                                     .api_version = "v1",
                                     .kind = "Pod",
                                     .sink = {.self = set, .changed = on_change}};
    cor_log_set_level(set->log, COR_LEVEL_ERROR);
    struct cor_informer *informer = cor_informer_new(set->loop, set->kube, set->log, &spec);
    cor_loop_run(set->loop);
    assert_int_equal(set->done, 4 + 100); /* one, two, w, last; w deleted */
    assert_int_equal(cor_reflector_count(cor_informer_mirror(informer)), 3);
    assert_true(cor_reflector_has(cor_informer_mirror(informer), "a", "two"));
    cor_informer_free(&informer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_requests_with_bodies, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_and_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_server_times_out, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_ca_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(informer_follows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
