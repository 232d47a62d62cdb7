// SPDX-License-Identifier: Apache-2.0
#include "common/kube/client.h"

#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/kube/curl.h"
#include "common/kube/path.h"
#include "common/pki/key.h"

enum { TOKEN_MAX = 64 * 1024 };

enum cor_code cor_kube_new(struct cor_loop *loop, const struct cor_kube_config *config,
                           struct cor_kube **out_r, struct cor_err *err)
{
    struct cor_kube *kube = cor_alloc(sizeof(*kube));
    kube->loop = loop;
    cor_list_init(&kube->calls);
    cor_list_init(&kube->arrived);
    kube->config = (struct cor_kube_config){
        .server = cor_strdup(config->server),
        .ca_pem = cor_strdup(config->ca_pem),
        .cert_pem = cor_strdup(config->cert_pem),
        .key_pem = cor_strdup(config->key_pem),
        .token = cor_strdup(config->token),
        .token_file = cor_strdup(config->token_file),
        .ns = cor_strdup(config->ns),
    };
    *out_r = kube;
    enum cor_code code = kube_transport_open(kube, err);
    if (code != COR_OK) {
        cor_kube_free(out_r);
    }
    return code;
}

static void call_free(struct cor_kube_call *call)
{
    cor_list_del(&call->link);
    cor_list_del(&call->arrived);
    if (call->easy != NULL) {
        (void)curl_multi_remove_handle(call->kube->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    cor_buf_free(&call->send);
    cor_buf_free(&call->got);
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
    kube_transport_close(*kube);
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

static bool is_ok(const struct cor_kube_call *call)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct cor_kube_call *call = self;
    size_t len = size * count;
    if (call->on_line != NULL && is_ok(call)) {
        cor_lines_add(&call->lines, (struct cor_view){bytes, len});
        if (cor_list_empty(&call->arrived)) {
            cor_list_add(&call->kube->arrived, &call->arrived);
        }
        return len;
    }
    if (call->got.len + len > COR_KUBE_BODY_MAX) {
        call->too_big = true;
        return 0;
    }
    cor_buf_add(&call->got, bytes, len);
    return len;
}

/* Whole lines, until there is no more or the receiver has cancelled. */
static void deliver(struct cor_kube_call *call)
{
    struct cor_view line;
    call->delivering = true;
    while (!call->cancelled && cor_lines_next(&call->lines, &line)) {
        call->on_line(call->self, line);
    }
    call->delivering = false;
    if (call->cancelled) {
        call_free(call);
    }
}

void kube_deliver(struct cor_kube *kube)
{
    while (!cor_list_empty(&kube->arrived)) {
        struct cor_link *node = kube->arrived.next;
        cor_list_del(node);
        deliver(COR_LIST_OBJECT(node, struct cor_kube_call, arrived));
    }
}

static int64_t retry_after(CURL *easy)
{
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 && seconds < 3600 ? COR_SEC(seconds) : 0;
}

static const char *why(const struct cor_kube_call *call, const struct cor_kube_response *response,
                       CURLcode result)
{
    if (call->too_big) {
        return "the answer is too big";
    }
    if (result != CURLE_OK) {
        return curl_easy_strerror(result);
    }
    return response->code == COR_OK ? ""
                                    : cor_json_str_at(response->body, "message", "no reason given");
}

/* NULL when there is no JSON. Returns owned. */
static struct cor_json *tree_of(const struct cor_buf *text)
{
    struct cor_json *tree = NULL;
    enum cor_code code = cor_json_parse(cor_buf_as_view(text), COR_KUBE_BODY_MAX, 0, &tree, NULL);
    return code == COR_OK ? tree : NULL;
}

void kube_call_done(struct cor_kube_call *call, CURLcode result)
{
    struct cor_kube_response response = {0};
    long status = 0;
    auto_(cor_json_free) struct cor_json *body = NULL;
    if (result == CURLE_OK) {
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        body = tree_of(&call->got);
    }
    response.status = (int)status;
    response.body = body;
    response.code = call->too_big ? COR_TOOBIG : cor_kube_code(response.status, body);
    response.retry_after_us = retry_after(call->easy);
    response.text = why(call, &response, result);
    cor_kube_fn fn = call->fn;
    void *self = call->self;
    call_free(call);
    fn(self, &response);
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

static void add_header(struct cor_kube_call *call, const char *name, const char *value)
{
    auto_(cor_freep) char *line = cor_sprintf("%s: %s", name, value);
    call->headers = curl_slist_append(call->headers, line);
    cor_wipe(line, strlen(line));
}

static void add_headers(struct cor_kube_call *call, const struct cor_kube_request *request)
{
    struct cor_kube *kube = call->kube;
    add_header(call, "Accept", "application/json");
    add_header(call, "User-Agent", "coracle/" CORACLE_VERSION);
    refresh_token(kube);
    if (kube->config.token != NULL) {
        auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", kube->config.token);
        add_header(call, "Authorization", bearer);
        cor_wipe(bearer, strlen(bearer));
    }
    if (request->body.ptr != NULL) {
        add_header(call, "Content-Type",
                   request->content_type == NULL ? COR_KUBE_JSON : request->content_type);
        add_header(call, "Expect", ""); /* no 100-continue: it costs a round trip */
    }
    (void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void set_blob(CURL *easy, CURLoption option, const char *pem)
{
    if (pem != NULL) {
        struct curl_blob blob = {(void *)(uintptr_t)pem, strlen(pem), CURL_BLOB_NOCOPY};
        (void)curl_easy_setopt(easy, option, &blob);
    }
}

static void set_tls(struct cor_kube_call *call)
{
    const struct cor_kube_config *config = &call->kube->config;
    (void)curl_easy_setopt(call->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    set_blob(call->easy, CURLOPT_CAINFO_BLOB, config->ca_pem);
    set_blob(call->easy, CURLOPT_SSLCERT_BLOB, config->cert_pem);
    set_blob(call->easy, CURLOPT_SSLKEY_BLOB, config->key_pem);
}

static void set_request(struct cor_kube_call *call, const struct cor_kube_request *request)
{
    CURL *easy = call->easy;
    auto_(cor_freep) char *url = cor_sprintf("%s%s", call->kube->config.server, request->path);
    int64_t timeout = request->timeout_us == 0 ? COR_SEC(30) : request->timeout_us;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout / 1000));
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    if (request->body.ptr != NULL) {
        cor_buf_view(&call->send, request->body);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, cor_buf_as_view(&call->send).ptr);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->send.len);
    }
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
    cor_list_init(&call->arrived);
    cor_list_init(&call->link);
    cor_list_add(&kube->calls, &call->link);
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        cor_die("libcurl: out of memory");
    }
    set_request(call, request);
    set_tls(call);
    add_headers(call, request);
    (void)curl_multi_add_handle(kube->multi, call->easy);
    return call;
}

struct cor_kube_call *cor_kube_send(struct cor_kube *kube, const struct cor_kube_request *request,
                                    cor_kube_fn fn, void *self)
{
    return cor_kube_stream(kube, request, NULL, fn, self);
}
