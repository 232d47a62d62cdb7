// SPDX-License-Identifier: Apache-2.0
// Calls of the server: from request headers to the trailer with grpc-status.
#include "common/grpc/serve.h"

#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/frame.h"

enum { INVALID_ARGUMENT = 3, RESOURCE_EXHAUSTED = 8 };

void cor_grpc_served_free(struct cor_grpc_served *call)
{
    cor_list_del(&call->link);
    cor_buf_free(&call->in);
    cor_buf_free(&call->out);
    cor_buf_free(&call->text);
    cor_free(call);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .value = (uint8_t *)(uintptr_t)value,
        .namelen = strlen(name),
        .valuelen = strlen(value),
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

/* ---- the answer ---- */

static ssize_t on_read_answer(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size,
                              uint32_t *flags, nghttp2_data_source *source, void *self)
{
    (void)source;
    (void)self;
    struct cor_grpc_served *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t left = call->out.len - call->sent;
    size_t n = left < size ? left : size;
    memcpy(out, call->out.data + call->sent, n);
    call->sent += n;
    if (call->sent == call->out.len) {
        const nghttp2_nv trailer[] = {header("grpc-status", call->status)};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, stream, trailer, COR_COUNT(trailer)) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)n;
}

/* Headers that are the trailer too when there is no message. */
static void answer(struct cor_grpc_served *call, int32_t stream,
                   const struct cor_grpc_result *result)
{
    (void)snprintf(call->status, sizeof(call->status), "%d", result->status);
    cor_grpc_text_encode(result->text, &call->text);
    cor_buf_str(&call->text, "");
    const nghttp2_nv headers[] = {
        header(":status", "200"),
        header("content-type", "application/grpc"),
        header("grpc-status", call->status),
        header("grpc-message", cor_buf_as_view(&call->text).ptr),
    };
    const nghttp2_data_provider body = {.read_callback = on_read_answer};
    bool good = result->status == COR_GRPC_OK;
    if (good) {
        cor_grpc_frame(&call->out, cor_buf_as_view(&result->message));
    }
    if (nghttp2_submit_response(call->peer->session, stream, headers, good ? 2 : COR_COUNT(headers),
                                good ? &body : NULL) != 0) {
        call->peer->broken = true;
    }
}

static void refuse(struct cor_grpc_result *result, int status, const char *text)
{
    result->status = status;
    (void)snprintf(result->text, sizeof(result->text), "%s", text);
}

static const struct cor_grpc_method *find_method(const struct cor_grpc_served *call)
{
    const struct cor_grpc_server *server = call->peer->server;
    for (size_t i = 0; i < server->method_count; i++) {
        if (strcmp(server->methods[i].path, call->path) == 0) {
            return &server->methods[i];
        }
    }
    return NULL;
}

static void serve(struct cor_grpc_served *call, int32_t stream)
{
    const struct cor_grpc_server *server = call->peer->server;
    const struct cor_grpc_method *method = find_method(call);
    struct cor_grpc_result result = {0};
    struct cor_view message = {0};
    struct cor_view in = cor_buf_as_view(&call->in);
    if (call->bad) {
        refuse(&result, RESOURCE_EXHAUSTED, "request over the limit");
    } else if (method == NULL) {
        refuse(&result, COR_GRPC_UNIMPLEMENTED, "unknown service or method");
    } else if (cor_grpc_unframe(in, server->message_max, &message) != COR_OK ||
               message.len + COR_GRPC_PREFIX != in.len) {
        refuse(&result, INVALID_ARGUMENT, "request is not one plain message");
    } else {
        method->fn(server->self, message, &result);
    }
    answer(call, stream, &result);
    cor_buf_free(&result.message);
}

/* ---- the request ---- */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    struct cor_grpc_peer *peer = self;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct cor_grpc_served *call = cor_alloc(sizeof(*call));
        call->peer = peer;
        cor_list_add(&peer->calls, &call->link);
        (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *self)
{
    (void)flags;
    (void)self;
    struct cor_grpc_served *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call == NULL || !cor_view_is((struct cor_view){(const char *)name, name_len}, ":path")) {
        return 0;
    }
    call->bad = call->bad || value_len >= sizeof(call->path);
    if (!call->bad) {
        memcpy(call->path, value, value_len);
        call->path[value_len] = '\0';
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t len, void *self)
{
    (void)flags;
    const struct cor_grpc_peer *peer = self;
    struct cor_grpc_served *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL || call->bad) {
        return 0;
    }
    if (call->in.len + len > peer->server->message_max + COR_GRPC_PREFIX) {
        call->bad = true;
        cor_buf_free(&call->in);
        return 0;
    }
    cor_buf_add(&call->in, bytes, len);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    (void)self;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS);
    struct cor_grpc_served *call =
        ends ? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) : NULL;
    if (call != NULL) {
        serve(call, frame->hd.stream_id);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *self)
{
    (void)error;
    (void)self;
    struct cor_grpc_served *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call != NULL) {
        cor_grpc_served_free(call);
    }
    return 0;
}

void cor_grpc_serve_session(struct cor_grpc_peer *peer)
{
    nghttp2_session_callbacks *callbacks = NULL;
    must(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    int made = nghttp2_session_server_new(&peer->session, callbacks, peer);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, COR_GRPC_PEER_CALLS_MAX},
    };
    must(made == 0);
    must(nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, settings, COR_COUNT(settings)) ==
         0);
}
