// SPDX-License-Identifier: Apache-2.0
#include "admission.h"

#include "admit.h"
#include "common/base/mem.h"
#include "services/edged/agent.h"

/* Those that count: wanted and not over, or running still. Returns how many. */
static size_t others_of(const struct agent_pod *pod, const struct pod **out)
{
    size_t at = 0;
    size_t count = 0;
    void *value = NULL;
    while (cor_map_next(pod->agent->pods, &at, NULL, &value)) {
        const struct agent_pod *other = value;
        bool counts = (other->desired && other->run->over == NULL) || run_is_active(other->run);
        if (other != pod && counts) {
            out[count++] = other->pod;
        }
    }
    return count;
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
    const struct admit_node node = {
        .name = agent->cfg->node_name,
        .object = registrar_object(agent->registrar),
        .cpu_milli = agent->facts.cpu_milli,
        .memory = agent->facts.memory,
        .storage = agent->facts.storage,
        .pods = NODE_PODS,
        .sysctls = (const char *const *)agent->cfg->unsafe_sysctls.items,
        .sysctl_count = agent->cfg->unsafe_sysctls.count,
    };
    auto_(cor_freep) const struct pod **others =
        cor_calloc(cor_map_count(agent->pods) + 1, sizeof(*others));
    size_t count = others_of(pod, others);
    if (admit_pod(&node, others, count, pod->pod, &refusal)) {
        return;
    }
    auto_(cor_freep) char *message = cor_sprintf("Pod was rejected: %s", refusal.message);
    run_fail(pod->run, refusal.reason, message);
    run_note(pod->run, true, refusal.reason, RUN_NO_CONTAINER, "%s", refusal.message);
}
