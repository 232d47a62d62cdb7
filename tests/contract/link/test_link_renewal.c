// SPDX-License-Identifier: Apache-2.0
// faults H10: certificates that live for seconds, and messages all the while.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/contract/link/harness.h"
#include "tests/support/text/text.h"

/* A certificate's life; how many are to follow the first one. */
enum { LIFE_S = 6, RENEWALS = 3, PATIENCE_S = 60 };

static size_t count_of(const struct bench *bench, const char *event)
{
    auto_(cor_freep) char *log = test_read(bench->cloud->dir, "log");
    return test_count(log, event);
}

static void replace(struct cor_buf *text, const char *old, const char *with)
{
    const char *at = strstr(text->data, old);
    assert_non_null(at);
    struct cor_buf changed = {0};
    cor_buf_add(&changed, text->data, (size_t)(at - text->data));
    cor_buf_fmt(&changed, "%s%s", with, at + strlen(old));
    cor_buf_free(text);
    *text = changed;
}

/* The hub signs for a short time from now on; its ports stay. */
static void shorten_lives(struct bench *bench)
{
    struct set *cloud = bench->cloud;
    auto_(cor_buf_free) struct cor_buf config = {0};
    auto_(cor_freep) char *before = test_read(cloud->dir, "hub.yaml");
    auto_(cor_freep) char *link =
        cor_sprintf("listen: {address: 127.0.0.1, port: %d", cloud->link_port);
    auto_(cor_freep) char *enrol = cor_sprintf(
        "enrol: {address: 127.0.0.1, port: %d, cert-seconds: %d", cloud->enrol_port, LIFE_S);
    cor_buf_str(&config, before);
    replace(&config, "listen: {address: 127.0.0.1, port: 0", link);
    replace(&config, "enrol: {address: 127.0.0.1, port: 0", enrol);
    test_write(cloud->dir, "hub.yaml", config.data);
    assert_int_equal(test_process_stop(&cloud->hub, SIGTERM), 0);
    hub_start_hub(cloud);
}

static void join_anew(struct bench *bench)
{
    auto_(cor_freep) char *identity = cor_sprintf("%s/id/identity.pem", bench->edge_dir);
    auto_(cor_freep) char *beats = cor_sprintf(", heartbeat-ms: %d", CALM_MS);
    assert_int_equal(test_process_stop(&bench->edge, SIGTERM), 0);
    assert_int_equal(unlink(identity), 0);
    bench_start_edge(bench, beats);
    bench_link_up(bench, 1);
}

/* The node has a new certificate before the old one ends, and nothing is lost or comes twice when
 * it dials with it. */
static void renewal_loses_nothing(void **state)
{
    struct bench *bench = *state;
    shorten_lives(bench);
    join_anew(bench);
    size_t before = count_of(bench, "enrol.done");
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(PATIENCE_S));
    while (count_of(bench, "enrol.done") < before + RENEWALS &&
           cor_mono_since(end, cor_mono_now()) > 0) {
        bench_give(bench, 3);
        bench_run(bench, COR_MS(20));
    }
    assert_true(count_of(bench, "enrol.done") >= before + RENEWALS);
    bench_give(bench, 3);
    bench_all_there(bench);
    assert_int_equal(count_of(bench, "certificate has expired"), 0);
    assert_int_equal(count_of(bench, "enrol.expired"), 0);
    print_message("%lu messages a stream, %u links\n", (unsigned long)bench->flows[0].given,
                  bench->links_up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(renewal_loses_nothing, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
