// SPDX-License-Identifier: Apache-2.0
#include "rollout.h"

#include <string.h>

#include "common/base/mem.h"
#include "meta.h"

int64_t kl_rollout_size_of(const struct cor_json *set)
{
    return cor_json_int_at(set, "spec.replicas", 0);
}

int64_t kl_rollout_max_surge(const struct rollout *rollout)
{
    const struct cor_json *surge =
        cor_json_at(rollout->old, "spec.strategy.rollingUpdate.maxSurge");
    return surge == NULL ? 0 : kl_share_of(surge, rollout->replicas, true);
}

/* ResolveFenceposts: both may not round to 0. */
int64_t kl_rollout_max_unavailable(const struct rollout *rollout)
{
    const struct cor_json *value =
        cor_json_at(rollout->old, "spec.strategy.rollingUpdate.maxUnavailable");
    if (value == NULL || rollout->replicas == 0) {
        return 0;
    }
    int64_t count = kl_share_of(value, rollout->replicas, false);
    count = count == 0 && kl_rollout_max_surge(rollout) == 0 ? 1 : count;
    return count > rollout->replicas ? rollout->replicas : count;
}

int64_t kl_rollout_total_size(const struct rollout *rollout)
{
    int64_t sum = 0;
    for (size_t i = 0; i < cor_json_count(rollout->changed); i++) {
        sum += kl_rollout_size_of(cor_json_item(rollout->changed, i));
    }
    return sum;
}

int64_t kl_rollout_sum_of(const struct cor_json *sets, const char *path)
{
    int64_t sum = 0;
    for (size_t i = 0; i < cor_json_count(sets); i++) {
        sum += cor_json_int_at(cor_json_item(sets, i), path, 0);
    }
    return sum;
}

void kl_rollout_progressing(struct rollout *rollout, const char *status, const char *reason,
                            const char *message)
{
    struct kl_condition_spec spec = {"Progressing", status, reason, message, "lastUpdateTime"};
    if (cor_json_at(rollout->old, "spec.progressDeadlineSeconds") != NULL) {
        kl_set_condition(rollout->object, &spec, rollout->now);
    }
}

bool kl_rollout_is_complete(const struct rollout *rollout, const struct cor_json *deployment)
{
    return cor_json_int_at(deployment, "status.updatedReplicas", 0) == rollout->replicas &&
           cor_json_int_at(deployment, "status.replicas", 0) == rollout->replicas &&
           cor_json_int_at(deployment, "status.availableReplicas", 0) == rollout->replicas &&
           cor_json_int_at(deployment, "status.observedGeneration", 0) >=
               cor_json_int_at(deployment, "metadata.generation", 0);
}

void kl_rollout_status(struct rollout *rollout)
{
    struct cor_json *object = rollout->object;
    int64_t available = kl_rollout_sum_of(rollout->sets, "status.availableReplicas");
    int64_t unavailable = kl_rollout_total_size(rollout) - available;
    bool enough = available >= rollout->replicas - kl_rollout_max_unavailable(rollout);
    struct kl_condition_spec spec = {"Available", enough ? "True" : "False",
                                     enough ? "MinimumReplicasAvailable"
                                            : "MinimumReplicasUnavailable",
                                     enough ? "Deployment has minimum availability."
                                            : "Deployment does not have minimum availability.",
                                     "lastUpdateTime"};
    kl_set_count(object, "status.observedGeneration",
                 cor_json_int_at(rollout->old, "metadata.generation", 0));
    kl_set_count(object, "status.replicas", kl_rollout_sum_of(rollout->sets, "status.replicas"));
    kl_set_count(object, "status.updatedReplicas",
                 cor_json_int_at(rollout->latest, "status.replicas", 0));
    kl_set_count(object, "status.readyReplicas",
                 kl_rollout_sum_of(rollout->sets, "status.readyReplicas"));
    kl_set_count(object, "status.availableReplicas", available);
    kl_set_count(object, "status.unavailableReplicas", unavailable < 0 ? 0 : unavailable);
    kl_set_condition(object, &spec, rollout->now);
}

/* DeploymentProgressing: more new Pods, fewer old ones, more that are ready or available. */
static bool has_progressed(const struct rollout *rollout)
{
    static const char *const growing[] = {"status.updatedReplicas", "status.readyReplicas",
                                          "status.availableReplicas"};
    const struct cor_json *was = rollout->old;
    const struct cor_json *is = rollout->object;
    int64_t old_was = cor_json_int_at(was, "status.replicas", 0) -
                      cor_json_int_at(was, "status.updatedReplicas", 0);
    int64_t old_is = cor_json_int_at(is, "status.replicas", 0) -
                     cor_json_int_at(is, "status.updatedReplicas", 0);
    bool more = old_is < old_was;
    for (size_t i = 0; i < COR_COUNT(growing); i++) {
        more = more || cor_json_int_at(is, growing[i], 0) > cor_json_int_at(was, growing[i], 0);
    }
    return more;
}

static void note_progress(struct rollout *rollout, const char *text)
{
    const struct cor_json *before = kl_condition(rollout->object, "Progressing");
    bool was_true = strcmp(cor_json_str_at(before, "status", ""), "True") == 0;
    auto_(cor_freep) char *since =
        was_true ? cor_strdup(cor_json_str_at(before, "lastTransitionTime", "")) : NULL;
    kl_drop_condition(rollout->object, "Progressing");
    kl_rollout_progressing(rollout, "True", "ReplicaSetUpdated", text);
    struct cor_json *after = kl_condition(rollout->object, "Progressing");
    if (since != NULL && after != NULL) {
        cor_json_set(after, "lastTransitionTime", cor_json_str(since));
    }
}

/* Whether the deadline is over; else the plan is told when it will be. */
static bool is_late(struct rollout *rollout)
{
    const struct cor_json *condition = kl_condition(rollout->object, "Progressing");
    const char *reason = cor_json_str_at(condition, "reason", "");
    if (condition == NULL || strcmp(reason, "NewReplicaSetAvailable") == 0) {
        return false;
    }
    int64_t end = kl_seconds_at(condition, "lastUpdateTime") +
                  cor_json_int_at(rollout->old, "spec.progressDeadlineSeconds", 0);
    if (strcmp(reason, "ProgressDeadlineExceeded") == 0 || COR_SEC(end) < rollout->now.us) {
        return true;
    }
    kl_plan_again(rollout->plan, COR_SEC(end + 1) - rollout->now.us);
    return false;
}

/* syncRolloutStatus. */
void kl_rollout_judge(struct rollout *rollout)
{
    const char *name =
        kl_meta_str(rollout->latest == NULL ? rollout->old : rollout->latest, "name");
    const char *word = rollout->latest == NULL ? "Deployment" : "ReplicaSet";
    const struct cor_json *condition = kl_condition(rollout->old, "Progressing");
    const struct cor_json *object = rollout->object;
    bool settled = cor_json_int_at(object, "status.replicas", 0) ==
                       cor_json_int_at(object, "status.updatedReplicas", 0) &&
                   strcmp(cor_json_str_at(condition, "reason", ""), "NewReplicaSetAvailable") == 0;
    if (cor_json_at(rollout->old, "spec.progressDeadlineSeconds") == NULL) {
        kl_drop_condition(rollout->object, "Progressing");
    } else if (!settled && kl_rollout_is_complete(rollout, object)) {
        auto_(cor_freep) char *text =
            cor_sprintf("%s \"%s\" has successfully progressed.", word, name);
        kl_rollout_progressing(rollout, "True", "NewReplicaSetAvailable", text);
    } else if (!settled && has_progressed(rollout)) {
        auto_(cor_freep) char *text = cor_sprintf("%s \"%s\" is progressing.", word, name);
        note_progress(rollout, text);
    } else if (!settled && is_late(rollout)) {
        auto_(cor_freep) char *text =
            cor_sprintf("%s \"%s\" has timed out progressing.", word, name);
        kl_rollout_progressing(rollout, "False", "ProgressDeadlineExceeded", text);
    }
}
