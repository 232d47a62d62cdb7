// SPDX-License-Identifier: Apache-2.0
// Lives of pods against a runtime that obeys at once.
#include "../sim.h"
#include "services/edged/run/phase.h"

#define ONE "'containers':[{'name':'a','image':'i:1'}]"
#define TWO "'containers':[{'name':'a','image':'i:1'},{'name':'b','image':'i:1'}]"
#define WITH_INIT "'initContainers':[{'name':'x','image':'i:1'},{'name':'y','image':'i:1'}]," ONE

static void test_a_pod_starts(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" TWO "}");
    sim_settle(&sim);
    sim_expect(
        &sim, "prepare look:a look:b box read-box create:a create:b start:a start:b read:a read:b");
    assert_string_equal(phase_of(sim.run), "Running");
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim.run->wake_at.us, INT64_MAX);
    assert_int_equal(sim_notes(&sim, "Started"), 2);
    sim_stop(&sim);
}

static void test_init_containers_run_in_order(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" WITH_INIT "}");
    sim_settle(&sim);
    sim_expect(&sim, "prepare look:x look:a box read-box create:x start:x read:x");
    assert_string_equal(phase_of(sim.run), "Pending");
    sim_exit(&sim, "x", 0);
    sim_settle(&sim);
    sim_expect(&sim, "read:x look:y create:y start:y read:y");
    sim_exit(&sim, "y", 1);
    sim_settle(&sim);
    sim_expect(&sim, "read:y look:y create:y start:y read:y");
    assert_string_equal(phase_of(sim.run), "Pending");
    sim_exit(&sim, "y", 0);
    sim_settle(&sim);
    sim_expect(&sim, "read:y create:a start:a read:a");
    assert_string_equal(phase_of(sim.run), "Running");
    sim_stop(&sim);
}

static void test_init_failure_is_final_when_never_restarted(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{'restartPolicy':'Never'," WITH_INIT "}");
    sim_settle(&sim);
    sim_exit(&sim, "x", 3);
    sim_settle(&sim);
    assert_string_equal(phase_of(sim.run), "Failed");
    cor_buf_clear(&sim.log);
    sim_pass(&sim, COR_SEC(1000));
    sim_expect(&sim, "");
    sim_stop(&sim);
}

static void test_sidecar(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim,
              "{'initContainers':[{'name':'x','image':'i:1','restartPolicy':'Always'}]," ONE "}");
    sim_settle(&sim);
    sim_expect(
        &sim, "prepare look:x look:a box read-box create:x start:x read:x create:a start:a read:a");
    sim_exit(&sim, "x", 0);
    sim_settle(&sim);
    sim_expect(&sim, "read:x look:x create:x start:x read:x");
    assert_string_equal(phase_of(sim.run), "Running");
    sim_stop(&sim);
}

/* First restart at once, then after 10 s, 20 s ... 300 s; forgotten after 10 min. */
static void test_restart_back_off(void **state)
{
    (void)state;
    static const int waits[] = {0, 10, 20, 40, 80, 160, 300, 300};
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    for (size_t i = 0; i < COR_COUNT(waits); i++) {
        sim_exit(&sim, "a", 1);
        sim_settle(&sim);
        if (waits[i] > 0) {
            assert_int_equal(sim_state(&sim, "a")->state, RUN_EXITED);
            assert_string_equal(sim_state(&sim, "a")->wait_reason, "CrashLoopBackOff");
            assert_string_equal(phase_of(sim.run), "Running");
            sim_pass(&sim, COR_SEC(waits[i]) - 1);
            assert_int_equal(sim_state(&sim, "a")->state, RUN_EXITED);
            sim_pass(&sim, 1);
            sim_settle(&sim);
        }
        assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
        assert_null(sim_state(&sim, "a")->wait_reason);
        assert_int_equal(sim_state(&sim, "a")->attempt, i + 1);
    }
    sim_pass(&sim, COR_SEC(601));
    sim_exit(&sim, "a", 1);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    size_t left = 0; /* the running one and the last dead one */
    for (size_t i = 0; i < sim.container_count; i++) {
        left += sim.containers[i].removed ? 0 : 1;
    }
    assert_int_equal(left, 2);
    sim_stop(&sim);
}

static void test_back_off_text(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    sim_exit(&sim, "a", 1);
    sim_settle(&sim);
    sim_exit(&sim, "a", 1);
    sim_settle(&sim);
    assert_string_equal(sim_state(&sim, "a")->wait_message,
                        "back-off 10s restarting failed container=a pod=web_default(u1)");
    assert_int_equal(sim_notes(&sim, "BackOff"), 1);
    sim_stop(&sim);
}

static void test_restart_policies(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int32_t code;
        bool again;
        const char *phase;
    } cases[] = {
        {"Always", 0, true, "Running"},       {"Always", 1, true, "Running"},
        {"OnFailure", 0, false, "Succeeded"}, {"OnFailure", 1, true, "Running"},
        {"Never", 0, false, "Succeeded"},     {"Never", 1, false, "Failed"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *spec =
            cor_sprintf("{'restartPolicy':'%s'," ONE "}", cases[i].policy);
        struct sim sim;
        sim_start(&sim, spec);
        sim_settle(&sim);
        sim_exit(&sim, "a", cases[i].code);
        sim_settle(&sim);
        assert_int_equal(sim_state(&sim, "a")->state, cases[i].again ? RUN_RUNNING : RUN_EXITED);
        assert_string_equal(phase_of(sim.run), cases[i].phase);
        assert_int_equal(sim.run->sandbox.state, cases[i].again ? RUN_BOX_READY : RUN_BOX_STOPPED);
        sim_stop(&sim);
    }
}

static void test_half_done_is_running(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{'restartPolicy':'Never'," TWO "}");
    sim_settle(&sim);
    sim_exit(&sim, "a", 1);
    sim_settle(&sim);
    assert_string_equal(phase_of(sim.run), "Running");
    assert_int_equal(sim.run->sandbox.state, RUN_BOX_READY);
    sim_exit(&sim, "b", 0);
    sim_settle(&sim);
    assert_string_equal(phase_of(sim.run), "Failed");
    sim_stop(&sim);
}

/* The event of the end comes before the runtime's own view has it. */
static void test_end_told_early(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    sim.late_reads = 3;
    sim_exit(&sim, "a", 1);
    sim_pass(&sim, COR_MS(100));
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 1);
    sim_stop(&sim);
}

static void test_end_told_wrongly_is_not_believed_for_ever(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    run_told_end(sim.run, 0);
    sim_pass(&sim, COR_SEC(10));
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    sim_stop(&sim);
}

static void test_images(void **state)
{
    (void)state;
    static const struct {
        const char *container;
        bool absent;
        const char *fail_pull;
        const char *reason;
        const char *message;
    } cases[] = {
        {"'image':'i:1','imagePullPolicy':'Never'", true, NULL, "ErrImageNeverPull",
         "Container image \"i:1\" is not present with pull policy of Never"},
        {"'image':'i:1','imagePullPolicy':'Never'", false, NULL, NULL, NULL},
        {"'image':'i:1'", true, NULL, NULL, NULL},
        {"'image':'i:1','imagePullPolicy':'Always'", false, "no route", "ImagePullBackOff",
         "Back-off pulling image \"i:1\""},
        {"'image':'i:1'", true, "no route", "ImagePullBackOff", "Back-off pulling image \"i:1\""},
        {"'image':'Bad Name'", false, NULL, "InvalidImageName",
         "Failed to apply default image tag \"Bad Name\": couldn't parse image name \"Bad Name\": "
         "invalid reference format"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *spec =
            cor_sprintf("{'containers':[{'name':'a',%s}]}", cases[i].container);
        struct sim sim;
        sim_start(&sim, spec);
        sim.image_absent = cases[i].absent;
        sim.fail_pull = cases[i].fail_pull;
        sim_settle(&sim);
        const struct run_container *c = sim_state(&sim, "a");
        assert_int_equal(c->state, cases[i].reason == NULL ? RUN_RUNNING : RUN_NONE);
        if (cases[i].reason != NULL) {
            assert_string_equal(c->wait_reason, cases[i].reason);
            assert_string_equal(c->wait_message, cases[i].message);
            assert_true(sim_notes(&sim, "Failed") > 0);
            assert_string_equal(phase_of(sim.run), "Pending");
        }
        sim_stop(&sim);
    }
}

static void test_pull_is_tried_again(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim.image_absent = true;
    sim.fail_pull = "no route";
    sim_settle(&sim);
    cor_buf_clear(&sim.log);
    sim_pass(&sim, COR_SEC(9));
    sim_expect(&sim, "");
    sim_pass(&sim, COR_SEC(2));
    sim_expect(&sim, "pull:a");
    sim_pass(&sim, COR_SEC(18));
    sim_expect(&sim, "");
    sim.fail_pull = NULL;
    sim_pass(&sim, COR_SEC(2));
    sim_expect(&sim, "pull:a create:a start:a read:a");
    sim_stop(&sim);
}

static void test_missing_config_is_retried_when_it_comes(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim.fail_config = "configmap \"cm\" not found";
    sim_settle(&sim);
    assert_string_equal(sim_state(&sim, "a")->wait_reason, "CreateContainerConfigError");
    assert_string_equal(sim_state(&sim, "a")->wait_message, "configmap \"cm\" not found");
    assert_int_equal(sim_notes(&sim, "Failed"), 1);
    sim_pass(&sim, COR_SEC(11));
    assert_int_equal(sim_notes(&sim, "Failed"), 0); /* the same is not told twice */
    sim.fail_config = NULL;
    run_inputs_changed(sim.run);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    sim_stop(&sim);
}

static void test_volume_failure(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim.fail_prepare = "MountVolume.SetUp failed for volume \"v\" : configmap \"cm\" not found";
    sim_settle(&sim);
    sim_expect(&sim, "prepare look:a box read-box");
    assert_int_equal(sim_notes(&sim, "FailedMount"), 1);
    sim_pass(&sim, COR_MS(1600));
    sim_expect(&sim, "prepare prepare");
    sim.fail_prepare = NULL;
    run_inputs_changed(sim.run);
    sim_settle(&sim);
    sim_expect(&sim, "prepare create:a start:a read:a");
    sim_stop(&sim);
}

static void test_sandbox_failure(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim.fail_sandbox = "no CNI";
    sim_settle(&sim);
    sim_pass(&sim, COR_SEC(4));
    sim_expect(&sim, "prepare look:a box box box");
    assert_int_equal(sim_notes(&sim, "FailedCreatePodSandBox"), 3);
    sim.fail_sandbox = NULL;
    sim_pass(&sim, COR_SEC(4));
    assert_int_equal(sim.sandboxes[0].attempt, 3);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    sim_stop(&sim);
}

static void test_start_failure(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim.fail_start = "exec: \"nope\": not found";
    sim_settle(&sim);
    sim_expect(
        &sim, "prepare look:a box read-box create:a start:a read:a look:a create:a start:a read:a");
    assert_int_equal(sim_state(&sim, "a")->state, RUN_EXITED);
    assert_int_equal(sim_state(&sim, "a")->end.exit_code, 128);
    assert_string_equal(sim_state(&sim, "a")->wait_reason, "CrashLoopBackOff");
    sim_stop(&sim);
}

static void test_deletion_waits_for_the_grace(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" TWO "}");
    sim_settle(&sim);
    cor_buf_clear(&sim.log);
    sim.hold_stop = true;
    run_end_pod(sim.run, RUN_WANT_GONE, 30);
    sim_settle(&sim);
    sim_expect(&sim, "stop:a stop:b");
    assert_int_equal(sim_notes(&sim, "Killing"), 2);
    for (size_t i = 0; i < 2; i++) {
        sim.containers[i].state = CRI_EXITED;
        run_stop_done(sim.run, i, NULL, sim.now);
        sim_settle(&sim);
    }
    sim_expect(&sim, "read:a read:b stop-box remove-box clean");
    assert_true(sim.run->cleaned);
    assert_string_equal(phase_of(sim.run), "Running");
    sim_stop(&sim);
}

static void test_deletion_in_every_state(void **state)
{
    (void)state;
    for (size_t steps = 0; steps < 8; steps++) {
        struct sim sim;
        sim_start(&sim, "{" WITH_INIT "}");
        for (size_t i = 0; i < steps; i++) {
            (void)sim_step(&sim);
        }
        run_end_pod(sim.run, RUN_WANT_GONE, 0);
        sim_pass(&sim, COR_SEC(1));
        assert_true(sim.run->cleaned);
        for (size_t i = 0; i < sim.sandbox_count; i++) {
            assert_true(sim.sandboxes[i].removed);
        }
        sim_stop(&sim);
    }
}

static void test_adoption_restarts_nothing(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" WITH_INIT "}");
    sim_settle(&sim);
    sim_exit(&sim, "x", 0);
    sim_settle(&sim);
    sim_exit(&sim, "y", 0);
    sim_settle(&sim);
    sim_exit(&sim, "a", 1);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->attempt, 1);
    cor_buf_clear(&sim.log);
    sim_restart_edged(&sim);
    sim_settle(&sim);
    sim_expect(&sim, "prepare read-box");
    assert_int_equal(sim_state(&sim, "a")->attempt, 1);
    assert_int_equal(sim_state(&sim, "a")->last.exit_code, 1);
    assert_string_equal(phase_of(sim.run), "Running");
    sim_stop(&sim);
}

/* edged killed after each step of a start: the next one goes on, and never has two of a container.
 */
static void test_adoption_at_every_step(void **state)
{
    (void)state;
    for (size_t steps = 0; steps < 9; steps++) {
        struct sim sim;
        sim_start(&sim, "{" TWO "}");
        for (size_t i = 0; i < steps; i++) {
            (void)sim_step(&sim);
        }
        sim_restart_edged(&sim);
        sim_pass(&sim, COR_SEC(1));
        assert_int_equal(sim_containers(&sim), 2);
        assert_int_equal(sim.sandbox_count, 1);
        assert_int_equal(sim_state(&sim, "a")->attempt, 0);
        assert_int_equal(sim_state(&sim, "b")->state, RUN_RUNNING);
        sim_stop(&sim);
    }
}

static int steps_to_created(struct sim *sim)
{
    for (int steps = 0; steps < 20; steps++) {
        if (sim_state(sim, "a")->state == RUN_CREATED) {
            return steps;
        }
        (void)sim_step(sim);
    }
    fail_msg("it is never made");
    return 0;
}

/* One that was made and not started has mounts that nobody vouches for: another one takes its place
 * and its number. */
static void test_adoption_starts_nothing_old(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    (void)steps_to_created(&sim);
    cor_buf_clear(&sim.log);
    sim_restart_edged(&sim);
    sim_settle(&sim);
    sim_expect(&sim, "prepare read-box remove look:a create:a start:a read:a");
    assert_true(sim.containers[0].removed);
    assert_int_equal(sim.containers[1].attempt, 0);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    assert_null(sim_state(&sim, "a")->last.id);
    assert_int_equal(sim_notes(&sim, "BackOff"), 0);
    sim_stop(&sim);
}

/* The runtime gave up to start it when the edged that had asked for it was killed. */
static void start_and_give_up(struct sim *sim)
{
    sim_start(sim, "{" ONE "}");
    (void)steps_to_created(sim);
    sim->containers[0].state = CRI_EXITED;
    sim->containers[0].exit_code = 128;
    sim->containers[0].given_up = true;
}

static void test_a_start_that_was_given_up(void **state)
{
    (void)state;
    struct sim sim;
    start_and_give_up(&sim);
    sim_restart_edged(&sim);
    sim_settle(&sim);
    assert_true(sim.containers[0].removed);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    assert_null(sim_state(&sim, "a")->last.id);
    /* that of another reason stays what it is */
    sim.containers[1].state = CRI_EXITED;
    sim.containers[1].exit_code = 128;
    sim_restart_edged(&sim);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->attempt, 1);
    assert_int_equal(sim_state(&sim, "a")->last.exit_code, 128);
    sim_stop(&sim);
}

/* The runtime lost its sandbox with it: the one in the next sandbox is the first that starts. */
static void test_a_start_that_was_given_up_with_its_sandbox(void **state)
{
    (void)state;
    struct sim sim;
    start_and_give_up(&sim);
    sim.sandboxes[0].ready = false;
    sim.sandboxes[1] = (struct sim_sandbox){.id = "s1", .attempt = 1, .ready = true};
    sim.sandbox_count = 2;
    sim_restart_edged(&sim);
    sim_settle(&sim);
    assert_string_equal(sim.run->sandbox.id, "s1");
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    assert_null(sim_state(&sim, "a")->last.id);
    assert_true(sim.containers[0].removed);
    sim_stop(&sim);
}

/* Neither started nor to be removed, for a while. */
static void test_one_that_cannot_be_removed(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    (void)steps_to_created(&sim);
    sim_restart_edged(&sim);
    sim.fail_remove = "container is in starting state, can't be removed";
    sim_pass(&sim, COR_SEC(1));
    assert_int_equal(sim.container_count, 1);
    sim.fail_remove = NULL;
    sim_pass(&sim, COR_SEC(1));
    assert_true(sim.containers[0].removed);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    sim_stop(&sim);
}

/* A list that was begun before it was removed tells of it afterwards. */
static void test_what_was_removed_is_told_late(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    (void)steps_to_created(&sim);
    sim_restart_edged(&sim);
    while (!sim.containers[0].removed) {
        (void)sim_step(&sim);
    }
    struct cri_container seen = sim_as_cri(&sim.containers[0]);
    run_see_container(sim.run, &seen, sim.now);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_containers(&sim), 1);
    sim_stop(&sim);
}

/* It cannot be removed, for the runtime starts it: an edged that is no more has asked for that. */
static void test_adoption_of_one_that_is_being_started(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    (void)steps_to_created(&sim);
    sim_restart_edged(&sim);
    sim.fail_remove = "container is in starting state, can't be removed";
    sim.containers[0].starting = true;
    cor_buf_clear(&sim.log);
    sim_settle(&sim);
    sim_pass(&sim, COR_SEC(1));
    sim_expect(&sim, "prepare read-box remove read:a");
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 0);
    assert_int_equal(sim.container_count, 1);
    sim_stop(&sim);
}

/* An input changes between CreateContainer and StartContainer: files that the container mounts are
 * replaced after it has started. */
static void test_no_file_is_replaced_under_a_start(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    (void)steps_to_created(&sim);
    cor_buf_clear(&sim.log);
    run_inputs_changed(sim.run);
    sim_settle(&sim);
    sim_expect(&sim, "start:a prepare read:a");
    sim_stop(&sim);
}

/* All processes gone, state kept: sandbox not ready, containers ended with 255. */
static void test_reboot(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" WITH_INIT "}");
    sim_settle(&sim);
    sim_exit(&sim, "x", 0);
    sim_settle(&sim);
    sim_exit(&sim, "y", 0);
    sim_settle(&sim);
    sim.sandboxes[0].ready = false;
    for (size_t i = 0; i < sim.container_count; i++) {
        sim.containers[i].exit_code = sim.containers[i].state == CRI_RUNNING ? 255 : 0;
        sim.containers[i].state = CRI_EXITED;
    }
    cor_buf_clear(&sim.log);
    sim_restart_edged(&sim);
    sim_settle(&sim);
    assert_int_equal(sim.sandboxes[1].attempt, 1);
    sim_exit(&sim, "x", 0);
    sim_settle(&sim);
    sim_exit(&sim, "y", 0);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 1);
    assert_true(sim.sandboxes[0].removed);
    sim_stop(&sim);
}

static void test_sandbox_dies(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    cor_buf_clear(&sim.log);
    sim.sandboxes[0].ready = false;
    run_told_box_end(sim.run);
    sim_settle(&sim);
    assert_int_equal(sim.sandbox_count, 2);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_string_equal(sim_state(&sim, "a")->sandbox, "s1");
    sim_stop(&sim);
}

static void test_final_phase_is_remembered(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{'restartPolicy':'Never'," ONE "}");
    auto_(cor_json_free) struct cor_json *status = test_json("{'phase':'Succeeded'}");
    run_recall(sim.run, status);
    sim_settle(&sim);
    sim_expect(&sim, "");
    assert_string_equal(phase_of(sim.run), "Succeeded");
    sim_stop(&sim);
}

/* The runtime has lost them: the API knows how often they were started. */
static void test_restart_count_survives_lost_containers(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        uint32_t attempt;
    } ROWS[] = {
        {"'containerID':'containerd://z','state':{'running':{}}", 5},
        {"'containerID':'containerd://z','state':{'terminated':{}}", 5},
        {"'containerID':'containerd://z','state':{'waiting':{}},"
         "'lastState':{'terminated':{'containerID':'containerd://z'}}",
         5},
        {"'state':{'waiting':{}},'lastState':{'terminated':{}}", 5},
        /* made, not started */
        {"'containerID':'containerd://z','state':{'waiting':{}}", 4},
        {"'containerID':'containerd://z','state':{'waiting':{}},"
         "'lastState':{'terminated':{'containerID':'containerd://y'}}",
         4},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct sim sim;
        sim_start(&sim, "{" ONE "}");
        auto_(cor_freep) char *text =
            cor_sprintf("{'phase':'Running','containerStatuses':[{'name':'a','restartCount':4,%s},"
                        "{'name':'other','restartCount':-1}]}",
                        ROWS[i].status);
        auto_(cor_json_free) struct cor_json *status = test_json(text);
        run_recall(sim.run, status);
        sim_settle(&sim);
        assert_int_equal(sim_state(&sim, "a")->attempt, ROWS[i].attempt);
        sim_stop(&sim);
    }
}

static void test_image_change_restarts(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" TWO "}");
    sim_settle(&sim);
    cor_buf_clear(&sim.log);
    struct pod *old = sim.pod;
    sim.pod = pod_of("{'containers':[{'name':'a','image':'i:2'},{'name':'b','image':'i:1'}]}");
    assert_true(run_set_pod(sim.run, sim.pod));
    sim_settle(&sim);
    sim_expect(&sim, "stop:a read:a look:a create:a start:a read:a");
    auto_(pod_free) struct pod *other = pod_of("{" ONE "}");
    assert_false(run_set_pod(sim.run, other));
    pod_free(&old);
    sim_stop(&sim);
}

static void test_lost_runtime_repeats_nothing_before_the_list(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    struct run_action actions[RUN_ACTIONS_MAX];
    assert_int_not_equal(run_step(sim.run, sim.now, actions), 0);
    run_lost_runtime(sim.run);
    assert_int_equal(run_step(sim.run, sim.now, actions), 0);
    run_prepared(sim.run, NULL, sim.now);
    run_see_begin(sim.run);
    run_seen_all(sim.run, sim.now);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    sim_stop(&sim);
}

static void test_container_vanishes(void **state)
{
    (void)state;
    struct sim sim;
    sim_start(&sim, "{" ONE "}");
    sim_settle(&sim);
    run_lost_container(sim.run, 0, sim.now);
    sim_settle(&sim);
    assert_int_equal(sim_state(&sim, "a")->state, RUN_RUNNING);
    assert_int_equal(sim_state(&sim, "a")->attempt, 1);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pod_starts),
        cmocka_unit_test(test_init_containers_run_in_order),
        cmocka_unit_test(test_init_failure_is_final_when_never_restarted),
        cmocka_unit_test(test_sidecar),
        cmocka_unit_test(test_restart_back_off),
        cmocka_unit_test(test_back_off_text),
        cmocka_unit_test(test_restart_policies),
        cmocka_unit_test(test_half_done_is_running),
        cmocka_unit_test(test_end_told_early),
        cmocka_unit_test(test_end_told_wrongly_is_not_believed_for_ever),
        cmocka_unit_test(test_images),
        cmocka_unit_test(test_pull_is_tried_again),
        cmocka_unit_test(test_missing_config_is_retried_when_it_comes),
        cmocka_unit_test(test_volume_failure),
        cmocka_unit_test(test_sandbox_failure),
        cmocka_unit_test(test_start_failure),
        cmocka_unit_test(test_deletion_waits_for_the_grace),
        cmocka_unit_test(test_deletion_in_every_state),
        cmocka_unit_test(test_adoption_restarts_nothing),
        cmocka_unit_test(test_adoption_at_every_step),
        cmocka_unit_test(test_adoption_starts_nothing_old),
        cmocka_unit_test(test_a_start_that_was_given_up),
        cmocka_unit_test(test_a_start_that_was_given_up_with_its_sandbox),
        cmocka_unit_test(test_one_that_cannot_be_removed),
        cmocka_unit_test(test_what_was_removed_is_told_late),
        cmocka_unit_test(test_adoption_of_one_that_is_being_started),
        cmocka_unit_test(test_no_file_is_replaced_under_a_start),
        cmocka_unit_test(test_reboot),
        cmocka_unit_test(test_sandbox_dies),
        cmocka_unit_test(test_final_phase_is_remembered),
        cmocka_unit_test(test_restart_count_survives_lost_containers),
        cmocka_unit_test(test_image_change_restarts),
        cmocka_unit_test(test_lost_runtime_repeats_nothing_before_the_list),
        cmocka_unit_test(test_container_vanishes),
    };
    return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}
