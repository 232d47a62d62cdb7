// SPDX-License-Identifier: Apache-2.0
// Reads the JSON that services and API servers write, several times as fast as jansson's reader,
// which asks for each byte. Whatever is not plain (\u escapes, reals, large numbers, depth,
// anything wrong) is left to jansson, whose word on it counts: what is read here is read the same.
#include <string.h>

#include "common/base/buf.h"
#include "private.h"

enum { PLAIN_DEPTH = 64, PLAIN_DIGITS = 18, KEY_MAX = 128 };

struct reader {
    const char *at;
    const char *end;
    bool strict; /* no key twice */
    unsigned depth;
    struct cor_buf text; /* of a string with escapes */
};

static json_t *read_value(struct reader *r);

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

/* Length of what stands for itself in a string. */
static size_t plain_run(const struct reader *r)
{
    const char *at = r->at;
    while (at < r->end && (unsigned char)*at >= 0x20 && *at != '"' && *at != '\\') {
        at++;
    }
    return (size_t)(at - r->at);
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

/* The rest of a string behind its first quote; the view is valid until the next string. */
static bool read_text(struct reader *r, struct cor_view *text_r)
{
    size_t run = plain_run(r);
    *text_r = (struct cor_view){r->at, run};
    r->at += run;
    if (r->at < r->end && *r->at == '"') {
        r->at++;
        return true;
    }
    cor_buf_clear(&r->text);
    cor_buf_view(&r->text, *text_r);
    while (r->at < r->end && *r->at == '\\') {
        r->at++;
        if (!read_escape(r)) {
            return false;
        }
        run = plain_run(r);
        cor_buf_add(&r->text, r->at, run);
        r->at += run;
    }
    *text_r = cor_buf_as_view(&r->text);
    return r->at < r->end && *r->at++ == '"';
}

/* NULL as well when it is no UTF-8. */
static json_t *read_string(struct reader *r)
{
    struct cor_view text;
    return read_text(r, &text) ? json_stringn(text.ptr, text.len) : NULL;
}

static json_t *read_integer(struct reader *r)
{
    bool negative = *r->at == '-';
    r->at += negative ? 1 : 0;
    const char *from = r->at;
    json_int_t value = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
        value = r->at - from < PLAIN_DIGITS ? value * 10 + (*r->at - '0') : 0;
        r->at++;
    }
    size_t digits = (size_t)(r->at - from);
    bool is_real = r->at < r->end && (*r->at == '.' || *r->at == 'e' || *r->at == 'E');
    bool is_plain = digits > 0 && digits <= PLAIN_DIGITS && !is_real &&
                    (*from != '0' || (digits == 1 && !negative));
    return is_plain ? json_integer(negative ? -value : value) : NULL;
}

/* One member of an object. */
static bool read_member(struct reader *r, json_t *object)
{
    struct cor_view name;
    char key[KEY_MAX];
    if (!next_is(r, '"') || !read_text(r, &name) || name.len > sizeof(key)) {
        return false;
    }
    memcpy(key, name.ptr, name.len); /* the value has strings too */
    if (r->strict && json_object_getn(object, key, name.len) != NULL) {
        return false;
    }
    json_t *value = next_is(r, ':') ? read_value(r) : NULL;
    return value != NULL && json_object_setn_new(object, key, name.len, value) == 0;
}

static bool read_element(struct reader *r, json_t *array)
{
    json_t *value = read_value(r);
    return value != NULL && json_array_append_new(array, value) == 0;
}

/* What stands between the brackets: members or elements. */
static json_t *read_many(struct reader *r, json_t *many, char last,
                         bool (*read_one)(struct reader *r, json_t *many))
{
    bool is_well = ++r->depth <= PLAIN_DEPTH && many != NULL;
    bool is_over = is_well && next_is(r, last);
    while (is_well && !is_over) {
        is_well = read_one(r, many);
        is_over = is_well && next_is(r, last);
        is_well = is_over || (is_well && next_is(r, ','));
    }
    r->depth--;
    if (!is_over) {
        json_decref(many);
        return NULL;
    }
    return many;
}

static json_t *read_value(struct reader *r)
{
    skip_blanks(r);
    if (r->at == r->end) {
        return NULL;
    }
    switch (*r->at) {
    case '{':
        r->at++;
        return read_many(r, json_object(), '}', read_member);
    case '[':
        r->at++;
        return read_many(r, json_array(), ']', read_element);
    case '"':
        r->at++;
        return read_string(r);
    case 't':
        return next_word(r, "true") ? json_true() : NULL;
    case 'f':
        return next_word(r, "false") ? json_false() : NULL;
    case 'n':
        return next_word(r, "null") ? json_null() : NULL;
    default:
        return *r->at == '-' || (*r->at >= '0' && *r->at <= '9') ? read_integer(r) : NULL;
    }
}

json_t *cor_json_read_plain(struct cor_view text, bool strict)
{
    struct reader r = {.at = text.ptr, .end = text.ptr + text.len, .strict = strict};
    json_t *value = text.len == 0 ? NULL : read_value(&r);
    skip_blanks(&r);
    if (value != NULL && r.at != r.end) {
        json_decref(value);
        value = NULL;
    }
    cor_buf_free(&r.text);
    return value;
}
