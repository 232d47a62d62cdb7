// SPDX-License-Identifier: Apache-2.0
#include "common/httpd/passage.h"

#include <string.h>
#include <strings.h>

#include "common/base/mem.h"

struct cor_passage {
    struct cor_exchange *exchange;     /* until it is answered */
    struct cor_stream *stream;         /* the answer, as it comes */
    struct cor_pipe *pipe;             /* or, after 101, both ways; owned */
    const struct cor_passage_ops *ops; /* NULL: the other side has gone */
    void *self;
    size_t held; /* bytes that the client has not taken */
};

static void free_passage(struct cor_passage *passage)
{
    cor_pipe_free(&passage->pipe);
    cor_free(passage);
}

struct cor_passage *cor_passage_new(struct cor_exchange *exchange,
                                    const struct cor_passage_ops *ops, void *self)
{
    struct cor_passage *passage = cor_alloc(sizeof(*passage));
    *passage = (struct cor_passage){.exchange = exchange, .ops = ops, .self = self};
    return passage;
}

struct cor_exchange *cor_passage_exchange(const struct cor_passage *passage)
{
    return passage->exchange;
}

void cor_passage_answer(struct cor_passage *passage, int status, const char *text)
{
    struct cor_buf body = {0};
    cor_buf_str(&body, text);
    if (status == 401) {
        cor_exchange_add_header(passage->exchange, "WWW-Authenticate", "Bearer");
    }
    cor_exchange_reply(passage->exchange, status, "text/plain; charset=utf-8", &body);
    free_passage(passage);
}

static void tell_gone(struct cor_passage *passage)
{
    const struct cor_passage_ops *ops = passage->ops;
    void *self = passage->self;
    free_passage(passage);
    if (ops != NULL) {
        ops->gone(self);
    }
}

/* ---- the client ---- */

/* What it has taken may come again. */
static void settle(struct cor_passage *passage)
{
    size_t held = passage->held;
    passage->held = 0;
    if (passage->ops != NULL && held > 0) {
        passage->ops->took(passage->self, held);
    }
}

static void on_stream_closed(void *self)
{
    tell_gone(self);
}

static void on_stream_room(void *self)
{
    settle(self);
}

/* It is read only as far as the other side takes. */
static void read_on(struct cor_passage *passage)
{
    cor_pipe_read(passage->pipe,
                  passage->ops != NULL && passage->ops->room(passage->self) >= COR_PIPE_BLOCK);
}

static void on_pipe_bytes(void *self, struct cor_view bytes)
{
    struct cor_passage *passage = self;
    passage->ops->bytes(passage->self, bytes);
    /* That may have been the end of the passage: room is asked for by the other side. */
}

static void on_pipe_room(void *self)
{
    struct cor_passage *passage = self;
    if (passage->ops == NULL) {
        free_passage(passage); /* it had all of it */
        return;
    }
    settle(passage);
}

static void on_pipe_end(void *self)
{
    struct cor_passage *passage = self;
    if (passage->ops != NULL) {
        passage->ops->last(passage->self);
    }
}

static void on_pipe_closed(void *self, const struct cor_err *err)
{
    (void)err;
    tell_gone(self);
}

/* ---- the other side ---- */

static bool is_hop(struct cor_view name)
{
    static const char *const NAMES[] = {"Connection",     "Upgrade",           "Keep-Alive", "Date",
                                        "Content-Length", "Transfer-Encoding", "Trailer"};
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        if (name.len == strlen(NAMES[i]) && strncasecmp(name.ptr, NAMES[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

static char *value_of(const struct cor_passage_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.len == strlen(name) &&
            strncasecmp(headers[i].name.ptr, name, headers[i].name.len) == 0) {
            return cor_view_dup(headers[i].value);
        }
    }
    return NULL;
}

static void add_headers(struct cor_exchange *exchange, const struct cor_passage_header *headers,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        auto_(cor_freep) char *name = cor_view_dup(headers[i].name);
        auto_(cor_freep) char *value = cor_view_dup(headers[i].value);
        if (!is_hop(headers[i].name) && strcasecmp(name, "Content-Type") != 0) {
            cor_exchange_add_header(exchange, name, value);
        }
    }
}

static bool upgrade(struct cor_passage *passage, const struct cor_passage_header *headers,
                    size_t count)
{
    const struct cor_pipe_spec spec = {.bytes = on_pipe_bytes,
                                       .room = on_pipe_room,
                                       .end = on_pipe_end,
                                       .closed = on_pipe_closed,
                                       .self = passage,
                                       .max_queue = COR_PASSAGE_QUEUE};
    auto_(cor_freep) char *protocol = value_of(headers, count, "Upgrade");
    if (protocol == NULL || !cor_exchange_wants_upgrade(passage->exchange)) {
        cor_passage_answer(passage, 502, "the answer is in another protocol than was asked for");
        return false;
    }
    add_headers(passage->exchange, headers, count);
    passage->pipe = cor_exchange_upgrade(passage->exchange, protocol, &spec);
    passage->exchange = NULL;
    read_on(passage);
    return true;
}

bool cor_passage_head(struct cor_passage *passage, int status,
                      const struct cor_passage_header *headers, size_t count)
{
    if (passage->exchange == NULL) {
        return true; /* a second one */
    }
    if (status == 101) {
        return upgrade(passage, headers, count);
    }
    auto_(cor_freep) char *type = value_of(headers, count, "Content-Type");
    add_headers(passage->exchange, headers, count);
    passage->stream =
        cor_exchange_stream(passage->exchange, status >= 200 && status <= 599 ? status : 502, type,
                            on_stream_closed, passage);
    passage->exchange = NULL;
    cor_stream_on_room(passage->stream, on_stream_room, passage);
    return true;
}

bool cor_passage_data(struct cor_passage *passage, struct cor_view bytes, bool last)
{
    enum cor_code code = COR_OK;
    size_t waits = 0;
    passage->held += bytes.len;
    if (passage->pipe != NULL) {
        code = bytes.len > 0 ? cor_pipe_write(passage->pipe, bytes) : COR_OK;
        waits = cor_pipe_waiting(passage->pipe);
        if (last) {
            cor_pipe_end(passage->pipe);
        }
    } else if (passage->stream != NULL) {
        code = bytes.len > 0 ? cor_stream_write(passage->stream, bytes) : COR_OK;
        waits = cor_stream_waiting(passage->stream) <= COR_STREAM_LOW ? 0 : 1;
    }
    if (code == COR_BUSY) {
        passage->ops = NULL;
        cor_passage_end(passage, "the client does not take it");
        return false;
    }
    if (waits == 0) {
        settle(passage);
    }
    return true;
}

void cor_passage_room(struct cor_passage *passage)
{
    if (passage->pipe != NULL) {
        read_on(passage);
    }
}

void cor_passage_end(struct cor_passage *passage, const char *error)
{
    passage->ops = NULL;
    if (passage->exchange != NULL) {
        cor_passage_answer(passage, 503, error == NULL ? "there was no answer" : error);
        return;
    }
    if (passage->pipe != NULL && error == NULL && cor_pipe_waiting(passage->pipe) > 0) {
        cor_pipe_read(passage->pipe, false);
        return; /* freed when the client has all of it */
    }
    if (passage->stream != NULL && error == NULL) {
        cor_stream_end(passage->stream);
    } else if (passage->stream != NULL) {
        cor_stream_break(passage->stream);
    }
    free_passage(passage);
}
