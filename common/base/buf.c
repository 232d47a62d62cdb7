// SPDX-License-Identifier: Apache-2.0
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

enum { FMT_GUESS = 48 }; /* most of what is formatted is this short */

char *cor_buf_room(struct cor_buf *buf, size_t more)
{
    size_t need = 0;
    must(!__builtin_add_overflow(buf->len, more, &need) && need < SIZE_MAX / 2);
    if (need + 1 > buf->cap) {
        size_t cap = buf->cap < 64 ? 64 : buf->cap * 2;
        buf->cap = cap < need + 1 ? need + 1 : cap;
        buf->data = cor_realloc(buf->data, buf->cap, 1);
    }
    buf->data[need] = '\0';
    return buf->data + buf->len;
}

void cor_buf_add(struct cor_buf *buf, const void *bytes, size_t len)
{
    char *at = cor_buf_room(buf, len);
    if (len > 0) {
        memcpy(at, bytes, len);
    }
    buf->len += len;
}

void cor_buf_view(struct cor_buf *buf, struct cor_view view)
{
    cor_buf_add(buf, view.ptr, view.len);
}

void cor_buf_str(struct cor_buf *buf, const char *text)
{
    cor_buf_add(buf, text, strlen(text));
}

void cor_buf_fmt(struct cor_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    char *at = cor_buf_room(buf, FMT_GUESS);
    size_t room = buf->cap - buf->len;
    int wanted = vsnprintf(at, room, fmt, args);
    va_end(args);
    must(wanted >= 0);
    if ((size_t)wanted >= room) {
        at = cor_buf_room(buf, (size_t)wanted);
        (void)vsnprintf(at, (size_t)wanted + 1, fmt, again);
    }
    va_end(again);
    buf->len += (size_t)wanted;
}

void cor_buf_drop(struct cor_buf *buf, size_t n)
{
    must(n <= buf->len);
    if (n == 0) {
        return;
    }
    memmove(buf->data, buf->data + n, buf->len - n + 1);
    buf->len -= n;
}

void cor_buf_clear(struct cor_buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

void cor_buf_fit(struct cor_buf *buf)
{
    if (buf->data != NULL && buf->cap > buf->len + 1) {
        buf->cap = buf->len + 1;
        buf->data = cor_realloc(buf->data, buf->cap, 1);
    }
}

struct cor_view cor_buf_as_view(const struct cor_buf *buf)
{
    return buf->data == NULL ? COR_VIEW("") : (struct cor_view){buf->data, buf->len};
}

char *cor_buf_take(struct cor_buf *buf)
{
    if (buf->data == NULL) {
        return cor_memdup("", 0);
    }
    char *data = buf->data;
    *buf = (struct cor_buf){0};
    return data;
}

void cor_buf_free(struct cor_buf *buf)
{
    cor_free(buf->data);
    *buf = (struct cor_buf){0};
}
