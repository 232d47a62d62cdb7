// SPDX-License-Identifier: Apache-2.0
// What a controller of workloads wants changed, and the parts that those controllers share. The
// controllers are pure: they get objects and the time, and fill in a plan. Pure.
#ifndef KUBELITE_PLAN_H
#define KUBELITE_PLAN_H

#include "common/clock/clock.h"
#include "common/json/json.h"
#include "kind.h"

enum kl_step_type { KL_CREATE, KL_UPDATE, KL_UPDATE_STATUS, KL_REMOVE };

struct kl_step {
    enum kl_step_type type;
    enum kl_builtin kind;
    struct cor_json *object; /* owned; to KL_REMOVE: the one to delete */
    struct cor_json *old;    /* owned; NULL to create */
};

/* Zeroed is ready. */
struct kl_plan {
    struct kl_step *steps; /* owned */
    size_t count;
    size_t room;
    struct cor_wall now; /* for Events */
    int64_t again_us;    /* look again after that time; 0: not needed */
};

/* Frees what it owns. For auto_(). */
void kl_plan_free(struct kl_plan *plan);

/* Adds a step: object and old are taken. An update that changes nothing is left out. */
void kl_plan_create(struct kl_plan *plan, enum kl_builtin kind, struct cor_json *object);
void kl_plan_update(struct kl_plan *plan, enum kl_builtin kind, struct cor_json *object,
                    const struct cor_json *old);
void kl_plan_status(struct kl_plan *plan, enum kl_builtin kind, struct cor_json *object,
                    const struct cor_json *old);
void kl_plan_remove(struct kl_plan *plan, enum kl_builtin kind, const struct cor_json *object);

/* An Event about object (kubectl describe shows them). */
void kl_plan_event(struct kl_plan *plan, enum kl_builtin kind, const struct cor_json *object,
                   const char *reason, const char *fmt, ...) COR_PRINTF(5, 6);

/* Looks again after us, or earlier if that was asked for. */
void kl_plan_again(struct kl_plan *plan, int64_t us);

/* The owner reference of what object, of that kind, controls. Returns owned. */
struct cor_json *kl_owner_ref(enum kl_builtin kind, const struct cor_json *object);

/* A Pod of spec.template of its controller, without a name. Returns owned. */
struct cor_json *kl_pod_of(enum kl_builtin kind, const struct cor_json *controller);

/* Ten letters that stand for a template: the same for the same content. */
enum { KL_HASH_SIZE = 11 };
void kl_template_hash(const struct cor_json *template, char out[KL_HASH_SIZE]);

/* A Pod that is neither ended nor ending; one that is Ready; one that is so for min_ready seconds:
 * plan is told when it will be. */
bool kl_pod_active(const struct cor_json *pod);
bool kl_pod_ready(const struct cor_json *pod);
bool kl_pod_available(const struct cor_json *pod, int64_t min_ready, struct cor_wall now,
                      struct kl_plan *plan);

/* A number, or a percentage of total, rounded up or down. */
int64_t kl_share_of(const struct cor_json *value, int64_t total, bool up);

/* The condition of that type in object's status; NULL when there is none. Borrowed. */
struct cor_json *kl_condition(const struct cor_json *object, const char *type);

struct kl_condition_spec {
    const char *type;
    const char *status;
    const char *reason;
    const char *message;
    const char *time_field; /* a second time beside lastTransitionTime; NULL: none */
};

/* Sets a condition: nothing changes while status and reason are the same, lastTransitionTime only
 * with the status. */
void kl_set_condition(struct cor_json *object, const struct kl_condition_spec *spec,
                      struct cor_wall now);

/* Takes a condition out. */
void kl_drop_condition(struct cor_json *object, const char *type);

/* Seconds since the epoch of a time in object at path; 0 when there is none. */
int64_t kl_seconds_at(const struct cor_json *object, const char *path);

/* Sets a number in object at path; 0 takes it out, as Go's omitempty does. */
void kl_set_count(struct cor_json *object, const char *path, int64_t count);

/* The controllers. sets: the Deployment's ReplicaSets; pods: what the object controls. */
void kl_replicaset_sync(const struct cor_json *set, const struct cor_json *pods,
                        struct cor_wall now, struct kl_plan *plan);
void kl_deployment_sync(const struct cor_json *deployment, const struct cor_json *sets,
                        struct cor_wall now, struct kl_plan *plan);
void kl_daemonset_sync(const struct cor_json *daemon, const struct cor_json *pods,
                       const struct cor_json *nodes, const struct cor_json *revisions,
                       struct kl_plan *plan, struct cor_wall now);
void kl_job_sync(const struct cor_json *job, const struct cor_json *pods, struct cor_wall now,
                 struct kl_plan *plan);

#endif
