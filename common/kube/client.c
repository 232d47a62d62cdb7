// SPDX-License-Identifier: Apache-2.0
#include "common/kube/client.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/kube/creds.h"
#include "common/kube/http.h"
#include "common/kube/items.h"
#include "common/kube/lines.h"
#include "common/kube/pace.h"
#include "common/kube/path.h"
#include "common/pki/digest.h"
#include "common/pki/key.h"

enum {
    CONNECTIONS_MAX = 128,
    TRIES_MAX = 8,
    UNAUTHORIZED = 401,
    TOO_MANY = 429,
    UNAVAILABLE = 503
};

struct cor_kube {
    struct cor_http *http;   /* owned */
    struct cor_link calls;   /* all of them */
    struct cor_link waiting; /* those that the server has no room for yet, oldest first */
    struct cor_pace pace;
    struct cor_timer *timer; /* owned: when the first that waits may be sent */
    struct kube_creds creds;
};

struct cor_kube_call {
    struct cor_link link;    /* in calls */
    struct cor_link waiting; /* in waiting, or in none */
    struct cor_kube *kube;
    struct cor_http_call *http; /* NULL: it waits, or has ended */
    struct cor_lines lines;     /* answer of a watch */
    struct cor_items items;     /* answer of a list */
    cor_kube_line_fn on_line;   /* NULL: no watch */
    cor_kube_line_fn on_item;   /* NULL: no list */
    cor_kube_fn fn;
    void *self;
    /* the request, which may have to be sent again; owned */
    char *method, *path, *type;
    struct cor_buf body;
    bool has_body;
    struct cor_mono deadline;
    unsigned tries;
    unsigned token_number; /* what it was sent with */
    bool delivering;       /* on_line or on_item is on the stack */
    bool cancelled;
};

static void send(struct cor_kube_call *call);
static void on_timer(void *self);

enum cor_code cor_kube_new(struct cor_loop *loop, const struct cor_kube_config *config,
                           struct cor_kube **out_r, struct cor_err *err)
{
    struct cor_kube *kube = cor_alloc(sizeof(*kube));
    cor_list_init(&kube->calls);
    cor_list_init(&kube->waiting);
    kube->pace = (struct cor_pace){.most = CONNECTIONS_MAX, .window = CONNECTIONS_MAX};
    kube_creds_init(&kube->creds, config);
    kube->timer = cor_timer_new(loop, on_timer, kube);
    struct cor_http_spec spec = {.ca_pem = config->ca_pem,
                                 .cert_pem = config->cert_pem,
                                 .key_pem = config->key_pem,
                                 .per_host = CONNECTIONS_MAX};
    *out_r = kube;
    enum cor_code code = cor_http_new(loop, &spec, &kube->http, err);
    if (code != COR_OK) {
        cor_kube_free(out_r);
    }
    return code;
}

static void call_free(struct cor_kube_call *call)
{
    cor_list_del(&call->link);
    cor_list_del(&call->waiting);
    cor_http_cancel(&call->http);
    cor_lines_free(&call->lines);
    cor_items_free(&call->items);
    cor_free(call->method);
    cor_free(call->path);
    cor_free(call->type);
    cor_buf_free(&call->body);
    cor_free(call);
}

void cor_kube_free(struct cor_kube **kube)
{
    if (*kube == NULL) {
        return;
    }
    COR_LIST_EACH (node, &(*kube)->calls) {
        call_free(COR_LIST_OBJECT(node, struct cor_kube_call, link));
    }
    cor_http_free(&(*kube)->http);
    cor_timer_free(&(*kube)->timer);
    kube_creds_free(&(*kube)->creds);
    cor_freep(kube);
}

/* Watches and lists go by their informer's own pace. */
static bool is_paced(const struct cor_kube_call *call)
{
    return call->on_line == NULL && call->on_item == NULL;
}

/* ---- who waits ----------------------------------------------------------------------------------
 */

/* Sends what may be sent, and sets the clock for the rest. */
static void pump(struct cor_kube *kube)
{
    while (!cor_list_empty(&kube->waiting)) {
        int64_t wait = cor_pace_wait(&kube->pace, cor_mono_now());
        if (wait > 0) {
            cor_timer_start(kube->timer, wait);
        }
        if (wait != 0) {
            return;
        }
        struct cor_link *node = kube->waiting.next;
        cor_list_del(node);
        cor_pace_begin(&kube->pace);
        send(COR_LIST_OBJECT(node, struct cor_kube_call, waiting));
    }
}

static void on_timer(void *self)
{
    pump(self);
}

void cor_kube_cancel(struct cor_kube_call **call)
{
    struct cor_kube_call *self = take(call);
    if (self != NULL && self->delivering) {
        self->cancelled = true;
    } else if (self != NULL) {
        struct cor_kube *kube = self->kube;
        bool was_flying = self->http != NULL && is_paced(self);
        call_free(self);
        if (was_flying) {
            cor_pace_end(&kube->pace);
            pump(kube);
        }
    }
}

/* ---- what comes ---------------------------------------------------------------------------------
 */

/* Whole lines, until there is no more or the receiver has cancelled. */
static void lines_came(struct cor_kube_call *call, struct cor_view bytes)
{
    struct cor_view line;
    cor_lines_add(&call->lines, bytes);
    while (!call->cancelled && cor_lines_next(&call->lines, &line)) {
        call->on_line(call->self, line);
    }
}

static bool on_item(void *self, struct cor_view item)
{
    struct cor_kube_call *call = self;
    call->on_item(call->self, item);
    return !call->cancelled;
}

static void on_bytes(void *self, struct cor_view bytes)
{
    struct cor_kube_call *call = self;
    call->delivering = true;
    if (call->on_item == NULL) {
        lines_came(call, bytes);
    } else if (!call->items.failed) {
        (void)cor_items_add(&call->items, bytes, on_item, call);
    }
    call->delivering = false;
    if (call->cancelled) {
        call_free(call);
    }
}

static const char *why(const struct cor_kube_response *response,
                       const struct cor_http_response *got)
{
    if (got->code != COR_OK) {
        return got->text;
    }
    return response->code == COR_OK ? ""
                                    : cor_json_str_at(response->body, "message", "no reason given");
}

/* NULL when there is no JSON. Returns owned. */
static struct cor_json *tree_of(struct cor_view text)
{
    struct cor_json *tree = NULL;
    enum cor_code code = cor_json_parse(text, COR_KUBE_BODY_MAX, 0, &tree, NULL);
    return code == COR_OK ? tree : NULL;
}

static void end(struct cor_kube_call *call, const struct cor_http_response *got)
{
    bool is_list = call->on_item != NULL && got->status >= 200 && got->status < 300;
    struct cor_view text = is_list ? cor_buf_as_view(&call->items.rest) : got->body;
    auto_(cor_json_free) struct cor_json *body = got->code == COR_OK ? tree_of(text) : NULL;
    struct cor_kube_response response = {
        .status = got->code == COR_OK ? got->status : 0,
        .body = body,
        .retry_after_us = got->retry_after_us,
    };
    response.code = got->code == COR_TOOBIG || call->items.failed
                        ? COR_TOOBIG
                        : cor_kube_code(response.status, response.body);
    response.text = why(&response, got);
    cor_kube_fn fn = call->fn;
    void *owner = call->self;
    call->http = NULL;
    call_free(call);
    fn(owner, &response);
}

static double random_number(void)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    return (double)n / 4294967296.0;
}

/* The server has not looked at the request. */
static bool is_too_many(const struct cor_http_response *got)
{
    return got->code == COR_OK &&
           (got->status == TOO_MANY || (got->status == UNAVAILABLE && got->retry_after_us > 0));
}

/* It has not acted on it either: another token may help. */
static bool has_new_token(struct cor_kube_call *call, const struct cor_http_response *got)
{
    struct kube_creds *creds = &call->kube->creds;
    if (got->code != COR_OK || got->status != UNAUTHORIZED || creds->config.token_file == NULL) {
        return false;
    }
    creds->doubted = true;
    (void)kube_creds_refresh(creds, cor_mono_now());
    return call->token_number != creds->token_number;
}

/* Before those that have come later. False: there is no time left for it. */
static bool send_again(struct cor_kube_call *call)
{
    struct cor_kube *kube = call->kube;
    struct cor_mono now = cor_mono_now();
    int64_t wait = cor_pace_wait(&kube->pace, now);
    if (call->tries >= TRIES_MAX || now.us + (wait > 0 ? wait : 0) >= call->deadline.us) {
        return false;
    }
    call->http = NULL;
    cor_list_add(kube->waiting.next, &call->waiting);
    return true;
}

static void on_done(void *self, const struct cor_http_response *got)
{
    struct cor_kube_call *call = self;
    struct cor_kube *kube = call->kube;
    bool is_again = false;
    if (is_paced(call) && is_too_many(got)) {
        cor_pace_refused(&kube->pace, got->retry_after_us, cor_mono_now(), random_number());
        is_again = true;
    } else if (is_paced(call)) {
        cor_pace_end(&kube->pace);
        is_again = has_new_token(call, got);
    }
    kube->creds.doubted = kube->creds.doubted || got->untrusted || got->status == UNAUTHORIZED;
    is_again = is_again && send_again(call);
    pump(kube);
    if (!is_again) {
        end(call, got);
    }
}

/* ---- what is sent -------------------------------------------------------------------------------
 */

/* Files may be exchanged under us. */
static void refresh(struct cor_kube *kube)
{
    const struct cor_kube_config *config = &kube->creds.config;
    if (kube_creds_refresh(&kube->creds, cor_mono_now())) {
        struct cor_http_spec spec = {
            .ca_pem = config->ca_pem, .cert_pem = config->cert_pem, .key_pem = config->key_pem};
        cor_http_trust(kube->http, &spec);
    }
}

static void send(struct cor_kube_call *call)
{
    struct cor_kube *kube = call->kube;
    const struct cor_kube_config *config = &kube->creds.config;
    refresh(kube);
    int64_t left = call->deadline.us - cor_mono_now().us;
    auto_(cor_freep) char *url = cor_sprintf("%s%s", config->server, call->path);
    auto_(cor_freep) char *bearer =
        cor_sprintf("Authorization: Bearer %s", config->token == NULL ? "" : config->token);
    auto_(cor_freep) char *type = cor_sprintf("Content-Type: %s", call->type);
    const char *headers[4] = {"Accept: application/json"};
    size_t count = 1;
    if (call->has_body) {
        headers[count++] = type;
    }
    if (config->token != NULL && strpbrk(config->token, "\r\n") == NULL) {
        headers[count++] = bearer;
    }
    struct cor_http_request http = {
        .method = call->method,
        .url = url,
        .headers = headers,
        .timeout_us = left > COR_MS(1) ? left : COR_MS(1),
        .max_answer = COR_KUBE_BODY_MAX,
        .keep = COR_KUBE_BODY_MAX,
    };
    if (call->has_body) {
        http.body = cor_buf_as_view(&call->body);
    }
    call->tries++;
    call->token_number = kube->creds.token_number;
    call->http =
        cor_http_stream(kube->http, &http, is_paced(call) ? NULL : on_bytes, on_done, call);
    cor_wipe(bearer, strlen(bearer));
}

static struct cor_kube_call *call_new(struct cor_kube *kube, const struct cor_kube_request *request,
                                      cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = cor_alloc(sizeof(*call));
    int64_t timeout_us = request->timeout_us == 0 ? COR_SEC(30) : request->timeout_us;
    call->kube = kube;
    call->fn = fn;
    call->self = self;
    call->method = cor_strdup(request->method);
    call->path = cor_strdup(request->path);
    call->type = cor_strdup(request->content_type == NULL ? COR_KUBE_JSON : request->content_type);
    call->has_body = request->body.ptr != NULL;
    cor_buf_view(&call->body, request->body);
    call->deadline.us = cor_mono_now().us + timeout_us;
    cor_list_init(&call->waiting);
    cor_list_add(&kube->calls, &call->link);
    return call;
}

struct cor_kube_call *cor_kube_stream(struct cor_kube *kube, const struct cor_kube_request *request,
                                      cor_kube_line_fn line, cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = call_new(kube, request, fn, self);
    call->on_line = line;
    call->lines.max = COR_KUBE_LINE_MAX;
    send(call);
    return call;
}

struct cor_kube_call *cor_kube_list(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_line_fn item, cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = call_new(kube, request, fn, self);
    call->on_item = item;
    call->items.max = COR_KUBE_LINE_MAX;
    send(call);
    return call;
}

struct cor_kube_call *cor_kube_send(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = call_new(kube, request, fn, self);
    cor_list_add(&kube->waiting, &call->waiting);
    pump(kube);
    return call;
}
