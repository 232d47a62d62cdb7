// SPDX-License-Identifier: Apache-2.0
#include "common/kube/http.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/kube/curl.h"

enum {
    IDLE = 32,
    RETRY_AFTER_MAX_S = 3600,
    PROBE_AFTER_S = 20,
    PROBE_EVERY_S = 10,
    SILENT_MS = 40000
};

static void trust_drop(struct http_trust **trust)
{
    struct http_trust *self = take(trust);
    if (self == NULL || --self->users > 0) {
        return;
    }
    if (self->key_pem != NULL) {
        cor_wipe(self->key_pem, strlen(self->key_pem));
    }
    cor_free(self->ca_pem);
    cor_free(self->cert_pem);
    cor_free(self->key_pem);
    cor_free(self);
}

void cor_http_trust(struct cor_http *http, const struct cor_http_spec *spec)
{
    trust_drop(&http->trust);
    http->trust = cor_alloc(sizeof(*http->trust));
    http->trust->users = 1;
    http->trust->ca_pem = cor_strdup(spec->ca_pem);
    http->trust->cert_pem = cor_strdup(spec->cert_pem);
    http->trust->key_pem = cor_strdup(spec->key_pem);
}

enum cor_code cor_http_new(struct cor_loop *loop, const struct cor_http_spec *spec,
                           struct cor_http **http_r, struct cor_err *err)
{
    struct cor_http *http = cor_alloc(sizeof(*http));
    http->loop = loop;
    cor_list_init(&http->calls);
    cor_list_init(&http->arrived);
    cor_http_trust(http, spec);
    http->plain = spec->plain;
    http->unverified = spec->unverified;
    http->per_host = spec->per_host;
    http->idle = spec->idle == 0 ? IDLE : spec->idle;
    *http_r = http;
    enum cor_code code = http_transport_open(http, err);
    if (code != COR_OK) {
        cor_http_free(http_r);
    }
    return code;
}

void http_call_free(struct cor_http_call *call)
{
    cor_list_del(&call->link);
    cor_list_del(&call->arrived);
    (void)curl_multi_remove_handle(call->http->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    cor_buf_free(&call->send);
    cor_buf_free(&call->got);
    trust_drop(&call->trust);
    cor_free(call);
}

void cor_http_free(struct cor_http **http)
{
    struct cor_http *self = *http;
    if (self == NULL) {
        return;
    }
    COR_LIST_EACH (node, &self->calls) {
        http_call_free(COR_LIST_OBJECT(node, struct cor_http_call, link));
    }
    http_transport_close(self);
    trust_drop(&self->trust);
    cor_freep(http);
}

void cor_http_cancel(struct cor_http_call **call)
{
    struct cor_http_call *self = take(call);
    if (self != NULL && self->delivering) {
        self->cancelled = true;
    } else if (self != NULL) {
        http_call_free(self);
    }
}

/* ---- what comes ---------------------------------------------------------------------------------
 */

static int status_of(const struct cor_http_call *call)
{
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *self)
{
    struct cor_http_call *call = self;
    (void)bytes;
    call->header_bytes += size * count;
    call->too_big = call->header_bytes > COR_HTTP_HEADERS_MAX;
    return call->too_big ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *self)
{
    struct cor_http_call *call = self;
    size_t len = size * count;
    int status = status_of(call);
    if (call->on_bytes != NULL && status >= 200 && status < 300) {
        cor_buf_add(&call->got, bytes, len);
        if (cor_list_empty(&call->arrived)) {
            cor_list_add(&call->http->arrived, &call->arrived);
        }
        return len;
    }
    call->body_bytes += len;
    if (call->body_bytes > call->max_answer) {
        call->too_big = true;
        return 0;
    }
    size_t room = call->keep - call->got.len;
    cor_buf_add(&call->got, bytes, len < room ? len : room);
    return len;
}

static void deliver(struct cor_http_call *call)
{
    auto_(cor_buf_free) struct cor_buf bytes = call->got;
    call->got = (struct cor_buf){0};
    call->delivering = true;
    call->on_bytes(call->self, cor_buf_as_view(&bytes));
    call->delivering = false;
    if (call->cancelled) {
        http_call_free(call);
    }
}

void http_deliver(struct cor_http *http)
{
    while (!cor_list_empty(&http->arrived)) {
        struct cor_link *node = http->arrived.next;
        cor_list_del(node);
        deliver(COR_LIST_OBJECT(node, struct cor_http_call, arrived));
    }
}

static int64_t retry_after(CURL *easy)
{
    curl_off_t seconds = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
    return seconds > 0 && seconds < RETRY_AFTER_MAX_S ? COR_SEC(seconds) : 0;
}

static enum cor_code code_of(const struct cor_http_call *call, CURLcode result)
{
    static const struct {
        CURLcode curl;
        enum cor_code code;
    } CODES[] = {
        {CURLE_OK, COR_OK},
        {CURLE_OPERATION_TIMEDOUT, COR_TIMEOUT},
        {CURLE_URL_MALFORMAT, COR_INVALID},
        {CURLE_UNSUPPORTED_PROTOCOL, COR_INVALID},
    };
    for (size_t i = 0; i < COR_COUNT(CODES) && !call->too_big; i++) {
        if (CODES[i].curl == result) {
            return CODES[i].code;
        }
    }
    return call->too_big ? COR_TOOBIG : COR_RETRY;
}

bool http_is_untrusted(CURLcode result)
{
    return result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CONNECT_ERROR ||
           result == CURLE_SSL_CERTPROBLEM || result == CURLE_SSL_CACERT_BADFILE;
}

void http_call_done(struct cor_http_call *call, CURLcode result)
{
    if (call->connected != NULL) {
        call->connected(call->self, result);
        return;
    }
    struct cor_http_response response = {
        .code = code_of(call, result),
        .status = status_of(call),
        .retry_after_us = retry_after(call->easy),
        .untrusted = http_is_untrusted(result),
        .text = call->too_big ? "the answer is too big" : curl_easy_strerror(result),
    };
    if (response.code == COR_OK) {
        response.text = "";
    }
    auto_(cor_buf_free) struct cor_buf body = call->got;
    call->got = (struct cor_buf){0};
    response.body = cor_buf_as_view(&body);
    cor_http_fn fn = call->fn;
    void *self = call->self;
    http_call_free(call);
    fn(self, &response);
}

/* ---- what is sent -------------------------------------------------------------------------------
 */

static void add_header(struct cor_http_call *call, const char *line)
{
    struct curl_slist *more = curl_slist_append(call->headers, line);
    if (more == NULL) {
        cor_die("libcurl: out of memory");
    }
    call->headers = more;
}

static void set_headers(struct cor_http_call *call, const struct cor_http_request *request)
{
    add_header(call, "User-Agent: coracle/" CORACLE_VERSION);
    for (size_t i = 0; request->headers != NULL && request->headers[i] != NULL; i++) {
        must(strpbrk(request->headers[i], "\r\n") == NULL);
        add_header(call, request->headers[i]);
    }
    if (request->body.ptr != NULL) {
        add_header(call, "Expect:"); /* no 100-continue: it costs a round trip */
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

/* A peer that does not even acknowledge is gone. */
static int on_socket(void *self, curl_socket_t fd, curlsocktype purpose)
{
    (void)self;
    (void)purpose;
    unsigned silent_ms = SILENT_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
    return CURL_SOCKOPT_OK;
}

void http_set_connection(struct cor_http_call *call)
{
    CURL *easy = call->easy;
    const struct cor_http *http = call->http;
    call->trust = http->trust;
    call->trust->users++;
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, http->plain ? "https,http" : "https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)PROBE_AFTER_S);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)PROBE_EVERY_S);
    (void)curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (http->unverified) {
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_blob(easy, CURLOPT_CAINFO_BLOB, call->trust->ca_pem);
    set_blob(easy, CURLOPT_SSLCERT_BLOB, call->trust->cert_pem);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, call->trust->key_pem);
}

static void set_request(struct cor_http_call *call, const struct cor_http_request *request)
{
    CURL *easy = call->easy;
    int64_t timeout = request->timeout_us == 0 ? COR_SEC(30) : request->timeout_us;
    (void)curl_easy_setopt(easy, CURLOPT_URL, request->url);
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout / 1000));
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    if (request->body.ptr != NULL) {
        cor_buf_view(&call->send, request->body);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, cor_buf_as_view(&call->send).ptr);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->send.len);
    }
}

struct cor_http_call *http_call_new(struct cor_http *http)
{
    struct cor_http_call *call = cor_alloc(sizeof(*call));
    call->http = http;
    cor_list_init(&call->arrived);
    cor_list_add(&http->calls, &call->link);
    call->easy = curl_easy_init();
    if (call->easy == NULL) {
        cor_die("libcurl: out of memory");
    }
    return call;
}

struct cor_http_call *cor_http_stream(struct cor_http *http, const struct cor_http_request *request,
                                      cor_http_bytes_fn bytes, cor_http_fn fn, void *self)
{
    struct cor_http_call *call = http_call_new(http);
    call->fn = fn;
    call->on_bytes = bytes;
    call->self = self;
    call->max_answer = request->max_answer;
    call->keep = request->keep;
    set_request(call, request);
    http_set_connection(call);
    set_headers(call, request);
    (void)curl_multi_add_handle(http->multi, call->easy);
    return call;
}

struct cor_http_call *cor_http_send(struct cor_http *http, const struct cor_http_request *request,
                                    cor_http_fn fn, void *self)
{
    return cor_http_stream(http, request, NULL, fn, self);
}
