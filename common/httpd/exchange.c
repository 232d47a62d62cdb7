// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/httpd/uri.h"
#include "private.h"

enum { SKIPPED_MAX = 32 << 20, ANSWER_HEADERS_MAX = 16 };

void *cor_exchange_new(void *self, const char *target, struct MHD_Connection *connection)
{
    struct cor_httpd *httpd = self;
    struct cor_exchange *exchange = cor_alloc(sizeof(*exchange));
    exchange->httpd = httpd;
    exchange->connection = connection;
    exchange->target = cor_strdup(target);
    cor_list_add(&httpd->exchanges, &exchange->link);
    return exchange;
}

void cor_exchange_completed(void *self, struct MHD_Connection *connection, void **state,
                            enum MHD_RequestTerminationCode code)
{
    (void)self;
    (void)connection;
    (void)code;
    struct cor_exchange *exchange = *state;
    *state = NULL;
    if (exchange == NULL) {
        return;
    }
    cor_list_del(&exchange->link);
    cor_upgrade_over(take(&exchange->upgrade));
    if (exchange->answer != NULL) {
        MHD_destroy_response(exchange->answer);
    }
    cor_peer_free(&exchange->peer);
    cor_buf_free(&exchange->body);
    cor_buf_free(&exchange->headers);
    cor_freep(&exchange->target);
    cor_freep(&exchange->method);
    cor_free(exchange);
}

/* Body framing that two readers could understand differently (RFC 9112 section 6.3). */
struct framing {
    unsigned lengths;
    unsigned encodings;
    bool chunked;
    bool number;
    uint64_t length;
};

static enum MHD_Result on_header(void *self, enum MHD_ValueKind kind, const char *key,
                                 const char *value)
{
    (void)kind;
    struct framing *framing = self;
    if (strcasecmp(key, "Content-Length") == 0) {
        framing->lengths++;
        framing->number = cor_view_u64(cor_view_of(value), &framing->length);
    } else if (strcasecmp(key, "Transfer-Encoding") == 0) {
        framing->encodings++;
        framing->chunked = value != NULL && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

static void refuse(struct cor_exchange *exchange, int status, const char *text)
{
    exchange->refused = status;
    exchange->refused_text = text;
}

static void check_headers(struct cor_exchange *exchange)
{
    struct framing framing = {0};
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, on_header, &framing);
    if (framing.lengths + framing.encodings > 1) {
        refuse(exchange, 400, "Content-Length and Transfer-Encoding contradict each other");
    } else if (framing.encodings == 1 && !framing.chunked) {
        refuse(exchange, 501, "only the transfer coding chunked is known");
    } else if (framing.lengths == 1 && !framing.number) {
        refuse(exchange, 400, "Content-Length is not a number");
    } else if (framing.length > exchange->httpd->max_body) {
        refuse(exchange, 413, "the request body is too large");
    }
}

static void answer_refusal(struct cor_exchange *exchange)
{
    struct cor_httpd *httpd = exchange->httpd;
    const char *type = "text/plain";
    struct cor_buf body = {0};
    if (httpd->refusal == NULL) {
        cor_buf_fmt(&body, "%s\n", exchange->refused_text);
    } else {
        auto_(cor_freep) char *text =
            httpd->refusal(httpd->self, exchange->refused, exchange->refused_text, &type);
        cor_buf_str(&body, text);
    }
    cor_exchange_add_header(exchange, "Connection", "close");
    cor_exchange_reply(exchange, exchange->refused, type, &body);
}

/* Keeps the body while it is within bounds. False: enough is enough, close. */
static bool take_body(struct cor_exchange *exchange, const char *data, size_t size)
{
    if (exchange->refused == 0 && exchange->body.len + size > exchange->httpd->max_body) {
        refuse(exchange, 413, "the request body is too large");
        cor_buf_free(&exchange->body);
    }
    if (exchange->refused == 0) {
        cor_buf_add(&exchange->body, data, size);
        return true;
    }
    exchange->skipped += size;
    return exchange->skipped <= SKIPPED_MAX;
}

static enum MHD_Result queue(struct cor_exchange *exchange)
{
    struct MHD_Response *answer = exchange->answer;
    exchange->answer = NULL;
    enum MHD_Result queued =
        MHD_queue_response(exchange->connection, (unsigned)exchange->status, answer);
    MHD_destroy_response(answer);
    return queued;
}

enum MHD_Result cor_exchange_access(void *self, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *size, void **state)
{
    struct cor_httpd *httpd = self;
    (void)connection;
    (void)url;
    struct cor_exchange *exchange = *state;
    if (httpd->stopping || exchange->over) {
        return MHD_NO;
    }
    if (!exchange->started) {
        exchange->started = true;
        exchange->method = cor_strdup(method);
        exchange->http11 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
        check_headers(exchange);
        if (exchange->refused == 0) {
            return MHD_YES;
        }
        answer_refusal(exchange);
        return queue(exchange);
    }
    if (*size > 0) {
        bool go_on = take_body(exchange, data, *size);
        *size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    if (!exchange->handed) {
        exchange->handed = true;
        if (exchange->refused != 0) {
            answer_refusal(exchange);
        } else {
            httpd->handler(httpd->self, exchange);
        }
    }
    if (exchange->answer != NULL) {
        return queue(exchange);
    }
    if (exchange->over) {
        return MHD_NO;
    }
    exchange->suspended = true;
    MHD_suspend_connection(exchange->connection);
    return MHD_YES;
}

const char *cor_exchange_method(const struct cor_exchange *exchange)
{
    return exchange->method;
}

struct cor_view cor_exchange_path(const struct cor_exchange *exchange)
{
    struct cor_view path;
    struct cor_view query;
    cor_uri_split(cor_view_of(exchange->target), &path, &query);
    return path;
}

struct cor_view cor_exchange_query(const struct cor_exchange *exchange)
{
    struct cor_view path;
    struct cor_view query;
    cor_uri_split(cor_view_of(exchange->target), &path, &query);
    return query;
}

struct cor_view cor_exchange_body(const struct cor_exchange *exchange)
{
    return cor_buf_as_view(&exchange->body);
}

int cor_exchange_port(const struct cor_exchange *exchange)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage most;
    } address = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(address);
    int fd = MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD)
                 ->connect_fd;
    if (getsockname(fd, &address.any, &len) != 0) {
        return 0;
    }
    return address.any.sa_family == AF_INET    ? ntohs(address.v4.sin_port)
           : address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port)
                                               : 0;
}

const char *cor_exchange_header(const struct cor_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

struct each {
    void (*fn)(void *self, const char *name, const char *value);
    void *self;
};

static enum MHD_Result tell_header(void *self, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
    const struct each *each = self;
    (void)kind;
    each->fn(each->self, name, value == NULL ? "" : value);
    return MHD_YES;
}

void cor_exchange_each_header(struct cor_exchange *exchange,
                              void (*fn)(void *self, const char *name, const char *value),
                              void *self)
{
    struct each each = {fn, self};
    (void)MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, tell_header, &each);
}

void cor_exchange_on_gone(struct cor_exchange *exchange, void (*fn)(void *self), void *self)
{
    exchange->on_gone = fn;
    exchange->gone_self = self;
}

void cor_exchange_gone(struct cor_httpd *httpd, const struct MHD_Connection *connection)
{
    COR_LIST_EACH (node, &httpd->exchanges) {
        struct cor_exchange *exchange = COR_LIST_OBJECT(node, struct cor_exchange, link);
        void (*fn)(void *self) = exchange->on_gone;
        if (exchange->connection == connection && exchange->suspended && fn != NULL) {
            exchange->on_gone = NULL;
            fn(exchange->gone_self);
            return;
        }
    }
}

static const struct peer *peer_of(struct cor_exchange *exchange)
{
    if (!exchange->peer.looked) {
        cor_peer_look(&exchange->peer, exchange->connection);
    }
    return &exchange->peer;
}

const char *cor_exchange_peer_name(struct cor_exchange *exchange)
{
    return peer_of(exchange)->name;
}

const char *cor_exchange_peer_org(struct cor_exchange *exchange, size_t index)
{
    const struct peer *peer = peer_of(exchange);
    return index < peer->org_count ? peer->orgs[index] : NULL;
}

bool cor_exchange_peer_rejected(struct cor_exchange *exchange)
{
    return peer_of(exchange)->rejected;
}

void cor_exchange_add_header(struct cor_exchange *exchange, const char *name, const char *value)
{
    cor_buf_add(&exchange->headers, name, strlen(name) + 1);
    cor_buf_add(&exchange->headers, value, strlen(value) + 1);
}

static void add_headers(struct cor_exchange *exchange, struct MHD_Response *answer)
{
    const char *at = exchange->headers.data;
    const char *end = at == NULL ? NULL : at + exchange->headers.len;
    while (at != end) {
        const char *value = at + strlen(at) + 1;
        (void)MHD_add_response_header(answer, at, value);
        at = value + strlen(value) + 1;
    }
}

void cor_exchange_answer(struct cor_exchange *exchange, int status, const char *type,
                         struct MHD_Response *answer)
{
    must(exchange->answer == NULL);
    exchange->on_gone = NULL;
    if (answer == NULL) {
        cor_die("out of memory (HTTP answer)");
    }
    if (type != NULL) {
        (void)MHD_add_response_header(answer, "Content-Type", type);
    }
    add_headers(exchange, answer);
    exchange->answer = answer;
    exchange->status = status;
    if (exchange->suspended) {
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
        cor_httpd_kick(exchange->httpd);
    }
}

void cor_exchange_over(struct cor_exchange *exchange)
{
    exchange->over = true;
    if (exchange->suspended) {
        exchange->suspended = false;
        MHD_resume_connection(exchange->connection);
        cor_httpd_kick(exchange->httpd);
    }
}

void cor_exchange_reply(struct cor_exchange *exchange, int status, const char *type,
                        struct cor_buf *body)
{
    size_t len = body->len;
    char *bytes = cor_buf_take(body);
    cor_exchange_answer(exchange, status, type,
                        MHD_create_response_from_buffer_with_free_callback(len, bytes, cor_free));
}
