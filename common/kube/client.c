// SPDX-License-Identifier: Apache-2.0
#include "common/kube/client.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/kube/http.h"
#include "common/kube/lines.h"
#include "common/kube/path.h"
#include "common/pki/key.h"

enum { TOKEN_MAX = 64 * 1024, CONNECTIONS_MAX = 128 };

struct cor_kube {
    struct cor_http *http; /* owned */
    struct cor_link calls; /* all of them */
    struct cor_kube_config config;
    struct cor_mono token_read; /* when token_file was read last */
};

struct cor_kube_call {
    struct cor_link link; /* in calls */
    struct cor_kube *kube;
    struct cor_http_call *http; /* NULL: it has ended */
    struct cor_lines lines;     /* answer of a stream */
    cor_kube_line_fn on_line;   /* NULL: no stream */
    cor_kube_fn fn;
    void *self;
    bool delivering; /* on_line is on the stack */
    bool cancelled;
};

enum cor_code cor_kube_new(struct cor_loop *loop, const struct cor_kube_config *config,
                           struct cor_kube **out_r, struct cor_err *err)
{
    struct cor_kube *kube = cor_alloc(sizeof(*kube));
    cor_list_init(&kube->calls);
    kube->config = (struct cor_kube_config){
        .server = cor_strdup(config->server),
        .token = cor_strdup(config->token),
        .token_file = cor_strdup(config->token_file),
    };
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
    cor_http_cancel(&call->http);
    cor_lines_free(&call->lines);
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
    cor_kube_config_free(&(*kube)->config);
    cor_freep(kube);
}

void cor_kube_cancel(struct cor_kube_call **call)
{
    struct cor_kube_call *self = take(call);
    if (self != NULL && self->delivering) {
        self->cancelled = true;
    } else if (self != NULL) {
        call_free(self);
    }
}

/* Whole lines, until there is no more or the receiver has cancelled. */
static void on_bytes(void *self, struct cor_view bytes)
{
    struct cor_kube_call *call = self;
    struct cor_view line;
    cor_lines_add(&call->lines, bytes);
    call->delivering = true;
    while (!call->cancelled && cor_lines_next(&call->lines, &line)) {
        call->on_line(call->self, line);
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

static void on_done(void *self, const struct cor_http_response *got)
{
    struct cor_kube_call *call = self;
    auto_(cor_json_free) struct cor_json *body = got->code == COR_OK ? tree_of(got->body) : NULL;
    struct cor_kube_response response = {
        .status = got->code == COR_OK ? got->status : 0,
        .body = body,
        .retry_after_us = got->retry_after_us,
    };
    response.code =
        got->code == COR_TOOBIG ? COR_TOOBIG : cor_kube_code(response.status, response.body);
    response.text = why(&response, got);
    cor_kube_fn fn = call->fn;
    void *owner = call->self;
    call->http = NULL;
    call_free(call);
    fn(owner, &response);
}

/* The token of a file may be rotated under us. */
static void refresh_token(struct cor_kube *kube)
{
    struct cor_mono now = cor_mono_now();
    if (kube->config.token_file == NULL ||
        (kube->token_read.us != 0 && cor_mono_since(now, kube->token_read) < COR_SEC(60))) {
        return;
    }
    auto_(cor_secret_free) struct cor_buf text = {0};
    if (cor_file_read(kube->config.token_file, TOKEN_MAX, &text, NULL) == COR_OK) {
        cor_free(kube->config.token);
        kube->config.token = cor_view_dup(cor_view_trim(cor_buf_as_view(&text)));
        kube->token_read = now;
    }
}

static struct cor_http_call *send(struct cor_kube_call *call,
                                  const struct cor_kube_request *request)
{
    struct cor_kube *kube = call->kube;
    refresh_token(kube);
    auto_(cor_freep) char *url = cor_sprintf("%s%s", kube->config.server, request->path);
    auto_(cor_freep) char *bearer = cor_sprintf(
        "Authorization: Bearer %s", kube->config.token == NULL ? "" : kube->config.token);
    auto_(cor_freep) char *type = cor_sprintf(
        "Content-Type: %s", request->content_type == NULL ? COR_KUBE_JSON : request->content_type);
    const char *headers[4] = {"Accept: application/json"};
    size_t count = 1;
    if (request->body.ptr != NULL) {
        headers[count++] = type;
    }
    if (kube->config.token != NULL && strpbrk(kube->config.token, "\r\n") == NULL) {
        headers[count++] = bearer;
    }
    struct cor_http_request http = {
        .method = request->method,
        .url = url,
        .headers = headers,
        .body = request->body,
        .timeout_us = request->timeout_us,
        .max_answer = COR_KUBE_BODY_MAX,
        .keep = COR_KUBE_BODY_MAX,
    };
    struct cor_http_call *sent =
        cor_http_stream(kube->http, &http, call->on_line == NULL ? NULL : on_bytes, on_done, call);
    cor_wipe(bearer, strlen(bearer));
    return sent;
}

struct cor_kube_call *cor_kube_stream(struct cor_kube *kube, const struct cor_kube_request *request,
                                      cor_kube_line_fn line, cor_kube_fn fn, void *self)
{
    struct cor_kube_call *call = cor_alloc(sizeof(*call));
    call->kube = kube;
    call->fn = fn;
    call->on_line = line;
    call->self = self;
    call->lines.max = COR_KUBE_LINE_MAX;
    cor_list_add(&kube->calls, &call->link);
    call->http = send(call, request);
    return call;
}

struct cor_kube_call *cor_kube_send(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_fn fn, void *self)
{
    return cor_kube_stream(kube, request, NULL, fn, self);
}
