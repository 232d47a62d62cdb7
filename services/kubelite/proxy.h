// SPDX-License-Identifier: Apache-2.0
// Requests that kubelets answer: logs, exec, attach, port-forward, nodes/proxy. A request goes on
// to the kubelet over a connection of its own; its answer comes back as a stream, or both
// connections become one (k8s.io/apimachinery/pkg/util/proxy, upgradeaware.go;
// registry/generic/rest, streamer.go). Whoever reads slowly slows down the other; nothing of size
// is kept.
#ifndef KUBELITE_PROXY_H
#define KUBELITE_PROXY_H

#include "api.h"
#include "common/kube/http.h"

struct kl_proxies;

/* http (takes) connects to kubelets. Returns owned. */
struct kl_proxies *kl_proxies_new(struct kl_api *api, struct cor_http *http);

/* Breaks all that is under way, frees. *proxies becomes NULL. Before the server is freed. */
void kl_proxies_free(struct kl_proxies **proxies);

/* How many are under way. */
size_t kl_proxies_count(const struct kl_proxies *proxies);

/* Client to ask kubelets with; borrowed. */
struct cor_http *kl_proxies_http(struct kl_proxies *proxies);

/* Sends request (takes) on to the kubelet at host ("HOST:PORT") as path with query, and answers it:
 * as the API server answers for logs (KL_SUB_LOG), only with an upgrade (exec, attach,
 * port-forward), or with whatever the kubelet says (KL_SUB_PROXY). */
void kl_proxy(struct kl_proxies *proxies, struct kl_request *request, const char *host,
              const char *path);

#endif
