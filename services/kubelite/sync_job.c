// SPDX-License-Identifier: Apache-2.0
// The Job controller (pkg/controller/job).
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "plan.h"

enum { BACKOFF_S = 10, BACKOFF_MAX_S = 360, BURST = 500 };

struct work {
    const struct cor_json *job;
    struct cor_json *object; /* a copy: its status is set here; owned */
    struct cor_json *active; /* Pods; owned */
    int64_t succeeded;
    int64_t failed;
    int64_t failed_at; /* seconds */
    int64_t restarts;
    struct cor_wall now;
    struct kl_plan *plan;
};

static bool has_phase(const struct cor_json *pod, const char *phase)
{
    return strcmp(cor_json_str_at(pod, "status.phase", ""), phase) == 0;
}

static bool is_finished(const struct cor_json *job)
{
    static const char *const ends[] = {"Complete", "Failed"};
    for (size_t i = 0; i < COR_COUNT(ends); i++) {
        if (strcmp(cor_json_str_at(kl_condition(job, ends[i]), "status", ""), "True") == 0) {
            return true;
        }
    }
    return false;
}

/* When the last of the Pod's containers ended; its creation when nobody knows. */
static int64_t ended_at(const struct cor_json *pod)
{
    int64_t last = kl_seconds_at(pod, "metadata.creationTimestamp");
    const struct cor_json *list = cor_json_at(pod, "status.containerStatuses");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        int64_t one = kl_seconds_at(cor_json_item(list, i), "state.terminated.finishedAt");
        last = one > last ? one : last;
    }
    return last;
}

static int64_t restarts_of(const struct cor_json *pod)
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};
    int64_t sum = 0;
    for (size_t l = 0; l < COR_COUNT(lists); l++) {
        const struct cor_json *list = cor_json_at(pod, lists[l]);
        for (size_t i = 0; i < cor_json_count(list); i++) {
            sum += cor_json_int_at(cor_json_item(list, i), "restartCount", 0);
        }
    }
    return sum;
}

static void count_pods(struct work *work, const struct cor_json *pods)
{
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        struct cor_json *pod = cor_json_item(pods, i);
        if (kl_pod_active(pod)) {
            cor_json_add(work->active, cor_json_ref(pod));
            work->restarts += restarts_of(pod);
        } else if (has_phase(pod, "Succeeded")) {
            work->succeeded++;
        } else if (has_phase(pod, "Failed")) {
            int64_t at = ended_at(pod);
            work->failed++;
            work->failed_at = at > work->failed_at ? at : work->failed_at;
        }
    }
}

/* Why the Job has failed; NULL: it has not. */
static const char *failure(struct work *work, const char **message_r)
{
    int64_t limit = cor_json_int_at(work->job, "spec.backoffLimit", 6);
    int64_t parallel = cor_json_int_at(work->job, "spec.parallelism", 1);
    bool newly = work->failed > cor_json_int_at(work->job, "status.failed", 0) &&
                 (int64_t)cor_json_count(work->active) != parallel && work->failed > limit;
    bool restarting = strcmp(cor_json_str_at(work->job, "spec.template.spec.restartPolicy", ""),
                             "OnFailure") == 0;
    const struct cor_json *seconds = cor_json_at(work->job, "spec.activeDeadlineSeconds");
    int64_t start = kl_seconds_at(work->object, "status.startTime");
    int64_t rest_us = COR_SEC(start + cor_json_as_int(seconds, 0)) - work->now.us;
    if (newly || (restarting && (limit == 0 ? work->restarts > 0 : work->restarts >= limit))) {
        *message_r = "Job has reached the specified backoff limit";
        return "BackoffLimitExceeded";
    }
    if (seconds != NULL && rest_us > 0) {
        kl_plan_again(work->plan, rest_us);
    } else if (seconds != NULL) {
        *message_r = "Job was active longer than specified deadline";
        return "DeadlineExceeded";
    }
    return NULL;
}

static void end_job(struct work *work, const char *type, const char *reason, const char *message)
{
    struct kl_condition_spec spec = {type, "True", reason, message, "lastProbeTime"};
    kl_set_condition(work->object, &spec, work->now);
    kl_plan_event(work->plan, KL_JOB, work->job, reason[0] == '\0' ? "Completed" : reason, "%s",
                  reason[0] == '\0' ? "Job completed" : message);
}

/* How many Pods shall be active. */
static int64_t wanted_of(const struct work *work)
{
    int64_t parallel = cor_json_int_at(work->job, "spec.parallelism", 1);
    const struct cor_json *completions = cor_json_at(work->job, "spec.completions");
    if (completions == NULL) {
        return work->succeeded > 0 ? (int64_t)cor_json_count(work->active) : parallel;
    }
    int64_t left = cor_json_as_int(completions, 0) - work->succeeded;
    left = left < 0 ? 0 : left;
    return left < parallel ? left : parallel;
}

/* After a failure the next Pod waits 10 s, then twice as long each time, at most 6 min. */
static bool must_wait(const struct work *work)
{
    int64_t delay = BACKOFF_S;
    for (int64_t i = 1; i < work->failed && delay < BACKOFF_MAX_S; i++) {
        delay *= 2;
    }
    delay = delay > BACKOFF_MAX_S ? BACKOFF_MAX_S : delay;
    int64_t rest_us = COR_SEC(work->failed_at + delay) - work->now.us;
    if (work->failed == 0 || rest_us <= 0) {
        return false;
    }
    kl_plan_again(work->plan, rest_us);
    return true;
}

/* Returns how many Pods are active then. */
static int64_t manage(struct work *work)
{
    int64_t active = (int64_t)cor_json_count(work->active);
    int64_t wanted = wanted_of(work);
    for (int64_t i = active; i > wanted; i--) {
        const struct cor_json *pod = cor_json_item(work->active, (size_t)(i - 1));
        kl_plan_remove(work->plan, KL_POD, pod);
        kl_plan_event(work->plan, KL_JOB, work->job, "SuccessfulDelete", "Deleted pod: %s",
                      kl_meta_str(pod, "name"));
    }
    if (active >= wanted) {
        return active < wanted ? active : wanted;
    }
    if (must_wait(work)) {
        return active;
    }
    for (int64_t i = active; i < wanted && i - active < BURST; i++) {
        kl_plan_create(work->plan, KL_POD, kl_pod_of(KL_JOB, work->job));
    }
    return wanted;
}

static bool is_complete(const struct work *work, int64_t active)
{
    const struct cor_json *completions = cor_json_at(work->job, "spec.completions");
    return completions == NULL ? work->succeeded > 0 && active == 0
                               : work->succeeded >= cor_json_as_int(completions, 0);
}

static int64_t step(struct work *work, const char *time)
{
    const char *message = "";
    const char *reason = failure(work, &message);
    if (reason != NULL) {
        size_t count = cor_json_count(work->active);
        for (size_t i = 0; i < count; i++) {
            kl_plan_remove(work->plan, KL_POD, cor_json_item(work->active, i));
        }
        work->failed += (int64_t)count;
        end_job(work, "Failed", reason, message);
        return 0;
    }
    int64_t active = (int64_t)cor_json_count(work->active);
    if (!kl_meta_deleting(work->job)) {
        active = manage(work);
    }
    if (is_complete(work, active)) {
        end_job(work, "Complete", "", "");
        cor_json_set_at(work->object, "status.completionTime", cor_json_str(time));
    }
    return active;
}

void kl_job_sync(const struct cor_json *job, const struct cor_json *pods, struct cor_wall now,
                 struct kl_plan *plan)
{
    char time[COR_RFC3339_SIZE];
    cor_wall_format(now, time);
    if (is_finished(job)) {
        return;
    }
    auto_(cor_json_free) struct cor_json *object = cor_json_copy(job);
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    struct work work = {.job = job, .object = object, .active = list, .now = now, .plan = plan};
    count_pods(&work, pods);
    if (cor_json_at(object, "status.startTime") == NULL) {
        cor_json_set_at(object, "status.startTime", cor_json_str(time));
    }
    int64_t active = step(&work, time);
    kl_set_count(object, "status.active", active);
    kl_set_count(object, "status.succeeded", work.succeeded);
    kl_set_count(object, "status.failed", work.failed);
    kl_plan_status(plan, KL_JOB, cor_json_ref(object), job);
}
