// SPDX-License-Identifier: Apache-2.0
// Where a persistentVolumeClaim's data is on this node, from the claim and the volume it is bound
// to. Pure. Source of rules and words: k8s.io/kubernetes pkg/kubelet/volumemanager/populator,
// pkg/volume/{local,hostpath}. Any thread.
#ifndef EDGED_CLAIM_H
#define EDGED_CLAIM_H

#include "common/json/json.h"
#include "services/edged/pod/pod.h"

/* The name of the PersistentVolume that the claim is bound to: borrowed from it in *volume_r.
 * COR_RETRY: it is bound to none yet, or is being deleted. */
COR_NODISCARD enum cor_code claim_bound_to(const struct cor_json *claim, const char **volume_r,
                                           struct cor_err *err);

/* A folder on this node, or what something else mounts. Borrowed from the volume. */
struct claim_place {
    const char *path;
    const char *type; /* as hostPath's; "Directory" for a local volume */
    enum pod_external external;
    const struct cor_json *source; /* of that */
    bool block;                    /* a device: volumeMode Block */
};

/* Whether the pod's containers have the volume as what it is: a device or a folder. COR_INVALID. */
COR_NODISCARD enum cor_code claim_mode(const struct pod *pod, const char *volume, bool block,
                                       struct cor_err *err);

/* Where the volume is. labels are the node's. COR_RETRY: it is bound to another claim; COR_DENIED:
 * its node affinity excludes this node; COR_UNSUPPORTED: not a kind of volume that is done here;
 * COR_INVALID: the path is no absolute one. */
COR_NODISCARD enum cor_code claim_place(const struct cor_json *claim, const struct cor_json *volume,
                                        const struct cor_json *labels, struct claim_place *out,
                                        struct cor_err *err);

#endif
