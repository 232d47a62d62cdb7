// SPDX-License-Identifier: Apache-2.0
#include "common/kube/pack.h"

#include <string.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/clock/clock.h"

/* First bytes. Below WORDS_1: a word; from SHORT on: a string of so many bytes more. */
enum tag {
    WORDS_1 = 0x80, /* words that one byte names */
    WORD_2 = 0x80,  /* and one more byte */
    NIL,
    NO,
    YES,
    INT,    /* zigzag varint */
    REAL,   /* 8 bytes */
    STRING, /* varint, bytes */
    ARRAY,  /* varint, elements */
    OBJECT, /* varint, keys as strings and values */
    UUID,   /* 16 bytes */
    TIME,   /* varint: seconds since 1970 */
    DIGEST, /* varint, bytes, then 32 bytes that are written as 64 hex digits */
    TAGS_END,
    SHORT = 0xc0
};

enum {
    SHORT_MAX = 0xff - SHORT,
    UUID_TEXT = 36,
    UUID_BYTES = 16,
    TIME_TEXT = 20,
    DIGEST_BYTES = 32,
    DIGEST_TEXT = 64,
    DEPTH_MAX = 512
};

/* ---- packing ------------------------------------------------------------------------------------
 */

static void add_byte(struct cor_buf *out, unsigned byte)
{
    char c = (char)byte;
    cor_buf_add(out, &c, 1);
}

static void add_number(struct cor_buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) {
        add_byte(out, 0x80 | (unsigned)(n & 0x7f));
    }
    add_byte(out, (unsigned)n);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Lower-case hex digits to bytes; false when it is something else. */
static bool from_hex(const char *text, size_t bytes, unsigned char *out)
{
    for (size_t i = 0; i < bytes; i++) {
        int high = digit_of(text[2 * i]);
        int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Hex digits in each part of a UUID. */
static const unsigned char UUID_PARTS[] = {8, 4, 4, 4, 12};

static bool pack_uuid(struct cor_view text, struct cor_buf *out)
{
    unsigned char bytes[UUID_BYTES];
    size_t at = 0;
    size_t done = 0;
    if (text.len != UUID_TEXT) {
        return false;
    }
    for (size_t i = 0; i < COR_COUNT(UUID_PARTS); i++) {
        if ((i > 0 && text.ptr[at++] != '-') ||
            !from_hex(text.ptr + at, UUID_PARTS[i] / 2u, bytes + done)) {
            return false;
        }
        at += UUID_PARTS[i];
        done += UUID_PARTS[i] / 2u;
    }
    add_byte(out, UUID);
    cor_buf_add(out, bytes, sizeof(bytes));
    return true;
}

static bool pack_time(struct cor_view text, struct cor_buf *out)
{
    struct cor_wall time;
    char again[COR_RFC3339_SIZE];
    if (text.len != TIME_TEXT || !cor_wall_parse(text, &time) || time.us < 0) {
        return false;
    }
    cor_wall_format(time, again);
    if (!cor_view_is(text, again)) {
        return false;
    }
    add_byte(out, TIME);
    add_number(out, (uint64_t)time.us / 1000000);
    return true;
}

/* Ends in 64 hex digits: "containerd://...", "...@sha256:...". */
static bool pack_digest(struct cor_view text, struct cor_buf *out)
{
    unsigned char bytes[DIGEST_BYTES];
    size_t before = text.len < DIGEST_TEXT ? 0 : text.len - DIGEST_TEXT;
    if (text.len < DIGEST_TEXT || !from_hex(text.ptr + before, DIGEST_BYTES, bytes)) {
        return false;
    }
    add_byte(out, DIGEST);
    add_number(out, before);
    cor_buf_add(out, text.ptr, before);
    cor_buf_add(out, bytes, sizeof(bytes));
    return true;
}

static void pack_string(struct cor_view text, struct cor_buf *out)
{
    int word = cor_kube_word(text);
    if (word >= 0 && word < WORDS_1) {
        add_byte(out, (unsigned)word);
    } else if (word >= 0) {
        add_byte(out, WORD_2);
        add_byte(out, (unsigned)word - WORDS_1);
    } else if (!pack_uuid(text, out) && !pack_time(text, out) && !pack_digest(text, out)) {
        if (text.len <= SHORT_MAX) {
            add_byte(out, SHORT + (unsigned)text.len);
        } else {
            add_byte(out, STRING);
            add_number(out, text.len);
        }
        cor_buf_view(out, text);
    }
}

static void pack_object(const struct cor_json *value, struct cor_buf *out)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    add_byte(out, OBJECT);
    add_number(out, cor_json_count(value));
    while (cor_json_each(value, &at, &key, &child)) {
        pack_string(cor_view_of(key), out);
        cor_kube_pack(child, out);
    }
}

static void pack_array(const struct cor_json *value, struct cor_buf *out)
{
    size_t count = cor_json_count(value);
    add_byte(out, ARRAY);
    add_number(out, count);
    for (size_t i = 0; i < count; i++) {
        cor_kube_pack(cor_json_item(value, i), out);
    }
}

static void pack_int(int64_t n, struct cor_buf *out)
{
    add_byte(out, INT);
    add_number(out, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0));
}

static void pack_real(double n, struct cor_buf *out)
{
    add_byte(out, REAL);
    cor_buf_add(out, &n, sizeof(n));
}

void cor_kube_pack(const struct cor_json *value, struct cor_buf *out)
{
    switch (cor_json_type(value)) {
    case COR_JSON_NULL:
        add_byte(out, NIL);
        break;
    case COR_JSON_BOOL:
        add_byte(out, cor_json_as_bool(value, false) ? YES : NO);
        break;
    case COR_JSON_INT:
        pack_int(cor_json_as_int(value, 0), out);
        break;
    case COR_JSON_REAL:
        pack_real(cor_json_as_real(value, 0), out);
        break;
    case COR_JSON_STRING:
        pack_string(cor_json_as_view(value), out);
        break;
    case COR_JSON_ARRAY:
        pack_array(value, out);
        break;
    case COR_JSON_OBJECT:
        pack_object(value, out);
        break;
    }
}

/* ---- unpacking ----------------------------------------------------------------------------------
 */

struct reader {
    const unsigned char *at;
    const unsigned char *end;
    unsigned depth;
    struct cor_buf text; /* of the last string that does not stand there as it is */
};

static bool has(const struct reader *r, uint64_t bytes)
{
    return bytes <= (uint64_t)(r->end - r->at);
}

static bool read_number(struct reader *r, uint64_t *n_r)
{
    *n_r = 0;
    for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
        unsigned byte = *r->at++;
        *n_r |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

static bool read_plain(struct reader *r, uint64_t len, struct cor_view *text_r)
{
    if (!has(r, len)) {
        return false;
    }
    *text_r = (struct cor_view){(const char *)r->at, len};
    r->at += len;
    return true;
}

static bool read_hex(struct reader *r, size_t bytes)
{
    static const char DIGITS[] = "0123456789abcdef";
    if (!has(r, bytes)) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++, r->at++) {
        char pair[] = {DIGITS[*r->at >> 4], DIGITS[*r->at & 0xf]};
        cor_buf_add(&r->text, pair, sizeof(pair));
    }
    return true;
}

static bool read_uuid(struct reader *r)
{
    bool is_well = true;
    for (size_t i = 0; is_well && i < COR_COUNT(UUID_PARTS); i++) {
        cor_buf_str(&r->text, i == 0 ? "" : "-");
        is_well = read_hex(r, UUID_PARTS[i] / 2u);
    }
    return is_well;
}

static bool read_time(struct reader *r)
{
    uint64_t seconds = 0;
    char text[COR_RFC3339_SIZE];
    if (!read_number(r, &seconds) || seconds > INT64_MAX / 1000000) {
        return false;
    }
    cor_wall_format((struct cor_wall){(int64_t)seconds * 1000000}, text);
    cor_buf_str(&r->text, text);
    return true;
}

static bool read_digest(struct reader *r)
{
    uint64_t before = 0;
    struct cor_view text;
    if (!read_number(r, &before) || !read_plain(r, before, &text)) {
        return false;
    }
    cor_buf_view(&r->text, text);
    return read_hex(r, DIGEST_BYTES);
}

static bool read_word(size_t number, struct cor_view *text_r)
{
    *text_r = cor_view_of(cor_kube_word_at(number));
    return text_r->ptr != NULL;
}

/* The rest of a string that begins with tag; false: it is none. Valid until the next one. */
static bool read_string(struct reader *r, unsigned tag, struct cor_view *text_r)
{
    uint64_t len = 0;
    if (tag < WORDS_1) {
        return read_word(tag, text_r);
    }
    if (tag >= SHORT) {
        return read_plain(r, tag - SHORT, text_r);
    }
    if (tag == WORD_2) {
        return has(r, 1) && read_word(WORDS_1 + (size_t)*r->at++, text_r);
    }
    if (tag == STRING) {
        return read_number(r, &len) && read_plain(r, len, text_r);
    }
    cor_buf_clear(&r->text);
    bool is_well = tag == UUID     ? read_uuid(r)
                   : tag == TIME   ? read_time(r)
                   : tag == DIGEST ? read_digest(r)
                                   : false;
    *text_r = cor_buf_as_view(&r->text);
    return is_well;
}

static struct cor_json *read_value(struct reader *r);

static bool read_member(struct reader *r, struct cor_json *object)
{
    struct cor_view key;
    if (!has(r, 1) || !read_string(r, *r->at++, &key)) {
        return false;
    }
    auto_(cor_freep) char *name = cor_view_dup(key);
    struct cor_json *value = read_value(r);
    if (value != NULL) {
        cor_json_set(object, name, value);
    }
    return value != NULL;
}

static bool read_element(struct reader *r, struct cor_json *array)
{
    struct cor_json *value = read_value(r);
    if (value != NULL) {
        cor_json_add(array, value);
    }
    return value != NULL;
}

/* Takes many and returns it, or NULL. */
static struct cor_json *read_many(struct reader *r, struct cor_json *many,
                                  bool (*read_one)(struct reader *r, struct cor_json *many))
{
    uint64_t count = 0;
    bool is_well = ++r->depth <= DEPTH_MAX && read_number(r, &count) && has(r, count);
    for (uint64_t i = 0; is_well && i < count; i++) {
        is_well = read_one(r, many);
    }
    r->depth--;
    if (!is_well) {
        cor_json_free(&many);
    }
    return many;
}

static struct cor_json *read_int(struct reader *r)
{
    uint64_t n = 0;
    if (!read_number(r, &n)) {
        return NULL;
    }
    return cor_json_int((int64_t)(n >> 1 ^ ((n & 1) != 0 ? UINT64_MAX : 0)));
}

static struct cor_json *read_real(struct reader *r)
{
    double n = 0;
    if (!has(r, sizeof(n))) {
        return NULL;
    }
    memcpy(&n, r->at, sizeof(n));
    r->at += sizeof(n);
    return cor_json_real(n);
}

static struct cor_json *read_value(struct reader *r)
{
    struct cor_view text;
    if (!has(r, 1)) {
        return NULL;
    }
    unsigned tag = *r->at++;
    switch (tag) {
    case NIL:
        return cor_json_null();
    case NO:
    case YES:
        return cor_json_bool(tag == YES);
    case INT:
        return read_int(r);
    case REAL:
        return read_real(r);
    case ARRAY:
        return read_many(r, cor_json_array(), read_element);
    case OBJECT:
        return read_many(r, cor_json_object(), read_member);
    default:
        return read_string(r, tag, &text) ? cor_json_view(text) : NULL;
    }
}

struct cor_json *cor_kube_unpack(struct cor_view packed)
{
    struct reader r = {.at = (const unsigned char *)packed.ptr,
                       .end = (const unsigned char *)packed.ptr + packed.len};
    struct cor_json *value = packed.len == 0 ? NULL : read_value(&r);
    if (value != NULL && r.at != r.end) {
        cor_json_free(&value);
    }
    cor_buf_free(&r.text);
    return value;
}
