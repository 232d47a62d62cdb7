// SPDX-License-Identifier: Apache-2.0
#include "shape.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "quantity.h"

enum { UNKNOWN_MAX = 64 };

void kl_shape_free(struct kl_shape *shape)
{
    cor_json_free(&shape->unknown);
    cor_freep(&shape->error);
    cor_buf_free(&shape->path);
}

static const char *type_name(const struct cor_json *value)
{
    static const char *const names[] = {
        [COR_JSON_NULL] = "null",        [COR_JSON_BOOL] = "a boolean",
        [COR_JSON_INT] = "a number",     [COR_JSON_REAL] = "a number",
        [COR_JSON_STRING] = "a string",  [COR_JSON_ARRAY] = "a list",
        [COR_JSON_OBJECT] = "an object",
    };
    return names[cor_json_type(value)];
}

static struct cor_json *wrong(struct kl_shape *shape, const char *expected,
                              const struct cor_json *value)
{
    if (shape->error == NULL) {
        shape->error =
            cor_sprintf("%s: expected %s, found %s", shape->path.len == 0 ? "." : shape->path.data,
                        expected, type_name(value));
    }
    return NULL;
}

/* Path of the field under way; pop with path_cut. */
static size_t path_push(struct kl_shape *shape, const char *name)
{
    size_t before = shape->path.len;
    cor_buf_str(&shape->path, before == 0 ? "" : "."); /* for each field: not by printf */
    cor_buf_str(&shape->path, name);
    return before;
}

static size_t path_index(struct kl_shape *shape, size_t index)
{
    size_t before = shape->path.len;
    cor_buf_fmt(&shape->path, "[%zu]", index);
    return before;
}

static void path_cut(struct kl_shape *shape, size_t len)
{
    shape->path.len = len;
    shape->path.data[len] = '\0';
}

static struct cor_json *shape_int(struct kl_shape *shape, const struct k8s_field *field,
                                  const struct cor_json *value)
{
    int64_t number = cor_json_as_int(value, 0);
    if (cor_json_type(value) != COR_JSON_INT) {
        return wrong(shape, "a whole number", value);
    }
    if (field->kind == K8S_INT32 && (number > INT32_MAX || number < INT32_MIN)) {
        return wrong(shape, "a number of 32 bits", value);
    }
    return cor_json_int(number);
}

static struct cor_json *shape_time(struct kl_shape *shape, const struct k8s_field *field,
                                   const struct cor_json *value)
{
    struct cor_wall time;
    char text[COR_RFC3339_SIZE];
    if (!cor_json_is_string(value) || !cor_wall_parse(cor_json_as_view(value), &time)) {
        return wrong(shape, "a time as in RFC 3339", value);
    }
    if (field->kind == K8S_MICROTIME) {
        cor_wall_format_us(time, text);
    } else {
        cor_wall_format(time, text);
    }
    return cor_json_str(text);
}

static struct cor_json *shape_quantity(struct kl_shape *shape, const struct cor_json *value)
{
    struct kl_quantity quantity;
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (cor_json_is_string(value)) {
        cor_buf_view(&text, cor_json_as_view(value));
    } else if (cor_json_type(value) == COR_JSON_INT || cor_json_type(value) == COR_JSON_REAL) {
        cor_json_write(value, &text);
    }
    if (text.len == 0 || !kl_quantity_parse(cor_buf_as_view(&text), &quantity)) {
        return wrong(shape, "a quantity", value);
    }
    /* ResourceList is rounded up to thousandths (pkg/apis/core/v1/defaults.go). */
    __int128 unit = 1000000;
    quantity.nano = (quantity.nano + (quantity.nano > 0 ? unit - 1 : 0)) / unit * unit;
    cor_buf_clear(&text);
    kl_quantity_format(quantity, &text);
    return cor_json_view(cor_buf_as_view(&text));
}

static struct cor_json *shape_bytes(struct kl_shape *shape, const struct cor_json *value)
{
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    if (!cor_json_is_string(value) || !cor_base64_decode(&bytes, cor_json_as_view(value))) {
        return wrong(shape, "base64 text", value);
    }
    return cor_json_ref((struct cor_json *)(uintptr_t)value);
}

static struct cor_json *shape_schema(struct kl_shape *shape, const struct k8s_field *field,
                                     const struct cor_json *value)
{
    if (cor_json_is_object(value)) {
        return kl_shape_object(shape, field->type, value);
    }
    if (!cor_json_is_array(value)) {
        return cor_json_copy(value);
    }
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < cor_json_count(value); i++) {
        cor_json_add(list, kl_shape_object(shape, field->type, cor_json_item(value, i)));
    }
    return list;
}

/* A value that is neither list nor map and not null. */
static struct cor_json *shape_one(struct kl_shape *shape, const struct k8s_field *field,
                                  const struct cor_json *value)
{
    struct cor_json *same = (struct cor_json *)(uintptr_t)value;
    enum cor_json_type type = cor_json_type(value);
    switch ((enum k8s_kind)field->kind) {
    case K8S_STR:
        return type == COR_JSON_STRING ? cor_json_ref(same) : wrong(shape, "a string", value);
    case K8S_BOOL:
        return type == COR_JSON_BOOL ? cor_json_ref(same) : wrong(shape, "a boolean", value);
    case K8S_INT32:
    case K8S_INT64:
        return shape_int(shape, field, value);
    case K8S_REAL:
        return type == COR_JSON_INT || type == COR_JSON_REAL ? cor_json_ref(same)
                                                             : wrong(shape, "a number", value);
    case K8S_BYTES:
        return shape_bytes(shape, value);
    case K8S_TIME:
    case K8S_MICROTIME:
        return shape_time(shape, field, value);
    case K8S_QUANTITY:
        return shape_quantity(shape, value);
    case K8S_INTSTR:
        return type == COR_JSON_INT || type == COR_JSON_STRING
                   ? cor_json_ref(same)
                   : wrong(shape, "a number or a string", value);
    case K8S_STRUCT:
        return kl_shape_object(shape, field->type, value);
    case K8S_SCHEMA:
        return shape_schema(shape, field, value);
    case K8S_RAW:
        break;
    }
    return cor_json_copy(value);
}

/* What Go writes for the zero value of a field's kind. */
static struct cor_json *zero_of(struct kl_shape *shape, const struct k8s_field *field)
{
    switch ((enum k8s_kind)field->kind) {
    case K8S_STR:
        return cor_json_str("");
    case K8S_BOOL:
        return cor_json_bool(false);
    case K8S_INT32:
    case K8S_INT64:
    case K8S_REAL:
    case K8S_INTSTR:
        return cor_json_int(0);
    case K8S_QUANTITY:
        return cor_json_str("0");
    case K8S_STRUCT: {
        auto_(cor_json_free) struct cor_json *empty = cor_json_object();
        return kl_shape_object(shape, field->type, empty);
    }
    case K8S_BYTES:
    case K8S_TIME:
    case K8S_MICROTIME:
    case K8S_SCHEMA:
    case K8S_RAW:
        break;
    }
    return cor_json_null();
}

static struct cor_json *element(struct kl_shape *shape, const struct k8s_field *field,
                                const struct cor_json *value)
{
    struct cor_json *shaped = cor_json_is_null(value) && field->kind != K8S_RAW
                                  ? zero_of(shape, field)
                                  : shape_one(shape, field, value);
    return shaped == NULL ? cor_json_null() : shaped;
}

static struct cor_json *shape_list(struct kl_shape *shape, const struct k8s_field *field,
                                   const struct cor_json *value)
{
    if (!cor_json_is_array(value)) {
        return wrong(shape, "a list", value);
    }
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < cor_json_count(value); i++) {
        size_t before = path_index(shape, i);
        cor_json_add(list, element(shape, field, cor_json_item(value, i)));
        path_cut(shape, before);
    }
    return list;
}

static struct cor_json *shape_map(struct kl_shape *shape, const struct k8s_field *field,
                                  const struct cor_json *value)
{
    if (!cor_json_is_object(value)) {
        return wrong(shape, "an object", value);
    }
    struct cor_json *map = cor_json_object();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        size_t before = path_push(shape, key);
        cor_json_set(map, key, element(shape, field, child));
        path_cut(shape, before);
    }
    return map;
}

static bool is_zero(const struct k8s_field *field, const struct cor_json *value)
{
    if ((field->flags & (K8S_LIST | K8S_MAP)) != 0) {
        return cor_json_count(value) == 0;
    }
    switch ((enum k8s_kind)field->kind) {
    case K8S_STR:
    case K8S_BYTES:
        return cor_json_as_view(value).len == 0;
    case K8S_BOOL:
        return !cor_json_as_bool(value, false);
    case K8S_INT32:
    case K8S_INT64:
        return cor_json_as_int(value, 0) == 0;
    case K8S_REAL:
        return cor_json_as_real(value, 0) == 0;
    case K8S_TIME:
    case K8S_MICROTIME:
    case K8S_QUANTITY:
    case K8S_INTSTR:
    case K8S_STRUCT:
    case K8S_SCHEMA:
    case K8S_RAW:
        break;
    }
    return false; /* structs have no zero for encoding/json */
}

static struct cor_json *absent(struct kl_shape *shape, const struct k8s_field *field)
{
    bool keep = (field->flags & K8S_KEEP) != 0;
    if ((field->flags & (K8S_PTR | K8S_LIST | K8S_MAP)) != 0) {
        return keep ? cor_json_null() : NULL;
    }
    bool go_struct = field->kind == K8S_STRUCT || field->kind == K8S_TIME ||
                     field->kind == K8S_MICROTIME || field->kind == K8S_QUANTITY;
    return keep || go_struct ? zero_of(shape, field) : NULL;
}

static struct cor_json *fall_back(struct kl_shape *shape, const struct k8s_field *field)
{
    if (!shape->defaults || field->otherwise == NULL) {
        return absent(shape, field);
    }
    auto_(cor_json_free) struct cor_json *value = NULL;
    must(cor_json_parse(cor_view_of(field->otherwise), 1000, 0, &value, NULL) == COR_OK);
    return shape_one(shape, field, value);
}

/* The field's value in shape; NULL: leave it out. */
static struct cor_json *shape_field(struct kl_shape *shape, const struct k8s_field *field,
                                    const struct cor_json *value)
{
    if (cor_json_is_null(value)) {
        return fall_back(shape, field);
    }
    auto_(cor_json_free) struct cor_json *shaped = NULL;
    if ((field->flags & K8S_LIST) != 0) {
        shaped = shape_list(shape, field, value);
    } else if ((field->flags & K8S_MAP) != 0) {
        shaped = shape_map(shape, field, value);
    } else {
        shaped = shape_one(shape, field, value);
    }
    if (shaped == NULL || (field->flags & K8S_PTR) != 0 || !is_zero(field, shaped)) {
        return take(&shaped);
    }
    if (shape->defaults && field->otherwise != NULL) {
        return fall_back(shape, field);
    }
    return (field->flags & K8S_KEEP) != 0 ? take(&shaped) : NULL;
}

static void note_unknown(struct kl_shape *shape, const struct k8s_type *type,
                         const struct cor_json *object)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(object, &at, &key, &child)) {
        if (k8s_field_of(type, cor_view_of(key)) != NULL) {
            continue;
        }
        if (shape->unknown == NULL) {
            shape->unknown = cor_json_array();
        }
        if (cor_json_count(shape->unknown) < UNKNOWN_MAX) {
            size_t before = path_push(shape, key);
            cor_json_add(shape->unknown, cor_json_fmt("unknown field \"%s\"", shape->path.data));
            path_cut(shape, before);
        }
    }
}

struct cor_json *kl_shape_object(struct kl_shape *shape, const struct k8s_type *type,
                                 const struct cor_json *object)
{
    if (!cor_json_is_object(object)) {
        return wrong(shape, "an object", object);
    }
    struct cor_json *out = cor_json_object();
    size_t found = 0;
    for (size_t i = 0; i < type->count; i++) {
        const struct k8s_field *field = &type->fields[i];
        const struct cor_json *value = cor_json_get(object, field->name);
        found += value == NULL ? 0 : 1;
        size_t before = path_push(shape, field->name);
        struct cor_json *shaped = shape_field(shape, field, value);
        path_cut(shape, before);
        if (shaped != NULL) {
            cor_json_set(out, field->name, shaped);
        }
    }
    if (found < cor_json_count(object)) {
        note_unknown(shape, type, object);
    }
    return out;
}
