// SPDX-License-Identifier: Apache-2.0
#include "common/json/json.h"

#include <stdarg.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

enum { DEPTH_MAX = 512 };

static json_t *in(const struct cor_json *value)
{
    return cor_json_in(value);
}

static struct cor_json *out(json_t *value)
{
    return cor_json_out(value);
}

static struct cor_json *made(json_t *value)
{
    if (value == NULL) {
        cor_die("out of memory (JSON)");
    }
    return out(value);
}

/* The quote that ends a string, or the end of the text. */
static const char *string_end(const char *at, const char *end)
{
    const char *from = at;
    for (;;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        if (quote == NULL) {
            return end;
        }
        const char *before = quote;
        while (before > from && before[-1] == '\\') {
            before--;
        }
        if ((quote - before) % 2 == 0) {
            return quote;
        }
        at = quote + 1;
    }
}

/* jansson recurses; refuse depth before it does. */
static bool too_deep(struct cor_view text)
{
    int depth = 0;
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; at < end; at++) {
        if (*at == '"') {
            at = string_end(at + 1, end);
        } else if (*at == '{' || *at == '[') {
            if (++depth > DEPTH_MAX) {
                return true;
            }
        } else if (*at == '}' || *at == ']') {
            depth--;
        }
    }
    return false;
}

enum cor_code cor_json_parse(struct cor_view text, size_t max, int flags, struct cor_json **out_r,
                             struct cor_err *err)
{
    *out_r = NULL;
    text = text.ptr == NULL ? COR_VIEW("") : text; /* an absent one has no address to count from */
    if (text.len > max) {
        return cor_err_set(err, COR_TOOBIG, "JSON of %zu bytes, at most %zu", text.len, max);
    }
    json_t *value = (flags & COR_JSON_PREFIX) != 0
                        ? NULL
                        : cor_json_read_plain(text, (flags & COR_JSON_STRICT) != 0);
    if (value != NULL) {
        *out_r = out(value);
        return COR_OK;
    }
    if (too_deep(text)) {
        return cor_err_set(err, COR_INVALID, "JSON nested deeper than 512");
    }
    size_t options = JSON_DECODE_ANY |
                     ((flags & COR_JSON_STRICT) != 0 ? JSON_REJECT_DUPLICATES : 0) |
                     ((flags & COR_JSON_NUL) != 0 ? JSON_ALLOW_NUL : 0) |
                     ((flags & COR_JSON_PREFIX) != 0 ? JSON_DISABLE_EOF_CHECK : 0);
    json_error_t why;
    value = json_loadb(text.ptr, text.len, options, &why);
    if (value == NULL && why.text[0] == '\0') { /* it says what is wrong with a text */
        return cor_err_set(err, COR_INTERNAL, "out of memory (JSON)");
    }
    if (value == NULL) {
        return cor_err_set(err, COR_INVALID, "JSON line %d column %d: %s", why.line, why.column,
                           why.text);
    }
    *out_r = out(value);
    return COR_OK;
}

static int append(const char *bytes, size_t len, void *self)
{
    cor_buf_add(self, bytes, len);
    return 0;
}

void cor_json_write_pretty(const struct cor_json *value, struct cor_buf *buf)
{
    must(json_dump_callback(in(value), append, buf, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0);
}

char *cor_json_text(const struct cor_json *value)
{
    struct cor_buf buf = {0};
    cor_json_write(value, &buf);
    return cor_buf_take(&buf);
}

struct cor_json *cor_json_ref(struct cor_json *value)
{
    return out(json_incref(in(value)));
}

void cor_json_free(struct cor_json **value)
{
    json_decref(in(*value));
    *value = NULL;
}

bool cor_json_equal(const struct cor_json *a, const struct cor_json *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return json_equal(in(a), in(b)) == 1;
}

struct cor_json *cor_json_null(void)
{
    return made(json_null());
}

struct cor_json *cor_json_bool(bool value)
{
    return made(json_boolean(value));
}

struct cor_json *cor_json_int(int64_t value)
{
    return made(json_integer(value));
}

struct cor_json *cor_json_real(double value)
{
    json_t *real = json_real(value);
    return real == NULL ? cor_json_null() : out(real); /* NaN and infinities have no JSON */
}

struct cor_json *cor_json_view(struct cor_view text)
{
    json_t *value = json_stringn(text.ptr == NULL ? "" : text.ptr, text.len);
    if (value != NULL) {
        return out(value);
    }
    auto_(cor_freep) char *copy = cor_view_dup(text);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = (unsigned char)copy[i] >= 0x80 || copy[i] == '\0' ? '?' : copy[i];
    }
    return made(json_stringn(copy, text.len));
}

struct cor_json *cor_json_str(const char *text)
{
    return cor_json_view(cor_view_of(text));
}

struct cor_json *cor_json_fmt(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    json_t *value = json_vsprintf(fmt, args);
    va_end(args);
    return value == NULL ? cor_json_str("") : out(value);
}

struct cor_json *cor_json_object(void)
{
    return made(json_object());
}

struct cor_json *cor_json_array(void)
{
    return made(json_array());
}

enum cor_json_type cor_json_type(const struct cor_json *value)
{
    if (value == NULL) {
        return COR_JSON_NULL;
    }
    switch (json_typeof(in(value))) {
    case JSON_OBJECT:
        return COR_JSON_OBJECT;
    case JSON_ARRAY:
        return COR_JSON_ARRAY;
    case JSON_STRING:
        return COR_JSON_STRING;
    case JSON_INTEGER:
        return COR_JSON_INT;
    case JSON_REAL:
        return COR_JSON_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return COR_JSON_BOOL;
    case JSON_NULL:
        break;
    }
    return COR_JSON_NULL;
}

bool cor_json_is_object(const struct cor_json *value)
{
    return json_is_object(in(value));
}

bool cor_json_is_array(const struct cor_json *value)
{
    return json_is_array(in(value));
}

bool cor_json_is_string(const struct cor_json *value)
{
    return json_is_string(in(value));
}

bool cor_json_is_null(const struct cor_json *value)
{
    return cor_json_type(value) == COR_JSON_NULL;
}

const char *cor_json_as_str(const struct cor_json *value, const char *otherwise)
{
    return cor_json_is_string(value) ? json_string_value(in(value)) : otherwise;
}

struct cor_view cor_json_as_view(const struct cor_json *value)
{
    if (!cor_json_is_string(value)) {
        return (struct cor_view){0};
    }
    return (struct cor_view){json_string_value(in(value)), json_string_length(in(value))};
}

int64_t cor_json_as_int(const struct cor_json *value, int64_t otherwise)
{
    return json_is_integer(in(value)) ? (int64_t)json_integer_value(in(value)) : otherwise;
}

double cor_json_as_real(const struct cor_json *value, double otherwise)
{
    return json_is_number(in(value)) ? json_number_value(in(value)) : otherwise;
}

bool cor_json_as_bool(const struct cor_json *value, bool otherwise)
{
    return json_is_boolean(in(value)) ? json_is_true(in(value)) : otherwise;
}

struct cor_json *cor_json_get(const struct cor_json *value, const char *key)
{
    return out(json_object_get(in(value), key));
}

struct cor_json *cor_json_at(const struct cor_json *value, const char *path)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    struct cor_json *at = (struct cor_json *)(uintptr_t)value;
    while (at != NULL && cor_view_split(&rest, '.', &part)) {
        at = out(json_object_getn(in(at), part.ptr, part.len));
    }
    return at;
}

const char *cor_json_str_at(const struct cor_json *value, const char *path, const char *otherwise)
{
    return cor_json_as_str(cor_json_at(value, path), otherwise);
}

int64_t cor_json_int_at(const struct cor_json *value, const char *path, int64_t otherwise)
{
    return cor_json_as_int(cor_json_at(value, path), otherwise);
}

bool cor_json_bool_at(const struct cor_json *value, const char *path, bool otherwise)
{
    return cor_json_as_bool(cor_json_at(value, path), otherwise);
}

void cor_json_set(struct cor_json *value, const char *key, struct cor_json *child)
{
    must(cor_json_is_object(value));
    if (child == NULL) {
        (void)json_object_del(in(value), key);
    } else if (cor_view_is_utf8(cor_view_of(key))) {
        cor_json_went(json_object_set_new_nocheck(in(value), key, in(child)));
    } else {
        cor_json_free(&child);
    }
}

void cor_json_set_at(struct cor_json *value, const char *path, struct cor_json *child)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    struct cor_json *at = value;
    while (cor_view_split(&rest, '.', &part)) {
        auto_(cor_freep) char *key = cor_view_dup(part);
        if (rest.ptr == NULL) {
            cor_json_set(at, key, child);
            return;
        }
        if (!cor_json_is_object(cor_json_get(at, key))) {
            cor_json_set(at, key, cor_json_object());
        }
        at = cor_json_get(at, key);
    }
}

void cor_json_del(struct cor_json *value, const char *key)
{
    (void)json_object_del(in(value), key);
}

void cor_json_drop_nulls(struct cor_json *value)
{
    void *next = NULL;
    const char *key = NULL;
    json_t *child = NULL;
    json_object_foreach_safe(in(value), next, key, child)
    {
        if (json_is_null(child)) {
            (void)json_object_del(in(value), key);
        } else {
            cor_json_drop_nulls(out(child));
        }
    }
    for (size_t i = 0; json_is_array(in(value)) && i < json_array_size(in(value)); i++) {
        cor_json_drop_nulls(out(json_array_get(in(value), i)));
    }
}

size_t cor_json_count(const struct cor_json *value)
{
    return json_is_array(in(value)) ? json_array_size(in(value)) : json_object_size(in(value));
}

struct cor_json *cor_json_item(const struct cor_json *value, size_t index)
{
    return out(json_array_get(in(value), index));
}

void cor_json_add(struct cor_json *value, struct cor_json *child)
{
    must(cor_json_is_array(value) && child != NULL);
    cor_json_went(json_array_append_new(in(value), in(child)));
}

void cor_json_insert(struct cor_json *value, size_t index, struct cor_json *child)
{
    must(index <= cor_json_count(value) && child != NULL);
    cor_json_went(json_array_insert_new(in(value), index, in(child)));
}

void cor_json_put(struct cor_json *value, size_t index, struct cor_json *child)
{
    must(index < cor_json_count(value) && cor_json_is_array(value));
    cor_json_went(child == NULL ? json_array_remove(in(value), index)
                                : json_array_set_new(in(value), index, in(child)));
}

bool cor_json_each(const struct cor_json *value, void **at, const char **key_r,
                   struct cor_json **child_r)
{
    if (!cor_json_is_object(value)) {
        return false;
    }
    *at = *at == NULL ? json_object_iter(in(value)) : json_object_iter_next(in(value), *at);
    if (*at == NULL) {
        return false;
    }
    *key_r = json_object_iter_key(*at);
    *child_r = out(json_object_iter_value(*at));
    return true;
}

struct cor_json *cor_json_merge_patch(struct cor_json *target, const struct cor_json *patch)
{
    if (!cor_json_is_object(patch)) {
        cor_json_free(&target);
        return cor_json_copy(patch);
    }
    if (!cor_json_is_object(target)) {
        cor_json_free(&target);
        target = cor_json_object();
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(patch, &at, &key, &child)) {
        if (cor_json_is_null(child)) {
            cor_json_del(target, key);
            continue;
        }
        struct cor_json *old = cor_json_ref(cor_json_get(target, key));
        cor_json_set(target, key, cor_json_merge_patch(old, child));
    }
    return target;
}
