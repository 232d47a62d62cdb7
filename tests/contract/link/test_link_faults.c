// SPDX-License-Identifier: Apache-2.0
// What the link does to streams when it, or one of its ends, fails: nothing is lost, nothing comes
// twice, nothing in another order.
#include "tests/contract/link/harness.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

/* What a process may grow by while the controller is slow; the sanitizer keeps what is freed. */
#ifdef __SANITIZE_ADDRESS__
enum { GROWTH_KIB = 512 * 1024 };
#else
enum { GROWTH_KIB = 24 * 1024 };
#endif

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245u + 12345u;
    return *state >> 8;
}

/* Every seventh offset of the first frames, then anywhere; in both directions. */
static void link_cut_at_any_byte(void **state)
{
    enum { CUTS = 100, MESSAGES = 10, UP_BYTES = 12000, DOWN_BYTES = 700 };
    struct bench *bench = *state;
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    for (unsigned i = 0; i < CUTS; i++) {
        int direction = i % 4 == 3 ? PROXY_DOWN : PROXY_UP;
        unsigned most = direction == PROXY_DOWN ? DOWN_BYTES : UP_BYTES;
        uint64_t offset = i < CUTS / 2 ? 1 + i * 7 : 1 + next_random(&seed) % most;
        proxy_cut_after(bench->proxy, direction, offset);
        bench_give(bench, MESSAGES);
        bench_all_there(bench);
    }
    assert_true(proxy_connections(bench->proxy) > CUTS / 2);
    print_message("%u connections, %d messages\n", proxy_connections(bench->proxy),
                  CUTS * MESSAGES * STREAMS);
}

static void acks_that_make_no_sense(void **state)
{
    struct bench *bench = *state;
    bench_give(bench, 100);
    bench_all_there(bench);
    for (int i = 0; i < STREAMS; i++) {
        struct flow *flow = &bench->flows[i];
        const struct cor_wire_ack rows[] = {
            {.stream = flow->number, .seq = 100},                    /* again */
            {.stream = flow->number, .seq = 50},                     /* stale */
            {.stream = flow->number, .seq = 100000},                 /* never sent */
            {.stream = flow->number, .seq = 100000, .resume = true}, /* and asked for */
            {.stream = flow->number, .resume = true},                /* all that is not acked */
            {.stream = UINT64_MAX, .seq = 1},                        /* nobody's */
        };
        for (size_t k = 0; k < COR_COUNT(rows); k++) {
            cor_relay_ack(bench->cloud->port, &rows[k]);
        }
    }
    bench_give(bench, 100);
    bench_all_there(bench);
}

static void controller_comes_and_goes(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 15; i++) {
        bench_give(bench, 200);
        bench_run(bench, COR_MS(i * 2));
        bench_controller(bench, false);
        bench_run(bench, COR_MS(i));
        bench_controller(bench, true);
    }
    bench_all_there(bench);
    assert_int_equal(bench->links_up, 1);
}

/* While it is away little of what waits is sent, and none of it is lost. */
static void controller_is_away_for_long(void **state)
{
    struct bench *bench = *state;
    bench_controller(bench, false);
    uint64_t before = proxy_bytes(bench->proxy, PROXY_UP);
    bench_give(bench, 10000);
    bench_run(bench, COR_MS(500));
    assert_true(proxy_bytes(bench->proxy, PROXY_UP) - before < 1024 * 1024);
    bench_controller(bench, true);
    bench_all_there(bench);
}

static void hubs_are_killed(void **state)
{
    struct bench *bench = *state;
    for (int i = 0; i < 6; i++) {
        bench_give(bench, 500);
        bench_run(bench, COR_MS(i * 3));
        if (i % 2 == 0) {
            (void)test_process_stop(&bench->edge, SIGKILL);
            bench_start_edge(bench, "");
        } else {
            (void)test_process_stop(&bench->cloud->hub, SIGKILL);
            hub_start_hub(bench->cloud);
            proxy_target(bench->proxy, bench->cloud->link_port);
        }
        bench_all_there(bench);
    }
}

static long rss_kib(pid_t pid)
{
    char path[64];
    long pages = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    (void)fclose(file);
    return pages * 4;
}

/* The controller takes nothing more: what waits is bounded everywhere but at the origin, calls and
 * heartbeats go on. */
static void slow_controller_holds_back(void **state)
{
    static const struct {
        size_t size;
        uint64_t count;
    } rows[] = {{250, 10000}, {200 * 1000, 20}};
    struct bench *bench = *state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        bench->size = rows[i].size;
        cor_port_pause(bench->cloud->port, true);
        long cloud = rss_kib(bench->cloud->hub.pid);
        long edge = rss_kib(bench->edge.pid);
        bench_give(bench, rows[i].count);
        bench_run(bench, COR_MS(4 * HEARTBEAT_MS));
        cloud = rss_kib(bench->cloud->hub.pid) - cloud;
        edge = rss_kib(bench->edge.pid) - edge;
        print_message("messages of %zu bytes: cloudhub + %ld KiB, edgehub + %ld KiB\n",
                      rows[i].size, cloud, edge);
        struct px_api_call call = {.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
        bench_call(bench, PEER_META, PX_api_call, &call);
        assert_int_equal(bench->answer.status, i == 0 ? 200 : bench->answer.status);
        assert_true(cloud < GROWTH_KIB && edge < GROWTH_KIB);
        cor_port_pause(bench->cloud->port, false);
        bench_all_there(bench);
        assert_int_equal(bench->links_up, 1);
    }
}

static bool both_know(void *arg)
{
    const struct bench *bench = arg;
    return !bench->link_up && !bench->node_up;
}

/* Nobody is told that it is broken; both ends find it within two heartbeats, and what a busy
 * machine adds: without them it would take a minute. */
static void half_open_is_found(void **state)
{
    struct bench *bench = *state;
    bench_give(bench, 10);
    bench_all_there(bench);
    proxy_freeze(bench->proxy, true);
    struct cor_mono begin = cor_mono_now();
    bench_give(bench, 10);
    bench_wait(bench, both_know, bench);
    int64_t took = cor_mono_since(cor_mono_now(), begin);
    print_message("found after %ld ms, heartbeats of %d ms\n", (long)(took / 1000), HEARTBEAT_MS);
    assert_true(took < COR_MS(2 * HEARTBEAT_MS) + COR_SEC(10));
    bench_run(bench, COR_MS(100));
    proxy_freeze(bench->proxy, false);
    bench_all_there(bench);
    bench_link_up(bench, 2);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
#define BRISK(fn) cmocka_unit_test_setup_teardown(fn, bench_setup_brisk, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(link_cut_at_any_byte),      T(acks_that_make_no_sense),
        T(controller_comes_and_goes), T(controller_is_away_for_long),
        T(hubs_are_killed),           BRISK(slow_controller_holds_back),
        BRISK(half_open_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
