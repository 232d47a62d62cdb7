// SPDX-License-Identifier: Apache-2.0
// A server whose answer to an upgrade never ends costs a client nothing (CVE-2022-31080 of
// KubeEdge).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/ws/ws.h"
#include "tests/support/certs.h"
#include "tests/support/process.h"

/* What the kernel's buffers of both ends may hold besides; what the client's memory may grow by. */
enum { SENT_MAX = 8 * 1024 * 1024, GROWTH_MAX_KIB = 1024 };

struct set {
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_timer *deadline;
    struct cor_ws *ws;
    struct test_certs certs;
    char *dir;
    bool opened;
    int closed;
};

static void too_late(void *self)
{
    (void)self;
    fail_msg("nothing happened for 20 s");
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    (void)conn;
    ((struct set *)self)->opened = true;
}

static void on_message(void *self, struct cor_view message)
{
    (void)self;
    (void)message;
    fail_msg("a message without a connection");
}

static void on_closed(void *self, const char *reason)
{
    struct set *set = self;
    print_message("closed: %s\n", reason);
    set->closed++;
    cor_loop_stop(set->loop);
}

static const struct cor_ws_events EVENTS = {
    .opened = on_opened, .message = on_message, .binary = on_message, .closed = on_closed};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    struct cor_ws_limits limits = {.message = 65536, .unfinished = 131072, .queue = 65536};
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_buf_free) struct cor_buf key = {0};
    set->dir = test_dir_new();
    set->loop = cor_loop_new();
    set->log = cor_log_new("test", COR_LEVEL_ERROR);
    set->deadline = cor_timer_new(set->loop, too_late, NULL);
    cor_timer_start(set->deadline, COR_SEC(60));
    test_certs_make(&set->certs, "system:node:n1", "system:nodes");
    cor_cert_pem(set->certs.server, &cert);
    cor_key_pem(set->certs.server_key, &key);
    test_write(set->dir, "cert", cert.data);
    test_write(set->dir, "key", key.data);
    assert_int_equal(cor_ws_new(set->loop, set->log, &limits, &set->ws, NULL), COR_OK);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_ws_free(&set->ws);
    cor_timer_free(&set->deadline);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    test_certs_free(&set->certs);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

/* Dials a server that answers so; returns how many bytes it got rid of. */
static long dial(struct set *set, const char *what)
{
    char line[32];
    struct test_process server;
    auto_(cor_freep) char *log = cor_sprintf("%s/log", set->dir);
    const char *const argv[] = {"python3", CORACLE_SOURCE_DIR "/tests/unit/common/ws/endless.py",
                                set->dir, what, NULL};
    test_process_start(&server, argv, log, line, sizeof(line));
    struct cor_ws_target target = {.host = "127.0.0.1",
                                   .port = (int)test_number(line, "port"),
                                   .path = "/e/n1/events",
                                   .headers = (const struct cor_ws_header[]){{NULL, NULL}},
                                   .tls = {set->certs.client, set->certs.client_key, set->certs.ca},
                                   .timeout_us = COR_SEC(2)};
    int closed = set->closed;
    struct cor_ws_conn *conn = cor_ws_dial(set->ws, &target, COR_SEC(15), &EVENTS, set);
    while (conn != NULL && set->closed == closed) {
        cor_loop_run(set->loop);
    }
    int status = test_process_stop(&server, 0); /* it ends by itself, for its peer has gone */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    auto_(cor_freep) char *sent = test_read(set->dir, "sent");
    return test_number(sent, "sent");
}

static void endless_answers_are_left(void **state)
{
    static const char *const WHAT[] = {"body",   "chunks",  "until-closed",
                                       "header", "headers", "status"};
    struct set *set = *state;
    (void)dial(set, "body"); /* libraries take their memory */
    for (size_t i = 0; i < COR_COUNT(WHAT); i++) {
        long before = peak_kib();
        long sent = dial(set, WHAT[i]);
        long growth = peak_kib() - before;
        print_message("%s: %ld bytes left the server, memory grew by %ld KiB\n", WHAT[i], sent,
                      growth);
        assert_false(set->opened);
        assert_in_range(sent, 0, SENT_MAX);
#ifndef __SANITIZE_ADDRESS__
        assert_in_range(growth, 0, GROWTH_MAX_KIB);
#endif
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(endless_answers_are_left, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
