// SPDX-License-Identifier: Apache-2.0
#include "common/httpd/uri.h"

#include <string.h>

#include "common/base/mem.h"

static int nibble(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Byte at *at, moved behind it; -1 for a broken escape. */
static int next_byte(struct cor_view text, size_t *at, bool plus)
{
    char c = text.ptr[(*at)++];
    if (c == '+' && plus) {
        return ' ';
    }
    if (c != '%') {
        return (unsigned char)c;
    }
    if (text.len - *at < 2) {
        return -1;
    }
    int high = nibble(text.ptr[*at]);
    int low = nibble(text.ptr[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static bool cut(struct cor_buf *out, size_t len)
{
    out->len = len;
    out->data[len] = '\0';
    return false;
}

bool cor_uri_decode(struct cor_view text, bool plus, struct cor_buf *out)
{
    size_t before = out->len;
    (void)cor_buf_room(out, text.len);
    for (size_t at = 0; at < text.len;) {
        int byte = next_byte(text, &at, plus);
        if (byte <= 0) {
            return cut(out, before);
        }
        char c = (char)byte;
        cor_buf_add(out, &c, 1);
    }
    struct cor_view done = cor_buf_as_view(out);
    if (!cor_view_is_utf8((struct cor_view){done.ptr + before, done.len - before})) {
        return cut(out, before);
    }
    return true;
}

void cor_uri_split(struct cor_view target, struct cor_view *path_r, struct cor_view *query_r)
{
    struct cor_view rest = target;
    if (!cor_view_split(&rest, '?', path_r)) {
        *path_r = COR_VIEW("");
    }
    *query_r = rest;
}

/* Value part of parameter name; false when there is none of that name. */
static bool find(struct cor_view query, const char *name, struct cor_view *value_r)
{
    struct cor_view pair;
    while (cor_view_split(&query, '&', &pair)) {
        struct cor_view key;
        struct cor_view value = pair;
        if (cor_view_split(&value, '=', &key) && cor_view_is(key, name)) {
            *value_r = value;
            return true;
        }
    }
    return false;
}

char *cor_query_get(struct cor_view query, const char *name)
{
    struct cor_view raw = {0};
    struct cor_buf out = {0};
    if (!find(query, name, &raw)) {
        return NULL;
    }
    if (!cor_uri_decode(raw, true, &out)) {
        cor_buf_free(&out);
        return NULL;
    }
    return cor_buf_take(&out);
}

bool cor_query_is(struct cor_view query, const char *name)
{
    struct cor_view raw = {0};
    return find(query, name, &raw) &&
           (raw.len == 0 || cor_view_is(raw, "true") || cor_view_is(raw, "1"));
}
