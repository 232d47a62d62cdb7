// SPDX-License-Identifier: Apache-2.0
// The wire format is msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md).
#include "common/codec/reader.h"

#include "common/codec/table.h"

struct cor_reader cor_reader_of(struct cor_view bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (struct cor_reader){at, at == NULL ? NULL : at + bytes.len};
}

static size_t left(const struct cor_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Big-endian number of n bytes behind the first byte; the caller knows that they are there. */
static uint64_t number(const uint8_t *p, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

/* One value's head: its first byte's row in the table of formats. */
enum kind { K_BAD, K_NIL, K_BOOL, K_UINT, K_INT, K_FLOAT, K_STR, K_BIN, K_ARRAY, K_MAP, K_EXT };

struct head {
    enum kind kind;
    size_t size;    /* bytes of the head itself */
    uint64_t value; /* number, or count of bytes or elements that follow */
};

struct format {
    uint8_t first;
    uint8_t kind;
    uint8_t size;  /* of the number behind the first byte */
    uint8_t fixed; /* bytes that follow for kinds without a count */
};

static const struct format FORMATS[] = {
    {0xc0, K_NIL, 0, 0},   {0xc2, K_BOOL, 0, 0},  {0xc3, K_BOOL, 0, 1},  {0xc4, K_BIN, 1, 0},
    {0xc5, K_BIN, 2, 0},   {0xc6, K_BIN, 4, 0},   {0xc7, K_EXT, 1, 0},   {0xc8, K_EXT, 2, 0},
    {0xc9, K_EXT, 4, 0},   {0xca, K_FLOAT, 0, 4}, {0xcb, K_FLOAT, 0, 8}, {0xcc, K_UINT, 1, 0},
    {0xcd, K_UINT, 2, 0},  {0xce, K_UINT, 4, 0},  {0xcf, K_UINT, 8, 0},  {0xd0, K_INT, 1, 0},
    {0xd1, K_INT, 2, 0},   {0xd2, K_INT, 4, 0},   {0xd3, K_INT, 8, 0},   {0xd4, K_EXT, 0, 1},
    {0xd5, K_EXT, 0, 2},   {0xd6, K_EXT, 0, 4},   {0xd7, K_EXT, 0, 8},   {0xd8, K_EXT, 0, 16},
    {0xd9, K_STR, 1, 0},   {0xda, K_STR, 2, 0},   {0xdb, K_STR, 4, 0},   {0xdc, K_ARRAY, 2, 0},
    {0xdd, K_ARRAY, 4, 0}, {0xde, K_MAP, 2, 0},   {0xdf, K_MAP, 4, 0},
};

static bool fix_head(uint8_t first, struct head *head)
{
    if (first < 0x80) {
        *head = (struct head){K_UINT, 1, first};
    } else if (first < 0x90) {
        *head = (struct head){K_MAP, 1, first & 0x0fu};
    } else if (first < 0xa0) {
        *head = (struct head){K_ARRAY, 1, first & 0x0fu};
    } else if (first < 0xc0) {
        *head = (struct head){K_STR, 1, first & 0x1fu};
    } else if (first >= 0xe0) {
        *head = (struct head){K_INT, 1, (uint64_t)(int64_t)(int8_t)first};
    } else {
        return false;
    }
    return true;
}

static uint64_t sign_extend(uint64_t value, size_t bytes)
{
    unsigned shift = (unsigned)(64 - 8 * bytes);
    return (uint64_t)((int64_t)(value << shift) >> shift);
}

static struct head read_head(const struct cor_reader *r)
{
    struct head head = {K_BAD, 0, 0};
    if (left(r) == 0 || fix_head(*r->at, &head)) {
        return head;
    }
    for (size_t i = 0; i < COR_COUNT(FORMATS); i++) {
        const struct format *f = &FORMATS[i];
        if (f->first != *r->at) {
            continue;
        }
        if (left(r) < 1u + f->size) {
            return head;
        }
        uint64_t value = f->size == 0 ? f->fixed : number(r->at + 1, f->size);
        if (f->kind == K_INT) {
            value = sign_extend(value, f->size);
        }
        return (struct head){(enum kind)f->kind, 1u + f->size, value};
    }
    return head;
}

/* Elements take at least unit bytes each; more than the rest can hold is a lie. */
static bool count_of(struct cor_reader *r, enum kind kind, size_t unit, uint32_t *count_r)
{
    struct head head = read_head(r);
    if (head.kind != kind || head.value > (left(r) - head.size) / unit) {
        return false;
    }
    r->at += head.size;
    *count_r = (uint32_t)head.value;
    return true;
}

bool cor_read_map(struct cor_reader *r, uint32_t *pairs_r)
{
    return count_of(r, K_MAP, 2, pairs_r);
}

bool cor_read_array(struct cor_reader *r, uint32_t *count_r)
{
    return count_of(r, K_ARRAY, 1, count_r);
}

bool cor_read_u64(struct cor_reader *r, uint64_t *value_r)
{
    struct head head = read_head(r);
    if (head.kind != K_UINT && !(head.kind == K_INT && (int64_t)head.value >= 0)) {
        return false;
    }
    r->at += head.size;
    *value_r = head.value;
    return true;
}

bool cor_read_i64(struct cor_reader *r, int64_t *value_r)
{
    struct head head = read_head(r);
    if (head.kind != K_INT && !(head.kind == K_UINT && head.value <= INT64_MAX)) {
        return false;
    }
    r->at += head.size;
    *value_r = (int64_t)head.value;
    return true;
}

bool cor_read_bool(struct cor_reader *r, bool *value_r)
{
    struct head head = read_head(r);
    if (head.kind != K_BOOL) {
        return false;
    }
    r->at += head.size;
    *value_r = head.value != 0;
    return true;
}

static bool bytes_of(struct cor_reader *r, enum kind kind, struct cor_view *value_r)
{
    struct head head = read_head(r);
    if (head.kind != kind || head.value > left(r) - head.size) {
        return false;
    }
    *value_r = (struct cor_view){(const char *)r->at + head.size, (size_t)head.value};
    r->at += head.size + head.value;
    return true;
}

bool cor_read_str(struct cor_reader *r, struct cor_view *value_r)
{
    return bytes_of(r, K_STR, value_r);
}

bool cor_read_bin(struct cor_reader *r, struct cor_view *value_r)
{
    return bytes_of(r, K_BIN, value_r);
}

/* Bytes of content behind a head, and values nested in it. */
static bool extent(const struct head *head, uint64_t *bytes_r, uint64_t *values_r)
{
    *bytes_r = 0;
    *values_r = 0;
    switch (head->kind) {
    case K_BAD:
        return false;
    case K_STR:
    case K_BIN:
    case K_FLOAT:
        *bytes_r = head->value;
        return true;
    case K_EXT:
        *bytes_r = head->value + 1;
        return true;
    case K_ARRAY:
        *values_r = head->value;
        return true;
    case K_MAP:
        *values_r = head->value * 2;
        return true;
    case K_NIL:
    case K_BOOL:
    case K_UINT:
    case K_INT:
        return true;
    }
    return false;
}

bool cor_read_skip(struct cor_reader *r)
{
    const uint8_t *start = r->at;
    uint64_t open[COR_DEPTH_MAX + 1] = {1};
    int depth = 0;
    while (depth >= 0) {
        if (open[depth] == 0) {
            depth--;
            continue;
        }
        open[depth]--;
        struct head head = read_head(r);
        uint64_t bytes = 0;
        uint64_t values = 0;
        if (!extent(&head, &bytes, &values) || bytes > left(r) - head.size ||
            values > left(r) - head.size || (values > 0 && depth == COR_DEPTH_MAX)) {
            r->at = start;
            return false;
        }
        r->at += head.size + bytes;
        if (values > 0) {
            open[++depth] = values;
        }
    }
    return true;
}
