// SPDX-License-Identifier: Apache-2.0
// The files of a volume with content: configMap, secret, downwardAPI, projected. Pure.
// Source: k8s.io/kubernetes pkg/volume/{configmap,secret,downwardapi,projected}. Any thread.
#ifndef EDGED_PAYLOAD_H
#define EDGED_PAYLOAD_H

#include "inputs.h"

struct payload_file {
    char *path; /* relative, below the volume */
    struct cor_buf data;
    int mode;
    bool token; /* a credential */
};

struct payload {
    struct payload_file *files;
    size_t count;
    size_t cap;
    size_t bytes;
};

/* The files that volume has now. COR_NOTFOUND: an object, key or token is missing; COR_INVALID;
 * COR_TOOBIG. *out must be zeroed; free it also after an error. */
COR_NODISCARD enum cor_code payload_build(const struct pod *pod, const struct pod_volume *volume,
                                          const struct inputs *inputs, struct payload *out,
                                          struct cor_err *err);

/* Fingerprint of names, modes and content: differs when a file differs. */
uint64_t payload_hash(const struct payload *payload);

/* Whether the volume's content can change while the pod runs. */
bool payload_is_dynamic(const struct pod_volume *volume);

/* Wipes and frees the content. For auto_(). */
void payload_free(struct payload *payload);

#endif
