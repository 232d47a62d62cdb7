// SPDX-License-Identifier: Apache-2.0
// Reads the JSON that services and API servers write. Whatever is not plain (\u escapes, reals,
// large numbers, depth, anything wrong) is left to jansson, whose word on it counts: what is read
// here is read the same.
#include "common/base/buf.h"
#include "private.h"

enum { PLAIN_DEPTH = 64 };

struct reader {
    const char *at;
    const char *end;
    bool strict; /* no key twice */
    unsigned depth;
    struct cor_buf text; /* of a string with escapes */
};

static struct cor_json *read_value(struct reader *r);

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t')) {
        r->at++;
    }
}

/* Passes over c, if it is next. */
static bool next_is(struct reader *r, char c)
{
    skip_blanks(r);
    bool is = r->at < r->end && *r->at == c;
    r->at += is ? 1 : 0;
    return is;
}

static bool next_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    bool is = (size_t)(r->end - r->at) >= len && memcmp(r->at, word, len) == 0;
    r->at += is ? len : 0;
    return is;
}

static bool read_escape(struct reader *r)
{
    static const char pairs[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    for (size_t i = 0; r->at < r->end && i + 1 < sizeof(pairs); i += 2) {
        if (*r->at == pairs[i]) {
            r->at++;
            cor_buf_add(&r->text, &pairs[i + 1], 1);
            return true;
        }
    }
    return false;
}

/* Passes over what stands for itself. */
static struct cor_view take_run(struct reader *r, bool *ascii)
{
    bool is_ascii = false;
    struct cor_view run = {r->at, cor_json_plain_run(r->at, (size_t)(r->end - r->at), &is_ascii)};
    r->at += run.len;
    *ascii = *ascii && is_ascii;
    return run;
}

/* The rest of a string behind its first quote; the view is valid until the next string. False as
 * well when it is no UTF-8. */
static bool read_text(struct reader *r, struct cor_view *text_r)
{
    bool ascii = true;
    *text_r = take_run(r, &ascii);
    if (r->at < r->end && *r->at == '\\') {
        cor_buf_clear(&r->text);
        cor_buf_view(&r->text, *text_r);
        while (r->at < r->end && *r->at == '\\') {
            r->at++;
            if (!read_escape(r)) {
                return false;
            }
            cor_buf_view(&r->text, take_run(r, &ascii));
        }
        *text_r = cor_buf_as_view(&r->text);
    }
    return r->at < r->end && *r->at++ == '"' && (ascii || cor_view_is_utf8(*text_r));
}

static struct cor_json *read_string(struct reader *r)
{
    struct cor_view text;
    return read_text(r, &text) ? cor_json_text_new(text.ptr, text.len) : NULL;
}

static struct cor_json *read_integer(struct reader *r)
{
    bool negative = *r->at == '-';
    r->at += negative ? 1 : 0;
    const char *from = r->at;
    int64_t value = 0;
    bool is_plain = true;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        is_plain = is_plain && !__builtin_mul_overflow(value, 10, &value) &&
                   !__builtin_add_overflow(value, *r->at - '0', &value);
        r->at++;
    }
    size_t digits = (size_t)(r->at - from);
    bool is_real = r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E');
    is_plain = is_plain && digits > 0 && !is_real && (*from != '0' || (digits == 1 && !negative));
    return is_plain ? cor_json_int(negative ? -value : value) : NULL;
}

/* One member of an object. */
static bool read_member(struct reader *r, struct cor_json *object)
{
    struct cor_view key;
    if (!next_is(r, '"') || !read_text(r, &key)) {
        return false;
    }
    uint32_t count = object->object.count;
    struct cor_json_member *member = cor_json_place(object, key);
    if ((r->strict && object->object.count == count) || !next_is(r, ':')) {
        return false;
    }
    struct cor_json *value = read_value(r);
    if (value != NULL) {
        cor_json_fill(member, value);
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

/* What stands between the brackets: members or elements. */
static struct cor_json *read_many(struct reader *r, struct cor_json *many, char last,
                                  bool (*read_one)(struct reader *r, struct cor_json *many))
{
    bool is_well = ++r->depth <= PLAIN_DEPTH;
    bool is_over = is_well && next_is(r, last);
    while (is_well && !is_over) {
        is_well = read_one(r, many);
        is_over = is_well && next_is(r, last);
        is_well = is_over || (is_well && next_is(r, ','));
    }
    r->depth--;
    if (!is_over) {
        cor_json_free(&many);
    }
    return many;
}

static struct cor_json *read_value(struct reader *r)
{
    skip_blanks(r);
    if (r->at == r->end) {
        return NULL;
    }
    switch (*r->at) {
    case '{':
        r->at++;
        return read_many(r, cor_json_object(), '}', read_member);
    case '[':
        r->at++;
        return read_many(r, cor_json_array(), ']', read_element);
    case '"':
        r->at++;
        return read_string(r);
    case 't':
        return next_word(r, "true") ? cor_json_bool(true) : NULL;
    case 'f':
        return next_word(r, "false") ? cor_json_bool(false) : NULL;
    case 'n':
        return next_word(r, "null") ? cor_json_null() : NULL;
    default:
        return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? read_integer(r) : NULL;
    }
}

struct cor_json *cor_json_read_plain(struct cor_view text, bool strict)
{
    struct reader r = {.at = text.ptr, .end = text.ptr + text.len, .strict = strict};
    struct cor_json *value = text.len == 0 ? NULL : read_value(&r);
    skip_blanks(&r);
    if (value != NULL && r.at != r.end) {
        cor_json_free(&value);
    }
    cor_buf_free(&r.text);
    return value;
}
