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
#include "played.h"
#include "tests/support/certs.h"

struct set {
    struct played api;
    struct cor_timer *deadline;
    int done;
};

static void too_late(void *self)
{
    (void)self;
    fail_msg("nothing happened for a minute");
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    struct cor_kube_config *config = &set->api.config;
    struct test_certs certs;
    played_begin(&set->api);
    test_certs_make(&certs, "someone", "org");
    test_certs_write(&certs, set->api.dir);
    test_certs_free(&certs);
    config->ca_pem = test_read(set->api.dir, "ca.pem");
    config->cert_pem = test_read(set->api.dir, "client.pem");
    config->key_pem = test_read(set->api.dir, "client.key");
    config->token = cor_strdup("tok");
    set->deadline = cor_timer_new(set->api.loop, too_late, NULL);
    cor_timer_start(set->deadline, COR_SEC(60));
    played_start(&set->api, "fake_api.py");
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_timer_free(&set->deadline);
    played_end(&set->api);
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
        cor_loop_stop(set->api.loop);
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
        (void)cor_kube_send(set->api.kube, &request, on_echo, set);
    }
    cor_loop_run(set->api.loop);
    assert_int_equal(set->done, 200);
}

static void on_busy(void *self, const struct cor_kube_response *response)
{
    struct set *set = self;
    assert_int_equal(response->code, COR_BUSY);
    assert_int_equal(response->retry_after_us, COR_SEC(7));
    assert_string_equal(response->text, "slow down");
    cor_loop_stop(set->api.loop);
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
    struct cor_kube_call *call = cor_kube_send(set->api.kube, &request, never, set);
    cor_kube_cancel(&call);
    assert_null(call);
    (void)cor_kube_send(set->api.kube, &request, on_busy, set);
    cor_loop_run(set->api.loop);
}

static void on_timeout(void *self, const struct cor_kube_response *response)
{
    struct set *set = self;
    assert_int_equal(response->code, COR_RETRY);
    assert_int_equal(response->status, 0);
    assert_true(strlen(response->text) > 0);
    cor_loop_stop(set->api.loop);
}

static void silent_server_times_out(void **state)
{
    struct set *set = *state;
    struct cor_kube_request request = {.method = "GET", .path = "/big", .timeout_us = COR_MS(300)};
    (void)cor_kube_send(set->api.kube, &request, on_timeout, set);
    cor_loop_run(set->api.loop);
}

/* A server of another CA is not talked to, though it has the same name. */
static void wrong_ca_is_refused(void **state)
{
    struct set *set = *state;
    struct test_certs other;
    struct cor_buf pem = {0};
    test_certs_make(&other, "someone", "org");
    cor_cert_pem(other.ca, &pem);
    test_certs_free(&other);
    cor_kube_free(&set->api.kube);
    cor_freep(&set->api.config.ca_pem);
    set->api.config.ca_pem = cor_buf_take(&pem);
    assert_int_equal(cor_kube_new(set->api.loop, &set->api.config, &set->api.kube, NULL), COR_OK);
    struct cor_kube_request request = {.method = "GET", .path = "/busy"};
    (void)cor_kube_send(set->api.kube, &request, on_timeout, set);
    cor_loop_run(set->api.loop);
}

static void on_change(void *self, enum cor_change change, struct cor_json *object,
                      struct cor_json *old)
{
    (void)old;
    struct set *set = self;
    const char *name = cor_json_str_at(object, "metadata.name", "");
    set->done += change == COR_ADDED ? 1 : change == COR_DELETED ? 100 : 10000;
    if (strcmp(name, "last") == 0) {
        cor_loop_stop(set->api.loop);
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
    cor_log_set_level(set->api.log, COR_LEVEL_ERROR);
    struct cor_informer *informer =
        cor_informer_new(set->api.loop, set->api.kube, set->api.log, &spec);
    cor_loop_run(set->api.loop);
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
