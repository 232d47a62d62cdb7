// SPDX-License-Identifier: Apache-2.0
#include "services/edged/stats/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/attr.h"
#include "common/base/mem.h"

static const int64_t NOW = 1700000000123000000;

static struct stats_net nets[] = {
    {"eth0", 1, 2, 3, 4, 5, 6, 7, 8},
    {"wlan0", 10, 20, 30, 40, 50, 60, 70, 80},
};
static struct stats_volume volumes[1];
static struct stats_container containers[2];
static struct stats_pod pods[1];

/* A node with one Pod of two containers; of the second one nothing is known. */
static struct stats make(void)
{
    volumes[0] = (struct stats_volume){"cache", NULL, {100, 60, 40, 10, 9, 1}};
    containers[0] = (struct stats_container){
        .name = "web",
        .id = "c1",
        .image = "a/\"b\":1",
        .cgroup = "/kubepods/podu1/c1",
        .started_ns = 1600000000500000000,
        .cpu = {NOW, 1500000000, 250000000},
        .memory = {NOW, 4096, 2048, 8192, 1024, 512, 7, 1, 10240},
        .layer_bytes = 77,
        .layer_inodes = 3,
        .log_bytes = 11,
        .memory_limit = 10240,
        .cpu_limit_milli = 500,
        .cpu_request_milli = 250,
    };
    containers[1] = (struct stats_container){.name = "side",
                                             .id = "c2",
                                             .image = "x:1",
                                             .cgroup = "/kubepods/podu1/c2",
                                             .cpu = stats_no_cpu(),
                                             .memory = stats_no_memory(),
                                             .layer_bytes = STATS_UNKNOWN,
                                             .layer_inodes = STATS_UNKNOWN,
                                             .log_bytes = STATS_UNKNOWN};
    pods[0] = (struct stats_pod){.name = "p",
                                 .ns = "default",
                                 .uid = "u1",
                                 .sandbox = "s1",
                                 .cgroup = "/kubepods/podu1",
                                 .started_ns = 1600000000000000000,
                                 .cpu = {NOW, 2000000001, STATS_UNKNOWN},
                                 .memory = {NOW, 5000, 3000, STATS_UNKNOWN, 1, 2, 3, 4, 5},
                                 .nets = {NOW, nets, 1},
                                 .processes = 4,
                                 .volumes = volumes,
                                 .volume_count = 1,
                                 .containers = containers,
                                 .container_count = 2};
    return (struct stats){.time_ns = NOW,
                          .node = {.name = "n1",
                                   .booted_ns = 1500000000000000000,
                                   .cpus = 2,
                                   .memory_total = 1 << 20,
                                   .cpu = {NOW, 10000000000, 1000000000},
                                   .memory = {NOW, 9000, 8000, 7000, 6000, 5000, 4, 3, 1 << 20},
                                   .nets = {NOW, nets, 2},
                                   .main_net = "wlan0",
                                   .fs = {1000, 600, 400, 100, 90, 10},
                                   .image_fs = {2000, 1600, 300, 200, 190, 5},
                                   .pids_max = 32768,
                                   .pids = 99},
                          .pods = pods,
                          .pod_count = 1};
}

/* Of the families the last one is there also when nothing is known. */
#define SCRAPE_ERROR                                                                               \
    "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container "       \
    "metrics, 0 otherwise\n"                                                                       \
    "# TYPE resource_scrape_error gauge\n"                                                         \
    "resource_scrape_error "

static const char RESOURCE[] =
    "# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the "
    "container in core-seconds\n"
    "# TYPE container_cpu_usage_seconds_total counter\n"
    "container_cpu_usage_seconds_total{container=\"web\",namespace=\"default\",pod=\"p\"} "
    "1.500000000 1700000000123\n"
    "# HELP container_memory_working_set_bytes [STABLE] Current working set of the container in "
    "bytes\n"
    "# TYPE container_memory_working_set_bytes gauge\n"
    "container_memory_working_set_bytes{container=\"web\",namespace=\"default\",pod=\"p\"} 2048 "
    "1700000000123\n"
    "# HELP container_start_time_seconds [STABLE] Start time of the container since unix epoch in "
    "seconds\n"
    "# TYPE container_start_time_seconds gauge\n"
    "container_start_time_seconds{container=\"web\",namespace=\"default\",pod=\"p\"} "
    "1600000000.500000000\n"
    "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in "
    "core-seconds\n"
    "# TYPE node_cpu_usage_seconds_total counter\n"
    "node_cpu_usage_seconds_total 10.000000000 1700000000123\n"
    "# HELP node_memory_working_set_bytes [STABLE] Current working set of the node in bytes\n"
    "# TYPE node_memory_working_set_bytes gauge\n"
    "node_memory_working_set_bytes 8000 1700000000123\n"
    "# HELP pod_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the pod in "
    "core-seconds\n"
    "# TYPE pod_cpu_usage_seconds_total counter\n"
    "pod_cpu_usage_seconds_total{namespace=\"default\",pod=\"p\"} 2.000000001 1700000000123\n"
    "# HELP pod_memory_working_set_bytes [STABLE] Current working set of the pod in bytes\n"
    "# TYPE pod_memory_working_set_bytes gauge\n"
    "pod_memory_working_set_bytes{namespace=\"default\",pod=\"p\"} 3000 "
    "1700000000123\n" SCRAPE_ERROR "1\n";

static void resource_metrics_are_the_kubelets(void **state)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct stats stats = make();
    (void)state;
    stats.failed = true;
    stats_resource(&stats, &text);
    assert_string_equal(text.data, RESOURCE);
}

static void nothing_is_known(void **state)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct stats stats = {
        .node = {.name = "n1", .main_net = "", .cpu = stats_no_cpu(), .memory = stats_no_memory()}};
    (void)state;
    stats_resource(&stats, &text);
    assert_string_equal(text.data, SCRAPE_ERROR "0\n");
}

static void cadvisor_has_its_series(void **state)
{
    static const char *const LINES[] = {
        "container_cpu_usage_seconds_total{container=\"\",id=\"/\",image=\"\",name=\"\",namespace="
        "\"\",pod=\"\"} 10.000000000 1700000000123\n",
        "container_memory_working_set_bytes{container=\"web\",id=\"/kubepods/podu1/c1\",image="
        "\"a/\\\"b\\\":1\",name=\"c1\",namespace=\"default\",pod=\"p\"} 2048 1700000000123\n",
        "container_network_transmit_bytes_total{container=\"\",id=\"/kubepods/podu1\",image=\"\","
        "name=\"\",namespace=\"default\",pod=\"p\",interface=\"eth0\"} 5 1700000000123\n",
        "container_spec_cpu_quota{container=\"web\",id=\"/kubepods/podu1/c1\",image=\"a/\\\"b\\\""
        ":1\",name=\"c1\",namespace=\"default\",pod=\"p\"} 50000 ",
        "container_spec_cpu_shares{container=\"side\",id=\"/kubepods/podu1/c2\",image=\"x:1\","
        "name=\"c2\",namespace=\"default\",pod=\"p\"} 2 ",
        "# TYPE machine_cpu_cores gauge\nmachine_cpu_cores 2\n",
        "machine_memory_bytes 1048576\n",
    };
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct stats stats = make();
    (void)state;
    stats_cadvisor(&stats, &text);
    for (size_t i = 0; i < COR_COUNT(LINES); i++) {
        if (strstr(text.data, LINES[i]) == NULL) {
            fail_msg("no %s in %s", LINES[i], text.data);
        }
    }
    assert_null(strstr(text.data, "18446744073709551615"));
    assert_null(strstr(text.data, "container_memory_rss{container=\"side\""));
}

static void own_metrics_are_written(void **state)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct stats_self self = {
        .node = "n1", .pods = 3, .containers = 5, .fds = STATS_UNKNOWN, .cpu_ns = 1000000};
    (void)state;
    stats_own(&self, &text);
    assert_non_null(strstr(text.data, "\nkubelet_running_pods 3\n"));
    assert_non_null(
        strstr(text.data, "\nkubelet_running_containers{container_state=\"running\"} 5\n"));
    assert_non_null(strstr(text.data, "\nprocess_cpu_seconds_total 0.001000000\n"));
    assert_non_null(strstr(text.data, "\nkubelet_node_name{node=\"n1\"} 1\n"));
    assert_null(strstr(text.data, "process_open_fds"));
}

static void the_summary_is_the_kubelets(void **state)
{
    static const char POD[] =
        "{\"podRef\":{\"name\":\"p\",\"namespace\":\"default\",\"uid\":\"u1\"},"
        "\"startTime\":\"2020-09-13T12:26:40Z\",\"containers\":[{\"name\":\"web\","
        "\"startTime\":\"2020-09-13T12:26:40Z\","
        "\"cpu\":{\"time\":\"2023-11-14T22:13:20Z\","
        "\"usageNanoCores\":250000000,\"usageCoreNanoSeconds\":1500000000},"
        "\"memory\":{\"time\":\"2023-11-14T22:13:20Z\","
        "\"availableBytes\":8192,\"usageBytes\":4096,\"workingSetBytes\":2048,"
        "\"rssBytes\":1024,\"pageFaults\":7,\"majorPageFaults\":1},"
        "\"rootfs\":{\"time\":\"2023-11-14T22:13:20Z\","
        "\"availableBytes\":1600,\"capacityBytes\":2000,\"usedBytes\":77,"
        "\"inodesFree\":190,\"inodes\":200,\"inodesUsed\":3},"
        "\"logs\":{\"time\":\"2023-11-14T22:13:20Z\","
        "\"availableBytes\":600,\"capacityBytes\":1000,\"usedBytes\":11,"
        "\"inodesFree\":90,\"inodes\":100}}";
    auto_(cor_freep) char *text = NULL;
    struct stats stats = make();
    (void)state;
    auto_(cor_json_free) struct cor_json *all = stats_summary(&stats, false);
    const struct cor_json *pod = cor_json_item(cor_json_get(all, "pods"), 0);
    text = cor_json_text(pod);
    assert_memory_equal(text, POD, sizeof(POD) - 1);
    assert_string_equal(cor_json_str_at(all, "node.network.name", ""), "wlan0");
    assert_int_equal(cor_json_int_at(all, "node.network.rxBytes", 0), 10);
    assert_int_equal(cor_json_count(cor_json_at(all, "node.network.interfaces")), 2);
    assert_int_equal(cor_json_int_at(all, "node.rlimit.maxpid", 0), 32768);
    assert_int_equal(cor_json_int_at(all, "node.runtime.imageFs.usedBytes", 0), 300);
    assert_int_equal(cor_json_int_at(cor_json_get(pod, "ephemeral-storage"), "usedBytes", 0),
                     77 + 11);
    assert_int_equal(cor_json_int_at(cor_json_item(cor_json_get(pod, "volume"), 0), "usedBytes", 0),
                     40);
    assert_int_equal(cor_json_int_at(pod, "process_stats.process_count", 0), 4);
}

static void only_cpu_and_memory(void **state)
{
    struct stats stats = make();
    (void)state;
    auto_(cor_json_free) struct cor_json *some = stats_summary(&stats, true);
    const struct cor_json *pod = cor_json_item(cor_json_get(some, "pods"), 0);
    const struct cor_json *c = cor_json_item(cor_json_get(pod, "containers"), 0);
    assert_int_equal(cor_json_count(cor_json_get(some, "node")), 4);
    assert_int_equal(cor_json_count(pod), 5);
    assert_int_equal(cor_json_count(c), 4);
    assert_int_equal(cor_json_int_at(c, "memory.workingSetBytes", 0), 2048);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resource_metrics_are_the_kubelets),
        cmocka_unit_test(nothing_is_known),
        cmocka_unit_test(cadvisor_has_its_series),
        cmocka_unit_test(own_metrics_are_written),
        cmocka_unit_test(the_summary_is_the_kubelets),
        cmocka_unit_test(only_cpu_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
