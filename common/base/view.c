// SPDX-License-Identifier: Apache-2.0
#include "common/base/view.h"

#include <string.h>

#include "common/base/mem.h"

struct cor_view cor_view_of(const char *text)
{
    return text == NULL ? (struct cor_view){0} : (struct cor_view){text, strlen(text)};
}

bool cor_view_eq(struct cor_view a, struct cor_view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool cor_view_is(struct cor_view a, const char *text)
{
    return cor_view_eq(a, cor_view_of(text));
}

bool cor_view_starts(struct cor_view a, const char *prefix)
{
    size_t len = strlen(prefix);
    return a.len >= len && memcmp(a.ptr, prefix, len) == 0;
}

bool cor_view_ends(struct cor_view a, const char *suffix)
{
    size_t len = strlen(suffix);
    return a.len >= len && memcmp(a.ptr + a.len - len, suffix, len) == 0;
}

int cor_view_cmp(struct cor_view a, struct cor_view b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = shorter == 0 ? 0 : memcmp(a.ptr, b.ptr, shorter);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct cor_view cor_view_trim(struct cor_view a)
{
    while (a.len > 0 && is_blank(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    while (a.len > 0 && is_blank(a.ptr[a.len - 1])) {
        a.len--;
    }
    return a;
}

bool cor_view_split(struct cor_view *rest, char sep, struct cor_view *part_r)
{
    if (rest->ptr == NULL) {
        return false;
    }
    const char *hit = rest->len == 0 ? NULL : memchr(rest->ptr, sep, rest->len);
    if (hit == NULL) {
        *part_r = *rest;
        *rest = (struct cor_view){0};
        return true;
    }
    size_t len = (size_t)(hit - rest->ptr);
    *part_r = (struct cor_view){rest->ptr, len};
    *rest = (struct cor_view){hit + 1, rest->len - len - 1};
    return true;
}

char *cor_view_dup(struct cor_view a)
{
    return cor_memdup(a.ptr, a.len);
}

bool cor_view_u64(struct cor_view a, uint64_t *out_r)
{
    uint64_t value = 0;
    if (a.len == 0) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] < '0' || a.ptr[i] > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(a.ptr[i] - '0'), &value)) {
            return false;
        }
    }
    *out_r = value;
    return true;
}

bool cor_view_i64(struct cor_view a, int64_t *out_r)
{
    bool negative = a.len > 0 && a.ptr[0] == '-';
    uint64_t size = 0;
    if (negative) {
        a.ptr++;
        a.len--;
    }
    if (!cor_view_u64(a, &size) || size > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *out_r = negative ? (int64_t)(0 - size) : (int64_t)size;
    return true;
}

/* Length of the UTF-8 sequence that p starts with, at most left bytes; 0 if it is not one. */
static size_t utf8_step(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80) {
        return p[0] == 0 ? 0 : 1;
    }
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > left) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool outside = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || outside ? 0 : n;
}

/* Whether these 8 bytes are ASCII without NUL: most text is. */
static bool is_ascii(const unsigned char *p)
{
    uint64_t word = 0;
    memcpy(&word, p, sizeof(word));
    uint64_t has_zero = (word - UINT64_C(0x0101010101010101)) & ~word;
    return ((word | has_zero) & UINT64_C(0x8080808080808080)) == 0;
}

size_t cor_view_utf8_len(struct cor_view a)
{
    const unsigned char *p = (const unsigned char *)a.ptr;
    size_t at = 0;
    size_t n = 1;
    while (at < a.len && n > 0) {
        size_t left = a.len - at;
        if (left < sizeof(uint64_t) && at + left >= sizeof(uint64_t) &&
            is_ascii(p + a.len - sizeof(uint64_t))) {
            return a.len; /* the last word covers what is left */
        }
        n = a.len - at >= sizeof(uint64_t) && is_ascii(p + at) ? sizeof(uint64_t)
                                                               : utf8_step(p + at, a.len - at);
        at += n;
    }
    return at;
}

bool cor_view_is_utf8(struct cor_view a)
{
    return cor_view_utf8_len(a) == a.len;
}
