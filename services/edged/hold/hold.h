// SPDX-License-Identifier: Apache-2.0
// Pods that wait until somebody at the node lets them go (KubeEdge's hold-upgrade): a new Pod with
// the annotation, which nobody here has started, stays Pending with condition HeldUpgrade. Updates
// of it are taken and do not start it. Source: KubeEdge edge/pkg/edged. Loop thread only.
#ifndef EDGED_HOLD_H
#define EDGED_HOLD_H

#include "services/edged/agent.h"

/* Whether the Pod's object says that it is to be held. Pure. */
bool hold_is_marked(const struct cor_json *object);

/* Whether a Pod that comes is held: it is marked, not deleted, and Pending by its status (may be
 * NULL). Pure. */
bool hold_begins(const struct cor_json *object, const struct cor_json *status);

/* Judges a Pod that is new here: is it held? status may be NULL. One that was let go once, by this
 * edged or one before it, is not: a file in the Pod's folder says so. */
void hold_judge(struct agent_pod *pod, const struct cor_json *status);

/* Whether nothing is to be done for the Pod now. It is no more when it ends, or when it had been
 * started before this edged was. */
bool hold_keeps(struct agent_pod *pod);

/* A held Pod's object has changed: one that is marked no more goes. */
void hold_updated(struct agent_pod *pod);

/* The control verb "unhold": {"pod":"NS/NAME"}, {"node":"NAME"} or {"all":true}; the answer:
 * {"released":["NS/NAME"]}. COR_NOTFOUND: that Pod is not held, or this is another node. */
COR_NODISCARD enum cor_code hold_ctl(void *self, struct cor_ctl_in *in, struct cor_view args,
                                     struct cor_buf *result, struct cor_err *err);

#endif
