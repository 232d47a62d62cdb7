// SPDX-License-Identifier: Apache-2.0
// Where a kubelet is, and what it is asked on behalf of a client
// (k8s.io/kubernetes/pkg/registry/core/pod/strategy.go: LogLocation, ExecLocation, AttachLocation,
// PortForwardLocation; pkg/kubelet/client). Pure.
#ifndef KUBELITE_KUBELET_H
#define KUBELITE_KUBELET_H

#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "fail.h"

enum { KL_KUBELET_PORT = 10250 };

/* Appends "HOST:PORT" of the kubelet of node: its first address of the first of types that it has,
 * and status.daemonEndpoints.kubeletEndpoint.Port. COR_NOTFOUND with *fail (500): it has none. */
COR_NODISCARD enum cor_code kl_kubelet_host(const struct cor_json *node,
                                            const struct cor_conf_strs *types, struct cor_buf *out,
                                            struct kl_fail *fail);

/* What a Pod's subresource is asked for: all borrowed. */
struct kl_kubelet_ask {
    enum kl_sub sub; /* KL_SUB_LOG, EXEC, ATTACH or PORTFORWARD */
    const struct cor_json *pod;
    struct cor_view query; /* as the client sent it */
};

/* Appends path and query to ask the kubelet with. COR_INVALID with *fail: the options are no good,
 * no container of that name, the Pod has no node (except for logs). */
COR_NODISCARD enum cor_code kl_kubelet_path(const struct kl_kubelet_ask *ask, struct cor_buf *out,
                                            struct kl_fail *fail);

/* Whether no kubelet speaks what the client offers: protocols that the API server of
 * Kubernetes 1.30 and later translates to SPDY, and this one does not. upgrade and offered are the
 * headers Upgrade and Sec-WebSocket-Protocol; NULL: absent. */
bool kl_kubelet_needs_translation(const char *upgrade, const char *offered);

#endif
