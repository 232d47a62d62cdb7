// SPDX-License-Identifier: Apache-2.0
#include "admission.h"

#include "admit.h"
#include "common/base/mem.h"
#include "services/edged/agent.h"
#include "services/edged/cgroup/huge.h"
#include "services/edged/device/devices.h"
#include "services/edged/evict/evictor.h"
#include "services/edged/evict/rank.h"
#include "services/edged/pod/quantity.h"

/* Those that count: wanted and not over, or running still. Returns how many. */
static size_t others_of(const struct agent_pod *pod, const struct pod **out)
{
    size_t at = 0;
    size_t count = 0;
    void *value = NULL;
    while (cor_map_next(pod->agent->pods, &at, NULL, &value)) {
        const struct agent_pod *other = value;
        bool counts = (other->desired && other->run->over == NULL && !other->run->held) ||
                      run_is_active(other->run);
        if (other != pod && counts) {
            out[count++] = other->pod;
        }
    }
    return count;
}

void admission_reject(struct agent_pod *pod, const char *reason, const char *text)
{
    auto_(cor_freep) char *message = cor_sprintf("Pod was rejected: %s", text);
    run_fail(pod->run, reason, message);
    run_note(pod->run, true, reason, RUN_NO_CONTAINER, "%s", text);
}

/* Whether it was refused because the node is short of something. */
static bool pressed(struct agent_pod *pod)
{
    static const char *const NAMES[EVICT_PRESSURES] = {"MemoryPressure", "DiskPressure",
                                                       "PIDPressure"};
    const struct evictor *evictor = pod->agent->evictor;
    if (evictor == NULL || rank_may_come(pod->pod, evictor_pressure(evictor))) {
        return false;
    }
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_buf_str(&text, "The node had condition: [");
    for (size_t i = 0; i < EVICT_PRESSURES; i++) {
        if (evictor_pressure(evictor)[i]) {
            bool first = text.data[text.len - 1] == '[';
            cor_buf_fmt(&text, "%s%s", first ? "" : " ", NAMES[i]);
        }
    }
    cor_buf_str(&text, "]. ");
    admission_reject(pod, "Evicted", text.data);
    return true;
}

/* Whether it was refused because there are not the devices that it asks for. */
static bool lacks_devices(struct agent_pod *pod)
{
    struct cor_err err = COR_ERR_NONE;
    if (devices_reserve(pod->agent->devices, pod->pod, &err) == COR_OK) {
        return false;
    }
    auto_(cor_freep) char *text =
        cor_sprintf("Allocate failed due to %s, which is unexpected", err.text);
    admission_reject(pod, "UnexpectedAdmissionError", text);
    return true;
}

/* What the node has of what the Pod asks for besides the usual: huge pages, and extended resources
 * that are no plug-in's. Returns owned. */
static struct pod_extra *extras_of(const struct agent *agent, const struct pod *pod,
                                   size_t *count_r)
{
    const struct cor_json *told =
        cor_json_at(registrar_object(agent->registrar), "status.allocatable");
    struct pod_extra *list = NULL;
    *count_r = 0;
    for (size_t i = 0; i < pod_main_end(pod); i++) {
        const struct pod_resources *r = &pod_container(pod, i)->resources;
        for (size_t k = 0; k < r->extra_count; k++) {
            struct pod_extra extra = {r->extras[k].name, 0};
            bool here = huge_find(&agent->huge, extra.name, &extra.n);
            bool known = here || quantity_json_value(cor_json_get(told, extra.name), &extra.n);
            if (known && !devices_give(agent->devices, extra.name)) {
                list = cor_realloc(list, *count_r + 1, sizeof(*list));
                list[(*count_r)++] = extra;
            }
        }
    }
    return list;
}

void admission_judge(struct agent_pod *pod, const struct cor_json *status)
{
    const struct agent *agent = pod->agent;
    struct admit_refusal refusal;
    bool was_taken = cor_json_str_at(status, "startTime", "")[0] != '\0' ||
                     cor_map_get(agent->unclaimed, cor_view_of(pod->uid)) != NULL;
    if (was_taken || pod->pod->deleted || pod->run->over != NULL) {
        return;
    }
    if (agent->drain != NULL) {
        admission_reject(pod, "NodeShutdown", "Pod was rejected as the node is shutting down.");
        return;
    }
    size_t extra_count = 0;
    auto_(cor_freep) struct pod_extra *extras = extras_of(agent, pod->pod, &extra_count);
    const struct admit_node node = {
        .name = agent->cfg->node_name,
        .object = registrar_object(agent->registrar),
        .cpu_milli = agent->facts.cpu_milli,
        .memory = agent->facts.memory,
        .storage = agent->facts.storage,
        .pods = NODE_PODS,
        .extras = extras,
        .extra_count = extra_count,
        .apparmor = agent->host.apparmor,
        .sysctls = (const char *const *)agent->cfg->unsafe_sysctls.items,
        .sysctl_count = agent->cfg->unsafe_sysctls.count,
    };
    if (pressed(pod)) {
        return;
    }
    if (lacks_devices(pod)) {
        return;
    }
    auto_(cor_freep) const struct pod **others =
        cor_calloc(cor_map_count(agent->pods) + 1, sizeof(*others));
    size_t count = others_of(pod, others);
    if (admit_pod(&node, others, count, pod->pod, &refusal)) {
        pod->judged = true;
        return;
    }
    devices_release(agent->devices, pod->uid);
    pod->reason = cor_strdup(refusal.reason);
    admission_reject(pod, pod->reason, refusal.message);
}
