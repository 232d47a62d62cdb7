// SPDX-License-Identifier: Apache-2.0
#include "podgroup.h"

#include "services/edged/admit/admit.h"
#include "services/edged/pod/quantity.h"

enum { SHARES_PER_CPU = 1024, SHARES_MIN = 2, PERIOD_US = 100000, QUOTA_MIN = 1000 };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Limits of the containers together; one without a limit has none, and so has the Pod. */
struct limits {
    int64_t cpu;
    int64_t memory;
    bool all_cpu;
    bool all_memory;
};

static struct limits limits_of(const struct pod *pod)
{
    struct limits sum = {.all_cpu = true, .all_memory = true};
    struct limits most = {0};
    for (size_t i = 0; i < pod_main_end(pod); i++) {
        const struct pod_container *container = pod_container(pod, i);
        const struct pod_resources *r = &container->resources;
        bool stays = !pod_is_init(pod, i) || container->sidecar;
        most.cpu = larger(most.cpu, quantity_sum(sum.cpu, r->cpu_limit.n));
        most.memory = larger(most.memory, quantity_sum(sum.memory, r->memory_limit.n));
        sum.cpu = quantity_sum(sum.cpu, stays ? r->cpu_limit.n : 0);
        sum.memory = quantity_sum(sum.memory, stays ? r->memory_limit.n : 0);
        sum.all_cpu = sum.all_cpu && r->cpu_limit.n > 0;
        sum.all_memory = sum.all_memory && r->memory_limit.n > 0;
    }
    sum.cpu = larger(sum.cpu, most.cpu);
    sum.memory = larger(sum.memory, most.memory);
    if (pod->level.cpu_limit.n > 0) { /* the Pod's own limit, whatever its containers have */
        sum.cpu = pod->level.cpu_limit.n;
        sum.all_cpu = true;
    }
    if (pod->level.memory_limit.n > 0) {
        sum.memory = pod->level.memory_limit.n;
        sum.all_memory = true;
    }
    sum.cpu = quantity_sum(sum.cpu, pod->overhead_cpu.n);
    sum.memory = quantity_sum(sum.memory, pod->overhead_memory.n);
    return sum;
}

int64_t podgroup_quota(int64_t milli)
{
    if (milli <= 0 || milli > INT64_MAX / PERIOD_US) {
        return 0;
    }
    return larger(milli * PERIOD_US / 1000, QUOTA_MIN);
}

int64_t podgroup_shares(int64_t milli)
{
    return milli > INT64_MAX / SHARES_PER_CPU ? SHARES_MIN
                                              : larger(milli * SHARES_PER_CPU / 1000, SHARES_MIN);
}

void podgroup_limits(const struct pod *pod, const struct huge *huge, int64_t pids,
                     struct podgroup *out)
{
    struct limits limits = limits_of(pod);
    struct pod_resources requests = admit_requests(pod);
    bool best_effort = pod->qos == POD_QOS_BEST_EFFORT;
    *out = (struct podgroup){
        .cpu_shares = best_effort ? SHARES_MIN : podgroup_shares(requests.cpu_request.n),
        .cpu_quota = !best_effort && limits.all_cpu ? podgroup_quota(limits.cpu) : 0,
        .memory = !best_effort && limits.all_memory ? limits.memory : 0,
        .pids = pids,
        .huge = huge,
    };
    for (size_t i = 0; i < huge->count; i++) {
        out->pages[i] = admit_extra_request(pod, huge->sizes[i].resource);
    }
}
