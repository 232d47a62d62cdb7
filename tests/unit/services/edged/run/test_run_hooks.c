// SPDX-License-Identifier: Apache-2.0
// Probes' verdicts, hooks, and the order in which containers end.
#include "../sim.h"
#include "services/edged/run/phase.h"
#include "services/edged/run/status.h"

#define EXEC "{'exec':{'command':['x']}}"
#define LIVE "'livenessProbe':{'exec':{'command':['x']},'terminationGracePeriodSeconds':5}"
#define C(name, more) "{'name':'" name "','image':'i:1'" more "}"

static bool is_noted(const struct sim *sim, const char *text)
{
    for (size_t i = 0; i < sim->run->note_count; i++) {
        if (strstr(sim->run->notes[i].message, text) != NULL) {
            return true;
        }
    }
    return false;
}

static void begin(struct sim *sim, const char *spec)
{
    sim_start(sim, spec);
    sim_settle(sim);
    cor_buf_clear(&sim->log);
}

static void test_liveness(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'restartPolicy':'OnFailure','containers':[" C("a", "," LIVE) "]}");
    run_set_health(sim.run, 0, POD_LIVENESS, RUN_HEALTH_BAD);
    sim_settle(&sim);
    sim_expect(&sim, "stop:a read:a look:a create:a start:a read:a");
    assert_true(is_noted(&sim, "Container a failed liveness probe, will be restarted"));
    assert_false(sim.run->containers[0].sick);
    sim_stop(&sim);
}

/* The grace that the signal is given is the probe's own. */
static void test_probe_grace(void **state)
{
    (void)state;
    struct sim sim;
    struct run_action actions[RUN_ACTIONS_MAX];
    begin(&sim, "{'containers':[" C("a", "," LIVE) "]}");
    run_set_health(sim.run, 0, POD_LIVENESS, RUN_HEALTH_BAD);
    assert_int_equal(run_step(sim.run, sim.now, actions), 1);
    assert_int_equal(actions[0].verb, RUN_STOP);
    assert_int_equal(actions[0].grace_seconds, 5);
    sim_stop(&sim);
}

static void test_startup_gates(void **state)
{
    (void)state;
    struct sim sim;
    begin(
        &sim,
        "{'initContainers':[" C(
            "s",
            ",'restartPolicy':'Always','startupProbe':" EXEC) "],'containers':[" C("a",
                                                                                   ",'"
                                                                                   "readinessProbe'"
                                                                                   ":" EXEC) "]}");
    assert_int_equal(sim.run->containers[1].state, RUN_NONE);
    run_set_health(sim.run, 0, POD_STARTUP, RUN_HEALTH_GOOD);
    sim_settle(&sim);
    assert_int_equal(sim.run->containers[1].state, RUN_RUNNING);
    auto_(cor_json_free) struct cor_json *status =
        status_build(sim.run, &test_facts, NULL, (struct cor_wall){0});
    const struct cor_json *a = cor_json_item(cor_json_get(status, "containerStatuses"), 0);
    const struct cor_json *s = cor_json_item(cor_json_get(status, "initContainerStatuses"), 0);
    assert_false(cor_json_bool_at(a, "ready", true));
    assert_true(cor_json_bool_at(a, "started", false));
    assert_true(cor_json_bool_at(s, "ready", false));
    run_set_health(sim.run, 1, POD_READINESS, RUN_HEALTH_GOOD);
    assert_true(run_seems_ready(sim.run, 1));
    run_set_health(sim.run, 0, POD_STARTUP, RUN_HEALTH_BAD);
    cor_buf_clear(&sim.log);
    sim_settle(&sim);
    assert_true(is_noted(&sim, "Init container s failed startup probe"));
    sim_expect(&sim, "stop:s read:s look:s create:s start:s read:s");
    sim_stop(&sim);
}

static void test_never(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'restartPolicy':'Never','containers':[" C("a", "," LIVE) "]}");
    run_set_health(sim.run, 0, POD_LIVENESS, RUN_HEALTH_BAD);
    sim_settle(&sim);
    assert_true(strcmp(phase_of(sim.run), "Failed") == 0);
    sim_stop(&sim);
}

static void test_post_start(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim,
              "{'containers':[" C("a", ",'lifecycle':{'postStart':" EXEC "}") "," C("b", "") "]}");
    sim.hold_hook = true;
    sim_settle(&sim);
    sim_expect(&sim, "prepare look:a look:b box read-box create:a start:a post-start:a read:a");
    assert_true(run_is_hooked(&sim.run->containers[0]));
    assert_string_equal(phase_of(sim.run), "Pending");
    run_post_start_done(sim.run, 0, NULL);
    sim_settle(&sim);
    sim_expect(&sim, "create:b start:b read:b");
    assert_string_equal(phase_of(sim.run), "Running");
    sim_stop(&sim);
}

static void test_post_start_fails(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{'containers':[" C("a", ",'lifecycle':{'postStart':" EXEC "}") "]}");
    sim.fail_hook = "no";
    sim_settle(&sim);
    assert_true(is_noted(&sim, "PostStartHook failed"));
    assert_true(is_noted(&sim, "FailedPostStartHook"));
    assert_string_equal(sim.run->containers[0].wait_reason, "CrashLoopBackOff");
    sim_stop(&sim);
}

static void test_pre_stop(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'containers':[" C("a", ",'lifecycle':{'preStop':" EXEC "}") "]}");
    sim.hold_hook = true;
    run_end_pod(sim.run, RUN_WANT_GONE, 10);
    sim_settle(&sim);
    sim_expect(&sim, "pre-stop:a");
    sim.now = cor_mono_add(sim.now, COR_SEC(4));
    run_pre_stop_done(sim.run, 0, "exit 1");
    struct run_action actions[RUN_ACTIONS_MAX];
    assert_int_equal(run_step(sim.run, sim.now, actions), 1);
    assert_int_equal(actions[0].verb, RUN_STOP);
    assert_int_equal(actions[0].grace_seconds, 6); /* what the hook has left of it */
    assert_true(is_noted(&sim, "PreStopHook failed"));
    sim_stop(&sim);
}

static void test_pre_stop_too_long(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'containers':[" C("a", ",'lifecycle':{'preStop':" EXEC "}") "]}");
    sim.hold_hook = true;
    run_end_pod(sim.run, RUN_WANT_GONE, 10);
    sim_pass(&sim, COR_SEC(9));
    sim_expect(&sim, "pre-stop:a");
    sim_pass(&sim, COR_SEC(2));
    sim_expect(&sim, "stop:a read:a stop-box remove-box clean");
    assert_true(is_noted(&sim, "PreStop hook not completed in grace period"));
    run_pre_stop_done(sim.run, 0, "too late");
    sim_stop(&sim);
}

/* Main containers together, then the sidecars, the last one first; hooks of all at once. */
static void test_order(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'initContainers':[" C("s", ",'restartPolicy':'Always'") "," C(
                    "t", ",'restartPolicy':'Always','lifecycle':{'preStop':" EXEC
                         "}") "],'containers':[" C("a", "") "," C("b", "") "]}");
    run_end_pod(sim.run, RUN_WANT_GONE, 30);
    sim_settle(&sim);
    sim_expect(&sim, "pre-stop:t stop:a stop:b read:a read:b stop:t read:t stop:s read:s stop-box "
                     "remove-box clean");
    sim_stop(&sim);
}

/* A main container that does not end keeps the sidecars until the grace is over. */
static void test_order_ends(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'initContainers':[" C("s", ",'restartPolicy':'Always'") "],'containers':[" C(
                    "a", "") "]}");
    sim.hold_stop = true;
    run_end_pod(sim.run, RUN_WANT_GONE, 30);
    sim_pass(&sim, COR_SEC(29));
    sim_expect(&sim, "stop:a");
    sim_pass(&sim, COR_SEC(2));
    sim_expect(&sim, "stop:s");
    sim_stop(&sim);
}

/* What the API knew when edged started holds for the very same container. */
static void test_recall(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'containers':[" C("a", ",'startupProbe':" EXEC ",'readinessProbe':" EXEC) "]}");
    assert_false(run_has_started(sim.run, 0));
    auto_(cor_json_free) struct cor_json *status =
        test_json("{'containerStatuses':[{'name':'a','containerID':'containerd://c0','ready':true,"
                  "'started':true,'restartCount':0}]}");
    run_free(&sim.run);
    sim.run = run_new(sim.pod);
    run_recall(sim.run, status);
    const struct cri_container seen = sim_as_cri(&sim.containers[0]);
    run_see_container(sim.run, &seen, sim.now);
    assert_true(run_has_started(sim.run, 0));
    assert_true(run_seems_ready(sim.run, 0));
    sim_stop(&sim);
}

/* They come while the Pod runs, are started once, and change neither phase nor readiness. */
static void test_ephemeral(void **state)
{
    (void)state;
    struct sim sim;
    begin(&sim, "{'initContainers':[" C("i", "") "],'containers':[" C("a", "") "]}");
    struct pod *more = pod_of("{'initContainers':[" C("i", "") "],'containers':[" C(
        "a", "") "],'ephemeralContainers':[" C("d", ",'targetContainerName':'a'") "]}");
    assert_true(run_set_pod(sim.run, more));
    assert_false(run_set_pod(sim.run, sim.pod)); /* none goes away again */
    pod_free(&sim.pod);
    sim.pod = more;
    sim_settle(&sim);
    sim_expect(&sim, "look:d create:d start:d read:d");
    sim_exit(&sim, "d", 1);
    sim_settle(&sim);
    sim_expect(&sim, "read:d");
    sim_exit(&sim, "i", 0);
    assert_string_equal(phase_of(sim.run), "Pending");
    auto_(cor_json_free) struct cor_json *status =
        status_build(sim.run, &test_facts, NULL, (struct cor_wall){0});
    const struct cor_json *d = cor_json_item(cor_json_get(status, "ephemeralContainerStatuses"), 0);
    assert_int_equal(cor_json_int_at(d, "state.terminated.exitCode", -1), 1);
    assert_int_equal(cor_json_count(cor_json_get(status, "containerStatuses")), 1);
    sim_settle(&sim);
    assert_string_equal(phase_of(sim.run), "Running");
    run_end_pod(sim.run, RUN_WANT_GONE, 1);
    sim_settle(&sim);
    assert_true(sim.run->cleaned);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_liveness),      cmocka_unit_test(test_probe_grace),
        cmocka_unit_test(test_startup_gates), cmocka_unit_test(test_never),
        cmocka_unit_test(test_post_start),    cmocka_unit_test(test_post_start_fails),
        cmocka_unit_test(test_pre_stop),      cmocka_unit_test(test_pre_stop_too_long),
        cmocka_unit_test(test_order),         cmocka_unit_test(test_order_ends),
        cmocka_unit_test(test_recall),        cmocka_unit_test(test_ephemeral),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
