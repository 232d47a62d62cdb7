// SPDX-License-Identifier: Apache-2.0
// Environment, command and arguments of a container, as kubelet makes them. Pure.
// Source: k8s.io/kubernetes pkg/kubelet/kubelet_pods.go makeEnvironmentVariables. Any thread.
#ifndef EDGED_ENV_H
#define EDGED_ENV_H

#include "inputs.h"

struct env_var {
    char *name;
    char *value;
};

struct env {
    struct env_var *vars;
    size_t count;
    size_t cap;
    size_t bytes;
};

/* Variables of envFrom, then env, later ones replace earlier ones; values with $(VAR) expanded.
 * COR_NOTFOUND: an object or key is missing, in kubelet's words; COR_INVALID; COR_TOOBIG. *out must
 * be zeroed; free it also after an error. */
COR_NODISCARD enum cor_code env_build(const struct pod *pod, const struct pod_container *container,
                                      const struct inputs *inputs, struct env *out,
                                      struct cor_err *err);

/* Value of a variable; NULL when there is none. */
const char *env_get(const struct env *env, struct cor_view name);

/* text with each $(VAR) expanded, as far as EXPAND_MAX allows. Returns owned. */
char *env_expand(const struct env *env, const char *text);

/* Whether command and arguments are small enough once they are expanded. COR_TOOBIG. */
COR_NODISCARD enum cor_code env_check_arguments(const struct env *env,
                                                const struct pod_container *container,
                                                struct cor_err *err);

/* Frees the content. For auto_(). */
void env_free(struct env *env);

#endif
