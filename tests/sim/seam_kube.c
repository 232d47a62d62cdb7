// SPDX-License-Identifier: Apache-2.0
// In place of common/kube's client.c and transport.c: calls of the Kubernetes API travel as flows
// to seam_httpd.c, which may lose a request, or an answer, with its connection.
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/client.h"
#include "common/kube/items.h"
#include "common/kube/lines.h"
#include "common/kube/path.h"
#include "common/pki/cert.h"
#include "inner.h"
#include "seam_http.h"

enum { TIMEOUT_US = 30 * 1000 * 1000 };

struct cor_kube {
    struct sim_core *core;
    struct cor_loop *loop;
    struct cor_link calls;
    char *user;
    char *group;
};

struct cor_kube_call {
    struct cor_link link;
    struct cor_kube *kube;
    struct sim_flow *flow;
    struct cor_timer *timer;
    struct cor_buf got;
    struct cor_lines lines;
    struct cor_items items;
    cor_kube_line_fn on_line; /* NULL: no watch */
    cor_kube_line_fn on_item; /* NULL: no list */
    cor_kube_fn fn;
    void *self;
    bool delivering;
    bool cancelled;
};

enum cor_code cor_kube_new(struct cor_loop *loop, const struct cor_kube_config *config,
                           struct cor_kube **out_r, struct cor_err *err)
{
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    struct cor_kube *kube = cor_alloc(sizeof(*kube));
    kube->core = sim_self();
    kube->loop = loop;
    cor_list_init(&kube->calls);
    if (config->cert_pem != NULL) {
        enum cor_code code = cor_cert_parse(cor_view_of(config->cert_pem), &cert, err);
        if (code != COR_OK) {
            cor_free(kube);
            return code;
        }
        kube->user = cor_strdup(cor_cert_cn(cert));
        kube->group = cor_strdup(cor_cert_org(cert));
    }
    *out_r = kube;
    return COR_OK;
}

static void call_free(struct cor_kube_call *call)
{
    cor_list_del(&call->link);
    cor_timer_free(&call->timer);
    cor_buf_free(&call->got);
    cor_lines_free(&call->lines);
    cor_items_free(&call->items);
    cor_free(call);
}

/* The client drops the connection: the server hears of it. */
static void leave(struct cor_kube_call *call)
{
    struct sim_flow *flow = call->flow;
    flow->call = NULL;
    int64_t delay = sim_net_delay(flow->client, flow->server);
    if (delay >= 0) {
        sim_post(flow->server, delay, sim_httpd_hangup, flow);
    }
    call_free(call);
}

void cor_kube_cancel(struct cor_kube_call **call)
{
    struct cor_kube_call *self = take(call);
    if (self != NULL && self->delivering) {
        self->cancelled = true;
    } else if (self != NULL) {
        leave(self);
    }
}

void cor_kube_free(struct cor_kube **kube)
{
    if (*kube == NULL) {
        return;
    }
    COR_LIST_EACH (node, &(*kube)->calls) {
        leave(COR_LIST_OBJECT(node, struct cor_kube_call, link));
    }
    cor_free((*kube)->user);
    cor_free((*kube)->group);
    cor_freep(kube);
}

static void finish(struct cor_kube_call *call, int status, int64_t retry_after_us, const char *why)
{
    struct cor_json *tree = NULL;
    cor_kube_fn fn = call->fn;
    void *self = call->self;
    bool is_list = call->on_item != NULL && status >= 200 && status < 300;
    const struct cor_buf *got = is_list ? &call->items.rest : &call->got;
    if (cor_json_parse(cor_buf_as_view(got), COR_KUBE_BODY_MAX, 0, &tree, NULL) != COR_OK) {
        tree = NULL;
    }
    auto_(cor_json_free) struct cor_json *body = tree;
    struct cor_kube_response response = {.status = status,
                                         .body = body,
                                         .code = cor_kube_code(status, body),
                                         .retry_after_us = retry_after_us};
    response.text = status == 0               ? why
                    : response.code == COR_OK ? ""
                                              : cor_json_str_at(body, "message", "no reason given");
    call->flow->call = NULL;
    call_free(call);
    fn(self, &response);
}

static void on_late(void *self)
{
    struct cor_kube_call *call = self;
    struct sim_flow *flow = call->flow;
    int64_t delay = sim_net_delay(flow->client, flow->server);
    if (delay >= 0) {
        sim_post(flow->server, delay, sim_httpd_hangup, flow);
    }
    finish(call, 0, 0, "Timeout was reached");
}

static bool on_item(void *self, struct cor_view item)
{
    struct cor_kube_call *call = self;
    call->on_item(call->self, item);
    return !call->cancelled;
}

static void take_lines(struct cor_kube_call *call, struct cor_view bytes)
{
    struct cor_view line;
    cor_lines_add(&call->lines, bytes);
    while (!call->cancelled && cor_lines_next(&call->lines, &line)) {
        call->on_line(call->self, line);
    }
}

/* False: the call is no more. */
static bool deliver(struct cor_kube_call *call, struct cor_view bytes)
{
    call->delivering = true;
    if (call->on_item == NULL) {
        take_lines(call, bytes);
    } else {
        (void)cor_items_add(&call->items, bytes, on_item, call);
    }
    call->delivering = false;
    if (call->cancelled) {
        leave(call);
        return false;
    }
    return true;
}

void sim_kube_take(void *self)
{
    struct sim_part *part = self;
    struct cor_kube_call *call = part->flow->call;
    bool goes_on = call != NULL;
    sim_point();
    bool is_streamed = goes_on && (call->on_line != NULL || call->on_item != NULL);
    if (is_streamed && part->status >= 200 && part->status < 300) {
        goes_on = deliver(call, cor_buf_as_view(&part->bytes));
    } else if (goes_on) {
        cor_buf_view(&call->got, cor_buf_as_view(&part->bytes));
    }
    if (goes_on && part->last) {
        finish(call, part->status, part->retry_after_us, "connection lost");
    }
    cor_buf_free(&part->bytes);
    cor_free(part);
}

static struct sim_flow *flow_new(struct cor_kube *kube, const struct cor_kube_request *request)
{
    struct sim_flow *flow = cor_alloc(sizeof(*flow)); /* lives as long as the world */
    cor_list_add(&sim_world()->flows, &flow->link);
    flow->client = kube->core;
    flow->server = sim_core(SIM_KUBELITE);
    flow->method = cor_strdup(request->method);
    flow->target = cor_strdup(request->path);
    flow->type = cor_strdup(request->content_type == NULL ? COR_KUBE_JSON : request->content_type);
    flow->user = cor_strdup(kube->user);
    flow->group = cor_strdup(kube->group);
    cor_buf_view(&flow->body, request->body);
    return flow;
}

static void refuse(struct sim_flow *flow)
{
    struct sim_part *part = cor_alloc(sizeof(*part));
    *part = (struct sim_part){.flow = flow, .last = true};
    flow->broken = true;
    sim_post(flow->client, 500 + (int64_t)sim_pick(SIM_NET, COR_MS(2)), sim_kube_take, part);
}

static struct cor_kube_call *start(struct cor_kube *kube, const struct cor_kube_request *request,
                                   cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = cor_alloc(sizeof(*call));
    call->kube = kube;
    call->fn = fn;
    call->self = self;
    call->lines.max = COR_KUBE_LINE_MAX;
    call->items.max = COR_KUBE_LINE_MAX;
    cor_list_init(&call->link);
    cor_list_add(&kube->calls, &call->link);
    call->timer = cor_timer_new(kube->loop, on_late, call);
    cor_timer_start(call->timer, request->timeout_us == 0 ? TIMEOUT_US : request->timeout_us);
    sim_point();
    struct sim_flow *flow = flow_new(kube, request);
    flow->call = call;
    call->flow = flow;
    int64_t delay = sim_net_delay(flow->client, flow->server);
    if (delay < 0 || flow->server->loop == NULL ||
        sim_chance(SIM_NET, sim_world()->http_loss / 2)) {
        refuse(flow);
    } else {
        sim_trace("http", request->body.len, (uint64_t)request->method[1]);
        sim_post(flow->server, 2 * delay, sim_httpd_take, flow);
    }
    return call;
}

/* Nothing is told before this returns. */
struct cor_kube_call *cor_kube_stream(struct cor_kube *kube, const struct cor_kube_request *request,
                                      cor_kube_line_fn line, cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = start(kube, request, fn, self);
    call->on_line = line;
    return call;
}

struct cor_kube_call *cor_kube_list(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_line_fn item, cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = start(kube, request, fn, self);
    call->on_item = item;
    return call;
}

struct cor_kube_call *cor_kube_send(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_fn fn, void *self)
{
    return start(kube, request, fn, self);
}

void sim_http_died(struct sim_core *core)
{
    COR_LIST_EACH (node, &sim_world()->flows) {
        struct sim_flow *flow = COR_LIST_OBJECT(node, struct sim_flow, link);
        if (flow->client == core && flow->call != NULL) {
            flow->call = NULL;
            int64_t delay = sim_net_delay(flow->client, flow->server);
            if (delay >= 0) {
                sim_post(flow->server, delay, sim_httpd_hangup, flow);
            }
        }
        if (flow->server == core && !flow->broken) {
            flow->exchange = NULL;
            flow->stream = NULL;
            if (flow->call != NULL) {
                refuse(flow);
            }
            flow->broken = true;
        }
        if (flow->call == NULL && flow->exchange == NULL && flow->stream == NULL) {
            cor_list_del(node); /* it is over; what is under way may still point to it */
        }
    }
    sim_httpd_died(core);
}
