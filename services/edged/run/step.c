// SPDX-License-Identifier: Apache-2.0
// Decisions: what is to be done now for one pod. A table says it for each container, by its state
// and by what is wanted of the pod; another one in step_box.c for the sandbox.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "phase.h"
#include "plan.h"

void plan_add(struct plan *plan, struct run_action action)
{
    must(plan->count < RUN_ACTIONS_MAX);
    plan->out[plan->count++] = action;
}

bool plan_due(struct plan *plan, struct cor_mono at)
{
    if (at.us <= plan->now.us) {
        return true;
    }
    if (at.us < plan->run->wake_at.us) {
        plan->run->wake_at = at;
    }
    return false;
}

/* ---- containers ---- */

static int64_t plan_grace(const struct plan *plan)
{
    const struct run *run = plan->run;
    return run->want == RUN_WANT_RUN ? run->pod->grace_seconds : run->grace_seconds;
}

static void act(struct plan *plan, size_t index, enum run_verb verb)
{
    struct run_container *c = &plan->run->containers[index];
    c->op = verb;
    plan_add(plan, (struct run_action){
                       .verb = verb,
                       .container = index,
                       .id = c->id,
                       .attempt = c->id != NULL ? c->attempt + 1 : c->next_attempt,
                       .grace_seconds = plan_grace(plan),
                   });
}

/* kubelet's doBackOff: the first restart is at once, the next after 10 s, then 20 s, to 5 min. */
static void count_restart(struct run_container *c, struct cor_mono now)
{
    enum { FIRST_S = 10, MAX_S = 300 };
    if (c->id != NULL) {
        c->crash_us = c->crash_us == 0 ? COR_SEC(FIRST_S) : c->crash_us * 2;
        c->crash_us = c->crash_us > COR_SEC(MAX_S) ? COR_SEC(MAX_S) : c->crash_us;
        c->crash_at = now;
    }
}

static void refuse_image(struct plan *plan, size_t index, const char *reason)
{
    struct run_container *c = &plan->run->containers[index];
    const struct pod_container *spec = pod_container(plan->run->pod, index);
    if (c->wait_reason != NULL && strcmp(c->wait_reason, reason) == 0) {
        return;
    }
    if (strcmp(reason, "InvalidImageName") == 0) {
        run_wait(c, reason,
                 "Failed to apply default image tag \"%s\": couldn't parse image name \"%s\": %s",
                 spec->image, spec->image, spec->image_error);
        run_note(plan->run, true, "InspectFailed", index, "%s", c->wait_message);
    } else {
        run_wait(c, reason, "Container image \"%s\" is not present with pull policy of Never",
                 spec->image);
        run_note(plan->run, true, reason, index, "%s", c->wait_message);
    }
    run_note(plan->run, true, "Failed", index, "Error: %s", reason);
}

static void pull(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    const struct pod_container *spec = pod_container(plan->run->pod, index);
    if (plan_due(plan, c->retry_at)) {
        run_note(plan->run, false, "Pulling", index, "Pulling image \"%s\"", spec->image);
        act(plan, index, RUN_PULL);
    } else if (c->wait_reason != NULL && strcmp(c->wait_reason, "ErrImagePull") == 0) {
        run_note(plan->run, false, "BackOff", index, "Back-off pulling image \"%s\"", spec->image);
        run_note(plan->run, true, "Failed", index, "Error: ImagePullBackOff");
        run_wait(c, "ImagePullBackOff", "Back-off pulling image \"%s\"", spec->image);
    }
}

/* Whether the image is here; else what is needed for that is begun. */
static bool get_image(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    const struct pod_container *spec = pod_container(plan->run->pod, index);
    if (spec->image_error[0] != '\0') {
        refuse_image(plan, index, "InvalidImageName");
        return false;
    }
    if (c->image == RUN_IMAGE_UNKNOWN && spec->pull != POD_PULL_ALWAYS) {
        act(plan, index, RUN_LOOK);
        return false;
    }
    if (c->image == RUN_IMAGE_HERE) {
        return true;
    }
    if (spec->pull == POD_PULL_NEVER) {
        refuse_image(plan, index, "ErrImageNeverPull");
        return false;
    }
    pull(plan, index);
    return false;
}

static bool is_box_there(const struct run *run)
{
    return run->sandbox.state == RUN_BOX_READY && run->sandbox.read;
}

static bool can_start(const struct run *run)
{
    return run->prepared && is_box_there(run);
}

static void begin(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    bool pulling = c->image == RUN_IMAGE_ABSENT || c->pull_us != 0;
    if (c->discarding || (!pulling && !plan_due(plan, c->retry_at))) {
        return;
    }
    if (get_image(plan, index) && plan_due(plan, c->retry_at) && can_start(plan->run)) {
        count_restart(c, plan->now);
        act(plan, index, RUN_CREATE);
    }
}

static bool is_current(const struct run *run, const struct run_container *c)
{
    return c->sandbox != NULL && run->sandbox.id != NULL &&
           strcmp(c->sandbox, run->sandbox.id) == 0;
}

/* It was made by an edged that is no more, or for a sandbox that is no more, or files that it
 * mounts have been replaced since: the runtime would not find them. Another one is made in its
 * place, which nobody sees as a restart. */
static void discard(struct run *run, struct run_container *c)
{
    if (run->old_container_count >= RUN_OLD_MAX) {
        return; /* when there is room */
    }
    run_add_old(run->old_containers, &run->old_container_count, c->id);
    cor_freep(&c->discarded);
    c->discarded = take(&c->id);
    c->discarding = true;
    c->next_attempt = c->attempt;
    c->renewed = true;
    run_forget_container(c);
}

static void start(struct plan *plan, size_t index)
{
    const struct run *run = plan->run;
    struct run_container *c = &plan->run->containers[index];
    if (!is_current(run, c) || !c->made) {
        discard(plan->run, c);
    } else if (plan_due(plan, c->retry_at) && is_box_there(run)) {
        act(plan, index, RUN_START);
    }
}

/* ---- the end of a container ---- */

static bool is_alive(const struct run_container *c)
{
    return c->state == RUN_RUNNING || c->state == RUN_UNKNOWN;
}

/* A sidecar ends after the main containers and the sidecars behind it (KEP-753). */
static bool waits_turn(const struct run *run, size_t index)
{
    bool waits = false;
    for (size_t i = index + 1; i < pod_main_end(run->pod); i++) {
        waits = waits || is_alive(&run->containers[i]);
    }
    return waits && pod_is_init(run->pod, index) && pod_container(run->pod, index)->sidecar;
}

static void run_hook(struct plan *plan, size_t index, enum run_verb verb)
{
    const struct run_container *c = &plan->run->containers[index];
    int64_t left = cor_mono_since(c->grace_end, plan->now);
    plan_add(plan, (struct run_action){.verb = verb,
                                       .container = index,
                                       .id = c->id,
                                       .grace_seconds = left / COR_SEC(1)});
}

/* kubelet's killContainer: the preStop hook, its turn, then the signal, all within the grace; but
 * the signal has 2 s at least. */
static void go_on_ending(struct plan *plan, size_t index, bool in_turn)
{
    enum { GRACE_MIN_S = 2 };
    struct run_container *c = &plan->run->containers[index];
    if (c->pre_stop == RUN_HOOK_DUE) {
        c->pre_stop = RUN_HOOK_RUNS;
        run_hook(plan, index, RUN_PRE_STOP);
    }
    if (c->pre_stop == RUN_HOOK_RUNS && !plan_due(plan, c->grace_end)) {
        return;
    }
    if (c->pre_stop == RUN_HOOK_RUNS) {
        c->pre_stop = RUN_HOOK_FAILED;
        run_note(plan->run, true, "FailedPreStopHook", index,
                 "PreStop hook not completed in grace period");
    }
    if (in_turn && waits_turn(plan->run, index) && !plan_due(plan, c->grace_end)) {
        return;
    }
    if (plan_due(plan, c->retry_at)) {
        int64_t left = cor_mono_since(c->grace_end, plan->now) + COR_SEC(1) - 1;
        act(plan, index, RUN_STOP);
        plan->out[plan->count - 1].grace_seconds =
            left < COR_SEC(GRACE_MIN_S) ? GRACE_MIN_S : left / COR_SEC(1);
    }
}

/* True when the end begins with this: it is to be told why. */
static bool begin_ending(struct plan *plan, size_t index, int64_t grace_seconds)
{
    struct run_container *c = &plan->run->containers[index];
    const struct pod_container *spec = pod_container(plan->run->pod, index);
    struct cor_mono end = cor_mono_add(plan->now, COR_SEC(grace_seconds));
    if (c->ending) {
        c->grace_end = end.us < c->grace_end.us ? end : c->grace_end;
        return false;
    }
    c->ending = true;
    c->grace_end = end;
    c->pre_stop = spec->pre_stop != NULL && grace_seconds > 0 ? RUN_HOOK_DUE : RUN_HOOK_NONE;
    return true;
}

/* Why a container that should run is restarted; NULL: it is not. kubelet's computePodActions:
 * sidecars are restarted in any case. */
static char *why_restart(const struct run *run, size_t index)
{
    const struct run_container *c = &run->containers[index];
    const char *name = pod_container(run->pod, index)->name;
    bool init = pod_is_init(run->pod, index);
    if (c->stale) {
        return cor_sprintf("Container %s definition changed, will be restarted", name);
    }
    if (c->sick) {
        bool live = c->health[POD_LIVENESS] == RUN_HEALTH_BAD;
        bool again = run->pod->restart != POD_RESTART_NEVER && !init;
        return cor_sprintf("%s %s failed %s probe%s", init ? "Init container" : "Container", name,
                           live ? "liveness" : "startup", again ? ", will be restarted" : "");
    }
    return c->post_start == RUN_HOOK_FAILED ? cor_strdup("FailedPostStartHook") : NULL;
}

/* A probe may say how long the container has when it fails. */
static int64_t restart_grace(const struct plan *plan, size_t index)
{
    const struct run_container *c = &plan->run->containers[index];
    enum pod_check check = c->health[POD_LIVENESS] == RUN_HEALTH_BAD ? POD_LIVENESS : POD_STARTUP;
    const struct pod_probe *probe = pod_container(plan->run->pod, index)->probes[check];
    bool own = c->sick && !c->stale && probe != NULL && probe->grace_seconds.given;
    return own ? probe->grace_seconds.n : plan_grace(plan);
}

static void keep(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    auto_(cor_freep) char *why = why_restart(plan->run, index);
    if (why != NULL) {
        if (!c->ending && begin_ending(plan, index, restart_grace(plan, index))) {
            run_note(plan->run, false, "Killing", index, "%s", why);
        }
        go_on_ending(plan, index, false);
        return;
    }
    if (c->post_start == RUN_HOOK_DUE) {
        c->post_start = RUN_HOOK_RUNS;
        run_hook(plan, index, RUN_POST_START);
    }
    if (c->end.started_ns == 0 && plan_due(plan, c->retry_at)) {
        act(plan, index, RUN_READ);
    }
}

static void restart(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    bool again = run_restarts(plan->run, index) || c->stale;
    bool rerun = pod_is_init(plan->run->pod, index) && !is_current(plan->run, c);
    if (again || rerun) {
        begin(plan, index);
    }
}

static void stop(struct plan *plan, size_t index)
{
    if (begin_ending(plan, index, plan_grace(plan))) {
        run_note(plan->run, false, "Killing", index, "Stopping container %s",
                 pod_container(plan->run->pod, index)->name);
    }
    go_on_ending(plan, index, true);
}

/* The state is not known: stop it, read it, and if that does not help take it for ended. */
static void clear_up(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    if (!plan_due(plan, c->retry_at)) {
        return;
    }
    if (c->doubt == 0) {
        act(plan, index, RUN_STOP);
    } else if (c->doubt == 1) {
        act(plan, index, RUN_READ);
    } else {
        c->state = RUN_EXITED;
        c->end.exit_code = 255;
        plan->run->wake_at = plan->now; /* and look again */
    }
}

static void nothing(struct plan *plan, size_t index)
{
    (void)plan;
    (void)index;
}

typedef void (*container_fn)(struct plan *plan, size_t index);

static const container_fn container_table[RUN_STATES][RUN_WANTS] = {
    /* wanted:        to run    to stop       to be gone */
    [RUN_NONE] = {begin, nothing, nothing},
    [RUN_CREATED] = {start, nothing, nothing},
    [RUN_RUNNING] = {keep, stop, stop},
    [RUN_EXITED] = {restart, nothing, nothing},
    [RUN_UNKNOWN] = {clear_up, clear_up, clear_up},
};

static void step_container(struct plan *plan, size_t index, enum run_want want)
{
    const struct run_container *c = &plan->run->containers[index];
    if (c->op == RUN_NOTHING) {
        container_table[c->state][want](plan, index);
    }
}

/* While init containers run it is already found out whether the main ones' images are here. */
static void look_ahead(struct plan *plan, size_t index)
{
    struct run_container *c = &plan->run->containers[index];
    const struct pod_container *spec = pod_container(plan->run->pod, index);
    if (c->op == RUN_NOTHING && c->state == RUN_NONE && c->image == RUN_IMAGE_UNKNOWN &&
        spec->pull != POD_PULL_ALWAYS && spec->image_error[0] == '\0') {
        act(plan, index, RUN_LOOK);
    }
}

/* kubelet starts containers one after the other, each with its hook: people use that to have one
 * ready before the next one starts. */
static bool is_starting(const struct run *run, size_t index)
{
    const struct run_container *c = &run->containers[index];
    bool under_way = c->op == RUN_LOOK || c->op == RUN_PULL || c->op == RUN_CREATE ||
                     c->op == RUN_START || c->state == RUN_CREATED || run_is_hooked(c);
    return under_way && pod_container(run->pod, index)->post_start != NULL;
}

/* Init containers one after the other, then the main ones together. */
static void step_containers(struct plan *plan)
{
    struct run *run = plan->run;
    size_t first = phase_next_init(run);
    for (size_t i = 0; i < run->pod->init_count; i++) {
        bool sidecar_before = i < first && pod_container(run->pod, i)->sidecar;
        if (i == first || sidecar_before || run->containers[i].state == RUN_UNKNOWN) {
            step_container(plan, i, RUN_WANT_RUN);
        }
    }
    bool may_start = first == run->pod->init_count;
    for (size_t i = run->pod->init_count; i < pod_main_end(run->pod); i++) {
        if (may_start || is_alive(&run->containers[i])) {
            step_container(plan, i, RUN_WANT_RUN);
        } else {
            look_ahead(plan, i);
        }
        may_start = may_start && !is_starting(run, i);
    }
}

/* They need the sandbox only: people look with them at init containers, too. */
static void step_ephemeral(struct plan *plan)
{
    for (size_t i = pod_main_end(plan->run->pod); i < plan->run->count; i++) {
        step_container(plan, i, RUN_WANT_RUN);
    }
}

/* ---- the pod ---- */

/* Whether files are being mounted, or will be in this step: they must not be replaced now. */
static bool is_mounting(const struct plan *plan)
{
    const struct run *run = plan->run;
    for (size_t i = 0; i < run->count; i++) {
        const struct run_container *c = &run->containers[i];
        bool starts = c->state == RUN_CREATED && c->made && is_current(run, c) &&
                      is_box_there(run) && c->retry_at.us <= plan->now.us;
        if (c->op == RUN_CREATE || c->op == RUN_START || (starts && c->op == RUN_NOTHING)) {
            return true;
        }
    }
    return false;
}

static void step_prepare(struct plan *plan)
{
    struct run *run = plan->run;
    if (!run->prepared && !run->preparing && !is_mounting(plan) &&
        plan_due(plan, run->prepare_at)) {
        run->preparing = true;
        for (size_t i = 0; i < run->count; i++) {
            run->containers[i].made = false;
        }
        plan_add(plan, (struct run_action){.verb = RUN_PREPARE, .container = RUN_NO_CONTAINER});
    }
}

static void step_clean(struct plan *plan)
{
    struct run *run = plan->run;
    bool empty = run->sandbox.state == RUN_BOX_NONE && run->old_sandbox_count == 0 &&
                 run->sandbox.op == RUN_NOTHING && !run_is_active(run) && !run->preparing;
    if (empty && !run->cleaning) {
        run->cleaning = true;
        plan_add(plan, (struct run_action){.verb = RUN_CLEAN, .container = RUN_NO_CONTAINER});
    }
}

static enum run_want wanted(struct run *run)
{
    if (run->over == NULL) {
        run->over = phase_final(run);
    }
    return run->want == RUN_WANT_RUN && run->over != NULL ? RUN_WANT_STOP : run->want;
}

size_t run_step(struct run *run, struct cor_mono now, struct run_action *out)
{
    struct plan plan = {.run = run, .now = now, .out = out};
    run->wake_at.us = INT64_MAX;
    if (!run->observed || run->cleaned) {
        return 0;
    }
    enum run_want want = wanted(run);
    if (want == RUN_WANT_RUN) {
        step_prepare(&plan);
        step_containers(&plan);
        step_ephemeral(&plan);
    } else {
        for (size_t i = 0; i < run->count; i++) {
            step_container(&plan, i, want);
        }
    }
    plan_box(&plan, want);
    plan_old(&plan);
    if (want == RUN_WANT_GONE) {
        step_clean(&plan);
    }
    return plan.count;
}
