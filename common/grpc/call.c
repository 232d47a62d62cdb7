// SPDX-License-Identifier: Apache-2.0
// Calls: streams of the HTTP/2 session, from request headers to the trailer with grpc-status.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/channel.h"
#include "common/grpc/frame.h"

void cor_grpc_call_drop(struct cor_grpc_call_state *call)
{
    if (call->stream > 0 && call->grpc->session != NULL) {
        (void)nghttp2_session_set_stream_user_data(call->grpc->session, call->stream, NULL);
    }
    (void)cor_pool_del(call->grpc->calls, call->handle);
    cor_timer_free(&call->timer);
    cor_buf_free(&call->request);
    cor_buf_free(&call->reply);
    cor_free(call->path);
    cor_free(call);
}

static void reset_stream(const struct cor_grpc_call_state *call)
{
    if (call->stream > 0 && call->grpc->session != NULL) {
        (void)nghttp2_submit_rst_stream(call->grpc->session, NGHTTP2_FLAG_NONE, call->stream,
                                        NGHTTP2_CANCEL);
    }
}

void cor_grpc_call_end(struct cor_grpc_call_state *call, enum cor_code code, const char *text)
{
    struct cor_view message = {0};
    if (code == COR_OK && call->message_fn == NULL &&
        cor_grpc_unframe(cor_buf_as_view(&call->reply), call->grpc->message_max, &message) !=
            COR_OK) {
        code = COR_INVALID;
        text = "status 0 without a message";
    }
    struct cor_grpc_reply reply = {
        .code = code,
        .status = (int)call->status,
        .text = text != NULL ? text : "",
        .message = message,
    };
    /* The callback may start other calls: this one is out of the pool before, its bytes stay. */
    (void)cor_pool_del(call->grpc->calls, call->handle);
    cor_timer_stop(call->timer);
    call->done_fn(call->self, &reply);
    cor_grpc_call_drop(call);
}

static void on_deadline(void *self)
{
    struct cor_grpc_call_state *call = self;
    reset_stream(call);
    cor_grpc_call_end(call, COR_TIMEOUT, "deadline exceeded");
}

cor_handle cor_grpc_call(struct cor_grpc *grpc, const struct cor_grpc_request *request)
{
    struct cor_grpc_call_state *call = cor_alloc(sizeof(*call));
    call->handle = cor_pool_add(grpc->calls, call);
    if (call->handle == 0) {
        cor_free(call);
        return 0;
    }
    call->grpc = grpc;
    call->path = cor_strdup(request->path);
    cor_grpc_frame(&call->request, request->message);
    call->status = -1;
    call->header = request->header;
    call->value = request->value;
    call->message_fn = request->message_fn;
    call->done_fn = request->done_fn;
    call->self = request->self;
    call->timeout_us = request->timeout_us;
    call->timer = cor_timer_new(grpc->loop, on_deadline, call);
    if (request->timeout_us > 0) {
        cor_timer_start(call->timer, request->timeout_us);
    }
    if (grpc->up && !grpc->broken && !cor_grpc_call_submit(call)) {
        grpc->broken = true; /* stream ids used up, or GOAWAY: the next connection takes it */
    }
    return call->handle;
}

void cor_grpc_cancel(struct cor_grpc *grpc, cor_handle handle)
{
    struct cor_grpc_call_state *call = cor_pool_get(grpc->calls, handle);
    if (call != NULL) {
        reset_stream(call);
        cor_grpc_call_drop(call);
    }
}

static ssize_t on_read_request(nghttp2_session *session, int32_t stream, uint8_t *out, size_t size,
                               uint32_t *flags, nghttp2_data_source *source, void *self)
{
    (void)source;
    (void)self;
    struct cor_grpc_call_state *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t left = call->request.len - call->sent;
    size_t n = left < size ? left : size;
    memcpy(out, call->request.data + call->sent, n);
    call->sent += n;
    if (call->sent == call->request.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        cor_buf_free(&call->request);
        call->sent = 0;
    }
    return (ssize_t)n;
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

bool cor_grpc_call_submit(struct cor_grpc_call_state *call)
{
    char timeout[COR_GRPC_TIMEOUT_SIZE] = "";
    nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", call->path),
        header(":authority", "localhost"),
        header("content-type", "application/grpc"),
        header("te", "trailers"),
        header("user-agent", call->grpc->user_agent),
        header("grpc-timeout", timeout),
        header("grpc-timeout", timeout), /* room for one more */
    };
    size_t count = COR_COUNT(headers) - 2;
    if (call->timeout_us > 0) {
        cor_grpc_timeout(call->timeout_us, timeout);
        headers[count] = header("grpc-timeout", timeout);
        count++;
    }
    if (call->header != NULL) {
        headers[count] = header(call->header, call->value);
        count++;
    }
    nghttp2_data_provider body = {.read_callback = on_read_request};
    int32_t stream = nghttp2_submit_request(call->grpc->session, NULL, headers, count, &body, call);
    if (stream < 0) {
        return false;
    }
    call->stream = stream;
    return true;
}

static void take_header(struct cor_grpc_call_state *call, struct cor_view name,
                        struct cor_view value)
{
    int64_t number = -1;
    if (cor_view_is(name, ":status")) {
        (void)cor_view_i64(value, &number);
        call->http_status = number >= 0 && number <= 999 ? (int)number : 0;
    } else if (cor_view_is(name, "grpc-status")) {
        bool good = cor_view_i64(value, &number) && number >= 0 && number <= INT32_MAX;
        call->status = good ? number : COR_GRPC_UNKNOWN;
    } else if (cor_view_is(name, "grpc-message")) {
        cor_grpc_text(value, call->text, sizeof(call->text));
    }
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *self)
{
    (void)flags;
    (void)self;
    struct cor_grpc_call_state *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call != NULL) {
        take_header(call, (struct cor_view){(const char *)name, name_len},
                    (struct cor_view){(const char *)value, value_len});
    }
    return 0;
}

/* Hands out the whole messages of a server stream. The callback may cancel the call. */
static enum cor_code deliver(struct cor_grpc *grpc, cor_handle handle)
{
    struct cor_grpc_call_state *call = NULL;
    while ((call = cor_pool_get(grpc->calls, handle)) != NULL) {
        struct cor_view message;
        enum cor_code code =
            cor_grpc_unframe(cor_buf_as_view(&call->reply), grpc->message_max, &message);
        if (code != COR_OK) {
            return code;
        }
        struct cor_buf bytes = call->reply; /* the callback may free the call, not these */
        size_t used = COR_GRPC_PREFIX + message.len;
        call->reply = (struct cor_buf){0};
        cor_buf_add(&call->reply, bytes.data + used, bytes.len - used);
        call->message_fn(call->self, message);
        cor_buf_free(&bytes);
    }
    return COR_RETRY;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes,
                   size_t len, void *self)
{
    (void)flags;
    struct cor_grpc *grpc = self;
    struct cor_grpc_call_state *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call == NULL) {
        return 0;
    }
    cor_buf_add(&call->reply, bytes, len);
    struct cor_view ignored = {0};
    enum cor_code code = call->message_fn != NULL ? deliver(grpc, call->handle)
                                                  : cor_grpc_unframe(cor_buf_as_view(&call->reply),
                                                                     grpc->message_max, &ignored);
    bool whole = code == COR_OK && call->reply.len != COR_GRPC_PREFIX + ignored.len;
    if (code == COR_TOOBIG || code == COR_UNSUPPORTED || whole) {
        reset_stream(call);
        cor_grpc_call_end(call, code == COR_TOOBIG ? COR_TOOBIG : COR_INVALID,
                          code == COR_TOOBIG ? "answer over the message limit"
                                             : "answer is not one plain message");
    }
    return 0;
}

static void end_by_trailer(struct cor_grpc_call_state *call, uint32_t error)
{
    char text[sizeof(call->text)];
    memcpy(text, call->text, sizeof(text));
    if (call->status >= 0) {
        cor_grpc_call_end(call, cor_grpc_code(call->status), text);
    } else if (call->http_status != 0 && call->http_status != 200) {
        cor_grpc_call_end(call, COR_INTERNAL, "the server answered with an HTTP error");
    } else {
        cor_grpc_call_end(call, error == NGHTTP2_REFUSED_STREAM ? COR_RETRY : COR_GONE,
                          "stream closed without a status");
    }
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *self)
{
    (void)self;
    struct cor_grpc_call_state *call = nghttp2_session_get_stream_user_data(session, stream);
    if (call != NULL) {
        end_by_trailer(call, error);
    }
    return 0;
}

void cor_grpc_call_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}
