// SPDX-License-Identifier: Apache-2.0
// GET by HTTP or HTTPS: 200 to 399 is good. Source: k8s.io/kubernetes pkg/probe/http (redirects
// within the host are followed; one to another host is only a warning).
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/httpd/client.h"
#include "try.h"

enum { HOPS_MAX = 10, OK = 200, REDIRECTS = 300, FAILURES = 400 };

struct getting {
    struct probe_try *attempt;
    struct cor_client *client;
    struct cor_buf address; /* of this hop */
    struct cor_buf target;
    struct cor_buf headers; /* all but Host */
    char *host;             /* Host header given; NULL */
    char *first_host;
    bool https;
    bool any_status;
    int hops;
};

static const char *scheme_of(const struct getting *getting)
{
    return getting->https ? "https" : "http";
}

/* Go's client tells the URL before the reason. */
static void fail(struct getting *getting, const char *why)
{
    probe_try_tell_fmt(getting->attempt, PROBE_FAILED, "Get \"%s://%s%s\": %s", scheme_of(getting),
                       getting->address.data, getting->target.data, why);
}

/* What may not stand in a request line is escaped; a fragment is not sent. */
static void add_target(struct cor_buf *out, struct cor_view path)
{
    if (path.len == 0 || path.ptr[0] != '/') {
        cor_buf_str(out, "/");
    }
    for (size_t i = 0; i < path.len && path.ptr[i] != '#'; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c <= ' ' || c >= 127 || c == '"' || c == '<' || c == '>') {
            cor_buf_fmt(out, "%%%02X", c);
        } else {
            cor_buf_add(out, &path.ptr[i], 1);
        }
    }
}

static bool add_header(struct getting *getting, const struct pod_header *header, const char *name)
{
    bool mine = strcasecmp(header->name, name) == 0;
    if (mine && header->value[0] != '\0') {
        cor_buf_fmt(&getting->headers, "%s: %s\r\n", name, header->value);
    }
    return mine;
}

static void add_headers(struct getting *getting, const struct probe_ask *ask)
{
    const struct pod_handler *handler = ask->handler;
    bool agent = false;
    bool accept = false;
    for (size_t i = 0; i < handler->header_count; i++) {
        const struct pod_header *header = &handler->headers[i];
        if (strcasecmp(header->name, "Host") == 0) {
            cor_free(getting->host);
            getting->host = cor_strdup(header->value);
        } else if (add_header(getting, header, "User-Agent")) {
            agent = true;
        } else if (add_header(getting, header, "Accept")) {
            accept = true;
        } else if (strcasecmp(header->name, "Connection") != 0) {
            cor_buf_fmt(&getting->headers, "%s: %s\r\n", header->name, header->value);
        }
    }
    if (!agent) {
        cor_buf_fmt(&getting->headers, "User-Agent: %s\r\n", ask->agent);
    }
    cor_buf_str(&getting->headers,
                accept ? "Connection: close\r\n\r\n" : "Accept: */*\r\nConnection: close\r\n\r\n");
}

static void on_done(void *self, const struct cor_client_answer *answer);

static void go(struct getting *getting)
{
    auto_(cor_buf_free) struct cor_buf request = {0};
    bool given = getting->host != NULL && getting->host[0] != '\0';
    cor_buf_fmt(&request, "GET %s HTTP/1.1\r\nHost: %s\r\n", getting->target.data,
                given ? getting->host : getting->address.data);
    cor_buf_view(&request, cor_buf_as_view(&getting->headers));
    cor_client_free(&getting->client);
    getting->client = cor_client_new(probe_try_loop(getting->attempt),
                                     &(struct cor_client_spec){
                                         .address = getting->address.data,
                                         .tls = getting->https,
                                         .server_name = given ? getting->host : "",
                                         .request = cor_buf_as_view(&request),
                                         .body_max = PROBE_TEXT_MAX,
                                         .done = on_done,
                                         .self = getting,
                                     });
}

/* "http://HOST[:PORT]/..." */
static bool go_to_url(struct getting *getting, struct cor_view url, bool https)
{
    const char *slash = memchr(url.ptr, '/', url.len);
    struct cor_view host = {url.ptr, slash == NULL ? url.len : (size_t)(slash - url.ptr)};
    struct cor_view path = {url.ptr + host.len, url.len - host.len};
    size_t name_len = strlen(getting->first_host);
    bool same = host.len >= name_len && memcmp(host.ptr, getting->first_host, name_len) == 0 &&
                (host.len == name_len || host.ptr[name_len] == ':');
    if (!same) {
        return false;
    }
    cor_buf_clear(&getting->address);
    cor_buf_view(&getting->address, host);
    if (host.len == name_len) {
        cor_buf_str(&getting->address, https ? ":443" : ":80");
    }
    getting->https = https;
    cor_buf_clear(&getting->target);
    add_target(&getting->target, path);
    return true;
}

static void go_to_path(struct getting *getting, struct cor_view path)
{
    auto_(cor_buf_free) struct cor_buf whole = {0};
    if (path.ptr[0] != '/') { /* beside the one that was asked for */
        const char *slash = strrchr(getting->target.data, '/');
        cor_buf_add(&whole, getting->target.data, (size_t)(slash - getting->target.data) + 1);
    }
    cor_buf_view(&whole, path);
    cor_buf_clear(&getting->target);
    add_target(&getting->target, cor_buf_as_view(&whole));
}

/* Whether the answer sends us on within the host. */
static bool follows(struct getting *getting, const struct cor_head *head)
{
    static const char *const schemes[] = {"http://", "https://"};
    static const int codes[] = {301, 302, 303, 307, 308};
    struct cor_view to = cor_head_get(head, "Location");
    bool moved = false;
    for (size_t i = 0; i < COR_COUNT(codes); i++) {
        moved = moved || head->status == codes[i];
    }
    if (!moved || to.len == 0 || to.len > PROBE_TEXT_MAX) {
        return false;
    }
    for (size_t i = 0; i < COR_COUNT(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (cor_view_starts(to, schemes[i])) {
            return go_to_url(getting, (struct cor_view){to.ptr + len, to.len - len}, i == 1);
        }
    }
    if (cor_view_starts(to, "//")) {
        return go_to_url(getting, (struct cor_view){to.ptr + 2, to.len - 2}, getting->https);
    }
    go_to_path(getting, to);
    return true;
}

static void on_done(void *self, const struct cor_client_answer *answer)
{
    struct getting *getting = self;
    if (answer->failure != NULL) {
        fail(getting, answer->failure);
        return;
    }
    int status = answer->head->status;
    if (follows(getting, answer->head)) {
        if (++getting->hops >= HOPS_MAX) {
            fail(getting, "stopped after 10 redirects");
        } else {
            go(getting);
        }
        return;
    }
    struct cor_view body = answer->body;
    body.len = cor_view_utf8_len(body);
    bool failed = status < OK || status >= FAILURES;
    if (failed && !getting->any_status) {
        probe_try_tell_fmt(getting->attempt, PROBE_FAILED, "HTTP probe failed with statuscode: %d",
                           status);
    } else if (status >= REDIRECTS && !getting->any_status) {
        probe_try_tell_fmt(getting->attempt, PROBE_WARNED,
                           "Probe terminated redirects, Response body: %.*s", COR_VIEW_ARG(body));
    } else {
        probe_try_tell(getting->attempt, PROBE_PASSED, body);
    }
}

static void *begin(struct probe_try *attempt, const struct probe_ask *ask)
{
    struct getting *getting = cor_alloc(sizeof(*getting));
    getting->attempt = attempt;
    getting->https = ask->handler->https;
    getting->any_status = ask->any_status;
    add_target(&getting->target, cor_view_of(ask->handler->path));
    if (probe_try_address(attempt, ask, &getting->address)) {
        const char *colon = strrchr(getting->address.data, ':');
        getting->first_host =
            cor_memdup(getting->address.data, (size_t)(colon - getting->address.data));
        add_headers(getting, ask);
        go(getting);
    }
    return getting;
}

static void timed_out(void *act, struct cor_buf *text)
{
    const struct getting *getting = act;
    cor_buf_fmt(text, "Get \"%s://%s%s\": %s", scheme_of(getting), getting->address.data,
                getting->target.data,
                cor_client_is_open(getting->client)
                    ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                    : "dial tcp: i/o timeout");
}

static void end(void *act)
{
    struct getting *getting = act;
    cor_client_free(&getting->client);
    cor_buf_free(&getting->address);
    cor_buf_free(&getting->target);
    cor_buf_free(&getting->headers);
    cor_free(getting->host);
    cor_free(getting->first_host);
    cor_free(getting);
}

const struct probe_act probe_act_http = {begin, timed_out, end};
