// SPDX-License-Identifier: Apache-2.0
#include "tiers.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "services/edged/admit/admit.h"
#include "services/edged/cgroup/groupfs.h"
#include "services/edged/pod/quantity.h"

/* What the Burstable Pods that have not ended ask for, in thousandths of a processor. */
static int64_t burstable_cpu(const struct agent *agent)
{
    int64_t sum = 0;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        const struct agent_pod *pod = value;
        if (pod->pod->qos == POD_QOS_BURSTABLE && pod->run->over == NULL) {
            sum = quantity_sum(sum, admit_requests(pod->pod).cpu_request.n);
        }
    }
    return sum;
}

static bool set(const struct agent *agent, const char *tier, int64_t shares)
{
    static const struct huge no_huge;
    struct cor_err err = COR_ERR_NONE;
    struct podgroup limits = {.cpu_shares = shares, .huge = &no_huge};
    auto_(cor_freep) char *path = cor_sprintf("%s/kubepods/%s", agent->cfg->cgroup_root, tier);
    if (groupfs_set("/sys/fs/cgroup", path, &limits, &err) != COR_OK) {
        LOGW(agent->log, "edged.tier", "tier=%s error=%s", tier,
             cor_log_esc(cor_view_of(err.text)));
        return false;
    }
    return true;
}

void tiers_set(struct agent *agent)
{
    int64_t shares = podgroup_shares(burstable_cpu(agent));
    if (shares != agent->burstable_shares && set(agent, "burstable", shares) &&
        set(agent, "besteffort", podgroup_shares(0))) {
        agent->burstable_shares = shares;
    }
}
