// SPDX-License-Identifier: Apache-2.0
// Of several replicas of the cloud side: a request at the REST entrance for a node that another one
// has goes on to that one's entrance, at the same port, as KubeEdge's router does
// (cloud/pkg/router/listener/http.go). Once: what was forwarded is not forwarded again.
#include <string.h>

#include "claims.h"
#include "common/base/mem.h"
#include "router.h"

#define FORWARDED "X-Coracle-Forwarded"

/* The other replica's own time is to end first. */
enum { SPARE_US = 1000 * 1000, ANSWER_MAX = 64 << 10 };

struct ec_forward {
    struct cor_link link; /* in router->forwards */
    struct ec_router *router;
    struct cor_exchange *exchange;
    struct cor_http_call *call;
    char *node; /* owned */
};

/* Ends it. */
static void end(struct ec_forward *forward, int status, struct cor_view text)
{
    struct cor_buf body = {0};
    cor_buf_view(&body, text);
    if (status == 429 || status == 503) {
        cor_exchange_add_header(forward->exchange, "Retry-After", "1");
    }
    cor_exchange_reply(forward->exchange, status, "text/plain; charset=utf-8", &body);
    ec_entrance_end_one(forward->router, forward->node);
    cor_list_del(&forward->link);
    cor_free(forward->node);
    cor_free(forward);
}

static void on_answer(void *self, const struct cor_http_response *response)
{
    struct ec_forward *forward = self;
    forward->call = NULL;
    if (response->code == COR_OK) {
        forward->router->stats.forwarded++;
        end(forward, response->status, response->body);
        return;
    }
    LOGW(forward->router->ec->service->log, "controller.forward-failed", "node=%s reason=%s",
         forward->node, cor_log_esc(cor_view_of(response->text)));
    end(forward, 504,
        COR_VIEW("the replica that has the node does not answer; it may have been published: "
                 "repeat it with the same Idempotency-Key"));
}

static char *header_of(const struct cor_exchange *exchange, const char *name)
{
    const char *value = cor_exchange_header(exchange, name);
    return value == NULL ? NULL : cor_sprintf("%s: %s", name, value);
}

bool ec_forward(struct ec_router *router, struct cor_exchange *exchange, const char *node,
                const char *target)
{
    const struct ec_cfg *cfg = router->ec->cfg;
    const char *address = ec_claims_owner(router->ec->claims, node);
    if (address == NULL || cor_exchange_header(exchange, FORWARDED) != NULL) {
        return false;
    }
    bool v6 = strchr(address, ':') != NULL;
    auto_(cor_freep) char *url = cor_sprintf(v6 ? "http://[%s]:%d%s" : "http://%s:%d%s", address,
                                             (int)cfg->entrance_port, target);
    auto_(cor_freep) char *key = header_of(exchange, "Idempotency-Key");
    auto_(cor_freep) char *type = header_of(exchange, "Content-Type");
    const char *headers[4] = {FORWARDED ": 1"};
    size_t count = 1;
    if (key != NULL) {
        headers[count++] = key;
    }
    if (type != NULL) {
        headers[count++] = type;
    }
    struct ec_forward *forward = cor_alloc(sizeof(*forward));
    forward->router = router;
    forward->exchange = exchange;
    forward->node = cor_strdup(node);
    cor_list_init(&forward->link);
    cor_list_add(&router->forwards, &forward->link);
    ec_entrance_begin_one(router, node);
    struct cor_http_request request = {.method = cor_exchange_method(exchange),
                                       .url = url,
                                       .headers = headers,
                                       .body = cor_exchange_body(exchange),
                                       .timeout_us = COR_MS(cfg->entrance_timeout_ms) + SPARE_US,
                                       .max_answer = ANSWER_MAX,
                                       .keep = ANSWER_MAX};
    forward->call = cor_http_send(router->http, &request, on_answer, forward);
    return true;
}

void ec_forwards_end(struct ec_router *router)
{
    while (!cor_list_empty(&router->forwards)) {
        struct ec_forward *forward =
            COR_LIST_OBJECT(router->forwards.next, struct ec_forward, link);
        cor_http_cancel(&forward->call);
        end(forward, 503, COR_VIEW("the replica ends"));
    }
}
