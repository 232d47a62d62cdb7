// SPDX-License-Identifier: Apache-2.0
// In place of common/ws: listeners, small requests (enrolment), host names.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/ws/resolve.h"
#include "inner.h"
#include "seam_ws.h"

/* ---- what a client shows ---- */

static struct cor_cert *cert_copy(const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_cert *copy = NULL;
    if (cert != NULL) {
        cor_cert_der(cert, &der);
        must(cor_cert_parse(cor_buf_as_view(&der), &copy, NULL) == COR_OK);
    }
    return copy;
}

static void roots_of(const struct cor_tls *tls, struct cor_certs *out)
{
    if (tls->ca != NULL) {
        (void)cor_certs_add(out, tls->ca);
    }
    for (size_t i = 0; tls->roots != NULL && i < tls->roots->count; i++) {
        (void)cor_certs_add(out, tls->roots->items[i]);
    }
}

void sim_ask_fill(struct sim_ask *ask, const struct cor_ws_target *target)
{
    size_t count = 0;
    while (target->headers != NULL && target->headers[count].name != NULL) {
        count++;
    }
    ask->headers = cor_calloc(2 * count + 1, sizeof(*ask->headers));
    for (size_t i = 0; i < count; i++) {
        ask->headers[2 * i] = cor_strdup(target->headers[i].name);
        ask->headers[2 * i + 1] = cor_strdup(target->headers[i].value);
    }
    ask->cert = cert_copy(target->tls.cert);
    ask->trust_any = target->trust_any;
    roots_of(&target->tls, &ask->roots);
}

void sim_ask_clear(struct sim_ask *ask)
{
    for (char **row = ask->headers; row != NULL && *row != NULL; row++) {
        cor_free(*row);
    }
    cor_freep(&ask->headers);
    cor_cert_free(&ask->cert);
    cor_certs_free(&ask->roots);
}

bool sim_ask_is_trusted(const struct sim_ask *ask, const struct cor_ws_server *server)
{
    bool server_ok =
        ask->trust_any || cor_certs_verify(server->cert, &ask->roots, &server->chain,
                                           COR_CERT_SERVER, cor_wall_now(), NULL) == COR_OK;
    if (ask->cert == NULL) {
        return server_ok && server->listen.client_cert != COR_WS_CERT_REQUIRED;
    }
    return server_ok && cor_certs_verify(ask->cert, &server->roots, NULL, COR_CERT_CLIENT,
                                         cor_wall_now(), NULL) == COR_OK;
}

static const char *header_of(char **headers, const char *name)
{
    for (char **row = headers; row[0] != NULL; row += 2) {
        if (strcasecmp(row[0], name) == 0) {
            return row[1];
        }
    }
    return "";
}

void cor_ws_ask_header(const struct cor_ws_ask *ask, const char *name, char *out, size_t size)
{
    const struct sim_ask *self = (const struct sim_ask *)ask;
    const char *value = header_of(self->headers, name);
    (void)snprintf(out, size, "%s", strlen(value) < size ? value : "");
}

const struct cor_cert *cor_ws_ask_cert(const struct cor_ws_ask *ask)
{
    return ((const struct sim_ask *)ask)->cert;
}

bool cor_ws_ask_resumed(const struct cor_ws_ask *ask)
{
    (void)ask;
    return false; /* there is no TLS in here */
}

const char *cor_ws_ask_address(const struct cor_ws_ask *ask)
{
    (void)ask;
    return "192.0.2.1";
}

/* ---- listeners ---- */

bool cor_ws_renew(struct cor_ws_server *server, const struct cor_tls *tls)
{
    cor_cert_free(&server->cert);
    cor_certs_free(&server->roots);
    cor_certs_free(&server->chain);
    server->cert = cert_copy(tls->cert);
    roots_of(tls, &server->roots);
    for (size_t i = 0; tls->chain != NULL && i < tls->chain->count; i++) {
        (void)cor_certs_add(&server->chain, tls->chain->items[i]);
    }
    return true;
}

enum cor_code cor_ws_listen(struct cor_ws *ws, const struct cor_ws_listen *listen,
                            struct cor_ws_server **out_r, struct cor_err *err)
{
    (void)err;
    struct cor_ws_server *server = cor_alloc(sizeof(*server));
    server->ws = ws;
    server->listen = *listen;
    (void)cor_ws_renew(server, &listen->tls);
    cor_list_add(&ws->servers, &server->link);
    *out_r = server;
    return COR_OK;
}

int cor_ws_port(const struct cor_ws_server *server)
{
    return server->listen.port;
}

struct cor_ws_server *sim_ws_server(int port)
{
    COR_LIST_EACH (node, &sim_world()->ws) {
        struct cor_ws *ws = COR_LIST_OBJECT(node, struct cor_ws, link);
        COR_LIST_EACH (other, &ws->servers) {
            struct cor_ws_server *server = COR_LIST_OBJECT(other, struct cor_ws_server, link);
            if (server->listen.port == port) {
                return server;
            }
        }
    }
    return NULL;
}

/* ---- requests ---- */

struct cor_ws_request {
    struct sim_ask ask;
    struct sim_core *core[2]; /* client, server */
    cor_ws_fetched_fn fn;     /* NULL: the client is gone or was answered */
    void *self;
    struct cor_timer *timer;
    char *path;
    int port;
    struct cor_buf body;
    int status;
    struct cor_buf answer;
    struct cor_link link; /* in the client's requests */
};

static void tell(struct cor_ws_request *request, int status, const char *text)
{
    cor_ws_fetched_fn fn = request->fn;
    if (fn != NULL) {
        request->fn = NULL;
        cor_list_del(&request->link);
        cor_timer_free(&request->timer);
        fn(request->self, status, cor_buf_as_view(&request->answer), text);
    }
}

static void on_late(void *self)
{
    tell(self, 0, "no answer in time");
}

static void on_no_server(void *self)
{
    tell(self, 0, "cannot connect");
}

static void on_answered(void *self)
{
    struct cor_ws_request *request = self;
    tell(request, request->status, "");
}

/* Runs on the server. */
static void on_request(void *self)
{
    struct cor_ws_request *request = self;
    struct cor_ws_server *server = sim_ws_server(request->port);
    if (server == NULL || server->listen.request == NULL ||
        !sim_ask_is_trusted(&request->ask, server)) {
        int64_t delay = sim_net_delay(request->core[1], request->core[0]);
        if (delay >= 0) {
            sim_post(request->core[0], delay, on_no_server, request);
        }
        return;
    }
    server->listen.request(server->listen.self, request);
}

void cor_ws_fetch(struct cor_ws *ws, const struct cor_ws_target *target, struct cor_view body,
                  cor_ws_fetched_fn fn, void *self)
{
    struct cor_ws_request *request = cor_alloc(sizeof(*request)); /* lives as long as the world */
    struct sim_core *there = sim_core(SIM_CLOUDHUB);
    sim_ask_fill(&request->ask, target);
    request->core[0] = ws->core;
    request->core[1] = there;
    request->fn = fn;
    request->self = self;
    request->path = cor_strdup(target->path);
    request->port = target->port;
    cor_buf_view(&request->body, body);
    request->timer = cor_timer_new(ws->loop, on_late, request);
    cor_timer_start(request->timer, target->timeout_us);
    cor_list_init(&request->link);
    cor_list_add(&ws->requests, &request->link);
    int64_t delay = sim_net_delay(ws->core, there);
    if (delay >= 0 && there->loop != NULL) {
        sim_post(there, 4 * delay, on_request, request);
    } else {
        sim_post(ws->core, COR_MS(1), on_no_server, request);
    }
}

void sim_fetch_end(struct cor_ws *ws)
{
    COR_LIST_EACH (node, &ws->requests) {
        struct cor_ws_request *request = COR_LIST_OBJECT(node, struct cor_ws_request, link);
        request->fn = NULL;
        cor_list_del(&request->link);
        cor_timer_free(&request->timer);
    }
}

void sim_fetch_died(struct sim_core *core)
{
    (void)core; /* its client's timer ends the request, or its events are void */
}

const char *cor_ws_request_method(const struct cor_ws_request *request)
{
    (void)request;
    return "GET";
}

const char *cor_ws_request_path(const struct cor_ws_request *request)
{
    return request->path;
}

struct cor_view cor_ws_request_body(const struct cor_ws_request *request)
{
    return request->body.len == 0 ? (struct cor_view){0} : cor_buf_as_view(&request->body);
}

const char *cor_ws_request_header(const struct cor_ws_request *request, const char *name)
{
    return header_of(request->ask.headers, name);
}

const struct cor_cert *cor_ws_request_cert(const struct cor_ws_request *request)
{
    return request->ask.cert;
}

void cor_ws_reply(struct cor_ws_request **request, const struct cor_ws_answer *answer)
{
    struct cor_ws_request *self = take(request);
    int64_t delay = sim_net_delay(self->core[1], self->core[0]);
    self->status = answer->status;
    cor_buf_clear(&self->answer);
    cor_buf_view(&self->answer, answer->body);
    if (delay >= 0) {
        sim_post(self->core[0], delay, on_answered, self);
    }
}

/* ---- names ---- */

struct cor_resolve {
    struct cor_timer *timer;
    cor_resolve_fn fn;
    void *self;
};

static void on_resolved(void *self)
{
    struct cor_resolve *resolve = self;
    resolve->fn(resolve->self, "192.0.2.2", "");
}

struct cor_resolve *cor_resolve_new(struct cor_loop *loop, const char *host, cor_resolve_fn fn,
                                    void *self)
{
    (void)host;
    struct cor_resolve *resolve = cor_alloc(sizeof(*resolve));
    resolve->fn = fn;
    resolve->self = self;
    resolve->timer = cor_timer_new(loop, on_resolved, resolve);
    cor_timer_start(resolve->timer, (int64_t)sim_pick(SIM_NET, 3000));
    return resolve;
}

void cor_resolve_free(struct cor_resolve **resolve)
{
    if (*resolve != NULL) {
        cor_timer_free(&(*resolve)->timer);
        cor_freep(resolve);
    }
}
