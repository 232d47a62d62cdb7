// SPDX-License-Identifier: Apache-2.0
// A link that is narrow: what is small and urgent passes what is large.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/contract/link/harness.h"

enum { SLOW = 400000, LARGE = 1200000 };

static bool session_came(void *arg)
{
    void **args = arg;
    const struct bench *bench = args[0];
    return bench->sessions >= (unsigned)(uintptr_t)args[1] && bench->node_up && bench->link_up;
}

/* edgehub starts anew, its link is paced. */
static void pace(struct bench *bench, uint64_t bytes_a_second)
{
    void *args[] = {bench, (void *)(uintptr_t)(bench->sessions + 1)};
    bench->stores = true;
    proxy_pace(bench->proxy, bytes_a_second);
    assert_int_equal(test_process_stop(&bench->edge, SIGTERM), 0);
    bench_start_edge(bench, ", heartbeat-ms: 10000"); /* a busy machine is no broken link */
    bench_wait(bench, session_came, args);
}

/* A text of this size, which gets smaller by a quarter at most, or to next to nothing. */
static char *text_of(size_t size, bool dense)
{
    char *text = cor_alloc(size + 1);
    srand(7);
    for (size_t i = 0; i < size; i++) {
        text[i] = (char)(dense ? '0' + rand() % 64 : 'a' + (int)(i % 20));
    }
    return text;
}

static void send_object(struct bench *bench, const char *key, size_t size, bool dense)
{
    auto_(cor_freep) char *text = text_of(size, dense);
    auto_(cor_freep) char *path = cor_sprintf("n1/%s", key);
    struct px_node_object object = {.path = cor_view_of(path),
                                    .node = COR_VIEW("n1"),
                                    .key = cor_view_of(key),
                                    .uid = cor_view_of(key),
                                    .version = COR_VIEW("1"),
                                    .body = {text, size}};
    assert_int_equal(cor_send(bench->cloud->port, PX_node_object, &object), COR_OK);
}

static bool has_seen(const struct bench *bench, const char *text)
{
    return bench->seen.len > 0 && strstr(bench->seen.data, text) != NULL;
}

static void ask(struct bench *bench)
{
    struct px_api_call call = {.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
    bench_call(bench, PEER_META, PX_api_call, &call);
    assert_int_equal(bench->answer.status, 200);
}

struct passing {
    const struct bench *bench;
    int direction;
    uint64_t bytes;
};

static bool has_passed(void *arg)
{
    const struct passing *passing = arg;
    return proxy_bytes(passing->bench->proxy, passing->direction) >= passing->bytes;
}

/* What is large is under way: some of it has passed, in steps that the proxy takes for as long as
 * it does what else is asked of the link. */
static void until_under_way(struct bench *bench, int direction, uint64_t before)
{
    struct passing passing = {bench, direction, before + SLOW / 10};
    bench_wait(bench, has_passed, &passing);
}

/* Three seconds of a large object: questions go between. */
static void a_large_object_holds_up_nothing(void **state)
{
    struct bench *bench = *state;
    pace(bench, SLOW);
    unsigned links = bench->links_up;
    uint64_t before = proxy_bytes(bench->proxy, PROXY_DOWN);
    send_object(bench, "ns/configmap/large", LARGE, true);
    until_under_way(bench, PROXY_DOWN, before);
    for (int i = 0; i < 3; i++) {
        ask(bench);
        assert_false(has_seen(bench, "ns/configmap/large"));
    }
    send_object(bench, "ns/configmap/small", 10, true); /* the same lane: behind it */
    bench_seen(bench, "object ns/configmap/small");
    assert_true(has_seen(bench, "object ns/configmap/large v=1\nobject ns/configmap/small"));
    assert_int_equal(bench->links_up, links);
}

/* The other way: devices' messages. */
static void uploads_hold_up_nothing(void **state)
{
    struct bench *bench = *state;
    pace(bench, SLOW);
    unsigned links = bench->links_up;
    bench->size = LARGE / STREAMS;
    uint64_t before = proxy_bytes(bench->proxy, PROXY_UP);
    bench_give(bench, 1);
    until_under_way(bench, PROXY_UP, before);
    for (int i = 0; i < 3; i++) {
        ask(bench);
    }
    assert_true(bench->flows[0].last + bench->flows[1].last + bench->flows[2].last < STREAMS);
    bench_all_there(bench);
    assert_int_equal(bench->links_up, links);
}

/* What Kubernetes says shrinks. */
static void objects_are_compressed(void **state)
{
    struct bench *bench = *state;
    pace(bench, 0);
    uint64_t before = proxy_bytes(bench->proxy, PROXY_DOWN);
    send_object(bench, "ns/configmap/text", 1000000, false);
    bench_seen(bench, "object ns/configmap/text");
    uint64_t cost = proxy_bytes(bench->proxy, PROXY_DOWN) - before;
    print_message("an object of 1000000 bytes of text: %lu bytes on the link\n",
                  (unsigned long)cost);
    assert_true(cost < 50000);
    send_object(bench, "ns/configmap/dense", 5000000, true);
    bench_seen(bench, "object ns/configmap/dense");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_large_object_holds_up_nothing),
        T(uploads_hold_up_nothing),
        T(objects_are_compressed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
