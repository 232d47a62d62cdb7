// SPDX-License-Identifier: Apache-2.0
// What takes time with volumes, so that the pod waits for it: something else mounts them (mount(8)
// for NFS, a driver for CSI), or all in them is given to the pod's group. Loop thread only.
#ifndef EDGED_EXTERNAL_H
#define EDGED_EXTERNAL_H

#include "services/edged/pod/pod.h"
#include "services/edged/pod/refs.h"

struct agent_pod;

/* How one volume of the pod stands. */
struct external {
    enum ref_state state;
    char *error;
};

struct externals {
    struct external *list;                /* by volume */
    size_t asks;                          /* answers that are awaited */
    void (*then)(struct agent_pod *pod);  /* when there are none any more; NULL */
    void (*ended)(struct agent_pod *pod); /* when drivers have taken all back */
};

/* Begins to mount what is not, and to give what is not given; done is called when the last one has
 * ended, unless nothing is awaited when this returns. The pod is held as long. */
void externals_mount(struct agent_pod *pod, void (*done)(struct agent_pod *pod));

/* Whether containers of the pod have its volumes: it was prepared before. */
bool externals_are_used(const struct agent_pod *pod);

/* Whether any end is awaited. */
bool externals_are_asked(const struct agent_pod *pod);

/* What has failed is tried again by the next externals_mount. */
void externals_retry(struct agent_pod *pod);

/* Whether any of this was, or is to be, done with the volume. */
bool externals_concern(const struct agent_pod *pod, size_t index);

/* How that ended, with a volume that is concerned. COR_RETRY in the kubelet's words. */
COR_NODISCARD enum cor_code externals_check(const struct agent_pod *pod, size_t index,
                                            struct cor_err *err);

/* The pod ends: what is under way is awaited, drivers take their volumes back, then done is called,
 * perhaps from within. The pod is held as long. */
void externals_unmount(struct agent_pod *pod, void (*done)(struct agent_pod *pod));

/* Frees the content. */
void externals_free(struct agent_pod *pod);

#endif
