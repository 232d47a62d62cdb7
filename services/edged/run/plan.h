// SPDX-License-Identifier: Apache-2.0
// Private to step.c and step_box.c: the actions of one step.
#ifndef EDGED_PLAN_H
#define EDGED_PLAN_H

#include "run.h"

struct plan {
    struct run *run;
    struct cor_mono now;
    struct run_action *out; /* RUN_ACTIONS_MAX */
    size_t count;
};

/* Adds to what is to be done. */
void plan_add(struct plan *plan, struct run_action action);

/* Whether at has come; if not, the pod is looked at again then. */
bool plan_due(struct plan *plan, struct cor_mono at);

/* What is to be done with the sandbox for want. */
void plan_box(struct plan *plan, enum run_want want);

/* What is to be done with sandboxes and containers of former attempts. */
void plan_old(struct plan *plan);

#endif
