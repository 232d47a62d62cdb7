// SPDX-License-Identifier: Apache-2.0
// In place of common/kube/http.c (libcurl): the HTTP target of the rule. It answers late, refuses
// now and then, and loses connections before and after it has acted. It knows messages again by
// their Idempotency-Key, as a careful target does.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/kube/http.h"
#include "inner.h"
#include "people.h"

enum { DELAY_US = 20000, BAD = 20000 };

struct cor_http {
    struct sim_core *core;
    struct cor_link calls;
};

struct cor_http_call {
    struct cor_link link;
    struct cor_http *http;
    cor_http_fn fn;
    void *self;
    bool dropped; /* nobody waits any more */
    char *key;
    char *body;
    int status; /* 0: the connection is lost */
};

enum cor_code cor_http_new(struct cor_loop *loop, const struct cor_http_spec *spec,
                           struct cor_http **http_r, struct cor_err *err)
{
    (void)loop;
    (void)spec;
    (void)err;
    struct cor_http *http = cor_alloc(sizeof(*http));
    http->core = sim_self();
    cor_list_init(&http->calls);
    *http_r = http;
    return COR_OK;
}

/* There are no kubelets to connect to. */
void cor_http_pipe(struct cor_http *http, const char *url, struct cor_pipe *pipe)
{
    struct cor_err err = COR_ERR_NONE;
    (void)http;
    (void)cor_err_set(&err, COR_RETRY, "connecting to %s", url);
    cor_pipe_sever(pipe, &err);
}

/* Nobody asks for logs here. */
void cor_http_trust(struct cor_http *http, const struct cor_http_spec *spec)
{
    (void)http;
    (void)spec;
}

void cor_http_cancel(struct cor_http_call **call)
{
    struct cor_http_call *self = take(call);
    if (self != NULL) {
        cor_list_del(&self->link);
        self->dropped = true; /* it may act all the same */
    }
}

void cor_http_free(struct cor_http **http)
{
    if (*http != NULL) {
        COR_LIST_EACH (node, &(*http)->calls) {
            struct cor_http_call *call = COR_LIST_OBJECT(node, struct cor_http_call, link);
            cor_http_cancel(&call);
        }
        cor_freep(http);
    }
}

/* ---- the target ---- */

static struct cor_map *keys(void)
{
    static struct cor_map *map;
    if (map == NULL) {
        map = cor_map_new(NULL);
    }
    return map;
}

/* A message that was not here before has its effect; they come in order. */
static void act(const struct cor_http_call *call)
{
    struct sim_people *people = sim_people();
    uint64_t number = strtoull(call->body, NULL, 10);
    if (call->key == NULL) {
        sim_broken("a message has a key", "upload %" PRIu64, number);
        return;
    }
    if (cor_map_get(keys(), cor_view_of(call->key)) != NULL) {
        return;
    }
    cor_map_set(keys(), cor_view_of(call->key), people);
    sim_say("target: upload %" PRIu64 " under %s", number, call->key);
    if (number <= people->arrived) {
        sim_broken("no duplicate effect", "upload %" PRIu64 " again under %s", number, call->key);
    } else if (number != people->arrived + 1) {
        sim_broken("no acknowledged event is lost, order", "upload %" PRIu64 " after %" PRIu64,
                   number, people->arrived);
    }
    people->arrived = number > people->arrived ? number : people->arrived;
}

/* Runs on the client. */
static void on_answer(void *self)
{
    struct cor_http_call *call = self;
    struct cor_http_response response = {.code = call->status == 0 ? COR_RETRY : COR_OK,
                                         .status = call->status,
                                         .body = COR_VIEW(""),
                                         .text = call->status == 0 ? "connection lost" : ""};
    if (!call->dropped) {
        cor_list_del(&call->link);
        sim_point();
        call->fn(call->self, &response);
    }
    cor_free(call->key);
    cor_free(call->body);
    cor_free(call);
}

static void on_request(void *self)
{
    struct cor_http_call *call = self;
    struct sim_core *core = sim_core(SIM_CONTROLLER);
    call->status = sim_chance(SIM_NET, BAD) ? 503 : sim_chance(SIM_NET, BAD) ? 0 : 200;
    if (call->status == 200 || (call->status == 0 && sim_chance(SIM_NET, 500000))) {
        act(call);
    }
    sim_post(core, (int64_t)sim_pick(SIM_NET, DELAY_US), on_answer, call);
}

struct cor_http_call *cor_http_send(struct cor_http *http, const struct cor_http_request *request,
                                    cor_http_fn fn, void *self)
{
    static const char NAME[] = "Idempotency-Key: ";
    struct cor_http_call *call = cor_alloc(sizeof(*call));
    call->http = http;
    call->fn = fn;
    call->self = self;
    call->body = cor_view_dup(request->body);
    for (const char *const *h = request->headers; h != NULL && *h != NULL; h++) {
        if (strncasecmp(*h, NAME, sizeof(NAME) - 1) == 0) {
            call->key = cor_strdup(*h + sizeof(NAME) - 1);
        }
    }
    cor_list_init(&call->link);
    cor_list_add(&http->calls, &call->link);
    sim_point();
    sim_post(NULL, 200 + (int64_t)sim_pick(SIM_NET, DELAY_US), on_request, call);
    return call;
}

struct cor_http_call *cor_http_stream(struct cor_http *http, const struct cor_http_request *request,
                                      cor_http_bytes_fn bytes, cor_http_fn fn, void *self)
{
    (void)bytes;
    return cor_http_send(http, request, fn, self);
}
