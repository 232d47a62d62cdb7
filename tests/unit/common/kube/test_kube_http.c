// SPDX-License-Identifier: Apache-2.0
// The HTTP client against servers with bad manners.
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
#include "common/kube/http.h"
#include "common/pki/cert.h"
#include "tests/support/certs.h"
#include "tests/support/process.h"

struct set {
    char *dir;
    struct test_process plain, tls;
    int plain_port, tls_port;
    struct test_certs certs;
    struct cor_loop *loop;
    struct cor_timer *deadline;
    struct cor_http *http;
    /* the last answer */
    enum cor_code code;
    int status;
    size_t len;
    int64_t retry_after_us;
};

static int start(const struct set *set, struct test_process *process, const char *tls)
{
    char line[32];
    const char *const argv[] = {"python3",
                                CORACLE_SOURCE_DIR "/tests/unit/common/kube/fake_target.py",
                                set->dir, tls, NULL};
    test_process_start(process, argv, "/dev/null", line, sizeof(line));
    return atoi(line);
}

static void too_late(void *self)
{
    (void)self;
    fail_msg("nothing happened for 20 s");
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->dir = test_dir_new();
    test_certs_make(&set->certs, "cn", "org");
    test_certs_write(&set->certs, set->dir);
    set->plain_port = start(set, &set->plain, NULL);
    set->tls_port = start(set, &set->tls, "tls");
    set->loop = cor_loop_new();
    set->deadline = cor_timer_new(set->loop, too_late, NULL);
    cor_timer_start(set->deadline, COR_SEC(60));
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_http_free(&set->http);
    cor_timer_free(&set->deadline);
    cor_loop_free(&set->loop);
    (void)test_process_stop(&set->plain, SIGKILL);
    (void)test_process_stop(&set->tls, SIGKILL);
    test_certs_free(&set->certs);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

static void on_answer(void *self, const struct cor_http_response *response)
{
    struct set *set = self;
    set->code = response->code;
    set->status = response->status;
    set->len = response->body.len;
    set->retry_after_us = response->retry_after_us;
    cor_loop_stop(set->loop);
}

static void post(struct set *set, bool tls, const char *path)
{
    static const char *const HEADERS[] = {"X-Test: 1", NULL};
    auto_(cor_freep) char *url = cor_sprintf("http%s://127.0.0.1:%d%s", tls ? "s" : "",
                                             tls ? set->tls_port : set->plain_port, path);
    struct cor_http_request request = {.method = "POST",
                                       .url = url,
                                       .headers = HEADERS,
                                       .body = COR_VIEW("hello"),
                                       .timeout_us = COR_SEC(10),
                                       .max_answer = 1 << 20,
                                       .keep = 3};
    (void)cor_http_send(set->http, &request, on_answer, set);
    cor_loop_run(set->loop);
}

static void answers_are_bounded_and_not_followed(void **state)
{
    static const struct {
        const char *path;
        enum cor_code code;
        int status;
        size_t len;
    } ROWS[] = {
        {"/ok", COR_OK, 201, 3},          {"/moved", COR_OK, 302, 3},
        {"/endless", COR_TOOBIG, 201, 3}, {"/headers", COR_TOOBIG, 201, 0},
        {"/cut", COR_RETRY, 0, 0},        {"/ok", COR_OK, 201, 3},
    };
    struct set *set = *state;
    assert_int_equal(
        cor_http_new(set->loop, &(struct cor_http_spec){.plain = true}, &set->http, NULL), COR_OK);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        post(set, false, ROWS[i].path);
        if (set->code != ROWS[i].code || set->status != ROWS[i].status || set->len != ROWS[i].len) {
            fail_msg("%s: code %d status %d length %zu", ROWS[i].path, (int)set->code, set->status,
                     set->len);
        }
    }
    post(set, false, "/later");
    assert_int_equal(set->retry_after_us, COR_SEC(7));
}

static void servers_are_verified(void **state)
{
    struct set *set = *state;
    auto_(cor_buf_free) struct cor_buf ca = {0};
    cor_cert_pem(set->certs.ca, &ca);
    assert_int_equal(
        cor_http_new(set->loop, &(struct cor_http_spec){.plain = true}, &set->http, NULL), COR_OK);
    post(set, true, "/ok"); /* the system's roots do not know it */
    assert_int_equal(set->code, COR_RETRY);
    assert_int_equal(set->status, 0);
    cor_http_free(&set->http);
    assert_int_equal(
        cor_http_new(set->loop, &(struct cor_http_spec){.ca_pem = ca.data}, &set->http, NULL),
        COR_OK);
    post(set, true, "/ok");
    assert_int_equal(set->status, 201);
    post(set, false, "/ok"); /* plain is not allowed here */
    assert_int_equal(set->code, COR_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_are_bounded_and_not_followed),
        T(servers_are_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
