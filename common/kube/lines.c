// SPDX-License-Identifier: Apache-2.0
#include "common/kube/lines.h"

#include <string.h>

/* Forgets the unfinished line at the end if it is over the limit. */
static void check_tail(struct cor_lines *lines)
{
    const char *last = lines->buf.len == 0 ? NULL : memrchr(lines->buf.data, '\n', lines->buf.len);
    size_t start = last == NULL ? 0 : (size_t)(last - lines->buf.data) + 1;
    if (lines->buf.len - start > lines->max) {
        lines->buf.len = start;
        lines->skipping = true;
    }
}

void cor_lines_add(struct cor_lines *lines, struct cor_view bytes)
{
    if (lines->at > 0) {
        cor_buf_drop(&lines->buf, lines->at);
        lines->at = 0;
    }
    if (lines->skipping && bytes.len > 0) {
        const char *end = memchr(bytes.ptr, '\n', bytes.len);
        if (end == NULL) {
            return;
        }
        bytes.len -= (size_t)(end + 1 - bytes.ptr);
        bytes.ptr = end + 1;
        lines->skipping = false;
        lines->dropped++;
    }
    cor_buf_view(&lines->buf, bytes);
    check_tail(lines);
}

bool cor_lines_next(struct cor_lines *lines, struct cor_view *line_r)
{
    while (lines->at < lines->buf.len) {
        const char *start = lines->buf.data + lines->at;
        const char *end = memchr(start, '\n', lines->buf.len - lines->at);
        if (end == NULL) {
            return false;
        }
        *line_r = (struct cor_view){start, (size_t)(end - start)};
        lines->at += line_r->len + 1;
        if (line_r->len <= lines->max) {
            return true;
        }
        lines->dropped++;
    }
    return false;
}

void cor_lines_free(struct cor_lines *lines)
{
    cor_buf_free(&lines->buf);
    lines->at = 0;
    lines->skipping = false;
}
