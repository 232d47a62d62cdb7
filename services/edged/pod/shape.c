// SPDX-License-Identifier: Apache-2.0
#include "shape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "quantity.h"

enum { SHOWN = 40 }; /* bytes of a bad value that are told */

void shape_path(const struct shape_at *at, struct cor_buf *out)
{
    if (at == NULL) {
        return;
    }
    shape_path(at->up, out);
    if (at->key == NULL) {
        cor_buf_fmt(out, "[%zu]", at->index);
    } else {
        cor_buf_fmt(out, "%s%.*s", out->len == 0 ? "" : ".", SHOWN, at->key);
    }
}

bool shape_bad(struct pod_reader *reader, const struct shape_at *at, const char *fmt, ...)
{
    char what[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    auto_(cor_buf_free) struct cor_buf path = {0};
    shape_path(at, &path);
    return pod_bad(reader, COR_INVALID, "%s: %s", path.len == 0 ? "object" : path.data, what);
}

bool shape_bad_text(struct pod_reader *reader, const struct shape_at *at, struct cor_view text,
                    const char *why)
{
    char shown[SHOWN + 1] = "";
    size_t len = text.len < SHOWN ? text.len : SHOWN;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        shown[i] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    return shape_bad(reader, at, "Invalid value: \"%s%s\": %s", shown, text.len > SHOWN ? ".." : "",
                     why);
}

static bool bad_type(struct pod_reader *reader, const struct shape_at *at,
                     const struct cor_json *value, const char *wanted)
{
    static const char *const names[] = {
        [COR_JSON_NULL] = "null",     [COR_JSON_BOOL] = "boolean",  [COR_JSON_INT] = "integer",
        [COR_JSON_REAL] = "number",   [COR_JSON_STRING] = "string", [COR_JSON_ARRAY] = "array",
        [COR_JSON_OBJECT] = "object",
    };
    return shape_bad(reader, at, "Invalid value: \"%s\": must be of type %s",
                     names[cor_json_type(value)], wanted);
}

static bool is_known(struct cor_view text, const char *const *values)
{
    for (size_t i = 0; values[i] != NULL; i++) {
        if (cor_view_is(text, values[i])) {
            return true;
        }
    }
    return false;
}

static bool bad_choice(struct pod_reader *reader, const struct shape_at *at, struct cor_view text,
                       const char *const *values)
{
    auto_(cor_buf_free) struct cor_buf known = {0};
    for (size_t i = 0; values[i] != NULL; i++) {
        cor_buf_fmt(&known, "%s\"%s\"", i == 0 ? "" : ", ", values[i]);
    }
    bool shown = text.len <= SHOWN && cor_view_is_utf8(text);
    return shape_bad(reader, at, "Unsupported value: \"%.*s\": supported values: %s",
                     shown ? (int)text.len : 0, text.ptr, known.data);
}

static bool check_text(struct pod_reader *reader, const struct shape_at *at,
                       const struct cor_json *value, const struct shape *shape)
{
    struct cor_view text = cor_json_as_view(value);
    size_t most = shape->most > 0 ? (size_t)shape->most : SHAPE_TEXT_MAX;
    if (!cor_json_is_string(value)) {
        return bad_type(reader, at, value, "string");
    }
    if (text.len == 0) {
        return true;
    }
    if (memchr(text.ptr, '\0', text.len) != NULL) {
        return shape_bad_text(reader, at, text, "must not contain NUL bytes");
    }
    if (shape->values != NULL) {
        return is_known(text, shape->values) || bad_choice(reader, at, text, shape->values);
    }
    if (text.len > most) {
        return shape_bad(reader, at, "Too long: may not be more than %zu bytes", most);
    }
    const char *why = shape->wrong != NULL ? shape->wrong(text) : NULL;
    return why == NULL || shape_bad_text(reader, at, text, why);
}

static bool check_bool(struct pod_reader *reader, const struct shape_at *at,
                       const struct cor_json *value, const struct shape *shape)
{
    (void)shape;
    return cor_json_type(value) == COR_JSON_BOOL || bad_type(reader, at, value, "boolean");
}

static bool check_int(struct pod_reader *reader, const struct shape_at *at,
                      const struct cor_json *value, const struct shape *shape)
{
    int64_t n = cor_json_as_int(value, 0);
    int64_t most = shape->most > 0 ? shape->most : INT64_MAX;
    if (cor_json_type(value) != COR_JSON_INT) {
        return bad_type(reader, at, value, "integer");
    }
    if (n >= shape->least && n <= most) {
        return true;
    }
    if (most == INT64_MAX) {
        return shape_bad(reader, at,
                         "Invalid value: %" PRId64 ": must be greater than or equal to %" PRId64, n,
                         shape->least);
    }
    return shape_bad(reader, at,
                     "Invalid value: %" PRId64 ": must be between %" PRId64 " and %" PRId64
                     ", inclusive",
                     n, shape->least, most);
}

static bool check_port(struct pod_reader *reader, const struct shape_at *at,
                       const struct cor_json *value, const struct shape *shape)
{
    return cor_json_is_string(value) ? check_text(reader, at, value, shape)
                                     : check_int(reader, at, value, shape);
}

static bool check_quantity(struct pod_reader *reader, const struct shape_at *at,
                           const struct cor_json *value, const struct shape *shape)
{
    (void)shape;
    int64_t n = 0;
    if (!cor_json_is_string(value) && cor_json_type(value) != COR_JSON_INT &&
        cor_json_type(value) != COR_JSON_REAL) {
        return bad_type(reader, at, value, "string");
    }
    if (!quantity_json_value(value, &n)) {
        return shape_bad_text(reader, at, cor_json_as_view(value),
                              "quantities must match the regular expression "
                              "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    }
    return n >= 0 || shape_bad_text(reader, at, cor_json_as_view(value),
                                    "must be greater than or equal to 0");
}

/* Exactly one action of a probe or a hook (validateHandler). */
static bool check_one_of(struct pod_reader *reader, const struct shape_at *at,
                         const struct cor_json *value, const struct shape *fields)
{
    size_t found = 0;
    for (const struct shape *shape = fields; shape->key != NULL; shape++) {
        const struct shape_at here = {.up = at, .key = shape->key};
        found += shape->kind == SHAPE_OBJECT && !cor_json_is_null(cor_json_get(value, shape->key));
        if (found > 1) {
            return shape_bad(reader, &here, "Forbidden: may not specify more than 1 handler type");
        }
    }
    return found == 1 || shape_bad(reader, at, "Required value: must specify a handler type");
}

static bool check_object(struct pod_reader *reader, const struct shape_at *at,
                         const struct cor_json *value, const struct shape *shape)
{
    if (!cor_json_is_object(value)) {
        return bad_type(reader, at, value, "object");
    }
    if (shape->one_of && !check_one_of(reader, at, value, shape->fields)) {
        return false;
    }
    return shape_check(reader, at, value, shape->fields);
}

typedef bool (*check_fn)(struct pod_reader *reader, const struct shape_at *at,
                         const struct cor_json *value, const struct shape *shape);

static bool check_each(struct pod_reader *reader, const struct shape_at *at,
                       const struct cor_json *list, const struct shape *shape, check_fn check)
{
    size_t most = shape->kind == SHAPE_LIST && shape->most > 0 ? (size_t)shape->most : POD_LIST_MAX;
    if (!cor_json_is_array(list)) {
        return bad_type(reader, at, list, "array");
    }
    if (cor_json_count(list) > most) {
        return shape_bad(reader, at, "Too many: %zu: must have at most %zu items",
                         cor_json_count(list), most);
    }
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct shape_at here = {.up = at, .index = i};
        if (!check(reader, &here, cor_json_item(list, i), shape)) {
            return false;
        }
    }
    return true;
}

static bool check_list(struct pod_reader *reader, const struct shape_at *at,
                       const struct cor_json *value, const struct shape *shape)
{
    return check_each(reader, at, value, shape, check_object);
}

static bool check_texts(struct pod_reader *reader, const struct shape_at *at,
                        const struct cor_json *value, const struct shape *shape)
{
    return check_each(reader, at, value, shape, check_text);
}

static bool check_ints(struct pod_reader *reader, const struct shape_at *at,
                       const struct cor_json *value, const struct shape *shape)
{
    return check_each(reader, at, value, shape, check_int);
}

static bool check_map(struct pod_reader *reader, const struct shape_at *at,
                      const struct cor_json *map, const struct shape *shape, check_fn check)
{
    void *next = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    size_t bytes = 0;
    if (!cor_json_is_object(map)) {
        return bad_type(reader, at, map, "object");
    }
    while (cor_json_each(map, &next, &key, &child)) {
        const struct shape_at here = {.up = at, .key = key};
        bytes += strlen(key) + cor_json_as_view(child).len;
        if (!cor_json_is_null(child) && !check(reader, &here, child, shape)) {
            return false;
        }
        if (bytes > SHAPE_MAP_MAX) {
            return shape_bad(reader, at, "Too long: may not be more than %d bytes", SHAPE_MAP_MAX);
        }
    }
    return true;
}

static bool check_text_map(struct pod_reader *reader, const struct shape_at *at,
                           const struct cor_json *value, const struct shape *shape)
{
    return check_map(reader, at, value, shape, check_text);
}

static bool check_quantities(struct pod_reader *reader, const struct shape_at *at,
                             const struct cor_json *value, const struct shape *shape)
{
    return check_map(reader, at, value, shape, check_quantity);
}

static const check_fn checks[SHAPE_KINDS] = {
    [SHAPE_TEXT] = check_text,
    [SHAPE_BOOL] = check_bool,
    [SHAPE_INT] = check_int,
    [SHAPE_PORT] = check_port,
    [SHAPE_QUANTITY] = check_quantity,
    [SHAPE_OBJECT] = check_object,
    [SHAPE_LIST] = check_list,
    [SHAPE_TEXTS] = check_texts,
    [SHAPE_INTS] = check_ints,
    [SHAPE_TEXT_MAP] = check_text_map,
    [SHAPE_QUANTITIES] = check_quantities,
};

static bool is_absent(const struct cor_json *value)
{
    return cor_json_is_null(value) ||
           (cor_json_is_string(value) && cor_json_as_view(value).len == 0) ||
           (cor_json_is_array(value) && cor_json_count(value) == 0);
}

bool shape_check(struct pod_reader *reader, const struct shape_at *at,
                 const struct cor_json *object, const struct shape *fields)
{
    for (const struct shape *shape = fields; shape->key != NULL; shape++) {
        const struct cor_json *value = cor_json_get(object, shape->key);
        const struct shape_at here = {.up = at, .key = shape->key};
        if (shape->required && is_absent(value)) {
            return shape_bad(reader, &here, "Required value");
        }
        if (!cor_json_is_null(value) && !checks[shape->kind](reader, &here, value, shape)) {
            return false;
        }
    }
    return true;
}
