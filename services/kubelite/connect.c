// SPDX-License-Identifier: Apache-2.0
// Subresources that a kubelet answers: which one, and what it is asked
// (k8s.io/kubernetes/pkg/registry/core/pod/rest, registry/core/node).
#include <string.h>

#include "api.h"
#include "common/base/mem.h"
#include "kubelet.h"
#include "meta.h"
#include "proxy.h"
#include "write.h"

/* Where the kubelet of that node is. An absent node is told as an absent object of the route's
 * kind: the real server says 'pods "n1" not found'. */
static enum cor_code find_kubelet(struct kl_request *request, const char *name,
                                  struct cor_buf *host, struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *node =
        kl_storage_look(request->api->storage, kl_builtin(KL_NODE), NULL, name);
    if (node == NULL) {
        return kl_fail_notfound(fail, request->route.kind, name);
    }
    return kl_kubelet_host(node, request->api->address_types, host, fail);
}

/* Logs of a Pod that no node has: there are none. */
static void reply_empty(struct kl_request *request)
{
    struct cor_buf none = {0};
    cor_exchange_reply(request->exchange, 200, "text/plain", &none);
    kl_request_free(&request);
}

static enum cor_code check_upgrade(struct kl_request *request, struct kl_fail *fail)
{
    struct cor_exchange *exchange = request->exchange;
    if (request->route.sub == KL_SUB_LOG) {
        return COR_OK;
    }
    if (!cor_exchange_wants_upgrade(exchange)) {
        return kl_fail_bad(fail, "Upgrade request required");
    }
    /* The client goes back to SPDY: better from here than after a journey to the node. */
    return kl_kubelet_needs_translation(cor_exchange_header(exchange, "Upgrade"),
                                        cor_exchange_header(exchange, "Sec-WebSocket-Protocol"))
               ? kl_fail_bad(fail, "unable to upgrade: unsupported WebSocket protocol")
               : COR_OK;
}

void kl_connect_pod(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *pod = NULL;
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf host = {0};
    enum cor_code code = kl_write_find(request, &pod, &fail);
    if (code == COR_OK) {
        struct kl_kubelet_ask ask = {request->route.sub, pod, request->query};
        code = kl_kubelet_path(&ask, &path, &fail);
    }
    const char *node = cor_json_str_at(pod, "spec.nodeName", "");
    if (code == COR_OK && node[0] == '\0') {
        reply_empty(request);
        return;
    }
    if (code == COR_OK) {
        code = find_kubelet(request, node, &host, &fail);
    }
    if (code == COR_OK) {
        code = check_upgrade(request, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    kl_proxy(request->api->proxies, request, host.data, path.data);
}

void kl_connect_node(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_buf_free) struct cor_buf host = {0};
    if (find_kubelet(request, request->route.name, &host, &fail) != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    auto_(cor_buf_free) struct cor_buf path = {0};
    cor_buf_str(&path, request->route.rest[0] == '\0' ? "/" : request->route.rest);
    if (request->query.len > 0) {
        cor_buf_str(&path, "?");
        cor_buf_view(&path, request->query);
    }
    kl_proxy(request->api->proxies, request, host.data, path.data);
}
