// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/socket.h"
#include "common/pki/resume.h"
#include "common/ws/room.h"

struct cor_ws_ask {
    struct lws *wsi;
    struct cor_cert *cert;
    char address[64];
};

/* A request from its headers to the end of its answer. */
struct cor_ws_request {
    struct cor_ws_server *server;
    struct lws *wsi; /* NULL: the peer has gone */
    struct cor_cert *cert;
    const char *method;
    char *path;
    char **headers; /* kept ones: name, value, ... NULL */
    struct cor_buf body;
    struct cor_buf answer; /* LWS_PRE bytes, headers, body */
    size_t answer_head;    /* where its body starts */
    bool answered;
    bool close_after;
};

/* ---- headers ---- */

/* libwebsockets knows some headers as tokens, the others by name. */
static const struct {
    const char *name;
    enum lws_token_indexes token;
} TOKENS[] = {
    {"authorization", WSI_TOKEN_HTTP_AUTHORIZATION},
    {"host", WSI_TOKEN_HOST},
    {"origin", WSI_TOKEN_ORIGIN},
    {"accept", WSI_TOKEN_HTTP_ACCEPT},
    {"content-length", WSI_TOKEN_HTTP_CONTENT_LENGTH},
    {"transfer-encoding", WSI_TOKEN_HTTP_TRANSFER_ENCODING},
};

static bool is_token(const char *name, enum lws_token_indexes *token_r)
{
    for (size_t i = 0; i < COR_COUNT(TOKENS); i++) {
        if (strcmp(TOKENS[i].name, name) == 0) {
            *token_r = TOKENS[i].token;
            return true;
        }
    }
    return false;
}

static void read_header(struct lws *wsi, const char *name, char *out, size_t size)
{
    enum lws_token_indexes token = WSI_TOKEN_HOST;
    int n = 0;
    if (is_token(name, &token)) {
        n = lws_hdr_copy(wsi, out, (int)size, token);
    } else {
        auto_(cor_freep) char *with_colon = cor_sprintf("%s:", name);
        int len = (int)strlen(with_colon);
        n = lws_hdr_custom_length(wsi, with_colon, len) > 0
                ? lws_hdr_custom_copy(wsi, out, (int)size, with_colon, len)
                : 0;
    }
    out[n > 0 && (size_t)n < size ? n : 0] = 0;
}

void cor_ws_ask_header(const struct cor_ws_ask *ask, const char *name, char *out, size_t size)
{
    read_header(ask->wsi, name, out, size);
}

const struct cor_cert *cor_ws_ask_cert(const struct cor_ws_ask *ask)
{
    return ask->cert;
}

bool cor_ws_ask_resumed(const struct cor_ws_ask *ask)
{
    return cor_tls_resumed(lws_get_ssl(ask->wsi));
}

const char *cor_ws_ask_address(const struct cor_ws_ask *ask)
{
    return ask->address;
}

/* ---- listener ---- */

static struct cor_ws_server *server_of(struct lws *wsi)
{
    return lws_vhost_user(lws_get_vhost(wsi));
}

int ws_on_server_tls(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    (void)len;
    struct cor_ws_server *server = lws_vhost_user(in);
    void *tls = slot; /* user is the SSL_CTX here */
    if (!cor_tls_server(tls, server->tls)) {
        return -1;
    }
    server->ctx = tls;
    if (server->listen.tickets != NULL) {
        must(server->listen.client_cert == COR_WS_CERT_REQUIRED);
        cor_tls_server_resume(tls, server->listen.tickets);
    }
    return 0;
}

int ws_on_verify_client(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    void *store = slot; /* user is the X509_STORE_CTX here, len OpenSSL's own verdict */
    bool asked = server_of(wsi)->listen.client_cert == COR_WS_CERT_ASKED;
    bool forgiven = asked && (cor_tls_is_expired(store) || cor_tls_is_stranger(store));
    return len != 0 || forgiven ? 0 : 1;
}

static uint64_t listen_options(const struct cor_ws_listen *listen)
{
    uint64_t options =
        LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX |
        LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT;
    if (listen->client_cert == COR_WS_CERT_ASKED) {
        options |= LWS_SERVER_OPTION_PEER_CERT_NOT_REQUIRED;
    }
    return options;
}

void ws_server_free(struct cor_ws_server *server)
{
    ws_door_free(&server->door);
    if (server->context != NULL) {
        lws_context_destroy(server->context);
    }
    cor_free(server->name);
    cor_free(server);
}

static enum cor_code make_vhost(struct cor_ws_server *server, struct cor_err *err)
{
    struct cor_ws *ws = server->ws;
    void *any = ws_client_ready(ws, 0) ? ws->client[0].tls : NULL;
    server->name = cor_sprintf("port-%d-%p", server->listen.port, (void *)server);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER, /* accept.c does */
        .protocols = ws->protocols,
        .vhost_name = server->name, /* not copied */
        .options = listen_options(&server->listen),
        .alpn = "http/1.1",
        .provided_client_ssl_ctx = any, /* else it makes one, never used */
        .keepalive_timeout = 30,
        .retry_and_idle_policy = &WS_NO_LOOKS,
        .timeout_secs_ah_idle = 10,
        .user = server,
    };
    /* Of vhosts without a listener of their own it would choose by the Host header and SNI: a peer
     * could choose. So each has a context to itself. */
    server->context = ws_context_new(ws, 0);
    server->vhost = server->context == NULL ? NULL : lws_create_vhost(server->context, &info);
    return server->vhost != NULL
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "TLS of port %d: certificate and key do not fit",
                             server->listen.port);
}

enum cor_code cor_ws_listen(struct cor_ws *ws, const struct cor_ws_listen *listen,
                            struct cor_ws_server **out_r, struct cor_err *err)
{
    int fd = listen->fd;
    *out_r = NULL;
    enum cor_code code =
        fd > 0 ? COR_OK : cor_socket_listen(listen->address, listen->port, &fd, err);
    if (code != COR_OK) {
        return code;
    }
    struct cor_ws_server *server = cor_alloc(sizeof(*server));
    server->ws = ws;
    server->listen = *listen;
    server->tls = &listen->tls;
    cor_list_init(&server->link);
    server->door = ws_door_new(server, fd);
    code = make_vhost(server, err);
    server->tls = NULL;
    if (code != COR_OK) {
        ws_server_free(server);
        return code;
    }
    cor_list_add(&ws->servers, &server->link);
    *out_r = server;
    return COR_OK;
}

bool cor_ws_renew(struct cor_ws_server *server, const struct cor_tls *tls)
{
    return cor_tls_server_renew(server->ctx, tls);
}

int cor_ws_port(const struct cor_ws_server *server)
{
    return ws_door_port(server->door);
}

/* ---- upgrades ---- */

/* A page of another origin may not use a browser's certificate (RFC 6455 section 10.2). */
static bool is_foreign_origin(struct lws *wsi)
{
    char origin[256];
    char host[256];
    read_header(wsi, "origin", origin, sizeof(origin));
    read_header(wsi, "host", host, sizeof(host));
    const char *rest = strstr(origin, "://");
    return lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) > 0 &&
           (rest == NULL || strcmp(rest + 3, host) != 0);
}

int ws_on_upgrade(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct cor_ws_server *server = server_of(wsi);
    struct cor_ws_ask ask = {.wsi = wsi};
    if (server->listen.accept == NULL || is_foreign_origin(wsi)) {
        return -1;
    }
    (void)lws_get_peer_simple(wsi, ask.address, sizeof(ask.address));
    ask.cert = cor_tls_peer(lws_get_ssl(wsi));
    void *owner = server->listen.accept(server->listen.self, &ask);
    cor_cert_free(&ask.cert);
    if (owner == NULL) {
        return -1;
    }
    slot->conn = ws_conn_new(server->ws, &server->listen.events, owner);
    if (server->listen.message > 0) {
        slot->conn->message = server->listen.message;
    }
    return 0;
}

/* ---- requests ---- */

static void request_free(struct cor_ws_request *request)
{
    cor_cert_free(&request->cert);
    cor_free(request->path);
    ws_headers_free(&request->headers);
    cor_buf_free(&request->body);
    cor_buf_free(&request->answer);
    cor_free(request);
}

void ws_request_gone(struct ws_slot *slot)
{
    struct cor_ws_request *request = take(&slot->request);
    if (request == NULL) {
        return;
    }
    request->wsi = NULL;
    if (request->answered) {
        request_free(request);
    }
}

static const char *method_of(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } rows[] = {
        {WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"},
        {WSI_TOKEN_PUT_URI, "PUT"},       {WSI_TOKEN_PATCH_URI, "PATCH"},
        {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_HEAD_URI, "HEAD"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (lws_hdr_total_length(wsi, rows[i].token) > 0) {
            return rows[i].name;
        }
    }
    return "OTHER";
}

static char **keep_headers(struct lws *wsi, const char *const *names)
{
    size_t count = 0;
    while (names != NULL && names[count] != NULL) {
        count++;
    }
    char **kept = cor_calloc(2 * count + 1, sizeof(*kept));
    auto_(cor_freep) char *value = cor_alloc(WS_HEADER_MAX);
    for (size_t i = 0; i < count; i++) {
        read_header(wsi, names[i], value, WS_HEADER_MAX);
        kept[2 * i] = cor_strdup(names[i]);
        kept[2 * i + 1] = cor_strdup(value);
    }
    return kept;
}

/* Status of a request that is refused for its size or its framing; 0: it may go on. */
static int framing_fault(struct lws *wsi, size_t *length_r)
{
    char text[32];
    uint64_t length = 0;
    *length_r = 0;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        return 400; /* nobody here sends it; with a length beside it, it is an attack */
    }
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0) {
        return 0;
    }
    read_header(wsi, "content-length", text, sizeof(text));
    if (!cor_view_u64(cor_view_of(text), &length)) {
        return 400;
    }
    *length_r = (size_t)length;
    return length > COR_WS_REQUEST_MAX ? 413 : 0;
}

static void hand_over(struct cor_ws_request *request)
{
    lws_set_timeout(request->wsi, NO_PENDING_TIMEOUT, 0);
    request->server->listen.request(request->server->listen.self, request);
}

static void reply_fault(struct cor_ws_request *request, int status)
{
    static const char text[] = "request refused\n";
    request->close_after = true;
    struct cor_ws_answer answer = {.status = status, .type = "text/plain", .body = COR_VIEW(text)};
    cor_ws_reply(&request, &answer);
}

int ws_on_request(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    struct cor_ws_server *server = server_of(wsi);
    if (slot->request != NULL || server == NULL) {
        return -1;
    }
    size_t length = 0;
    ws_door_passed(wsi);
    struct cor_ws_request *request = cor_alloc(sizeof(*request));
    slot->request = request;
    request->server = server;
    request->wsi = wsi;
    request->method = method_of(wsi);
    request->path = cor_memdup(in, len);
    request->headers = keep_headers(wsi, server->listen.keep);
    request->cert = cor_tls_peer(lws_get_ssl(wsi));
    int fault = framing_fault(wsi, &length);
    if (fault == 0 && server->listen.request == NULL) {
        fault = 404;
    }
    if (fault != 0) {
        reply_fault(request, fault);
    } else if (length == 0) {
        hand_over(request);
    }
    return 0;
}

int ws_on_body(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    struct cor_ws_request *request = slot->request;
    if (request == NULL || request->body.len + len > COR_WS_REQUEST_MAX) {
        return -1;
    }
    if (!request->answered) {
        cor_buf_add(&request->body, in, len);
    }
    return 0;
}

int ws_on_body_end(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    (void)in;
    (void)len;
    if (slot->request != NULL && !slot->request->answered) {
        hand_over(slot->request);
    }
    return 0;
}

const char *cor_ws_request_method(const struct cor_ws_request *request)
{
    return request->method;
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
    for (char **row = request->headers; row[0] != NULL; row += 2) {
        if (strcmp(row[0], name) == 0) {
            return row[1];
        }
    }
    return "";
}

const struct cor_cert *cor_ws_request_cert(const struct cor_ws_request *request)
{
    return request->cert;
}

/* ---- answers ---- */

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {413, "Content Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].text;
        }
    }
    return "Unknown";
}

void cor_ws_reply(struct cor_ws_request **request, const struct cor_ws_answer *answer)
{
    struct cor_ws_request *self = take(request);
    must(!self->answered);
    if (self->wsi == NULL) {
        request_free(self);
        return;
    }
    struct cor_buf *out = &self->answer;
    (void)memset(cor_buf_room(out, LWS_PRE), 0, LWS_PRE);
    out->len = LWS_PRE;
    cor_buf_fmt(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
                answer->status, status_text(answer->status), answer->type, answer->body.len);
    if (answer->allow != NULL) {
        cor_buf_fmt(out, "Allow: %s\r\n", answer->allow);
    }
    cor_buf_str(out, self->close_after ? "Connection: close\r\n\r\n" : "\r\n");
    self->answer_head = out->len;
    cor_buf_view(out, answer->body);
    self->answered = true;
    lws_callback_on_writable(self->wsi);
}

int ws_on_http_writable(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct cor_ws_request *request = slot->request;
    if (request == NULL || !request->answered) {
        return 0;
    }
    slot->request = NULL;
    size_t n = request->answer.len - LWS_PRE;
    bool close_after = request->close_after;
    int sent =
        lws_write(wsi, (unsigned char *)request->answer.data + LWS_PRE, n, LWS_WRITE_HTTP_FINAL);
    request_free(request);
    if (sent < (int)n || close_after) {
        return -1;
    }
    return lws_http_transaction_completed(wsi) != 0 ? -1 : 0;
}
