// SPDX-License-Identifier: Apache-2.0
#include "rank.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "services/edged/admit/admit.h"
#include "services/edged/admit/affinity.h"

#define CRITICAL INT64_C(2000000000) /* SystemCriticalPriority */

int64_t rank_priority(const struct pod *pod)
{
    return cor_json_int_at(pod->object, "spec.priority", 0);
}

bool rank_is_critical(const struct pod *pod)
{
    const struct cor_json *notes = cor_json_at(pod->object, "metadata.annotations");
    const char *source = cor_json_as_str(cor_json_get(notes, "kubernetes.io/config.source"), "api");
    return rank_priority(pod) >= CRITICAL || strcmp(source, "api") != 0 ||
           cor_json_get(notes, "kubernetes.io/config.mirror") != NULL;
}

static int64_t request_of(const struct pod_resources *r, enum evict_signal signal)
{
    if (signal == EVICT_MEMORY) {
        return r->memory_request.n;
    }
    return signal == EVICT_NODEFS || signal == EVICT_IMAGEFS ? r->storage_request.n : 0;
}

static int64_t over(const struct rank_pod *pod, enum evict_signal signal)
{
    struct pod_resources requests = admit_requests(pod->pod);
    return pod->used - request_of(&requests, signal);
}

/* Nobody asks for inodes or processes: of these only the number counts. */
static bool goes_before(const struct rank_pod *a, const struct rank_pod *b,
                        enum evict_signal signal)
{
    int64_t over_a = over(a, signal);
    int64_t over_b = over(b, signal);
    bool asked_for = strcmp(evict_resource(signal), "memory") == 0 ||
                     strcmp(evict_resource(signal), "ephemeral-storage") == 0;
    if (asked_for && (over_a > 0) != (over_b > 0)) {
        return over_a > 0;
    }
    if (rank_priority(a->pod) != rank_priority(b->pod)) {
        return rank_priority(a->pod) < rank_priority(b->pod);
    }
    return over_a > over_b;
}

size_t rank_first(const struct rank_pod *pods, size_t count, enum evict_signal signal)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        if (rank_is_critical(pods[i].pod)) {
            continue;
        }
        if (best == count || goes_before(&pods[i], &pods[best], signal)) {
            best = i;
        }
    }
    return best;
}

void rank_quantity(struct cor_buf *out, int64_t n, bool binary)
{
    static const char *const UNITS[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
    size_t unit = 0;
    while (binary && n != 0 && n % 1024 == 0 && unit + 1 < COR_COUNT(UNITS)) {
        n /= 1024;
        unit++;
    }
    cor_buf_fmt(out, "%" PRId64 "%s", n, UNITS[unit]);
}

char *rank_message(const struct rank_pod *pod, const struct evict_threshold *t,
                   const struct evict_seen *seen)
{
    struct cor_buf out = {0};
    const char *resource = evict_resource(t->signal);
    bool binary = t->signal == EVICT_MEMORY || strcmp(resource, "ephemeral-storage") == 0;
    cor_buf_fmt(&out, "The node was low on resource: %s. Threshold quantity: ", resource);
    rank_quantity(&out, evict_limit(t, seen), binary);
    cor_buf_str(&out, ", available: ");
    rank_quantity(&out, seen[t->signal].available, binary);
    cor_buf_str(&out, ". ");
    for (size_t i = 0; pod->container != NULL && i < pod_container_count(pod->pod); i++) {
        const struct pod_container *c = pod_container(pod->pod, i);
        int64_t request = request_of(&c->resources, t->signal);
        if (pod->container[i] > request && binary) {
            cor_buf_fmt(&out, "Container %s was using ", c->name);
            rank_quantity(&out, pod->container[i], true);
            cor_buf_str(&out, ", request is ");
            rank_quantity(&out, request, true);
            cor_buf_fmt(&out, ", has larger consumption of %s. ", resource);
        }
    }
    return cor_buf_take(&out);
}

bool rank_may_come(const struct pod *pod, const bool *pressure)
{
    bool any = false;
    for (int i = 0; i < EVICT_PRESSURES; i++) {
        any = any || pressure[i];
    }
    if (!any || rank_is_critical(pod)) {
        return true;
    }
    if (pressure[EVICT_DISK_PRESSURE] || pressure[EVICT_PID_PRESSURE]) {
        return false;
    }
    auto_(cor_json_free) struct cor_json *taints = cor_json_array();
    struct cor_json *taint = cor_json_object();
    cor_json_set(taint, "key", cor_json_str("node.kubernetes.io/memory-pressure"));
    cor_json_set(taint, "effect", cor_json_str("NoSchedule"));
    cor_json_add(taints, taint);
    return pod->qos != POD_QOS_BEST_EFFORT || affinity_tolerates(pod->object, taints, "NoSchedule");
}
