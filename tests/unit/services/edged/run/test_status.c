// SPDX-License-Identifier: Apache-2.0
#include "../sim.h"
#include "services/edged/run/status.h"

#define ONE "'containers':[{'name':'a','image':'i:1'}]"

static const struct cor_wall first_time = {COR_SEC(1000000000)}; /* 2001-09-09T01:46:40Z */
static const struct cor_wall second_time = {COR_SEC(1000000060)};

static struct cor_json *build(struct sim *sim, const struct cor_json *previous, struct cor_wall now)
{
    return status_build(sim->run, &test_facts, previous, now);
}

static const struct cor_json *condition(const struct cor_json *status, const char *type)
{
    const struct cor_json *list = cor_json_get(status, "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "type", ""), type) == 0) {
            return cor_json_item(list, i);
        }
    }
    fail_msg("no condition %s", type);
    return NULL;
}

static void expect_condition(const struct cor_json *status, const char *type, const char *value,
                             const char *reason, const char *message)
{
    const struct cor_json *c = condition(status, type);
    assert_string_equal(cor_json_str_at(c, "status", ""), value);
    assert_string_equal(cor_json_str_at(c, "reason", ""), reason);
    assert_string_equal(cor_json_str_at(c, "message", ""), message);
}

static void test_pending_then_running(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    auto_(cor_json_free) struct cor_json *pending = build(&sim, NULL, first_time);
    assert_string_equal(cor_json_str_at(pending, "phase", ""), "Pending");
    assert_string_equal(cor_json_str_at(pending, "startTime", ""), "2001-09-09T01:46:40Z");
    assert_string_equal(cor_json_str_at(pending, "hostIP", ""), "192.0.2.1");
    assert_string_equal(cor_json_str_at(pending, "qosClass", ""), "BestEffort");
    assert_null(cor_json_get(pending, "podIP"));
    expect_condition(pending, "PodScheduled", "True", "", "");
    expect_condition(pending, "Initialized", "True", "", "");
    expect_condition(pending, "PodReadyToStartContainers", "False", "", "");
    expect_condition(pending, "Ready", "False", "ContainersNotReady",
                     "containers with unready status: [a]");
    const struct cor_json *c = cor_json_item(cor_json_get(pending, "containerStatuses"), 0);
    assert_string_equal(cor_json_str_at(c, "state.waiting.reason", ""), "ContainerCreating");
    assert_false(cor_json_bool_at(c, "ready", true));
    assert_int_equal(cor_json_int_at(c, "restartCount", -1), 0);

    sim_settle(&sim);
    auto_(cor_json_free) struct cor_json *running = build(&sim, pending, second_time);
    assert_string_equal(cor_json_str_at(running, "phase", ""), "Running");
    assert_string_equal(cor_json_str_at(running, "startTime", ""), "2001-09-09T01:46:40Z");
    assert_string_equal(cor_json_str_at(running, "podIP", ""), "10.0.0.5");
    expect_condition(running, "Ready", "True", "", "");
    expect_condition(running, "ContainersReady", "True", "", "");
    expect_condition(running, "PodReadyToStartContainers", "True", "", "");
    assert_string_equal(cor_json_str_at(condition(running, "Ready"), "lastTransitionTime", ""),
                        "2001-09-09T01:47:40Z");
    assert_string_equal(
        cor_json_str_at(condition(running, "PodScheduled"), "lastTransitionTime", ""),
        "2001-09-09T01:46:40Z");
    c = cor_json_item(cor_json_get(running, "containerStatuses"), 0);
    assert_string_equal(cor_json_str_at(c, "containerID", ""), "containerd://c0");
    assert_string_equal(cor_json_str_at(c, "imageID", ""), "sha256:1");
    assert_true(cor_json_bool_at(c, "ready", false));
    assert_true(cor_json_bool_at(c, "started", false));
    assert_string_equal(cor_json_str_at(c, "state.running.startedAt", ""), "1970-01-01T00:00:00Z");

    auto_(cor_json_free) struct cor_json *same = build(&sim, running, first_time);
    assert_true(cor_json_equal(same, running));
    sim_stop(&sim);
}

/* Ready waits for what others say; ContainersReady does not. */
static void test_readiness_gates(void **state)
{
    (void)state;
#define SAYS(type, status) "{'type':'" type "','status':'" status "'}"
    static const struct {
        const char *conditions;
        const char *ready;
        const char *message;
    } ROWS[] = {
        {"", "False",
         "corresponding condition of pod readiness gate \"a/lb\" does not exist., corresponding "
         "condition of pod readiness gate \"b\" does not exist."},
        {SAYS("b", "True") "," SAYS("c", "True"), "False",
         "corresponding condition of pod readiness gate \"a/lb\" does not exist."},
        {SAYS("a/lb", "False") "," SAYS("b", "True"), "False",
         "the status of pod readiness gate \"a/lb\" is not \"True\", but False"},
        {SAYS("a/lb", "True") "," SAYS("b", "True"), "True", ""},
        {SAYS("a/lb", "True") "," SAYS("b", "Unknown"), "False",
         "the status of pod readiness gate \"b\" is not \"True\", but Unknown"},
    };
    struct sim sim;
    sim_start(&sim, "{" ONE ",'readinessGates':[{'conditionType':'a/lb'},{'conditionType':'b'}]}");
    auto_(cor_json_free) struct cor_json *pending = build(&sim, NULL, first_time);
    expect_condition(pending, "Ready", "False", "ContainersNotReady",
                     "containers with unready status: [a]");
    sim_settle(&sim);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_freep) char *text = cor_sprintf("{'conditions':[%s]}", ROWS[i].conditions);
        auto_(cor_json_free) struct cor_json *told = test_json(text);
        run_told_status(sim.run, told);
        auto_(cor_json_free) struct cor_json *status = build(&sim, pending, second_time);
        bool is_true = strcmp(ROWS[i].ready, "True") == 0;
        expect_condition(status, "ContainersReady", "True", "", "");
        expect_condition(status, "Ready", ROWS[i].ready, is_true ? "" : "ReadinessGatesNotReady",
                         ROWS[i].message);
        assert_int_equal(cor_json_count(cor_json_get(status, "conditions")), 5); /* its own */
    }
    sim_stop(&sim);
}

static void test_restarted_container(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    sim_exit(&sim, "a", 3);
    sim_settle(&sim);
    auto_(cor_json_free) struct cor_json *status = build(&sim, NULL, first_time);
    const struct cor_json *c = cor_json_item(cor_json_get(status, "containerStatuses"), 0);
    assert_int_equal(cor_json_int_at(c, "restartCount", -1), 1);
    assert_int_equal(cor_json_int_at(c, "lastState.terminated.exitCode", -1), 3);
    assert_string_equal(cor_json_str_at(c, "lastState.terminated.reason", ""), "Error");
    assert_string_equal(cor_json_str_at(c, "lastState.terminated.containerID", ""),
                        "containerd://c0");
    sim_exit(&sim, "a", 3);
    sim_settle(&sim);
    auto_(cor_json_free) struct cor_json *crash = build(&sim, status, first_time);
    c = cor_json_item(cor_json_get(crash, "containerStatuses"), 0);
    assert_string_equal(cor_json_str_at(c, "state.waiting.reason", ""), "CrashLoopBackOff");
    assert_string_equal(cor_json_str_at(c, "lastState.terminated.containerID", ""),
                        "containerd://c1");
    assert_int_equal(cor_json_int_at(c, "restartCount", -1), 1);
    sim_stop(&sim);
}

static void test_completed(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{'restartPolicy':'Never'," ONE "}");
    sim_settle(&sim);
    sim_exit(&sim, "a", 0);
    sim_settle(&sim);
    auto_(cor_json_free) struct cor_json *status = build(&sim, NULL, first_time);
    assert_string_equal(cor_json_str_at(status, "phase", ""), "Succeeded");
    expect_condition(status, "Ready", "False", "PodCompleted", "");
    expect_condition(status, "Initialized", "True", "PodCompleted", "");
    const struct cor_json *c = cor_json_item(cor_json_get(status, "containerStatuses"), 0);
    assert_string_equal(cor_json_str_at(c, "state.terminated.reason", ""), "Completed");
    sim_stop(&sim);
}

static void test_initializing(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim,
              "{'initContainers':[{'name':'x','image':'i:1'},{'name':'y','image':'i:1'}]," ONE "}");
    sim_settle(&sim);
    sim_exit(&sim, "x", 0);
    sim_settle(&sim);
    auto_(cor_json_free) struct cor_json *status = build(&sim, NULL, first_time);
    assert_string_equal(cor_json_str_at(status, "phase", ""), "Pending");
    expect_condition(status, "Initialized", "False", "ContainersNotInitialized",
                     "containers with incomplete status: [y]");
    const struct cor_json *init = cor_json_get(status, "initContainerStatuses");
    assert_int_equal(cor_json_count(init), 2);
    assert_true(cor_json_bool_at(cor_json_item(init, 0), "ready", false));
    assert_non_null(cor_json_at(cor_json_item(init, 1), "state.running"));
    const struct cor_json *c = cor_json_item(cor_json_get(status, "containerStatuses"), 0);
    assert_string_equal(cor_json_str_at(c, "state.waiting.reason", ""), "PodInitializing");
    sim_stop(&sim);
}

static void test_host_network_and_failure(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{'hostNetwork':true," ONE "}");
    sim_settle(&sim);
    run_fail(sim.run, "DeadlineExceeded", "too long");
    auto_(cor_json_free) struct cor_json *status = build(&sim, NULL, first_time);
    assert_string_equal(cor_json_str_at(status, "podIP", ""), "192.0.2.1");
    assert_string_equal(cor_json_str_at(status, "phase", ""), "Failed");
    assert_string_equal(cor_json_str_at(status, "reason", ""), "DeadlineExceeded");
    expect_condition(status, "Ready", "False", "PodFailed", "");
    auto_(cor_json_free) struct cor_json *patch = status_patch("u1", status, NULL);
    assert_string_equal(cor_json_str_at(patch, "metadata.uid", ""), "u1");
    assert_string_equal(cor_json_str_at(patch, "status.phase", ""), "Failed");
    assert_int_equal(cor_json_count(cor_json_at(patch, "status.podIPs")), 1);
    sim_stop(&sim);
}

/* The API server merges addresses by "ip": those of before must be told to go, and only those that
 * are there. */
static void test_old_addresses_go(void **state)
{
    (void)state;
    static const struct {
        const char *known;
        const char *want;
    } rows[] = {
        {NULL, "[{'ip':'10.1.0.3'}]"},
        {"{}", "[{'ip':'10.1.0.3'}]"},
        {"{'podIPs':[{'ip':'10.1.0.3'}]}", "[{'ip':'10.1.0.3'}]"},
        {"{'podIPs':[{'ip':'10.1.0.2'}]}",
         "[{'ip':'10.1.0.3'},{'$patch':'delete','ip':'10.1.0.2'}]"},
    };
    auto_(cor_json_free) struct cor_json *status = test_json("{'podIPs':[{'ip':'10.1.0.3'}]}");
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *known =
            rows[i].known == NULL ? NULL : test_json(rows[i].known);
        auto_(cor_json_free) struct cor_json *want = test_json(rows[i].want);
        auto_(cor_json_free) struct cor_json *patch = status_patch("u1", status, known);
        assert_true(cor_json_equal(cor_json_at(patch, "status.podIPs"), want));
    }
    auto_(cor_json_free) struct cor_json *clear = status_clear("u1");
    static const char *const gone[] = {"podIP", "podIPs", "hostIPs"};
    for (size_t i = 0; i < COR_COUNT(gone); i++) {
        assert_non_null(cor_json_get(cor_json_get(clear, "status"), gone[i]));
        assert_true(cor_json_is_null(cor_json_get(cor_json_get(clear, "status"), gone[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pending_then_running),
        cmocka_unit_test(test_readiness_gates),
        cmocka_unit_test(test_restarted_container),
        cmocka_unit_test(test_completed),
        cmocka_unit_test(test_initializing),
        cmocka_unit_test(test_host_network_and_failure),
        cmocka_unit_test(test_old_addresses_go),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
