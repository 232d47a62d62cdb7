// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/pki/resume.h"
#include "common/pki/tls.h"
#include "common/ws/room.h"

/* What a server may say until its answer's header is complete: libwebsockets reads a first line
 * byte by byte as long as it comes, and nothing else meanwhile. */
enum { ANSWER_MAX = 64 * 1024 };

/* A GET under way. Freed when libwebsockets has forgotten it. */
struct ws_fetch {
    struct ws_slot slot;
    struct cor_ws *ws;
    struct lws *wsi;
    cor_ws_fetched_fn fn;
    void *self;
    char **headers;
    struct cor_buf body;
    struct cor_buf answer;
    struct cor_timer *timer;
    int status;
    bool told;
    bool starting; /* lws_client_connect_via_info is on the stack */
    bool destroyed;
};

static char **copy_headers(const struct cor_ws_header *headers)
{
    size_t count = 0;
    while (headers != NULL && headers[count].name != NULL) {
        count++;
    }
    char **copy = cor_calloc(2 * count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        copy[2 * i] = cor_strdup(headers[i].name);
        copy[2 * i + 1] = cor_strdup(headers[i].value);
    }
    return copy;
}

void ws_headers_free(char ***headers)
{
    for (char **row = *headers; row != NULL && *row != NULL; row++) {
        cor_wipe(*row, strlen(*row));
        cor_free(*row);
    }
    cor_freep(headers);
}

/* Common parts of both kinds of connection. False if TLS cannot use the identity. */
static bool prepare(struct cor_ws *ws, const struct cor_ws_target *target,
                    struct lws_client_connect_info *info)
{
    size_t kind = target->tls.cert != NULL;
    if (!ws_client_ready(ws, kind)) {
        return false;
    }
    *info = (struct lws_client_connect_info){
        .context = ws->context,
        .vhost = ws->client[kind].vhost,
        .address = target->address != NULL ? target->address : target->host,
        .host = target->host,
        .port = target->port,
        .path = target->path,
        .alpn = "http/1.1",
        .ssl_connection = LCCSCF_USE_SSL,
        .ietf_version_or_minus_one = -1,
    };
    if (target->trust_any) {
        info->ssl_connection |= LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE |
                                LCCSCF_ALLOW_EXPIRED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK;
    }
    if (kind != 0) {
        auto_(cor_freep) char *peer = cor_sprintf("%s:%d", target->host, target->port);
        cor_tls_client_resume_for(ws->client[kind].tls, &target->tls, peer);
    }
    return cor_tls_client_set(ws->client[kind].tls, &target->tls);
}

/* A peer that does not take what we send is dead after this time (tcp(7)). */
static void set_user_timeout(struct lws *wsi)
{
    unsigned ms = 30000;
    (void)setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

/* ---- WebSocket ---- */

static void on_timer(void *self)
{
    struct cor_ws_conn *conn = self;
    if (!conn->open) {
        cor_ws_close(conn, 0, "handshake takes too long");
        return;
    }
    int64_t silent = cor_mono_since(cor_loop_now(conn->ws->loop), conn->heard);
    if (silent > 3 * conn->ping_us) {
        cor_ws_close(conn, 0, "the peer is silent");
        return;
    }
    conn->want_ping = true;
    lws_callback_on_writable(conn->wsi);
}

struct cor_ws_conn *cor_ws_dial(struct cor_ws *ws, const struct cor_ws_target *target,
                                int64_t ping_us, const struct cor_ws_events *events, void *self)
{
    struct lws_client_connect_info info;
    struct cor_ws_conn *conn = ws_conn_new(ws, events, self);
    bool paired = prepare(ws, target, &info);
    conn->client = true;
    conn->dialing = true;
    conn->ping_us = ping_us;
    conn->message = target->message > 0 ? target->message : conn->message;
    conn->slot.conn = conn;
    conn->headers = copy_headers(target->headers);
    conn->timer = cor_timer_new(ws->loop, on_timer, conn);
    cor_timer_start(conn->timer, target->timeout_us);
    info.protocol = ws->offer;
    info.local_protocol_name = WS_PLAIN;
    info.userdata = &conn->slot;
    info.pwsi = &conn->wsi;
    bool started = paired && lws_client_connect_via_info(&info) != NULL;
    conn->dialing = false;
    if (!started) {
        conn->wsi = NULL;
        ws_conn_gone(conn, paired ? "cannot connect" : "TLS cannot use this certificate and key");
        conn->slot.conn = NULL;
        cor_free(conn);
        return NULL;
    }
    if (conn->destroyed) {
        cor_free(conn);
        return NULL;
    }
    return conn->gone ? NULL : conn;
}

void cor_ws_ping(struct cor_ws_conn *conn, int64_t ping_us)
{
    if (!conn->open || !conn->client) {
        return;
    }
    conn->ping_us = ping_us;
    cor_timer_stop(conn->timer);
    if (ping_us > 0) {
        cor_timer_repeat(conn->timer, ping_us);
    }
}

/* ---- fetch ---- */

static void fetch_free(struct ws_fetch *fetch)
{
    cor_timer_free(&fetch->timer);
    ws_headers_free(&fetch->headers);
    cor_buf_free(&fetch->body);
    cor_buf_free(&fetch->answer);
    cor_free(fetch);
}

static void tell(struct ws_fetch *fetch, int status, const char *text)
{
    if (!fetch->told) {
        fetch->told = true;
        cor_timer_stop(fetch->timer);
        fetch->fn(fetch->self, status, cor_buf_as_view(&fetch->answer), text);
    }
}

static void fetch_late(void *self)
{
    struct ws_fetch *fetch = self;
    tell(fetch, 0, "no answer in time");
    if (fetch->wsi != NULL) {
        lws_set_timeout(fetch->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
}

void ws_fetch_gone(struct ws_slot *slot, const char *text)
{
    if (slot->fetch != NULL) {
        tell(slot->fetch, 0, text);
    }
}

void ws_fetch_destroyed(struct ws_slot *slot)
{
    struct ws_fetch *fetch = take(&slot->fetch);
    if (fetch != NULL) {
        fetch->destroyed = true;
        if (!fetch->starting) {
            fetch_free(fetch);
        }
    }
}

void cor_ws_fetch(struct cor_ws *ws, const struct cor_ws_target *target, struct cor_view body,
                  cor_ws_fetched_fn fn, void *self)
{
    struct lws_client_connect_info info;
    struct ws_fetch *fetch = cor_alloc(sizeof(*fetch));
    bool paired = prepare(ws, target, &info);
    fetch->slot.fetch = fetch;
    fetch->ws = ws;
    fetch->fn = fn;
    fetch->self = self;
    fetch->headers = copy_headers(target->headers);
    fetch->timer = cor_timer_new(ws->loop, fetch_late, fetch);
    fetch->starting = true;
    cor_buf_view(&fetch->body, body);
    cor_timer_start(fetch->timer, target->timeout_us);
    info.method = "GET";
    /* Without this it swallows the body (lws_http_client_read of 4.1.6). */
    info.local_protocol_name = WS_PLAIN;
    info.userdata = &fetch->slot;
    info.pwsi = &fetch->wsi;
    bool started = paired && lws_client_connect_via_info(&info) != NULL;
    fetch->starting = false;
    if (!started) {
        tell(fetch, 0, paired ? "cannot connect" : "TLS cannot use this certificate and key");
    }
    if (!started || fetch->destroyed) {
        fetch_free(fetch);
    }
}

/* ---- callbacks ---- */

static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **at,
                      unsigned char *end)
{
    auto_(cor_freep) char *with_colon = cor_sprintf("%s:", name);
    return lws_add_http_header_by_name(wsi, (const unsigned char *)with_colon,
                                       (const unsigned char *)value, (int)strlen(value), at, end);
}

int ws_on_client_headers(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    unsigned char **at = in;
    unsigned char *end = *at + len;
    char **headers = slot->conn != NULL    ? slot->conn->headers
                     : slot->fetch != NULL ? slot->fetch->headers
                                           : NULL;
    set_user_timeout(wsi);
    cor_tls_bound(lws_get_ssl(wsi), ANSWER_MAX);
    for (char **row = headers; row != NULL && row[0] != NULL; row += 2) {
        if (add_header(wsi, row[0], row[1], at, end) != 0) {
            return -1;
        }
    }
    if (slot->fetch != NULL && slot->fetch->body.len > 0) {
        char length[24];
        (void)snprintf(length, sizeof(length), "%zu", slot->fetch->body.len);
        if (add_header(wsi, "content-length", length, at, end) != 0) {
            return -1;
        }
        lws_client_http_body_pending(wsi, 1);
        lws_callback_on_writable(wsi);
    }
    return 0;
}

int ws_on_fetch_writable(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct ws_fetch *fetch = slot->fetch;
    if (fetch == NULL || fetch->body.len == 0) {
        return 0;
    }
    auto_(cor_buf_free) struct cor_buf out = {0};
    (void)memset(cor_buf_room(&out, LWS_PRE), 0, LWS_PRE);
    out.len = LWS_PRE;
    cor_buf_view(&out, cor_buf_as_view(&fetch->body));
    size_t n = fetch->body.len;
    cor_buf_clear(&fetch->body);
    lws_client_http_body_pending(wsi, 0);
    return lws_write(wsi, (unsigned char *)out.data + LWS_PRE, n, LWS_WRITE_HTTP_FINAL) < (int)n
               ? -1
               : 0;
}

/* libwebsockets keeps a client on the row it began with, whatever was agreed on: read the header.
 */
int ws_on_client_agreed(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    char name[64];
    const char *known = slot->conn == NULL ? NULL : slot->conn->ws->limits.subprotocol;
    (void)in;
    (void)len;
    if (known != NULL && lws_hdr_copy(wsi, name, sizeof(name), WSI_TOKEN_PROTOCOL) > 0) {
        slot->conn->agreed = strcmp(name, known) == 0;
    }
    return 0;
}

int ws_on_answer_begins(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    cor_tls_bound(lws_get_ssl(wsi), 0);
    if (slot->fetch != NULL) { /* upgrades come by here, too */
        slot->fetch->status = (int)lws_http_client_http_response(wsi);
    }
    return 0;
}

int ws_on_answer_ready(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    if (slot->fetch == NULL) {
        return -1;
    }
    char *at = (char *)slot->fetch->ws->scratch + LWS_PRE;
    int room = WS_CHUNK;
    return lws_http_client_read(wsi, &at, &room) < 0 ? -1 : 0;
}

int ws_on_answer_bytes(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    struct ws_fetch *fetch = slot->fetch;
    if (fetch == NULL || fetch->answer.len + len > COR_WS_ANSWER_MAX) {
        return -1;
    }
    cor_buf_add(&fetch->answer, in, len);
    return 0;
}

int ws_on_answer_end(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    (void)in;
    (void)len;
    if (slot->fetch != NULL) {
        tell(slot->fetch, slot->fetch->status, "");
    }
    return -1; /* one request a connection */
}
