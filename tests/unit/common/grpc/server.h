// SPDX-License-Identifier: Apache-2.0
// A gRPC server for tests, on the same loop: what it does with a call is named by the method.
#ifndef TEST_GRPC_SERVER_H
#define TEST_GRPC_SERVER_H

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/frame.h"
#include "common/loop/loop.h"

struct server {
    struct cor_loop *loop;
    char path[100];
    int listener;
    struct cor_io *accept;
    struct cor_hook *hook;
    int fd; /* the one connection */
    struct cor_io *io;
    nghttp2_session *session;
    size_t connections;
    size_t resets; /* RST_STREAM received */
    struct cor_link streams;
};

struct stream {
    struct cor_link link;
    int32_t id;
    char path[64];
    char timeout[32];
    struct cor_buf in;
    struct cor_buf out;
    size_t sent;
};

static inline nghttp2_nv server_nv(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static inline void server_free_stream(struct stream *stream)
{
    cor_list_del(&stream->link);
    cor_buf_free(&stream->in);
    cor_buf_free(&stream->out);
    cor_free(stream);
}

static inline void server_drop(struct server *s)
{
    cor_io_free(&s->io);
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->fd = -1;
    nghttp2_session_del(s->session);
    s->session = NULL;
    COR_LIST_EACH (link, &s->streams) {
        server_free_stream(COR_LIST_OBJECT(link, struct stream, link));
    }
}

static inline ssize_t server_read_body(nghttp2_session *session, int32_t id, uint8_t *out,
                                       size_t size, uint32_t *flags, nghttp2_data_source *source,
                                       void *self)
{
    (void)self;
    struct stream *stream = source->ptr;
    size_t left = stream->out.len - stream->sent;
    size_t n = left < size ? left : size;
    memcpy(out, stream->out.data + stream->sent, n);
    stream->sent += n;
    if (stream->sent < stream->out.len) {
        return (ssize_t)n;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (strcmp(stream->path, "/t/NoStatus") == 0) {
        *flags = NGHTTP2_DATA_FLAG_EOF;
    } else if (strcmp(stream->path, "/t/Open") != 0) {
        nghttp2_nv trailer[] = {server_nv("grpc-status", "0")};
        nghttp2_submit_trailer(session, id, trailer, 1);
    }
    return (ssize_t)n;
}

static inline void server_fill(struct stream *stream)
{
    struct cor_view body = {stream->in.data + COR_GRPC_PREFIX, stream->in.len - COR_GRPC_PREFIX};
    if (strcmp(stream->path, "/t/Stream") == 0 || strcmp(stream->path, "/t/Open") == 0) {
        cor_grpc_frame(&stream->out, COR_VIEW("one"));
        cor_grpc_frame(&stream->out, COR_VIEW(""));
        cor_grpc_frame(&stream->out, COR_VIEW("three"));
    } else if (strcmp(stream->path, "/t/Two") == 0) {
        cor_grpc_frame(&stream->out, body);
        cor_grpc_frame(&stream->out, body);
    } else if (strcmp(stream->path, "/t/Huge") == 0) {
        cor_buf_add(&stream->out,
                    "\0\x7f\xff\xff\xff"
                    "aaaa",
                    9);
    } else if (strcmp(stream->path, "/t/Compressed") == 0) {
        cor_buf_add(&stream->out, "\1\0\0\0\1a", 6);
    } else if (strcmp(stream->path, "/grpc.health.v1.Health/Check") == 0) {
        bool good = strstr(stream->in.data + COR_GRPC_PREFIX, "good") != NULL;
        cor_grpc_frame(&stream->out, (struct cor_view){good ? "\x08\x01" : "\x08\x02", 2});
    } else if (strcmp(stream->path, "/t/Timeout") == 0) {
        cor_grpc_frame(&stream->out, cor_view_of(stream->timeout));
    } else {
        cor_grpc_frame(&stream->out, body);
    }
}

static inline void server_answer(struct server *s, struct stream *stream)
{
    if (strcmp(stream->path, "/t/Hang") == 0) {
        return;
    }
    if (strcmp(stream->path, "/t/Close") == 0) {
        shutdown(s->fd, SHUT_RDWR);
        return;
    }
    if (strcmp(stream->path, "/t/Fail") == 0) {
        nghttp2_nv only[] = {
            server_nv(":status", "200"), server_nv("content-type", "application/grpc"),
            server_nv("grpc-status", "5"), server_nv("grpc-message", "no%20such thing")};
        nghttp2_submit_response(s->session, stream->id, only, 4, NULL);
        return;
    }
    if (strcmp(stream->path, "/t/Http") == 0) {
        nghttp2_nv only[] = {server_nv(":status", "503")};
        nghttp2_submit_response(s->session, stream->id, only, 1, NULL);
        return;
    }
    server_fill(stream);
    nghttp2_nv head[] = {server_nv(":status", "200"),
                         server_nv("content-type", "application/grpc")};
    nghttp2_data_provider body = {{.ptr = stream}, server_read_body};
    nghttp2_submit_response(s->session, stream->id, head, 2, &body);
}

static inline int server_begin(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    struct server *s = self;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        struct stream *stream = cor_alloc(sizeof(*stream));
        stream->id = frame->hd.stream_id;
        cor_list_add(&s->streams, &stream->link);
        nghttp2_session_set_stream_user_data(session, stream->id, stream);
    }
    return 0;
}

static inline int server_header(nghttp2_session *session, const nghttp2_frame *frame,
                                const uint8_t *name, size_t name_len, const uint8_t *value,
                                size_t value_len, uint8_t flags, void *self)
{
    (void)flags;
    (void)self;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct cor_view key = {(const char *)name, name_len};
    if (stream != NULL && cor_view_is(key, ":path")) {
        snprintf(stream->path, sizeof(stream->path), "%.*s", (int)value_len, (const char *)value);
    } else if (stream != NULL && cor_view_is(key, "grpc-timeout")) {
        snprintf(stream->timeout, sizeof(stream->timeout), "%.*s", (int)value_len,
                 (const char *)value);
    }
    return 0;
}

static inline int server_data(nghttp2_session *session, uint8_t flags, int32_t id,
                              const uint8_t *bytes, size_t len, void *self)
{
    (void)flags;
    (void)self;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    cor_buf_add(&stream->in, bytes, len);
    return 0;
}

static inline int server_frame(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    struct server *s = self;
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        s->resets++;
    }
    bool last = frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    struct stream *stream =
        last ? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) : NULL;
    if (stream != NULL) {
        server_answer(s, stream);
    }
    return 0;
}

static inline int server_close(nghttp2_session *session, int32_t id, uint32_t error, void *self)
{
    (void)error;
    (void)self;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream != NULL) {
        server_free_stream(stream);
    }
    return 0;
}

static inline ssize_t server_send(nghttp2_session *session, const uint8_t *bytes, size_t len,
                                  int flags, void *self)
{
    (void)session;
    (void)flags;
    struct server *s = self;
    ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? NGHTTP2_ERR_WOULDBLOCK : n;
}

static inline void server_io(void *self, int fd, int events)
{
    struct server *s = self;
    uint8_t chunk[8192];
    ssize_t n = (events & COR_READ) != 0 ? recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT) : 1;
    if ((events & COR_READ) != 0 && n > 0) {
        n = nghttp2_session_mem_recv(s->session, chunk, (size_t)n);
    }
    if (n <= 0) {
        server_drop(s);
    }
}

static inline bool server_round(void *self)
{
    struct server *s = self;
    if (s->session != NULL) {
        nghttp2_session_send(s->session);
        cor_io_set(s->io,
                   nghttp2_session_want_write(s->session) != 0 ? COR_READ | COR_WRITE : COR_READ);
    }
    return false;
}

static inline void server_accept(void *self, int fd, int events)
{
    (void)events;
    struct server *s = self;
    server_drop(s);
    s->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    must(s->fd >= 0);
    s->connections++;
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, server_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, server_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, server_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, server_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, server_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, server_send);
    nghttp2_session_server_new(&s->session, callbacks, s);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(s->session, NGHTTP2_FLAG_NONE, NULL, 0);
    s->io = cor_io_new(s->loop, s->fd, COR_READ, server_io, s);
}

/* On a socket that listens (takes). */
static inline void server_on(struct server *s, struct cor_loop *loop, int fd)
{
    *s = (struct server){.loop = loop, .fd = -1, .listener = fd};
    cor_list_init(&s->streams);
    s->accept = cor_io_new(loop, s->listener, COR_READ, server_accept, s);
    s->hook = cor_hook_new(loop, server_round, s);
}

static inline void server_listen(struct server *s, struct cor_loop *loop, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    must(listen(fd, 8) == 0);
    server_on(s, loop, fd);
    snprintf(s->path, sizeof(s->path), "%s", path);
}

static inline void server_stop(struct server *s)
{
    server_drop(s);
    cor_io_free(&s->accept);
    cor_hook_free(&s->hook);
    close(s->listener);
    unlink(s->path);
}

#endif
