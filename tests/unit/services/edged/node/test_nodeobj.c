// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/node/nodeobj.h"

static const struct cor_wall time_1 = {COR_SEC(1000000000)};
static const struct cor_wall time_2 = {COR_SEC(1000000060)};

static const char *const labels[] = {"zone=a", "empty="};
static const char *const taints[] = {"dedicated=gpu:NoSchedule", "slow:NoExecute"};

static const struct node_info info = {
    .name = "n1",
    .ips = {"192.0.2.1"},
    .ip_count = 1,
    .machine_id = "m",
    .system_uuid = "s",
    .boot_id = "b",
    .kernel = "6.1",
    .os_image = "Debian",
    .arch = "amd64",
    .runtime = "containerd://1.6.20",
    .labels = labels,
    .label_count = 2,
    .taints = taints,
    .taint_count = 2,
    .schedulable = false,
    .cpus = 2,
    .memory = INT64_C(4) << 30,
    .storage = INT64_C(100) << 30,
    .port = 10350,
};

static const struct node_state well = {true, true, "", false, false, false, false, NULL};

static const char *condition(const struct cor_json *status, size_t index, const char *key)
{
    return cor_json_str_at(cor_json_item(cor_json_get(status, "conditions"), index), key, "");
}

static void test_object(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *status = node_status(&info, &well, NULL, time_1);
    auto_(cor_json_free) struct cor_json *node = node_object(&info, status);
    const struct cor_json *map = cor_json_at(node, "metadata.labels");
    static const struct {
        const char *key;
        const char *value;
    } cases[] = {
        {"node-role.kubernetes.io/edge", ""},
        {"node-role.kubernetes.io/agent", ""},
        {"kubernetes.io/hostname", "n1"},
        {"kubernetes.io/os", "linux"},
        {"kubernetes.io/arch", "amd64"},
        {"beta.kubernetes.io/arch", "amd64"},
        {"zone", "a"},
        {"empty", ""},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        assert_string_equal(cor_json_as_str(cor_json_get(map, cases[i].key), "?"), cases[i].value);
    }
    const struct cor_json *list = cor_json_at(node, "spec.taints");
    assert_string_equal(cor_json_str_at(cor_json_item(list, 0), "value", ""), "gpu");
    assert_string_equal(cor_json_str_at(cor_json_item(list, 1), "effect", ""), "NoExecute");
    assert_null(cor_json_get(cor_json_item(list, 1), "value"));
    assert_true(cor_json_bool_at(node, "spec.unschedulable", false));
    assert_string_equal(cor_json_str_at(node, "status.capacity.cpu", ""), "2");
    assert_string_equal(cor_json_str_at(node, "status.capacity.memory", ""), "4194304Ki");
    assert_string_equal(cor_json_str_at(node, "status.allocatable.memory", ""), "4091904Ki");
    assert_string_equal(cor_json_str_at(node, "status.capacity.pods", ""), "110");
    assert_int_equal(cor_json_int_at(node, "status.daemonEndpoints.kubeletEndpoint.Port", 0),
                     10350);
    const struct cor_json *addresses = cor_json_at(node, "status.addresses");
    assert_string_equal(cor_json_str_at(cor_json_item(addresses, 0), "type", ""), "InternalIP");
    assert_string_equal(cor_json_str_at(cor_json_item(addresses, 1), "address", ""), "n1");
}

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        struct node_state state;
        size_t index;
        const char *status;
        const char *reason;
    } cases[] = {
        {{true, true, "", false, false, false, false, NULL}, 3, "True", "EdgeReady"},
        {{true, true, "", false, false, false, true, NULL}, 3, "False", "KubeletNotReady"},
        {{true, true, "", false, false, true, false, NULL}, 2, "True", "KubeletHasInsufficientPID"},
        {{false, false, "", false, false, false, false, NULL}, 3, "False", "KubeletNotReady"},
        {{true, false, "no CNI", false, false, false, false, NULL}, 3, "False", "KubeletNotReady"},
        {{true, true, "", true, false, false, false, NULL},
         0,
         "True",
         "KubeletHasInsufficientMemory"},
        {{true, true, "", false, true, false, false, NULL}, 1, "True", "KubeletHasDiskPressure"},
        {{true, true, "", false, false, false, false, NULL},
         1,
         "False",
         "KubeletHasNoDiskPressure"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *status =
            node_status(&info, &cases[i].state, NULL, time_1);
        assert_string_equal(condition(status, cases[i].index, "status"), cases[i].status);
        assert_string_equal(condition(status, cases[i].index, "reason"), cases[i].reason);
    }
}

static void test_times_and_differences(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *first = node_status(&info, &well, NULL, time_1);
    auto_(cor_json_free) struct cor_json *same = node_status(&info, &well, first, time_2);
    assert_false(node_status_differs(first, same));
    assert_string_equal(condition(same, 3, "lastHeartbeatTime"), "2001-09-09T01:47:40Z");
    assert_string_equal(condition(same, 3, "lastTransitionTime"), "2001-09-09T01:46:40Z");
    struct node_state bad = well;
    bad.runtime_up = false;
    auto_(cor_json_free) struct cor_json *down = node_status(&info, &bad, same, time_2);
    assert_true(node_status_differs(same, down));
    assert_string_equal(condition(down, 3, "lastTransitionTime"), "2001-09-09T01:47:40Z");
    assert_string_equal(condition(down, 3, "message"), "container runtime is down");
    assert_true(node_status_differs(NULL, down));
    auto_(cor_json_free) struct cor_json *patch = node_patch(down);
    const struct cor_json *list = cor_json_at(patch, "status.addresses");
    assert_string_equal(cor_json_str_at(cor_json_item(list, 2), "$patch", ""), "replace");
    auto_(cor_json_free) struct cor_json *beats = node_patch_heartbeats(down);
    auto_(cor_freep) char *text = cor_json_text(beats);
    assert_non_null(
        strstr(text, "{\"type\":\"Ready\",\"lastHeartbeatTime\":\"2001-09-09T01:47:40Z\"}"));
    assert_true(strlen(text) < 320);
}

static void test_lease(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *first = node_lease("n1", "", NULL, time_1);
    assert_null(cor_json_at(first, "metadata.ownerReferences"));
    assert_int_equal(cor_json_int_at(first, "spec.leaseDurationSeconds", 0), 40);
    cor_json_set_at(first, "metadata.resourceVersion", cor_json_str("7"));
    auto_(cor_json_free) struct cor_json *next = node_lease("n1", "u", first, time_2);
    assert_string_equal(cor_json_str_at(next, "metadata.resourceVersion", ""), "7");
    assert_string_equal(cor_json_str_at(next, "spec.renewTime", ""), "2001-09-09T01:47:40.000000Z");
    assert_string_equal(
        cor_json_str_at(cor_json_item(cor_json_at(next, "metadata.ownerReferences"), 0), "uid", ""),
        "u");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_times_and_differences),
        cmocka_unit_test(test_lease),
    };
    return cmocka_run_group_tests_name("nodeobj", tests, NULL, NULL);
}
