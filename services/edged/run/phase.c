// SPDX-License-Identifier: Apache-2.0
#include "phase.h"

#include <string.h>

static bool is_up(const struct run_container *c)
{
    return c->state == RUN_RUNNING || (c->state == RUN_UNKNOWN && c->doubt < 2);
}

static bool in_this_sandbox(const struct run *run, const struct run_container *c)
{
    return c->sandbox != NULL && run->sandbox.id != NULL &&
           strcmp(c->sandbox, run->sandbox.id) == 0;
}

bool phase_is_complete(const struct run *run, size_t index)
{
    const struct run_container *c = &run->containers[index];
    if (!pod_is_init(run->pod, index)) {
        return false;
    }
    if (pod_container(run->pod, index)->sidecar) {
        return is_up(c) && !run_is_hooked(c) && run_has_started(run, index);
    }
    return c->state == RUN_EXITED && c->end.exit_code == 0;
}

/* Init containers belong to a sandbox: once a main container is in it they have all completed, even
 * if the runtime has forgotten them; in a new sandbox they run again. */
size_t phase_next_init(const struct run *run)
{
    for (size_t i = run->pod->init_count; i < pod_main_end(run->pod); i++) {
        if (run->containers[i].state != RUN_NONE && in_this_sandbox(run, &run->containers[i])) {
            return run->pod->init_count;
        }
    }
    size_t i = 0;
    while (i < run->pod->init_count && phase_is_complete(run, i) &&
           in_this_sandbox(run, &run->containers[i])) {
        i++;
    }
    return i;
}

/* How the containers of one kind stand. */
struct tally {
    size_t waiting;
    size_t running;
    size_t stopped;
    size_t succeeded;
    size_t failed;
};

/* As in the API's status: a container that will be started again waits, unless it ended just now.
 */
static void count_main(const struct run *run, size_t index, struct tally *tally)
{
    const struct run_container *c = &run->containers[index];
    if (is_up(c) && !run_is_hooked(c)) {
        tally->running++;
        return;
    }
    bool ended = c->state == RUN_EXITED || c->state == RUN_UNKNOWN || c->last.id != NULL;
    if (!ended) {
        tally->waiting++;
        return;
    }
    bool good = c->state == RUN_EXITED && c->end.exit_code == 0 && c->wait_reason == NULL;
    tally->stopped++;
    tally->succeeded += good ? 1 : 0;
    tally->failed += good ? 0 : 1;
}

static bool init_failed(const struct run *run)
{
    for (size_t i = 0; i < run->pod->init_count; i++) {
        const struct run_container *c = &run->containers[i];
        if (c->state == RUN_EXITED && c->end.exit_code != 0 &&
            !pod_container(run->pod, i)->sidecar) {
            return true;
        }
    }
    return false;
}

/* The case of phase: in kubelet's order. */
const char *phase_of(const struct run *run)
{
    if (run->over != NULL) {
        return run->over;
    }
    struct tally tally = {0};
    for (size_t i = run->pod->init_count; i < pod_main_end(run->pod); i++) {
        count_main(run, i, &tally);
    }
    if (run->pod->restart == POD_RESTART_NEVER && init_failed(run)) {
        return "Failed";
    }
    if (phase_next_init(run) < run->pod->init_count && tally.running + tally.stopped == 0) {
        return "Pending";
    }
    if (tally.waiting > 0) {
        return "Pending";
    }
    if (tally.running > 0 || run->pod->restart == POD_RESTART_ALWAYS) {
        return "Running";
    }
    if (tally.stopped == tally.succeeded) {
        return "Succeeded";
    }
    return run->pod->restart == POD_RESTART_NEVER ? "Failed" : "Running";
}

const char *phase_final(const struct run *run)
{
    const char *phase = phase_of(run);
    return strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0 ? phase : NULL;
}

/* A pod that is not restarted gets one sandbox only; one that restarts on failure needs a new one
 * only while a container has not succeeded. */
bool phase_needs_sandbox(const struct run *run)
{
    bool had_one = run->sandbox.next_attempt > 0 && run->sandbox.state != RUN_BOX_NONE;
    if (run->pod->restart == POD_RESTART_ALWAYS || !had_one) {
        return true;
    }
    bool any = false;
    for (size_t i = run->pod->init_count; i < pod_main_end(run->pod); i++) {
        const struct run_container *c = &run->containers[i];
        bool over = c->state == RUN_EXITED &&
                    (c->end.exit_code == 0 || run->pod->restart == POD_RESTART_NEVER);
        any = any || !over;
    }
    return any;
}
