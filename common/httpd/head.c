// SPDX-License-Identifier: Apache-2.0
#include "common/httpd/head.h"

#include <string.h>
#include <strings.h>

static const char END[] = "\r\n\r\n";

enum { END_LEN = 4, REASON_AT = 13 /* behind "HTTP/1.1 200 " */ };

static bool is_token(struct cor_view text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || strchr(marks, c) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

/* No control characters but tabs. */
static bool is_text(struct cor_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 101 Switching Protocols", the words and the blank before them may be missing. */
static bool read_status(struct cor_head *head, struct cor_view line)
{
    if (line.len < REASON_AT - 1 || strncmp(line.ptr, "HTTP/1.", 7) != 0 ||
        !is_digit(line.ptr[7]) || line.ptr[8] != ' ' ||
        (line.len >= REASON_AT && line.ptr[REASON_AT - 1] != ' ')) {
        return false;
    }
    const char *digits = line.ptr + 9;
    if (!is_digit(digits[0]) || !is_digit(digits[1]) || !is_digit(digits[2]) || digits[0] == '0') {
        return false;
    }
    head->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return is_text(line);
}

/* The line at *at without its end; moves *at behind it. False at the empty line. */
static bool next_line(const struct cor_head *head, size_t *at, struct cor_view *line_r)
{
    const char *start = head->bytes.data + *at;
    const char *end = memmem(start, head->bytes.len - *at, "\r\n", 2);
    if (end == NULL || end == start) {
        return false;
    }
    *line_r = (struct cor_view){start, (size_t)(end - start)};
    *at += line_r->len + 2;
    return true;
}

static bool split_line(struct cor_view line, struct cor_view *name_r, struct cor_view *value_r)
{
    const char *colon = memchr(line.ptr, ':', line.len);
    if (colon == NULL) {
        return false;
    }
    *name_r = (struct cor_view){line.ptr, (size_t)(colon - line.ptr)};
    *value_r = cor_view_trim((struct cor_view){colon + 1, line.len - name_r->len - 1});
    return true;
}

static bool read_all(struct cor_head *head)
{
    size_t at = 0;
    struct cor_view line;
    struct cor_view name;
    struct cor_view value;
    if (!next_line(head, &at, &line) || !read_status(head, line)) {
        return false;
    }
    head->lines = at;
    while (next_line(head, &at, &line)) {
        if (!split_line(line, &name, &value) || !is_token(name) || !is_text(value)) {
            return false;
        }
    }
    return true;
}

/* Whether what is there may still become a head: so that a peer that speaks something else is not
 * listened to for 64 KiB. */
static bool may_become(const struct cor_head *head)
{
    static const char start[] = "HTTP/1.";
    size_t len = head->bytes.len < sizeof(start) - 1 ? head->bytes.len : sizeof(start) - 1;
    return len == 0 || memcmp(head->bytes.data, start, len) == 0;
}

enum cor_code cor_head_add(struct cor_head *head, struct cor_view *bytes, struct cor_err *err)
{
    size_t before = head->bytes.len;
    size_t room = COR_HEAD_MAX - before;
    size_t taken = bytes->len < room ? bytes->len : room;
    cor_buf_add(&head->bytes, bytes->ptr, taken);
    const char *end = head->bytes.len == 0 ? NULL
                                           : memmem(head->bytes.data + head->searched,
                                                    head->bytes.len - head->searched, END, END_LEN);
    if (end != NULL) {
        head->bytes.len = (size_t)(end - head->bytes.data) + END_LEN;
        taken = head->bytes.len - before;
    }
    bytes->ptr += taken;
    bytes->len -= taken;
    if (!may_become(head) || (end != NULL && !read_all(head))) {
        head->lines = 0;
        return cor_err_set(err, COR_INVALID, "the answer is no HTTP");
    }
    if (end == NULL && head->bytes.len == COR_HEAD_MAX) {
        return cor_err_set(err, COR_TOOBIG, "the head of the answer is too big");
    }
    head->searched = head->bytes.len >= END_LEN ? head->bytes.len - (END_LEN - 1) : 0;
    return end == NULL ? COR_RETRY : COR_OK;
}

bool cor_head_is_done(const struct cor_head *head)
{
    return head->lines > 0;
}

struct cor_view cor_head_reason(const struct cor_head *head)
{
    struct cor_view line = {head->bytes.data, head->lines - 2};
    return line.len < REASON_AT ? COR_VIEW("")
                                : (struct cor_view){line.ptr + REASON_AT, line.len - REASON_AT};
}

bool cor_head_next(const struct cor_head *head, size_t *at, struct cor_view *name_r,
                   struct cor_view *value_r)
{
    struct cor_view line;
    if (*at == 0) {
        *at = head->lines;
    }
    return next_line(head, at, &line) && split_line(line, name_r, value_r);
}

struct cor_view cor_head_get(const struct cor_head *head, const char *name)
{
    size_t at = 0;
    struct cor_view found;
    struct cor_view value;
    while (cor_head_next(head, &at, &found, &value)) {
        if (found.len == strlen(name) && strncasecmp(found.ptr, name, found.len) == 0) {
            return value;
        }
    }
    return (struct cor_view){NULL, 0};
}

void cor_head_free(struct cor_head *head)
{
    cor_buf_free(&head->bytes);
    *head = (struct cor_head){0};
}
