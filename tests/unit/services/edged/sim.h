// SPDX-License-Identifier: Apache-2.0
// A container runtime that obeys at once, for tests of the run-time state of pods.
#ifndef TEST_EDGED_SIM_H
#define TEST_EDGED_SIM_H

#include "fixture.h"
#include "services/edged/run/run.h"

enum { SIM_MAX = 64 };

struct sim_container {
    char id[16];
    char name[64];
    char sandbox[16];
    char hash[17];
    uint32_t attempt;
    enum cri_state state;
    int32_t exit_code;
    bool removed;
    bool given_up; /* it was never started: nobody waited for that any more */
    bool starting; /* runs when it is looked at next */
};

struct sim_sandbox {
    char id[16];
    uint32_t attempt;
    bool ready;
    bool removed;
};

struct sim {
    struct pod *pod;
    struct run *run;
    struct cor_mono now;
    struct sim_container containers[SIM_MAX];
    size_t container_count;
    struct sim_sandbox sandboxes[SIM_MAX];
    size_t sandbox_count;
    struct cor_buf log; /* one word an action */
    const char *fail_prepare;
    const char *fail_sandbox;
    const char *fail_pull;
    const char *fail_config;
    const char *fail_start;
    const char *fail_remove;
    bool image_absent;
    int late_reads; /* how often ContainerStatus still says running after an end */
    bool hold_stop; /* StopContainer does not answer yet */
    size_t held;    /* the container whose stop is held */
    bool hold_hook; /* hooks do not end */
    const char *fail_hook;
    bool cleaned;
};

static inline void sim_start(struct sim *sim, const char *spec)
{
    *sim = (struct sim){.now = {COR_SEC(1000)}};
    sim->pod = pod_of(spec);
    sim->run = run_new(sim->pod);
    run_see_begin(sim->run);
    run_seen_all(sim->run, sim->now);
}

static inline void sim_stop(struct sim *sim)
{
    run_free(&sim->run);
    pod_free(&sim->pod);
    cor_buf_free(&sim->log);
}

static inline struct sim_container *sim_find(struct sim *sim, const char *id)
{
    for (size_t i = 0; i < sim->container_count; i++) {
        if (strcmp(sim->containers[i].id, id) == 0) {
            return &sim->containers[i];
        }
    }
    fail_msg("no container %s", id);
    return NULL;
}

static inline struct sim_sandbox *sim_box(struct sim *sim, const char *id)
{
    for (size_t i = 0; i < sim->sandbox_count; i++) {
        if (strcmp(sim->sandboxes[i].id, id) == 0) {
            return &sim->sandboxes[i];
        }
    }
    fail_msg("no sandbox %s", id);
    return NULL;
}

static inline struct cri_container sim_as_cri(const struct sim_container *c)
{
    return (struct cri_container){
        .id = c->id,
        .sandbox_id = c->sandbox,
        .name = c->name,
        .pod_uid = "u1",
        .hash = c->hash,
        .attempt = c->attempt,
        .state = c->state,
        .created_ns = 1,
        .started_ns = c->state == CRI_CREATED || c->given_up ? 0 : 2,
        .finished_ns = c->state == CRI_EXITED ? 3 + c->attempt : 0,
        .exit_code = c->exit_code,
        .image = "i:1",
        .image_ref = "sha256:1",
        .reason = c->state == CRI_EXITED ? (c->exit_code == 0 ? "Completed" : "Error") : "",
        .message = c->given_up ? "failed to create shim task: context canceled" : "",
    };
}

static inline void sim_see_box(struct sim *sim, const struct sim_sandbox *box, bool full)
{
    struct cri_sandbox seen = {.id = box->id, .attempt = box->attempt, .ready = box->ready};
    if (full && box->ready) {
        seen.ips[0] = "10.0.0.5";
        seen.ip_count = 1;
    }
    run_see_sandbox(sim->run, &seen, full);
}

static inline void sim_create(struct sim *sim, const struct run_action *action)
{
    const struct pod_container *spec = pod_container(sim->run->pod, action->container);
    if (sim->fail_config != NULL) {
        run_create_done(sim->run, action->container, NULL, true, sim->fail_config, sim->now);
        return;
    }
    struct sim_container *c = &sim->containers[sim->container_count];
    snprintf(c->id, sizeof(c->id), "c%zu", sim->container_count++);
    snprintf(c->name, sizeof(c->name), "%s", spec->name);
    snprintf(c->hash, sizeof(c->hash), "%s", spec->hash);
    snprintf(c->sandbox, sizeof(c->sandbox), "%s", sim->run->sandbox.id);
    c->attempt = action->attempt;
    c->state = CRI_CREATED;
    run_create_done(sim->run, action->container, c->id, false, NULL, sim->now);
}

static inline void sim_read(struct sim *sim, const struct run_action *action)
{
    struct cri_container seen = sim_as_cri(sim_find(sim, action->id));
    if (seen.state == CRI_EXITED && sim->late_reads > 0) {
        sim->late_reads--;
        seen.state = CRI_RUNNING;
    }
    run_see_container(sim->run, &seen, sim->now);
}

static inline void sim_remove(struct sim *sim, const struct run_action *action)
{
    struct sim_container *c = sim_find(sim, action->id);
    c->removed = sim->fail_remove == NULL;
    if (c->starting) {
        c->state = CRI_RUNNING;
    }
    run_removed(sim->run, action->id, sim->fail_remove, sim->now);
}

static inline void sim_stop_container(struct sim *sim, const struct run_action *action)
{
    struct sim_container *c = sim_find(sim, action->id);
    if (sim->hold_stop) {
        sim->held = action->container;
        return;
    }
    if (c->state == CRI_RUNNING) {
        c->state = CRI_EXITED;
        c->exit_code = 137;
    }
    run_stop_done(sim->run, action->container, NULL, sim->now);
}

static inline void sim_run_sandbox(struct sim *sim, const struct run_action *action)
{
    if (sim->fail_sandbox != NULL) {
        run_sandbox_done(sim->run, NULL, sim->fail_sandbox, sim->now);
        return;
    }
    struct sim_sandbox *box = &sim->sandboxes[sim->sandbox_count];
    snprintf(box->id, sizeof(box->id), "s%zu", sim->sandbox_count++);
    box->attempt = action->attempt;
    box->ready = true;
    run_sandbox_done(sim->run, box->id, NULL, sim->now);
}

static inline void sim_stop_sandbox(struct sim *sim, const struct run_action *action)
{
    sim_box(sim, action->id)->ready = false;
    for (size_t i = 0; i < sim->container_count; i++) {
        struct sim_container *c = &sim->containers[i];
        if (strcmp(c->sandbox, action->id) == 0 && c->state == CRI_RUNNING) {
            c->state = CRI_EXITED;
            c->exit_code = 137;
        }
    }
    run_sandbox_stopped(sim->run, action->id, NULL, sim->now);
}

static inline void sim_start_container(struct sim *sim, const struct run_action *action)
{
    if (sim->fail_start != NULL) {
        sim_find(sim, action->id)->state = CRI_EXITED;
        sim_find(sim, action->id)->exit_code = 128;
    } else {
        sim_find(sim, action->id)->state = CRI_RUNNING;
    }
    run_start_done(sim->run, action->container, sim->fail_start, sim->now);
}

static inline void sim_perform(struct sim *sim, const struct run_action *action)
{
    static const char *const words[] = {
        [RUN_NOTHING] = "nothing",
        [RUN_PREPARE] = "prepare",
        [RUN_SANDBOX] = "box",
        [RUN_READ_SANDBOX] = "read-box",
        [RUN_STOP_SANDBOX] = "stop-box",
        [RUN_REMOVE_SANDBOX] = "remove-box",
        [RUN_LOOK] = "look",
        [RUN_PULL] = "pull",
        [RUN_CREATE] = "create",
        [RUN_START] = "start",
        [RUN_POST_START] = "post-start",
        [RUN_PRE_STOP] = "pre-stop",
        [RUN_READ] = "read",
        [RUN_STOP] = "stop",
        [RUN_REMOVE] = "remove",
        [RUN_CLEAN] = "clean",
    };
    cor_buf_fmt(&sim->log, "%s%s", sim->log.len == 0 ? "" : " ", words[action->verb]);
    if (action->container != RUN_NO_CONTAINER) {
        cor_buf_fmt(&sim->log, ":%s", pod_container(sim->run->pod, action->container)->name);
    }
    switch (action->verb) {
    case RUN_PREPARE:
        run_prepared(sim->run, sim->fail_prepare, sim->now);
        break;
    case RUN_SANDBOX:
        sim_run_sandbox(sim, action);
        break;
    case RUN_READ_SANDBOX:
        sim_see_box(sim, sim_box(sim, action->id), true);
        break;
    case RUN_STOP_SANDBOX:
        sim_stop_sandbox(sim, action);
        break;
    case RUN_REMOVE_SANDBOX:
        sim_box(sim, action->id)->removed = true;
        run_sandbox_removed(sim->run, action->id, NULL, sim->now);
        break;
    case RUN_LOOK:
        run_look_done(sim->run, action->container, !sim->image_absent, NULL, sim->now);
        break;
    case RUN_PULL:
        run_pull_done(sim->run, action->container, sim->fail_pull, sim->now);
        break;
    case RUN_CREATE:
        sim_create(sim, action);
        break;
    case RUN_START:
        sim_start_container(sim, action);
        break;
    case RUN_POST_START:
        if (!sim->hold_hook) {
            run_post_start_done(sim->run, action->container, sim->fail_hook);
        }
        break;
    case RUN_PRE_STOP:
        if (!sim->hold_hook) {
            run_pre_stop_done(sim->run, action->container, sim->fail_hook);
        }
        break;
    case RUN_READ:
        sim_read(sim, action);
        break;
    case RUN_STOP:
        sim_stop_container(sim, action);
        break;
    case RUN_REMOVE:
        sim_remove(sim, action);
        break;
    case RUN_CLEAN:
        run_clean_done(sim->run);
        break;
    case RUN_NOTHING:
        fail_msg("an action that is none");
    }
}

/* Does the next of what can be done now; returns how many actions that took. */
static inline size_t sim_step(struct sim *sim)
{
    struct run_action actions[RUN_ACTIONS_MAX];
    size_t count = run_step(sim->run, sim->now, actions);
    for (size_t i = 0; i < count; i++) {
        sim_perform(sim, &actions[i]);
    }
    return count;
}

/* Does all that can be done now. */
static inline void sim_settle(struct sim *sim)
{
    for (int round = 0; round < 200; round++) {
        size_t count = sim_step(sim);
        if (count == 0 && sim->run->wake_at.us > sim->now.us) {
            return;
        }
    }
    fail_msg("does not settle: %s", sim->log.data);
}

/* Lets time pass, waking as asked. */
static inline void sim_pass(struct sim *sim, int64_t us)
{
    struct cor_mono end = cor_mono_add(sim->now, us);
    sim_settle(sim);
    while (sim->run->wake_at.us <= end.us) {
        sim->now = sim->run->wake_at;
        sim_settle(sim);
    }
    sim->now = end;
}

/* Empties the log after comparing it. */
static inline void sim_expect(struct sim *sim, const char *log)
{
    assert_string_equal(sim->log.len == 0 ? "" : sim->log.data, log);
    cor_buf_clear(&sim->log);
}

/* The newest container of that name ends with this code; edged is told. */
static inline void sim_exit(struct sim *sim, const char *name, int32_t code)
{
    size_t index = pod_find_container(sim->pod, name);
    struct sim_container *c = sim_find(sim, sim->run->containers[index].id);
    c->state = CRI_EXITED;
    c->exit_code = code;
    run_told_end(sim->run, index);
}

/* What a restarted edged does: a fresh run that reads everything there is. */
static inline void sim_restart_edged(struct sim *sim)
{
    run_free(&sim->run);
    sim->run = run_new(sim->pod);
    run_see_begin(sim->run);
    for (size_t i = 0; i < sim->sandbox_count; i++) {
        if (!sim->sandboxes[i].removed) {
            sim_see_box(sim, &sim->sandboxes[i], false);
        }
    }
    for (size_t i = 0; i < sim->container_count; i++) {
        struct cri_container seen = sim_as_cri(&sim->containers[i]);
        if (!sim->containers[i].removed) {
            run_see_container(sim->run, &seen, sim->now);
        }
    }
    run_seen_all(sim->run, sim->now);
}

/* How many containers the runtime has. */
static inline size_t sim_containers(const struct sim *sim)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->container_count; i++) {
        count += sim->containers[i].removed ? 0 : 1;
    }
    return count;
}

static inline struct run_container *sim_state(struct sim *sim, const char *name)
{
    return &sim->run->containers[pod_find_container(sim->pod, name)];
}

/* How many notes with this reason wait; all are dropped. */
static inline size_t sim_notes(struct sim *sim, const char *reason)
{
    size_t count = 0;
    for (size_t i = 0; i < sim->run->note_count; i++) {
        count += strcmp(sim->run->notes[i].reason, reason) == 0 ? 1 : 0;
        cor_free(sim->run->notes[i].message);
    }
    sim->run->note_count = 0;
    return count;
}

#endif
