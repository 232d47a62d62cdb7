// SPDX-License-Identifier: Apache-2.0
// Private to edged: the probes of all Pods. A probe follows its container: it begins and ends with
// it, and waits on a timer of its own only while a try is due. Loop thread only.
#ifndef EDGED_PROBER_H
#define EDGED_PROBER_H

#include "common/base/buf.h"
#include "services/edged/agent.h"

/* User-Agents of kubelet 1.32. */
#define PROBE_AGENT "kube-probe/1.32"
#define HOOK_AGENT "kube-lifecycle/1.32"

/* None yet. Returns owned. */
struct prober *prober_new(struct agent *agent);

/* All Pods have been freed. *prober becomes NULL. */
void prober_free(struct prober **prober);

/* The pod was stepped: its probes begin, wait or end as its containers now stand. */
void prober_look(struct agent_pod *pod);

/* Ends the pod's probes; *probes becomes NULL. */
void prober_pod_free(struct prober_pod **probes);

/* Address at which the pod is reached from its node; "" while it has none. */
const char *prober_ip(const struct agent_pod *pod);

/* Appends the series prober_probe_total, as of /metrics/probes. */
void prober_metrics(const struct agent *agent, struct cor_buf *out);

#endif
