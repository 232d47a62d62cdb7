// SPDX-License-Identifier: Apache-2.0
#include "common/ws/ws.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/pki/resume.h"
#include "common/ws/room.h"

typedef int (*handler)(struct lws *wsi, struct ws_slot *slot, void *in, size_t len);

static const struct {
    enum lws_callback_reasons reason;
    handler fn;
} HANDLERS[] = {
    {LWS_CALLBACK_RECEIVE, ws_on_receive},
    {LWS_CALLBACK_CLIENT_RECEIVE, ws_on_receive},
    {LWS_CALLBACK_SERVER_WRITEABLE, ws_on_writable},
    {LWS_CALLBACK_CLIENT_WRITEABLE, ws_on_writable},
    {LWS_CALLBACK_CLIENT_RECEIVE_PONG, ws_on_pong},
    {LWS_CALLBACK_ESTABLISHED, ws_on_established},
    {LWS_CALLBACK_CLIENT_ESTABLISHED, ws_on_established},
    {LWS_CALLBACK_CLOSED, ws_on_closed},
    {LWS_CALLBACK_CLIENT_CLOSED, ws_on_closed},
    {LWS_CALLBACK_CLOSED_HTTP, ws_on_closed},
    {LWS_CALLBACK_CLOSED_CLIENT_HTTP, ws_on_closed},
    {LWS_CALLBACK_CLIENT_CONNECTION_ERROR, ws_on_client_error},
    {LWS_CALLBACK_WSI_DESTROY, ws_on_destroy},
    {LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS, ws_on_server_tls},
    {LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION, ws_on_verify_client},
    {LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION, ws_on_upgrade},
    {LWS_CALLBACK_HTTP, ws_on_request},
    {LWS_CALLBACK_HTTP_BODY, ws_on_body},
    {LWS_CALLBACK_HTTP_BODY_COMPLETION, ws_on_body_end},
    {LWS_CALLBACK_HTTP_WRITEABLE, ws_on_http_writable},
    {LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER, ws_on_client_headers},
    {LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH, ws_on_client_agreed},
    {LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP, ws_on_answer_begins},
    {LWS_CALLBACK_RECEIVE_CLIENT_HTTP, ws_on_answer_ready},
    {LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ, ws_on_answer_bytes},
    {LWS_CALLBACK_COMPLETED_CLIENT_HTTP, ws_on_answer_end},
    {LWS_CALLBACK_CLIENT_HTTP_WRITEABLE, ws_on_fetch_writable},
};

static int dispatch(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    for (size_t i = 0; i < COR_COUNT(HANDLERS); i++) {
        if (HANDLERS[i].reason == reason) {
            return HANDLERS[i].fn(wsi, user, in, len);
        }
    }
    return 0;
}

const lws_retry_bo_t WS_NO_LOOKS = {0};

/* The first row is what is spoken without a subprotocol. Its name is in the offer, too: a server
 * that knows the row only (v0.1.0) would refuse an offer without it. */
static void fill_protocols(struct cor_ws *ws)
{
    const char *names[] = {WS_PLAIN, ws->limits.subprotocol};
    for (size_t i = 0; i < COR_COUNT(names) && names[i] != NULL; i++) {
        ws->protocols[i] = (struct lws_protocols){.name = names[i],
                                                  .callback = dispatch,
                                                  .rx_buffer_size = WS_TAKE,
                                                  .tx_packet_size = WS_CHUNK + LWS_PRE,
                                                  .per_session_data_size = sizeof(struct ws_slot)};
    }
    ws->offer = names[1] == NULL ? NULL : cor_sprintf("%s, %s", ws->limits.subprotocol, WS_PLAIN);
}

bool ws_client_ready(struct cor_ws *ws, size_t kind)
{
    static const char *const names[2] = {"client-anonymous", "client"};
    if (ws->client[kind].vhost != NULL) {
        return true;
    }
    ws->client[kind].tls = cor_tls_client();
    if (kind != 0) { /* with a certificate: links, which come back */
        cor_tls_client_resume(ws->client[kind].tls);
    }
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = ws->protocols,
        .vhost_name = names[kind],
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .provided_client_ssl_ctx = ws->client[kind].tls,
        .retry_and_idle_policy = &WS_NO_LOOKS,
        .ka_time = 20,
        .ka_probes = 3,
        .ka_interval = 5,
    };
    ws->client[kind].vhost = lws_create_vhost(ws->context, &info);
    return ws->client[kind].vhost != NULL;
}

struct lws_context *ws_context_new(struct cor_ws *ws, uint64_t options)
{
    void *loops[1] = {cor_loop_native(ws->loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBEV |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | options,
        .foreign_loops = loops,
        .fd_limit_per_thread = ws->limits.connections,
        .pt_serv_buf_size = 4096,
        .max_http_header_data = WS_HEADER_MAX,
        .timeout_secs = 10,
        .timeout_secs_ah_idle = 10,
        .gid = -1,
        .uid = -1,
        .user = ws,
    };
    lws_set_log_level(0, NULL);
    return lws_create_context(&info);
}

static enum cor_code open_context(struct cor_ws *ws, struct cor_err *err)
{
    /* OpenSSL is set up by the first context; a second set-up would change the numbers under which
     * libwebsockets finds its own data again. */
    ws->context = ws_context_new(ws, LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT);
    if (ws->context == NULL) {
        return cor_err_set(err, COR_INTERNAL,
                           "libwebsockets does not start on libev (is the "
                           "plug-in libwebsockets-evlib-ev installed?)");
    }
    return COR_OK;
}

enum cor_code cor_ws_new(struct cor_loop *loop, const struct cor_log *log,
                         const struct cor_ws_limits *limits, struct cor_ws **out_r,
                         struct cor_err *err)
{
    struct cor_ws *ws = cor_alloc(sizeof(*ws));
    ws->loop = loop;
    ws->log = log;
    ws->limits = *limits;
    ws->scratch = cor_alloc(LWS_PRE + WS_CHUNK);
    cor_list_init(&ws->servers);
    cor_list_init(&ws->fresh);
    ws->flush = cor_hook_new(loop, ws_flush, ws);
    fill_protocols(ws);
    *out_r = ws;
    enum cor_code code = open_context(ws, err);
    if (code != COR_OK) {
        cor_ws_free(out_r);
    }
    return code;
}

void cor_ws_free(struct cor_ws **ws)
{
    if (*ws == NULL) {
        return;
    }
    struct cor_ws *self = *ws;
    COR_LIST_EACH (node, &self->servers) {
        ws_server_free(COR_LIST_OBJECT(node, struct cor_ws_server, link));
    }
    if (self->context != NULL) {
        lws_context_destroy(self->context);
    }
    if (self->client[1].tls != NULL) {
        cor_tls_client_resume_end(self->client[1].tls);
    }
    for (size_t i = 0; i < COR_COUNT(self->client); i++) {
        cor_tls_free(&self->client[i].tls);
    }
    cor_hook_free(&self->flush);
    cor_free(self->scratch);
    cor_free(self->offer);
    cor_freep(ws);
}

int ws_on_closed(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    (void)in;
    (void)len;
    if (slot == NULL) {
        return 0;
    }
    if (slot->conn != NULL) {
        ws_conn_gone(slot->conn, "closed by the peer");
    }
    ws_request_gone(slot);
    ws_fetch_gone(slot, "closed by the peer");
    return 0;
}

int ws_on_client_error(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    auto_(cor_freep) char *reason =
        in == NULL || len == 0 ? cor_strdup("connection failed") : cor_memdup(in, strnlen(in, len));
    if (slot != NULL && slot->conn != NULL) {
        ws_conn_gone(slot->conn, reason);
    }
    if (slot != NULL) {
        ws_fetch_gone(slot, reason);
    }
    return 0;
}

int ws_on_destroy(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    ws_door_passed(wsi);
    (void)ws_on_closed(wsi, slot, in, len);
    if (slot != NULL && slot->conn != NULL) {
        struct cor_ws_conn *conn = take(&slot->conn);
        ws_conn_destroyed(conn);
    } else if (slot != NULL) {
        ws_fetch_destroyed(slot);
    }
    return 0;
}
