// SPDX-License-Identifier: Apache-2.0
// Decisions for the sandbox of a pod, and for what is left of former ones.
#include "phase.h"
#include "plan.h"

static void box_act(struct plan *plan, enum run_verb verb)
{
    struct run_sandbox *s = &plan->run->sandbox;
    if (s->op == RUN_NOTHING && plan_due(plan, s->retry_at)) {
        s->op = verb;
        plan_add(plan, (struct run_action){.verb = verb,
                                           .container = RUN_NO_CONTAINER,
                                           .id = s->id,
                                           .attempt = s->next_attempt});
    }
}

static void box_create(struct plan *plan)
{
    if (phase_needs_sandbox(plan->run)) {
        box_act(plan, RUN_SANDBOX);
    }
}

static void box_read(struct plan *plan)
{
    if (!plan->run->sandbox.read) {
        box_act(plan, RUN_READ_SANDBOX);
    }
}

/* The containers first, with their grace. */
static void box_stop(struct plan *plan)
{
    if (!run_is_active(plan->run)) {
        box_act(plan, RUN_STOP_SANDBOX);
    }
}

/* Its process is gone while the pod should run: what is left in it is of no use. */
static void box_bury(struct plan *plan)
{
    box_act(plan, RUN_STOP_SANDBOX);
}

/* The stopped sandbox keeps its dead containers until a new one stands; then it is among the old.
 */
static void box_again(struct plan *plan)
{
    if (phase_needs_sandbox(plan->run)) {
        box_act(plan, RUN_SANDBOX);
    }
}

static void box_remove(struct plan *plan)
{
    box_act(plan, RUN_REMOVE_SANDBOX);
}

static void box_nothing(struct plan *plan)
{
    (void)plan;
}

typedef void (*box_fn)(struct plan *plan);

static const box_fn box_table[RUN_BOXES][RUN_WANTS] = {
    /* wanted:           to run      to stop      to be gone */
    [RUN_BOX_NONE] = {box_create, box_nothing, box_nothing},
    [RUN_BOX_READY] = {box_read, box_stop, box_stop},
    [RUN_BOX_DEAD] = {box_bury, box_stop, box_stop},
    [RUN_BOX_STOPPED] = {box_again, box_nothing, box_remove},
};

void plan_box(struct plan *plan, enum run_want want)
{
    box_table[plan->run->sandbox.state][want](plan);
}

/* A dead container that is still the newest of its name is the only record of how it ended. */
static bool holds_record(const struct run *run, const char *sandbox)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->containers[i].id != NULL && run_same(run->containers[i].sandbox, sandbox)) {
            return true;
        }
    }
    return false;
}

/* Sandboxes of former attempts: stop (their network), then remove. */
static void step_old_sandboxes(struct plan *plan)
{
    struct run *run = plan->run;
    if (run->old_sandbox_count == 0 || run->old_sandbox_op != RUN_NOTHING ||
        (run->old_sandbox_stopped && run->want != RUN_WANT_GONE &&
         holds_record(run, run->old_sandboxes[0]))) {
        return;
    }
    run->old_sandbox_op = run->old_sandbox_stopped ? RUN_REMOVE_SANDBOX : RUN_STOP_SANDBOX;
    plan_add(plan, (struct run_action){.verb = run->old_sandbox_op,
                                       .container = RUN_NO_CONTAINER,
                                       .id = run->old_sandboxes[0]});
}

static void step_old_containers(struct plan *plan)
{
    struct run *run = plan->run;
    if (run->old_container_count > 0 && run->old_container_op == RUN_NOTHING) {
        run->old_container_op = RUN_REMOVE;
        plan_add(plan, (struct run_action){.verb = RUN_REMOVE,
                                           .container = RUN_NO_CONTAINER,
                                           .id = run->old_containers[0]});
    }
}

void plan_old(struct plan *plan)
{
    step_old_sandboxes(plan);
    step_old_containers(plan);
}
