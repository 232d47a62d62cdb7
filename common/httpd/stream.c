// SPDX-License-Identifier: Apache-2.0
// Answers without an end: libmicrohttpd asks for bytes; without any, the connection is suspended
// until there are.
#include <string.h>

#include "common/base/mem.h"
#include "private.h"

enum { STREAM_WAITING_MAX = 16 << 20, STREAM_BLOCK = 16 << 10 };

static ssize_t on_read(void *self, uint64_t pos, char *out, size_t max)
{
    (void)pos;
    struct cor_stream *stream = self;
    size_t left = stream->out.len - stream->sent;
    if (stream->broken) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (left == 0) {
        if (stream->ended) {
            return MHD_CONTENT_READER_END_OF_STREAM;
        }
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        return 0;
    }
    size_t n = left < max ? left : max;
    memcpy(out, stream->out.data + stream->sent, n);
    stream->sent += n;
    if (stream->sent == stream->out.len) {
        cor_buf_free(&stream->out);
        stream->sent = 0;
    }
    if (stream->high && stream->out.len - stream->sent <= COR_STREAM_LOW) {
        stream->high = false;
        if (stream->on_room != NULL && !stream->ended) {
            stream->on_room(stream->room_self);
        }
    }
    return (ssize_t)n;
}

static void on_free(void *self)
{
    struct cor_stream *stream = self;
    cor_list_del(&stream->link);
    cor_buf_free(&stream->out);
    if (!stream->ended && stream->on_closed != NULL) {
        stream->on_closed(stream->self);
    }
    cor_free(stream);
}

static void resume(struct cor_stream *stream)
{
    if (stream->suspended) {
        stream->suspended = false;
        MHD_resume_connection(stream->connection);
        cor_httpd_kick(stream->httpd);
    }
}

enum cor_code cor_stream_write(struct cor_stream *stream, struct cor_view bytes)
{
    if (stream->broken) {
        return COR_CLOSED;
    }
    if (cor_stream_waiting(stream) + bytes.len > STREAM_WAITING_MAX) {
        return COR_BUSY;
    }
    if (stream->sent > 0 && stream->sent >= cor_stream_waiting(stream)) {
        cor_buf_drop(&stream->out, stream->sent);
        stream->sent = 0;
    }
    cor_buf_view(&stream->out, bytes);
    stream->high = cor_stream_waiting(stream) > COR_STREAM_LOW;
    resume(stream);
    return COR_OK;
}

size_t cor_stream_waiting(const struct cor_stream *stream)
{
    return stream->out.len - stream->sent;
}

void cor_stream_on_room(struct cor_stream *stream, void (*fn)(void *self), void *self)
{
    stream->on_room = fn;
    stream->room_self = self;
}

void cor_stream_end(struct cor_stream *stream)
{
    stream->ended = true;
    resume(stream);
}

void cor_stream_break(struct cor_stream *stream)
{
    stream->ended = true;
    cor_stream_hangup(stream);
}

void cor_stream_hangup(struct cor_stream *stream)
{
    stream->broken = true;
    resume(stream);
}

struct cor_stream *cor_exchange_stream(struct cor_exchange *exchange, int status, const char *type,
                                       cor_stream_closed_fn on_closed, void *self)
{
    struct cor_stream *stream = cor_alloc(sizeof(*stream));
    stream->httpd = exchange->httpd;
    stream->connection = exchange->connection;
    stream->on_closed = on_closed;
    stream->self = self;
    cor_list_add(&exchange->httpd->streams, &stream->link);
    struct MHD_Response *answer =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, stream, on_free);
    cor_exchange_answer(exchange, status, type, answer);
    return stream;
}
