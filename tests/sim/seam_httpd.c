// SPDX-License-Identifier: Apache-2.0
// In place of common/httpd: requests come as flows from seam_kube.c. There is one server.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/httpd/httpd.h"
#include "common/httpd/uri.h"
#include "inner.h"
#include "seam_http.h"

struct cor_httpd {
    struct sim_core *core;
    cor_httpd_fn handler;
    void *self;
    size_t open;
};

struct cor_exchange {
    struct cor_httpd *httpd;
    struct sim_flow *flow;
    int64_t retry_after_us;
};

struct cor_stream {
    struct cor_httpd *httpd;
    struct sim_flow *flow;
    int status;
    cor_stream_closed_fn on_closed;
    void *self;
};

enum cor_code cor_httpd_start(struct cor_loop *loop, const struct cor_httpd_spec *spec,
                              struct cor_httpd **httpd_r, struct cor_err *err)
{
    (void)loop;
    (void)err;
    struct cor_httpd *httpd = cor_alloc(sizeof(*httpd));
    httpd->core = sim_self();
    httpd->handler = spec->handler;
    httpd->self = spec->self;
    sim_world()->httpd = httpd;
    *httpd_r = httpd;
    return COR_OK;
}

int cor_httpd_port(const struct cor_httpd *httpd, size_t index)
{
    (void)httpd;
    (void)index;
    return 6443;
}

size_t cor_httpd_connections(const struct cor_httpd *httpd)
{
    return httpd->open;
}

static void stream_closed(struct cor_stream *stream)
{
    stream->flow->stream = NULL;
    if (stream->on_closed != NULL) {
        stream->on_closed(stream->self);
    }
    cor_free(stream);
}

void cor_httpd_free(struct cor_httpd **httpd)
{
    struct cor_httpd *self = take(httpd);
    if (self == NULL) {
        return;
    }
    sim_world()->httpd = NULL;
    COR_LIST_EACH (node, &sim_world()->flows) {
        struct sim_flow *flow = COR_LIST_OBJECT(node, struct sim_flow, link);
        if (flow->stream != NULL && flow->stream->httpd == self) {
            stream_closed(flow->stream);
        }
        cor_freep(&flow->exchange);
    }
    cor_free(self);
}

void sim_httpd_died(struct sim_core *core)
{
    struct cor_httpd *httpd = sim_world()->httpd;
    if (httpd != NULL && httpd->core == core) {
        sim_world()->httpd = NULL;
    }
}

void sim_flow_send(struct sim_part *part)
{
    struct sim_flow *flow = part->flow;
    int64_t delay = sim_net_delay(flow->server, flow->client);
    if (flow->broken || flow->call == NULL || delay < 0) {
        cor_buf_free(&part->bytes);
        cor_free(part);
        return;
    }
    if (sim_chance(SIM_NET, sim_world()->http_loss / 2)) { /* with its connection */
        part->status = 0;
        part->last = true;
        cor_buf_free(&part->bytes);
    }
    int64_t at = sim_now() + delay;
    at = at > flow->busy_until ? at : flow->busy_until + 1;
    flow->busy_until = at;
    flow->broken = part->last;
    sim_post(flow->client, at - sim_now(), sim_kube_take, part);
}

void sim_httpd_take(void *self)
{
    struct sim_flow *flow = self;
    struct cor_httpd *httpd = sim_world()->httpd;
    if (flow->call == NULL || flow->broken) {
        return;
    }
    if (httpd == NULL) {
        struct sim_part *part = cor_alloc(sizeof(*part));
        *part = (struct sim_part){.flow = flow, .last = true};
        sim_flow_send(part);
        return;
    }
    struct cor_exchange *exchange = cor_alloc(sizeof(*exchange));
    exchange->httpd = httpd;
    exchange->flow = flow;
    flow->exchange = exchange;
    sim_point();
    httpd->handler(httpd->self, exchange);
}

void sim_httpd_hangup(void *self)
{
    struct sim_flow *flow = self;
    flow->broken = true;
    if (flow->stream != NULL) {
        stream_closed(flow->stream);
    }
}

/* ---- the request ---- */

const char *cor_exchange_method(const struct cor_exchange *exchange)
{
    return exchange->flow->method;
}

struct cor_view cor_exchange_path(const struct cor_exchange *exchange)
{
    struct cor_view path;
    struct cor_view query;
    cor_uri_split(cor_view_of(exchange->flow->target), &path, &query);
    return path;
}

struct cor_view cor_exchange_query(const struct cor_exchange *exchange)
{
    struct cor_view path;
    struct cor_view query;
    cor_uri_split(cor_view_of(exchange->flow->target), &path, &query);
    return query;
}

struct cor_view cor_exchange_body(const struct cor_exchange *exchange)
{
    return cor_buf_as_view(&exchange->flow->body);
}

const char *cor_exchange_header(const struct cor_exchange *exchange, const char *name)
{
    if (strcasecmp(name, "Content-Type") == 0) {
        return exchange->flow->type;
    }
    return strcasecmp(name, "Accept") == 0 ? "application/json" : NULL;
}

const char *cor_exchange_peer_name(struct cor_exchange *exchange)
{
    return exchange->flow->user;
}

const char *cor_exchange_peer_org(struct cor_exchange *exchange, size_t index)
{
    return index == 0 ? exchange->flow->group : NULL;
}

bool cor_exchange_peer_rejected(struct cor_exchange *exchange)
{
    (void)exchange;
    return false;
}

void cor_exchange_add_header(struct cor_exchange *exchange, const char *name, const char *value)
{
    uint64_t seconds = 0;
    if (strcasecmp(name, "Retry-After") == 0 && cor_view_u64(cor_view_of(value), &seconds)) {
        exchange->retry_after_us = COR_SEC((int64_t)seconds);
    }
}

/* ---- the answer ---- */

void cor_exchange_reply(struct cor_exchange *exchange, int status, const char *type,
                        struct cor_buf *body)
{
    (void)type;
    struct sim_flow *flow = exchange->flow;
    struct sim_part *part = cor_alloc(sizeof(*part));
    *part = (struct sim_part){.flow = flow,
                              .status = status,
                              .retry_after_us = exchange->retry_after_us,
                              .last = true,
                              .bytes = *body};
    *body = (struct cor_buf){0};
    flow->exchange = NULL;
    cor_free(exchange);
    sim_flow_send(part);
}

struct cor_stream *cor_exchange_stream(struct cor_exchange *exchange, int status, const char *type,
                                       cor_stream_closed_fn on_closed, void *self)
{
    (void)type;
    struct cor_stream *stream = cor_alloc(sizeof(*stream));
    struct sim_flow *flow = exchange->flow;
    stream->httpd = exchange->httpd;
    stream->flow = flow;
    stream->status = status;
    stream->on_closed = on_closed;
    stream->self = self;
    flow->exchange = NULL;
    flow->stream = stream;
    cor_free(exchange);
    if (flow->broken) { /* the client went before it was answered */
        sim_post(flow->server, 1, sim_httpd_hangup, flow);
    }
    return stream;
}

enum cor_code cor_stream_write(struct cor_stream *stream, struct cor_view bytes)
{
    struct sim_part *part = cor_alloc(sizeof(*part));
    *part = (struct sim_part){.flow = stream->flow, .status = stream->status};
    if (stream->flow->broken) {
        cor_free(part);
        return COR_CLOSED;
    }
    cor_buf_view(&part->bytes, bytes);
    sim_flow_send(part);
    return COR_OK;
}

static void end_with(struct cor_stream *stream, int status)
{
    struct sim_flow *flow = stream->flow;
    struct sim_part *part = cor_alloc(sizeof(*part));
    *part = (struct sim_part){.flow = flow, .status = status, .last = true};
    flow->stream = NULL;
    sim_flow_send(part);
    cor_free(stream);
}

void cor_stream_end(struct cor_stream *stream)
{
    end_with(stream, stream->status);
}

void cor_stream_break(struct cor_stream *stream)
{
    end_with(stream, 0);
}

int cor_exchange_port(const struct cor_exchange *exchange)
{
    (void)exchange;
    return 6443;
}

/* Nobody asks for logs or exec here (streams.listen is empty): kubelite's watches are all. */
void cor_exchange_each_header(struct cor_exchange *exchange,
                              void (*fn)(void *self, const char *name, const char *value),
                              void *self)
{
    (void)exchange;
    (void)fn;
    (void)self;
}

void cor_exchange_on_gone(struct cor_exchange *exchange, void (*fn)(void *self), void *self)
{
    (void)exchange;
    (void)fn;
    (void)self;
}

bool cor_exchange_wants_upgrade(struct cor_exchange *exchange)
{
    (void)exchange;
    return false;
}

struct cor_pipe *cor_exchange_upgrade(struct cor_exchange *exchange, const char *protocol,
                                      const struct cor_pipe_spec *spec)
{
    (void)exchange;
    (void)spec;
    cor_die("upgrade to %s in a simulation", protocol);
}

size_t cor_stream_waiting(const struct cor_stream *stream)
{
    (void)stream;
    return 0;
}

void cor_stream_on_room(struct cor_stream *stream, void (*fn)(void *self), void *self)
{
    (void)stream;
    (void)fn;
    (void)self;
}
