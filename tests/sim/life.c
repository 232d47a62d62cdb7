// SPDX-License-Identifier: Apache-2.0
#include "life.h"

#include <stdio.h>

#include "common/base/must.h"
#include "inner.h"
#include "people.h"

/* The working folder, whichever it is by then. */
#define HERE "/proc/self/cwd"

/* Faults end before the world does; then all must agree within the bound. */
enum { LOOK_S = 120, AGREE_S = 5, BOUND_S = 480, BOOT_S = 30 };

static struct {
    bool agree;
    bool asking;
    char why[256];
} state;

static void on_verdict(bool agree, const char *why)
{
    state.agree = agree;
    state.asking = false;
    (void)snprintf(state.why, sizeof(state.why), "%s", why);
}

static void run_to(int64_t end)
{
    while (sim_now() < end) {
        int64_t next = sim_now() + COR_SEC(LOOK_S);
        sim_run_until(next < end ? next : end);
        sim_check_always();
    }
}

static void run_until_agreed(void)
{
    int64_t end = sim_now() + COR_SEC(BOUND_S);
    while (!state.agree && sim_now() < end) {
        if (!state.asking) {
            state.asking = true;
            sim_check(on_verdict);
        }
        sim_run_until(sim_now() + COR_SEC(AGREE_S));
        sim_check_always();
    }
    if (!state.agree) {
        sim_broken("convergence", "after %d s: %s", BOUND_S,
                   state.asking ? "the API does not answer" : state.why);
    }
}

void sim_boot(bool verbose)
{
    sim_begin(0, HERE, verbose);
    sim_people()->waits = true;
    sim_people_begin();
    sim_run_until(COR_SEC(BOOT_S));
    must(sim_people()->settled);
}

bool sim_live(const struct sim_plan *plan, struct sim_outcome *outcome_r)
{
    if (sim_dir() == NULL) {
        sim_begin(plan->seed, HERE, plan->verbose);
        sim_people_begin();
    } else {
        sim_seed_again(plan->seed);
        sim_work_begin();
    }
    int64_t end = sim_now() + (int64_t)(plan->hours * 3600e6);
    if (!plan->calm) {
        sim_faults_begin(end, plan->faults);
    }
    run_to(end);
    if (!sim_people()->settled) {
        sim_broken("set-up", "the cluster is not set up");
    }
    sim_people_rest();
    sim_faults_end();
    int64_t ended = sim_now();
    run_until_agreed();
    outcome_r->agreed_s = (double)(sim_now() - ended) / 1e6;
    outcome_r->hash = sim_hash();
    outcome_r->events = sim_events();
    for (enum sim_id id = 0; id < SIM_CORES; id++) {
        outcome_r->crashes += sim_core(id)->crashes;
    }
    (void)fflush(stderr);
    return sim_broken_count() == 0;
}
