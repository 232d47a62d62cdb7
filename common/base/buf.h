// SPDX-License-Identifier: Apache-2.0
// A growing byte buffer. Zeroed is empty and ready. Bytes are followed by a NUL that is not
// counted, so that .data may be used as a C string once something was added. One thread at a time.
#ifndef COR_BASE_BUF_H
#define COR_BASE_BUF_H

#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/view.h"

struct cor_buf {
    char *data; /* owned; NULL while nothing was added */
    size_t len;
    size_t cap;
};

/* Makes room for more bytes behind len (and the NUL); returns where they go. */
char *cor_buf_room(struct cor_buf *buf, size_t more);

/* Appends len bytes (borrows). */
void cor_buf_add(struct cor_buf *buf, const void *bytes, size_t len);

/* Appends a view (borrows). */
void cor_buf_view(struct cor_buf *buf, struct cor_view view);

/* Appends a C string (borrows). */
void cor_buf_str(struct cor_buf *buf, const char *text);

/* Appends formatted text. */
void cor_buf_fmt(struct cor_buf *buf, const char *fmt, ...) COR_PRINTF(2, 3);

/* Removes the first n (<= len) bytes. Moves the rest. */
void cor_buf_drop(struct cor_buf *buf, size_t n);

/* Empties; keeps the memory. */
void cor_buf_clear(struct cor_buf *buf);

/* Gives back the memory behind the content, for what is kept a while. */
void cor_buf_fit(struct cor_buf *buf);

/* View of the content; valid until the next change. Never absent: "" when empty. */
struct cor_view cor_buf_as_view(const struct cor_buf *buf);

/* Hands the bytes over as an owned C string (cor_free); the buffer is empty after. Never NULL. */
char *cor_buf_take(struct cor_buf *buf);

/* Frees the memory; the buffer is empty and ready again. For auto_(). */
void cor_buf_free(struct cor_buf *buf);

#endif
