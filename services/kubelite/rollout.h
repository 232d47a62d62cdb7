// SPDX-License-Identifier: Apache-2.0
// One look at a Deployment: what sync_deployment.c (steps) and rollout.c (sizes, status) share.
#ifndef KUBELITE_ROLLOUT_H
#define KUBELITE_ROLLOUT_H

#include "plan.h"

struct rollout {
    const struct cor_json *old;  /* the Deployment */
    struct cor_json *object;     /* a copy: its status is set here; owned */
    const struct cor_json *sets; /* as they are */
    struct cor_json *changed;    /* copies of them: changed here; owned */
    struct cor_json *latest;     /* the one of the current template, borrowed from changed */
    bool created;                /* it is new */
    int64_t replicas;
    struct cor_wall now;
    struct kl_plan *plan;
};

/* Sizes: spec.replicas of a set; of all sets; the bounds of a rolling update. */
int64_t kl_rollout_size_of(const struct cor_json *set);
int64_t kl_rollout_total_size(const struct rollout *rollout);
int64_t kl_rollout_max_surge(const struct rollout *rollout);
int64_t kl_rollout_max_unavailable(const struct rollout *rollout);

/* Sum of a number in all of sets. */
int64_t kl_rollout_sum_of(const struct cor_json *sets, const char *path);

/* Sets the condition Progressing, when there is a deadline. */
void kl_rollout_progressing(struct rollout *rollout, const char *status, const char *reason,
                            const char *message);

/* Whether deployment's status says that everything is new and available. */
bool kl_rollout_is_complete(const struct rollout *rollout, const struct cor_json *deployment);

/* Sets the status of rollout->object; then judges whether it goes on. */
void kl_rollout_status(struct rollout *rollout);
void kl_rollout_judge(struct rollout *rollout);

#endif
