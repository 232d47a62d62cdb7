// SPDX-License-Identifier: Apache-2.0
#include "proxy.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/httpd/body.h"
#include "common/httpd/head.h"

enum {
    PAUSE_AT = 256 << 10, /* so much waits for one side: the other is not read */
    FAULT_MAX = 64 << 10, /* of a kubelet's error that goes into a Status */
    LINGER_US = 10000000, /* for what waits when one side has ended */
    IDLE_S = 4 * 3600,    /* streaming-connection-idle-timeout of the kubelet */
};

struct kl_proxies {
    struct kl_api *api;
    struct cor_http *http; /* owned */
    struct cor_link all;
    size_t count;
};

/* One request on its way. */
struct proxy {
    struct cor_link link;
    struct kl_proxies *proxies;
    struct kl_request *request; /* owned until the answer */
    enum kl_sub sub;
    bool upgrade; /* the client asks for one */
    char *host, *path;
    struct cor_pipe *up; /* to the kubelet */
    struct cor_head head;
    struct cor_body body;
    struct cor_pipe *down;   /* to the client, once it is a pipe */
    struct cor_stream *out;  /* or the stream to it */
    struct cor_buf fault;    /* text of an error, for a Status */
    struct cor_timer *timer; /* idle, or lingering */
    bool ending;             /* one side has; what waits for the other goes out */
};

static void finish(struct proxy *proxy)
{
    struct cor_stream *out = take(&proxy->out);
    if (out != NULL) {
        cor_stream_break(out);
    }
    cor_list_del(&proxy->link);
    proxy->proxies->count--;
    cor_pipe_free(&proxy->up);
    cor_pipe_free(&proxy->down);
    cor_timer_free(&proxy->timer);
    cor_head_free(&proxy->head);
    cor_buf_free(&proxy->fault);
    kl_request_free(&proxy->request);
    cor_freep(&proxy->host);
    cor_freep(&proxy->path);
    cor_free(proxy);
}

/* ---- errors, in the API server's words ----------------------------------------------------------
 */

/* "dial tcp 10.0.0.1:10250: connect: connection refused", as Go says it. */
static char *words_of(const struct proxy *proxy, const struct cor_err *err)
{
    if (err->code == COR_CLOSED) {
        return cor_strdup("unexpected EOF");
    }
    char *text = cor_sprintf("dial tcp %s: %s", proxy->host, err->text);
    char *why = strstr(text, "connect: ");
    if (why != NULL) {
        why[9] = (char)tolower((unsigned char)why[9]);
    }
    return text;
}

static void answer_fault(struct proxy *proxy, const char *why)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (proxy->sub == KL_SUB_LOG) {
        (void)kl_fail_other(&fail, 500, NULL, "Get \"https://%s%s\": %s", proxy->host, proxy->path,
                            why);
    } else if (proxy->upgrade) {
        (void)kl_fail_other(&fail, 500, NULL, "error dialing backend: %s", why);
    } else {
        (void)kl_fail_other(&fail, 500, NULL, "error trying to reach service: %s", why);
    }
    kl_reply_fail(take(&proxy->request), &fail);
}

/* Ends with an error: a Status while that is still possible. */
static void drop(struct proxy *proxy, const char *why)
{
    if (proxy->request != NULL) {
        answer_fault(proxy, why);
    }
    finish(proxy);
}

/* The kubelet's error as a Status (GenericHttpResponseChecker of registry/generic/rest). */
static void answer_refusal(struct proxy *proxy)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    int status = proxy->head.status;
    const char *text = cor_buf_as_view(&proxy->fault).ptr;
    if (status == 500) {
        (void)kl_fail_other(&fail, 500, "InternalError", "Internal error occurred: %s", text);
    } else if (status == 400) {
        (void)kl_fail_bad(&fail, "%s", text);
    } else if (status == 404) {
        (void)kl_fail_other(&fail, 404, "NotFound",
                            "the server could not find the requested resource ( pods/log %s)",
                            proxy->request->route.name);
    } else {
        (void)kl_fail_other(&fail, status, NULL,
                            "the server responded with the status code %d but did not return more "
                            "information ( pods/log %s)",
                            status, proxy->request->route.name);
    }
    kl_reply_fail(take(&proxy->request), &fail);
}

/* ---- an answer that is a stream -----------------------------------------------------------------
 */

static void on_out_room(void *self)
{
    struct proxy *proxy = self;
    cor_pipe_read(proxy->up, true);
}

static void on_out_closed(void *self)
{
    struct proxy *proxy = self;
    proxy->out = NULL;
    finish(proxy);
}

static void begin_stream(struct proxy *proxy)
{
    struct cor_view type = cor_head_get(&proxy->head, "Content-Type");
    auto_(cor_freep) char *named =
        proxy->sub == KL_SUB_LOG || type.ptr == NULL ? NULL : cor_view_dup(type);
    struct kl_request *request = take(&proxy->request);
    const char *shown = proxy->sub == KL_SUB_LOG ? "text/plain" : named;
    proxy->out =
        cor_exchange_stream(request->exchange, proxy->head.status, shown, on_out_closed, proxy);
    cor_stream_on_room(proxy->out, on_out_room, proxy);
    kl_request_free(&request);
}

static bool is_refusal(const struct proxy *proxy)
{
    return proxy->sub == KL_SUB_LOG && (proxy->head.status < 200 || proxy->head.status > 206);
}

/* The whole body has come. */
static void complete(struct proxy *proxy)
{
    if (proxy->out != NULL) {
        cor_stream_end(take(&proxy->out));
    } else {
        answer_refusal(proxy);
    }
    finish(proxy);
}

/* False: the client is gone, or too slow for what is allowed. */
static bool pass_part(struct proxy *proxy, struct cor_view part)
{
    if (proxy->out == NULL) {
        size_t room = FAULT_MAX - proxy->fault.len;
        cor_buf_add(&proxy->fault, part.ptr, part.len < room ? part.len : room);
        return true;
    }
    if (part.len > 0 && cor_stream_write(proxy->out, part) != COR_OK) {
        return false;
    }
    cor_pipe_read(proxy->up, cor_stream_waiting(proxy->out) < PAUSE_AT);
    return true;
}

static void take_body(struct proxy *proxy, struct cor_view bytes)
{
    do {
        struct cor_view part;
        enum cor_code code = cor_body_next(&proxy->body, &bytes, &part);
        if (code == COR_INVALID || !pass_part(proxy, part)) {
            drop(proxy, "malformed chunked encoding");
            return;
        }
        if (code == COR_OK) {
            complete(proxy);
            return;
        }
    } while (bytes.len > 0);
}

/* ---- two connections that are one ---------------------------------------------------------------
 */

/* One side has ended: what waits for the other goes out. */
static void wind_up(struct proxy *proxy, struct cor_pipe *other)
{
    if (proxy->ending || cor_pipe_waiting(other) == 0) {
        finish(proxy);
        return;
    }
    proxy->ending = true;
    cor_pipe_read(proxy->up, false);
    cor_pipe_read(proxy->down, false);
    cor_pipe_end(other);
    cor_timer_start(proxy->timer, LINGER_US);
}

static void pass(struct proxy *proxy, struct cor_pipe *from, struct cor_pipe *to,
                 struct cor_view bytes)
{
    if (cor_pipe_write(to, bytes) != COR_OK) {
        finish(proxy);
        return;
    }
    if (cor_pipe_waiting(to) >= PAUSE_AT) {
        cor_pipe_read(from, false);
    }
    cor_timer_start(proxy->timer, COR_SEC(IDLE_S));
}

static void on_down_bytes(void *self, struct cor_view bytes)
{
    struct proxy *proxy = self;
    pass(proxy, proxy->down, proxy->up, bytes);
}

static void on_down_room(void *self)
{
    struct proxy *proxy = self;
    if (proxy->ending) {
        finish(proxy);
    } else {
        cor_pipe_read(proxy->up, true);
    }
}

static void on_down_end(void *self)
{
    struct proxy *proxy = self;
    wind_up(proxy, proxy->up);
}

static void on_down_closed(void *self, const struct cor_err *err)
{
    (void)err;
    struct proxy *proxy = self;
    wind_up(proxy, proxy->up);
}

/* Headers of the 101 that are the protocol's, not the connection's. */
static void copy_headers(const struct cor_head *head, struct cor_exchange *exchange)
{
    static const char *const own[] = {"Connection",        "Upgrade", "Content-Length",
                                      "Transfer-Encoding", "Date",    "Keep-Alive"};
    size_t at = 0;
    struct cor_view name;
    struct cor_view value;
    while (cor_head_next(head, &at, &name, &value)) {
        auto_(cor_freep) char *left = cor_view_dup(name);
        auto_(cor_freep) char *right = cor_view_dup(value);
        bool skip = false;
        for (size_t i = 0; i < COR_COUNT(own); i++) {
            skip = skip || strcasecmp(own[i], left) == 0;
        }
        if (!skip) {
            cor_exchange_add_header(exchange, left, right);
        }
    }
}

static void join(struct proxy *proxy, struct cor_view bytes)
{
    struct cor_pipe_spec spec = {.bytes = on_down_bytes,
                                 .room = on_down_room,
                                 .end = on_down_end,
                                 .closed = on_down_closed,
                                 .self = proxy,
                                 .max_queue = 2 * PAUSE_AT};
    struct kl_request *request = take(&proxy->request);
    struct cor_view protocol = cor_head_get(&proxy->head, "Upgrade");
    auto_(cor_freep) char *named = cor_view_dup(protocol);
    copy_headers(&proxy->head, request->exchange);
    proxy->down = cor_exchange_upgrade(request->exchange, named, &spec);
    kl_request_free(&request);
    cor_pipe_read(proxy->down, true);
    cor_timer_start(proxy->timer, COR_SEC(IDLE_S));
    if (bytes.len > 0) {
        pass(proxy, proxy->up, proxy->down, bytes);
    }
}

/* ---- the kubelet --------------------------------------------------------------------------------
 */

/* What headers of the client go on: those of the protocols, not those of its connection or who it
 * is. */
static bool is_passed_on(const char *name, bool upgrade)
{
    static const char *const always[] = {"Accept", "Content-Type", "User-Agent"};
    static const char *const upgrades[] = {"Origin",
                                           "Sec-WebSocket-Extensions",
                                           "Sec-WebSocket-Key",
                                           "Sec-WebSocket-Protocol",
                                           "Sec-WebSocket-Version",
                                           "X-Stream-Protocol-Version",
                                           "Upgrade"};
    for (size_t i = 0; i < COR_COUNT(always); i++) {
        if (strcasecmp(always[i], name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; upgrade && i < COR_COUNT(upgrades); i++) {
        if (strcasecmp(upgrades[i], name) == 0) {
            return true;
        }
    }
    return false;
}

struct writer {
    struct cor_buf *out;
    bool upgrade;
};

static void on_header(void *self, const char *name, const char *value)
{
    struct writer *writer = self;
    if (is_passed_on(name, writer->upgrade) && strpbrk(value, "\r\n") == NULL) {
        cor_buf_fmt(writer->out, "%s: %s\r\n", name, value);
    }
}

static void on_up_open(void *self)
{
    struct proxy *proxy = self;
    struct cor_exchange *exchange = proxy->request->exchange;
    struct cor_view body = cor_exchange_body(exchange);
    const char *method = cor_exchange_method(exchange);
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct writer writer = {&text, proxy->upgrade};
    cor_buf_fmt(&text, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: %s\r\n",
                proxy->sub == KL_SUB_LOG ? "GET" : method, proxy->path, proxy->host,
                proxy->upgrade ? "Upgrade" : "close");
    cor_exchange_each_header(exchange, on_header, &writer);
    if (body.len > 0 || strcmp(method, "GET") != 0) {
        cor_buf_fmt(&text, "Content-Length: %zu\r\n", body.len);
    }
    cor_buf_str(&text, "\r\n");
    cor_buf_view(&text, body);
    if (cor_pipe_write(proxy->up, cor_buf_as_view(&text)) == COR_OK) {
        cor_pipe_read(proxy->up, true);
    }
}

/* Why the head is no answer to what was asked, owned; NULL: it is one, and its body is begun. */
static char *fault_of(struct proxy *proxy)
{
    int status = proxy->head.status;
    if (status == 101) {
        return proxy->upgrade ? NULL : cor_strdup("malformed HTTP response");
    }
    if (proxy->upgrade && status >= 200 && status < 400) {
        return cor_sprintf("invalid upgrade response: status code %d", status);
    }
    bool good = status >= 200 && cor_body_begin(&proxy->body, &proxy->head) == COR_OK;
    return good ? NULL : cor_strdup("malformed HTTP response");
}

/* The head of the answer is complete; bytes are behind it. */
static void on_head(struct proxy *proxy, struct cor_view bytes)
{
    auto_(cor_freep) char *why = fault_of(proxy);
    if (why != NULL) {
        drop(proxy, why);
        return;
    }
    if (proxy->head.status == 101) {
        join(proxy, bytes);
        return;
    }
    if (!is_refusal(proxy)) {
        begin_stream(proxy);
    }
    take_body(proxy, bytes);
}

static void on_up_bytes(void *self, struct cor_view bytes)
{
    struct proxy *proxy = self;
    if (proxy->down != NULL) {
        pass(proxy, proxy->up, proxy->down, bytes);
        return;
    }
    if (cor_head_is_done(&proxy->head)) {
        take_body(proxy, bytes);
        return;
    }
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = cor_head_add(&proxy->head, &bytes, &err);
    while (code == COR_OK && proxy->head.status == 100) {
        cor_head_free(&proxy->head);
        code = cor_head_add(&proxy->head, &bytes, &err);
    }
    if (code == COR_OK) {
        on_head(proxy, bytes);
    } else if (code != COR_RETRY) {
        drop(proxy, "malformed HTTP response");
    }
}

static void on_up_room(void *self)
{
    struct proxy *proxy = self;
    if (proxy->ending) {
        finish(proxy);
    } else if (proxy->down != NULL) {
        cor_pipe_read(proxy->down, true);
    }
}

static void up_over(struct proxy *proxy, const struct cor_err *err)
{
    if (proxy->down != NULL) {
        wind_up(proxy, proxy->down);
    } else if (!cor_head_is_done(&proxy->head)) {
        auto_(cor_freep) char *why = words_of(proxy, err);
        drop(proxy, why);
    } else if (cor_body_may_end(&proxy->body) || proxy->out == NULL) {
        complete(proxy);
    } else {
        finish(proxy);
    }
}

static void on_up_end(void *self)
{
    static const struct cor_err eof = {.code = COR_CLOSED};
    up_over(self, &eof);
}

static void on_up_closed(void *self, const struct cor_err *err)
{
    up_over(self, err);
}

/* ---- all ----------------------------------------------------------------------------------------
 */

static void on_timer(void *self)
{
    finish(self);
}

/* The client has gone before it had an answer. */
static void on_gone(void *self)
{
    drop(self, "context canceled");
}

void kl_proxy(struct kl_proxies *proxies, struct kl_request *request, const char *host,
              const char *path)
{
    struct cor_pipe_spec spec = {.open = on_up_open,
                                 .bytes = on_up_bytes,
                                 .room = on_up_room,
                                 .end = on_up_end,
                                 .closed = on_up_closed,
                                 .max_queue = 2 * PAUSE_AT};
    struct proxy *proxy = cor_alloc(sizeof(*proxy));
    proxy->proxies = proxies;
    proxy->request = request;
    proxy->sub = request->route.sub;
    proxy->upgrade = proxy->sub != KL_SUB_LOG && cor_exchange_wants_upgrade(request->exchange);
    proxy->host = cor_strdup(host);
    proxy->path = cor_strdup(path);
    proxy->timer = cor_timer_new(proxies->api->loop, on_timer, proxy);
    spec.self = proxy;
    proxy->up = cor_pipe_new(proxies->api->loop, &spec);
    cor_list_add(&proxies->all, &proxy->link);
    proxies->count++;
    cor_exchange_on_gone(request->exchange, on_gone, proxy);
    auto_(cor_freep) char *url = cor_sprintf("https://%s/", host);
    cor_http_pipe(proxies->http, url, proxy->up);
}

struct kl_proxies *kl_proxies_new(struct kl_api *api, struct cor_http *http)
{
    struct kl_proxies *proxies = cor_alloc(sizeof(*proxies));
    proxies->api = api;
    proxies->http = http;
    cor_list_init(&proxies->all);
    return proxies;
}

void kl_proxies_free(struct kl_proxies **proxies)
{
    struct kl_proxies *self = take(proxies);
    if (self == NULL) {
        return;
    }
    COR_LIST_EACH (node, &self->all) {
        finish(COR_LIST_OBJECT(node, struct proxy, link));
    }
    cor_http_free(&self->http);
    cor_free(self);
}

size_t kl_proxies_count(const struct kl_proxies *proxies)
{
    return proxies->count;
}

struct cor_http *kl_proxies_http(struct kl_proxies *proxies)
{
    return proxies->http;
}
