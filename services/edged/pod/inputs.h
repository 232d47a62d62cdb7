// SPDX-License-Identifier: Apache-2.0
// What a pod needs from outside to be started: objects it refers to, tokens, and facts of node and
// sandbox; and how single values are read out of them. Pure. Any thread.
#ifndef EDGED_INPUTS_H
#define EDGED_INPUTS_H

#include "common/base/buf.h"
#include "pod.h"

enum { INPUT_IPS_MAX = 4, INPUT_BYTES_MAX = 8 * 1024 * 1024 };

/* Facts that the downward API gives. */
struct facts {
    const char *node;
    const char *host_ips[INPUT_IPS_MAX];
    size_t host_ip_count;
    const char *pod_ips[INPUT_IPS_MAX];
    size_t pod_ip_count;
    int64_t cpu_milli; /* allocatable */
    int64_t memory;
    int64_t storage;
};

struct inputs {
    const struct facts *facts;
    /* ConfigMap or Secret of the pod's namespace; NULL when it does not exist. Borrowed. */
    const struct cor_json *(*object)(void *self, bool secret, const char *name);
    /* Token of a projected source; NULL when there is none. Borrowed. */
    const char *(*token)(void *self, const struct pod_source *source);
    void *self;
};

/* Appends the value of key in a ConfigMap (data, binaryData) or Secret (data, decoded). False when
 * it is not there or not readable. */
bool inputs_value(const struct cor_json *object, bool secret, const char *key, struct cor_buf *out);

/* Appends what a fieldRef path means, as kubelet prints it. COR_INVALID: not supported. */
COR_NODISCARD enum cor_code inputs_field(const struct pod *pod, const struct facts *facts,
                                         const char *path, struct cor_buf *out,
                                         struct cor_err *err);

/* Appends what a resourceFieldRef means for container (its own when name is ""); divided, rounded
 * up. */
COR_NODISCARD enum cor_code inputs_resource(const struct pod *pod,
                                            const struct pod_container *container,
                                            const char *container_name, const char *resource,
                                            const char *divisor, const struct facts *facts,
                                            struct cor_buf *out, struct cor_err *err);

#endif
