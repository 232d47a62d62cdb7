// SPDX-License-Identifier: Apache-2.0
// The ReplicaSet controller (pkg/controller/replicaset).
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "labels.h"
#include "meta.h"
#include "plan.h"

enum { BURST = 500 }; /* BurstReplicas */

static int phase_rank(const struct cor_json *pod)
{
    const char *phase = cor_json_str_at(pod, "status.phase", "");
    return strcmp(phase, "Pending") == 0 ? 0 : strcmp(phase, "Unknown") == 0 ? 1 : 2;
}

static int64_t restarts(const struct cor_json *pod)
{
    int64_t most = 0;
    const struct cor_json *list = cor_json_at(pod, "status.containerStatuses");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        int64_t one = cor_json_int_at(cor_json_item(list, i), "restartCount", 0);
        most = one > most ? one : most;
    }
    return most;
}

static int sign(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* What is deleted first comes first (ActivePodsWithRanks of pkg/controller). */
static int compare(const void *first, const void *second)
{
    const struct cor_json *a = *(const struct cor_json *const *)first;
    const struct cor_json *b = *(const struct cor_json *const *)second;
    bool bound_a = cor_json_str_at(a, "spec.nodeName", "")[0] != '\0';
    bool bound_b = cor_json_str_at(b, "spec.nodeName", "")[0] != '\0';
    const int orders[] = {
        sign(bound_a, bound_b),
        sign(phase_rank(a), phase_rank(b)),
        sign(kl_pod_ready(a), kl_pod_ready(b)),
        sign(kl_seconds_at(kl_condition(b, "Ready"), "lastTransitionTime"),
             kl_seconds_at(kl_condition(a, "Ready"), "lastTransitionTime")),
        sign(restarts(b), restarts(a)),
        sign(kl_seconds_at(b, "metadata.creationTimestamp"),
             kl_seconds_at(a, "metadata.creationTimestamp")),
    };
    for (size_t i = 0; i < COR_COUNT(orders); i++) {
        if (orders[i] != 0) {
            return orders[i];
        }
    }
    return strcmp(kl_meta_str(a, "name"), kl_meta_str(b, "name"));
}

static void remove_some(const struct cor_json *set, const struct cor_json *active, size_t count,
                        struct kl_plan *plan)
{
    size_t total = cor_json_count(active);
    auto_(cor_freep) const struct cor_json **order = cor_calloc(total + 1, sizeof(*order));
    for (size_t i = 0; i < total; i++) {
        order[i] = cor_json_item(active, i);
    }
    qsort(order, total, sizeof(*order), compare);
    for (size_t i = 0; i < count && i < total; i++) {
        kl_plan_remove(plan, KL_POD, order[i]);
        kl_plan_event(plan, KL_REPLICASET, set, "SuccessfulDelete", "Deleted pod: %s",
                      kl_meta_str(order[i], "name"));
    }
}

static void set_status(const struct cor_json *set, const struct cor_json *active,
                       struct cor_wall now, struct kl_plan *plan)
{
    int64_t labeled = 0;
    int64_t ready = 0;
    int64_t available = 0;
    int64_t min_ready = cor_json_int_at(set, "spec.minReadySeconds", 0);
    const struct cor_json *labels = cor_json_at(set, "spec.template.metadata.labels");
    for (size_t i = 0; i < cor_json_count(active); i++) {
        const struct cor_json *pod = cor_json_item(active, i);
        labeled += kl_labels_include(labels, cor_json_at(pod, "metadata.labels")) ? 1 : 0;
        ready += kl_pod_ready(pod) ? 1 : 0;
        available += kl_pod_available(pod, min_ready, now, plan) ? 1 : 0;
    }
    struct cor_json *object = cor_json_copy(set);
    cor_json_set_at(object, "status.replicas", cor_json_int((int64_t)cor_json_count(active)));
    kl_set_count(object, "status.fullyLabeledReplicas", labeled);
    kl_set_count(object, "status.readyReplicas", ready);
    kl_set_count(object, "status.availableReplicas", available);
    kl_set_count(object, "status.observedGeneration",
                 cor_json_int_at(set, "metadata.generation", 0));
    kl_plan_status(plan, KL_REPLICASET, object, set);
}

/* A Pod whose labels went another way is let go. Returns whether it was. */
static bool release(const struct cor_json *set, const struct cor_json *pod, struct kl_plan *plan)
{
    if (kl_labels_match(cor_json_at(set, "spec.selector"), cor_json_at(pod, "metadata.labels"))) {
        return false;
    }
    struct cor_json *object = cor_json_copy(pod);
    struct cor_json *owners = cor_json_at(object, "metadata.ownerReferences");
    for (size_t i = cor_json_count(owners); i > 0; i--) {
        const char *uid = cor_json_str_at(cor_json_item(owners, i - 1), "uid", "");
        if (strcmp(uid, kl_meta_str(set, "uid")) == 0) {
            cor_json_put(owners, i - 1, NULL);
        }
    }
    if (cor_json_count(owners) == 0) {
        cor_json_del(kl_meta(object), "ownerReferences");
    }
    kl_plan_update(plan, KL_POD, object, pod);
    return true;
}

void kl_replicaset_sync(const struct cor_json *set, const struct cor_json *pods,
                        struct cor_wall now, struct kl_plan *plan)
{
    auto_(cor_json_free) struct cor_json *active = cor_json_array();
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        struct cor_json *pod = cor_json_item(pods, i);
        if (kl_pod_active(pod) && !release(set, pod, plan)) {
            cor_json_add(active, cor_json_ref(pod));
        }
    }
    int64_t missing = cor_json_int_at(set, "spec.replicas", 0) - (int64_t)cor_json_count(active);
    bool managed = !kl_meta_deleting(set);
    for (int64_t i = 0; managed && i < missing && i < BURST; i++) {
        kl_plan_create(plan, KL_POD, kl_pod_of(KL_REPLICASET, set));
    }
    if (managed && missing < 0) {
        remove_some(set, active, (size_t)-missing, plan);
    }
    set_status(set, active, now, plan);
}
