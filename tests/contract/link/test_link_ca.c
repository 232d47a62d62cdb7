// SPDX-License-Identifier: Apache-2.0
// Changing the CA under a real edgehub: with messages all the while, and with a node that is away.
#include <signal.h>
#include <sys/wait.h>

#include "tests/contract/link/harness.h"
#include "tools/ctl/ctl.h"

/* What the cloud is to say: of the rotation, and of the node in it ("": there is none yet). */
struct wanted {
    struct bench *bench;
    const char *phase;
    const char *trusts;
    int64_t of_signer;
};

static bool is_so(void *arg)
{
    const struct wanted *wanted = arg;
    auto_(cor_json_free) struct cor_json *status =
        bench_ask(wanted->bench, "cloudhub", "ca-status");
    const struct cor_json *node = cor_json_item(cor_json_get(status, "nodes"), 0);
    return strcmp(cor_json_str_at(status, "phase", ""), wanted->phase) == 0 &&
           strcmp(cor_json_str_at(node, "trusts", ""), wanted->trusts) == 0 &&
           cor_json_int_at(status, "summary.ofSigner", 0) == wanted->of_signer;
}

/* Messages go on while it waits. */
static void wait_for(struct wanted wanted)
{
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(30));
    while (!is_so(&wanted)) {
        if (cor_mono_since(end, cor_mono_now()) < 0) {
            auto_(cor_json_free) struct cor_json *status =
                bench_ask(wanted.bench, "cloudhub", "ca-status");
            auto_(cor_freep) char *is = status == NULL ? NULL : cor_json_text(status);
            fail_msg("never: %s, node trusts %s, %d: %s", wanted.phase, wanted.trusts,
                     (int)wanted.of_signer, is == NULL ? "no answer" : is);
        }
        bench_give(wanted.bench, 2);
        bench_run(wanted.bench, COR_MS(20));
    }
}

static void take_step(struct bench *bench, const char *verb, const char *args)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/cloudhub", bench->cloud->dir);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    struct cor_err err = COR_ERR_NONE;
    if (tool_ask(ctl, verb, cor_view_of(args), 30000, &answer, &err) != COR_OK) {
        fail_msg("%s: %s", verb, err.text);
    }
}

static bool is_node_up(void *arg)
{
    return ((const struct bench *)arg)->node_up;
}

static bool is_node_gone(void *arg)
{
    return !is_node_up(arg);
}

/* The controller hears of the node later than the node of its link. */
static void edge_stops(struct bench *bench)
{
    bench_wait(bench, is_node_up, bench);
    assert_int_equal(test_process_stop(&bench->edge, SIGTERM), 0);
    bench_wait(bench, is_node_gone, bench);
}

/* One without a link asks for a renewal soon. */
static void edge_starts(struct bench *bench)
{
    auto_(cor_freep) char *more = cor_sprintf(", heartbeat-ms: %d, doubt-ms: 300", CALM_MS);
    bench_start_edge(bench, more);
}

static size_t roots_of(const struct bench *bench)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/id/ca.crt", bench->edge_dir);
    auto_(cor_certs_free) struct cor_certs roots = {0};
    assert_int_equal(cor_certs_load(path, &roots, NULL), COR_OK);
    return roots.count;
}

struct roots_wanted {
    struct bench *bench;
    size_t count;
};

static bool has_roots(void *arg)
{
    const struct roots_wanted *wanted = arg;
    return roots_of(wanted->bench) == wanted->count;
}

static void wait_roots(struct bench *bench, size_t count)
{
    struct roots_wanted wanted = {bench, count};
    bench_wait(bench, has_roots, &wanted);
}

/* All of it, under traffic: nothing is lost, nothing comes twice, one link more than before. */
static void rotation_loses_nothing(void **state)
{
    struct bench *bench = *state;
    bench_give(bench, 5);
    take_step(bench, "ca-rotate", "{}");
    wait_for((struct wanted){bench, "introduced", "yes", 1});
    assert_int_equal(roots_of(bench), 2);
    take_step(bench, "ca-promote", "{\"withinSeconds\":1}");
    wait_for((struct wanted){bench, "promoted", "yes", 1});
    take_step(bench, "ca-finish", "{}");
    wait_for((struct wanted){bench, "none", "", 0});
    wait_roots(bench, 1);
    bench_give(bench, 5);
    bench_all_there(bench);
    assert_int_equal(bench->links_up, 2); /* one dial, with the new certificate */
    print_message("%lu messages a stream, %u links\n", (unsigned long)bench->flows[0].given,
                  bench->links_up);
}

/* It knows the old CA only, and finds the cloud at the new one. */
static void away_until_promoted(void **state)
{
    struct bench *bench = *state;
    edge_stops(bench);
    take_step(bench, "ca-rotate", "{}");
    wait_for((struct wanted){bench, "introduced", "", 0});
    take_step(bench, "ca-promote", "{\"withinSeconds\":1}");
    wait_for((struct wanted){bench, "promoted", "", 0});
    assert_int_equal(roots_of(bench), 1);
    edge_starts(bench);
    wait_for((struct wanted){bench, "promoted", "yes", 1});
    bench_all_there(bench);
}

/* Away through all of it; what it has may still be renewed. */
static void away_until_finished(void **state)
{
    struct bench *bench = *state;
    edge_stops(bench);
    take_step(bench, "ca-rotate", "{}");
    wait_for((struct wanted){bench, "introduced", "", 0});
    take_step(bench, "ca-promote", "{}");
    wait_for((struct wanted){bench, "promoted", "", 0});
    take_step(bench, "ca-finish", "{\"renewOnly\":true}");
    wait_for((struct wanted){bench, "none", "", 0});
    edge_starts(bench);
    bench_link_up(bench, 1);
    wait_roots(bench, 1);
    bench_all_there(bench);
}

static bool is_told(void *arg)
{
    const struct bench *bench = arg;
    auto_(cor_freep) char *log = test_read(bench->cloud->dir, "log");
    return strstr(log, "the node needs a new token") != NULL;
}

/* The same, but nothing of the old CA counts: it says so, and comes back with a token. */
static void away_until_forgotten(void **state)
{
    struct bench *bench = *state;
    edge_stops(bench);
    take_step(bench, "ca-rotate", "{}");
    wait_for((struct wanted){bench, "introduced", "", 0});
    take_step(bench, "ca-promote", "{}");
    wait_for((struct wanted){bench, "promoted", "", 0});
    take_step(bench, "ca-finish", "{\"force\":true}");
    wait_for((struct wanted){bench, "none", "", 0});
    edge_starts(bench);
    bench_wait(bench, is_told, bench);
    assert_int_equal(test_process_stop(&bench->edge, SIGTERM), 0);
    auto_(cor_freep) char *token = hub_new_token(bench->cloud, "n1");
    test_write(bench->edge_dir, "token", token);
    edge_starts(bench);
    bench_link_up(bench, 1);
    bench_all_there(bench);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(rotation_loses_nothing),
        T(away_until_promoted),
        T(away_until_finished),
        T(away_until_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
