// SPDX-License-Identifier: Apache-2.0
// The link in the Coracle dialect, from the edge's services to the controller and back.
#include "tests/contract/link/harness.h"
#include "tests/support/text/text.h"

#include <signal.h>

static void streams_pass_through(void **state)
{
    enum { MANY = 10000 };
    struct bench *bench = *state;
    bench_give(bench, 1);
    bench_all_there(bench);
    struct cor_mono begin = cor_mono_now();
    bench_give(bench, MANY);
    bench_all_there(bench);
    double took = (double)cor_mono_since(cor_mono_now(), begin) / 1000000;
    print_message("%d messages of 250 bytes in %.2f s: %.0f/s\n", MANY * STREAMS, took,
                  MANY * STREAMS / took);
}

/* What a hop has confirmed is what was confirmed to it, and both are in its books. */
static void books_of_the_hops(void **state)
{
    static const char *const HUBS[] = {"edgehub", "cloudhub"};
    enum { MANY = 500 };
    struct bench *bench = *state;
    bench_give(bench, MANY);
    bench_all_there(bench);
    for (size_t i = 0; i < COR_COUNT(HUBS); i++) {
        static const char *const COLUMNS[] = {"received", "passed",    "offered",
                                              "accepted", "delivered", "place"};
        for (size_t c = 0; c < COR_COUNT(COLUMNS); c++) {
            bench_counted(bench, HUBS[i], "uploads", "topic/2/user/x", COLUMNS[c], MANY);
        }
    }
    struct px_device_report report = {
        .device = COR_VIEW("default/d1"), .kind = PX_REPORT_TWIN, .body = COR_VIEW("{}")};
    bench_call(bench, PEER_TWIN, PX_device_report, &report);
    bench_counted(bench, "edgehub", "reports", "", "delivered", 1);
    bench_counted(bench, "cloudhub", "reports", "", "delivered", 1);
    report.device = COR_VIEW("default/bad");
    bench_call(bench, PEER_TWIN, PX_device_report, &report);
    bench_counted(bench, "edgehub", "reports", "", "refused", 1);
    bench_controller(bench, false);
    struct px_api_call call = {.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
    bench_call(bench, PEER_META, PX_api_call, &call);
    bench_counted(bench, "cloudhub", "calls", "", "refused", 1);
    bench_counted(bench, "edgehub", "calls", "", "delivered", 1); /* the answer was 503 */
}

static void objects_are_counted(void **state)
{
    struct bench *bench = *state;
    hub_send_object(bench->cloud, "default/pod/p", "5", false);
    bench_seen(bench, "object default/pod/p v=5");
    bench_counted(bench, "cloudhub", "objects", "", "stored", 1);
    struct px_object_stored stored = {
        .key = COR_VIEW("default/pod/p"), .version = COR_VIEW("5"), .id = bench->object_id};
    assert_int_equal(cor_send(bench->peers.ports[PEER_META], PX_object_stored, &stored), COR_OK);
    bench_counted(bench, "edgehub", "objects", "", "delivered", 1);
    bench_counted(bench, "cloudhub", "objects", "nodes", "delivered", 1);
}

static void calls_are_answered(void **state)
{
    static const struct {
        uint64_t verb;
        const char *key;
        uint64_t status;
    } rows[] = {{PX_VERB_GET, "default/configmap/c", 200},
                {PX_VERB_CREATE, "null/node/n1", 200},
                {PX_VERB_PATCH, "default/pod/p", 200},
                {PX_VERB_GET, "null/node/n2", 403},
                {PX_VERB_UPDATE, "kube-node-lease/lease/n2", 403}};
    struct bench *bench = *state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_api_call call = {
            .verb = rows[i].verb, .key = cor_view_of(rows[i].key), .body = COR_VIEW("{}")};
        bench_call(bench, PEER_META, PX_api_call, &call);
        assert_int_equal(bench->answer.status, rows[i].status);
    }
    bench_controller(bench, false);
    struct px_api_call call = {.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
    bench_call(bench, PEER_META, PX_api_call, &call);
    assert_int_equal(bench->answer.status, 503);
}

static void reports_end_one_way_or_the_other(void **state)
{
    static const struct {
        const char *device;
        enum cor_code failure;
        uint64_t dropped;
    } rows[] = {{"default/d1", COR_OK, 0},
                {"default/unknown", COR_OK, 1},
                {"default/bad", COR_CONFLICT, 0}};
    struct bench *bench = *state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_device_report report = {
            .device = cor_view_of(rows[i].device), .kind = PX_REPORT_TWIN, .body = COR_VIEW("{}")};
        bench_call(bench, PEER_TWIN, PX_device_report, &report);
        assert_int_equal(bench->answer.code, rows[i].failure);
        assert_int_equal(bench->answer.status, rows[i].dropped);
    }
}

static size_t count_of(const struct bench *bench, const char *text)
{
    return test_count(bench->seen.data, text);
}

static bool has_twice(void *arg)
{
    void **args = arg;
    return count_of(args[0], args[1]) >= 2;
}

/* Sent again until the store has it, and not after that. */
static void objects_until_they_are_stored(void **state)
{
    struct bench *bench = *state;
    void *args[] = {bench, (void *)(uintptr_t) "object default/pod/p v=5"};
    hub_send_object(bench->cloud, "default/pod/p", "5", false);
    bench_seen(bench, "object default/pod/p v=5");
    bench_wait(bench, has_twice, args); /* after 300 ms: the same again */
    hub_send_object(bench->cloud, "default/pod/p", "6", false);
    struct px_object_stored stored = {
        .key = COR_VIEW("default/pod/p"), .version = COR_VIEW("5"), .id = bench->object_id};
    assert_int_equal(cor_send(bench->peers.ports[PEER_META], PX_object_stored, &stored), COR_OK);
    bench_seen(bench, "object default/pod/p v=6");
    stored.version = COR_VIEW("6");
    assert_int_equal(cor_send(bench->peers.ports[PEER_META], PX_object_stored, &stored), COR_OK);
    hub_send_object(bench->cloud, "default/pod/p", "7", true);
    bench_seen(bench, "object default/pod/p! v=7");
    stored.version = COR_VIEW("7");
    assert_int_equal(cor_send(bench->peers.ports[PEER_META], PX_object_stored, &stored), COR_OK);
    /* What was on its way down is there before another, whose ack comes behind the last. */
    bench->stores = true;
    hub_send_object(bench->cloud, "default/pod/q", "1", false);
    bench_seen(bench, "object default/pod/q v=1");
    bench_counted(bench, "cloudhub", "objects", "nodes", "delivered", 4);
    size_t before = count_of(bench, "object");
    bench_run(bench, COR_MS(700));
    assert_int_equal(count_of(bench, "object"), before);
}

static void memberships_and_rules_go_down(void **state)
{
    struct bench *bench = *state;
    struct px_node_membership membership = {.node = COR_VIEW("n1"), .body = COR_VIEW("{\"a\":1}")};
    assert_int_equal(cor_send(bench->cloud->port, PX_node_membership, &membership), COR_OK);
    bench_seen(bench, "membership {\"a\":1}\n");
    struct cor_view topics[] = {COR_VIEW("default/a"), COR_VIEW("default/b")};
    struct px_node_subscriptions wanted = {.node = COR_VIEW("n1"), .topics = {topics, 2}};
    assert_int_equal(cor_send(bench->cloud->port, PX_node_subscriptions, &wanted), COR_OK);
    bench_seen(bench, "subscriptions default/a default/b\n");
    struct px_node_publish publish = {.node = COR_VIEW("n1"),
                                      .topic = COR_VIEW("default/a"),
                                      .payload = COR_VIEW("x"),
                                      .idempotency = COR_VIEW("k1")};
    bench_call(bench, -1, PX_node_publish, &publish);
    assert_int_equal(bench->answer.code, COR_OK);
    bench_seen(bench, "publish default/a x k1\n");
    bench->publish_code = COR_RETRY;
    bench_call(bench, -1, PX_node_publish, &publish);
    assert_int_equal(bench->answer.code, COR_RETRY);
    publish.node = COR_VIEW("n2");
    bench_call(bench, -1, PX_node_publish, &publish);
    assert_int_equal(bench->answer.code, COR_GONE);
}

static void renew(struct bench *bench, int seconds)
{
    auto_(cor_freep) char *text = cor_sprintf(
        "{\"metadata\":{\"resourceVersion\":\"9\"},\"spec\":{\"leaseDurationSeconds\":%d}}",
        seconds);
    struct px_api_call call = {.verb = PX_VERB_UPDATE,
                               .key = COR_VIEW("kube-node-lease/lease/n1"),
                               .body = cor_view_of(text)};
    bench_call(bench, PEER_META, PX_api_call, &call);
    assert_int_equal(bench->answer.status, 200);
}

static bool is_alive_twice(void *arg)
{
    return ((const struct bench *)arg)->alive >= 2;
}

/* The renewal goes with the heartbeat; an edged that renews no more does not look alive. */
static void heartbeats_renew_the_lease(void **state)
{
    struct bench *bench = *state;
    bench_run(bench, COR_MS(2 * HEARTBEAT_MS));
    assert_int_equal(bench->alive, 0); /* heartbeats alone say nothing of edged */
    renew(bench, 40);
    renew(bench, 40);
    bench_wait(bench, is_alive_twice, bench);
    assert_int_equal(bench->seconds, 40);
    bench_run(bench, COR_MS(3 * HEARTBEAT_MS));
    assert_int_equal(bench->alive, 2);
    assert_int_equal(bench->links_up, 1);
}

/* What a heartbeat costs on the wire, as TLS records; with one in 20 s a link that has nothing else
 * to say stays below 30 bytes/s by far. */
static void idle_link_costs_little(void **state)
{
    enum { BEATS = 8, PERIOD_S = 20 };
    struct bench *bench = *state;
    renew(bench, 40);
    bench_run(bench, COR_MS(HEARTBEAT_MS + 50));
    uint64_t before = proxy_bytes(bench->proxy, PROXY_UP) + proxy_bytes(bench->proxy, PROXY_DOWN);
    for (int i = 0; i < BEATS; i++) {
        renew(bench, 40);
        bench_run(bench, COR_MS(HEARTBEAT_MS));
    }
    uint64_t bytes =
        proxy_bytes(bench->proxy, PROXY_UP) + proxy_bytes(bench->proxy, PROXY_DOWN) - before;
    print_message("%lu bytes for %d heartbeats, both ways: %.1f bytes/s with one in %d s\n",
                  (unsigned long)bytes, BEATS, (double)bytes / BEATS / PERIOD_S, PERIOD_S);
    assert_true(bytes > 0);
    assert_true(bytes / BEATS / PERIOD_S <= 30);
}

static bool is_over(void *arg)
{
    const struct bench *bench = arg;
    uint64_t acked = 0;
    for (int i = 0; i < STREAMS; i++) {
        acked += bench->flows[i].acked;
    }
    return bench->old_uploads == acked && acked == 5 * STREAMS;
}

/* One side that does not want to, and the link speaks KubeEdge: both hubs stand in as the sink. */
static void kubeedge_when_one_side_wants_it(void **state)
{
    struct bench *bench = *state;
    (void)test_process_stop(&bench->edge, SIGTERM);
    bench_start_edge(bench, ", dialect: kubeedge");
    bench_link_up(bench, 1);
    bench_give(bench, 5);
    bench_wait(bench, is_over, bench);
    struct px_api_call call = {.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
    bench_call(bench, PEER_META, PX_api_call, &call);
    assert_int_equal(bench->answer.status, 200);
}

static bool is_called(void *arg)
{
    struct bench *bench = arg;
    renew(bench, 40);
    return bench->lease_calls > 0;
}

static bool is_alive_again(void *arg)
{
    void **args = arg;
    struct bench *bench = args[0];
    renew(bench, 40);
    return bench->alive > (unsigned)(uintptr_t)args[1];
}

/* What an old controller was sent counts as delivered, and edged's renewals go to it as calls. */
static void controller_of_v0_1_0(void **state)
{
    struct bench *bench = *state;
    bench_old_controller(bench);
    bench_give(bench, 5);
    bench_wait(bench, is_over, bench);
    bench_wait(bench, is_called, bench);
    assert_int_equal(bench->lease_calls, 1);
    renew(bench, 40);
    assert_int_equal(bench->lease_calls, 2);
    /* From its hello on a new connection knows it, too. */
    proxy_cut_after(bench->proxy, PROXY_UP, 1);
    bench_give(bench, 1);
    bench_link_up(bench, 2);
    renew(bench, 40);
    assert_int_equal(bench->lease_calls, 3);
    for (int i = 0; i < STREAMS; i++) {
        bench->flows[i].last = 6; /* in the end those have been sent, and acknowledged */
    }
    bench_all_there(bench);
    bench_controller(bench, true);
    bench_give(bench, 5);
    bench_all_there(bench);
    void *again[] = {bench, (void *)(uintptr_t)bench->alive};
    bench_wait(bench, is_alive_again, again);
}

static bool all_are_uploaded(void *arg)
{
    return ((const struct bench *)arg)->old_uploads >= 3 * 2000;
}

/* An old controller that takes nothing for a while, and one that goes, lose nothing that they have
 * not been sent. */
static void controller_of_v0_1_0_is_slow(void **state)
{
    struct bench *bench = *state;
    bench_old_controller(bench);
    cor_port_pause(bench->cloud->port, true);
    bench_give(bench, 2000);
    bench_run(bench, COR_MS(300));
    assert_true(bench->old_uploads < 3 * 2000);
    cor_port_pause(bench->cloud->port, false);
    bench_wait(bench, all_are_uploaded, bench);
    assert_int_equal(bench->old_uploads, 3 * 2000);
}

static void eventbus_of_v0_1_0(void **state)
{
    struct bench *bench = *state;
    bench_old_eventbus(bench);
    bench_give(bench, 500);
    bench_all_there(bench);
    bench_give(bench, 500);
    bench_controller(bench, false);
    bench_run(bench, COR_MS(20));
    bench_controller(bench, true); /* no REOPEN for it: a new session */
    bench_all_there(bench);
    bench_give(bench, 500);
    proxy_cut_after(bench->proxy, PROXY_UP, 5000);
    bench_all_there(bench);
    bench_link_up(bench, 2);
    struct cor_view topics[] = {COR_VIEW("default/a")};
    struct px_node_subscriptions wanted = {.node = COR_VIEW("n1"), .topics = {topics, 1}};
    assert_int_equal(cor_send(bench->cloud->port, PX_node_subscriptions, &wanted), COR_OK);
    bench_seen(bench, "subscribe default/a\n");
    struct px_node_publish publish = {
        .node = COR_VIEW("n1"), .topic = COR_VIEW("default/a"), .payload = COR_VIEW("x")};
    bench_call(bench, -1, PX_node_publish, &publish);
    assert_int_equal(bench->answer.code, COR_OK);
    bench_seen(bench, "mqtt out default/a x\n");
}

/* Both ends know how the node's clock stands to the cloud's; here it is the same one. */
static void clocks_are_compared(void **state)
{
    enum { NEAR_MS = 5000 };
    struct bench *bench = *state;
    auto_(cor_json_free) struct cor_json *edge = bench_ask(bench, "edgehub", "stats");
    auto_(cor_json_free) struct cor_json *nodes = bench_ask(bench, "cloudhub", "nodes");
    int64_t error = cor_json_int_at(edge, "clock_error_ms", -1);
    assert_in_range(error, 0, NEAR_MS);
    assert_in_range(cor_json_int_at(edge, "clock_ahead_ms", -NEAR_MS) + error + 1, 0,
                    2 * (error + 1));
    assert_in_range(cor_json_int_at(cor_json_item(nodes, 0), "clockAheadMs", -2 * NEAR_MS) +
                        NEAR_MS,
                    0, 2 * NEAR_MS);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, bench_setup, bench_teardown)
#define BRISK(fn) cmocka_unit_test_setup_teardown(fn, bench_setup_brisk, bench_teardown)
    const struct CMUnitTest tests[] = {
        T(streams_pass_through),
        T(books_of_the_hops),
        T(objects_are_counted),
        T(calls_are_answered),
        T(reports_end_one_way_or_the_other),
        T(objects_until_they_are_stored),
        T(memberships_and_rules_go_down),
        BRISK(heartbeats_renew_the_lease),
        BRISK(idle_link_costs_little),
        T(clocks_are_compared),
        T(kubeedge_when_one_side_wants_it),
        T(controller_of_v0_1_0),
        T(controller_of_v0_1_0_is_slow),
        T(eventbus_of_v0_1_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
