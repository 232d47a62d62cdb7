// SPDX-License-Identifier: Apache-2.0
// The claims of a pod: asked for through metamanager, which keeps them, so that a pod that starts
// again offline has them still. Loop thread only.
#ifndef EDGED_CLAIMS_H
#define EDGED_CLAIMS_H

#include "services/edged/pod/refs.h"

struct agent_pod;

struct claim {
    enum ref_state state; /* REF_HERE: both objects are there */
    char *name;
    struct cor_json *claim;
    struct cor_json *volume;
    char *error; /* why it is not there */
};

struct claims {
    struct claim *list;
    size_t count;
};

/* Notes what pod's volumes claim; what is known already stays. */
void claims_collect(struct claims *claims, const struct pod *pod);

/* Asks metamanager for what is not known; done is called for each answer. The pod is held as long
 * as an answer is awaited. */
void claims_ask(struct agent_pod *pod, void (*done)(struct agent_pod *pod));

/* Whether any answer is awaited. */
bool claims_are_asked(const struct claims *claims);

/* What was absent, failed or not bound yet becomes unknown. */
void claims_ask_again(struct claims *claims);

/* Tells the pod's volumes where their claims' data is. Fails with the first that is nowhere, in
 * kubelet's words: COR_RETRY and as claim_place. */
COR_NODISCARD enum cor_code claims_apply(struct agent_pod *pod, struct cor_err *err);

/* After claims_apply: COR_RETRY when another pod here has a volume that only one may have
 * (ReadWriteOncePod), as told when it is mounted. */
COR_NODISCARD enum cor_code claims_alone(const struct agent_pod *pod, struct cor_err *err);

/* Frees the content. For auto_(). */
void claims_free(struct claims *claims);

#endif
