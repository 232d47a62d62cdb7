// SPDX-License-Identifier: Apache-2.0
// What is left to jansson: texts that are not plain, what is wrong with a text, real numbers.
#include <jansson.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

enum { DEPTH_MAX = 512, NUMBER_MAX = 64 };

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

static struct cor_json *converted(json_t *value);

static struct cor_json *converted_object(json_t *value)
{
    struct cor_json *object = cor_json_object();
    for (void *at = json_object_iter(value); at != NULL; at = json_object_iter_next(value, at)) {
        struct cor_view key = {json_object_iter_key(at), json_object_iter_key_len(at)};
        struct cor_json *child = converted(json_object_iter_value(at));
        cor_json_fill(cor_json_place(object, key), child);
    }
    return object;
}

static struct cor_json *converted_array(const json_t *value)
{
    struct cor_json *array = cor_json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        cor_json_add(array, converted(json_array_get(value, i)));
    }
    return array;
}

static struct cor_json *converted(json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return converted_object(value);
    case JSON_ARRAY:
        return converted_array(value);
    case JSON_STRING:
        return cor_json_text_new(json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        return cor_json_int(json_integer_value(value));
    case JSON_REAL:
        return cor_json_real(json_real_value(value));
    case JSON_TRUE:
    case JSON_FALSE:
        return cor_json_bool(json_is_true(value));
    case JSON_NULL:
        break;
    }
    return cor_json_null();
}

enum cor_code cor_json_read_odd(struct cor_view text, int flags, struct cor_json **out_r,
                                struct cor_err *err)
{
    if (too_deep(text)) {
        return cor_err_set(err, COR_INVALID, "JSON nested deeper than 512");
    }
    size_t options = JSON_DECODE_ANY |
                     ((flags & COR_JSON_STRICT) != 0 ? JSON_REJECT_DUPLICATES : 0) |
                     ((flags & COR_JSON_NUL) != 0 ? JSON_ALLOW_NUL : 0) |
                     ((flags & COR_JSON_PREFIX) != 0 ? JSON_DISABLE_EOF_CHECK : 0);
    json_error_t why;
    json_t *value = json_loadb(text.ptr, text.len, options, &why);
    if (value == NULL && why.text[0] == '\0') { /* it says what is wrong with a text */
        return cor_err_set(err, COR_INTERNAL, "out of memory (JSON)");
    }
    if (value == NULL) {
        return cor_err_set(err, COR_INVALID, "JSON line %d column %d: %s", why.line, why.column,
                           why.text);
    }
    *out_r = converted(value);
    json_decref(value);
    return COR_OK;
}

void cor_json_write_real(double value, struct cor_buf *buf)
{
    char text[NUMBER_MAX];
    json_t *real = json_real(value);
    size_t len = json_dumpb(real, text, sizeof(text), JSON_ENCODE_ANY);
    json_decref(real);
    must(len > 0 && len <= sizeof(text));
    cor_buf_add(buf, text, len);
}
