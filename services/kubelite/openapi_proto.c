// SPDX-License-Identifier: Apache-2.0
// An OpenAPI v2 document as protobuf: the messages and field numbers of gnostic's OpenAPIv2.proto
// (github.com/googleapis/gnostic/openapiv2), as far as kubectl reads them.
#include <string.h>

#include "common/base/mem.h"
#include "pages.h"

static void varint(struct cor_buf *out, uint64_t value)
{
    do {
        char byte = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        cor_buf_add(out, &byte, 1);
        value >>= 7;
    } while (value != 0);
}

static void put_bytes(struct cor_buf *out, unsigned field, struct cor_view bytes)
{
    varint(out, (uint64_t)field << 3 | 2);
    varint(out, bytes.len);
    cor_buf_view(out, bytes);
}

static void put_str(struct cor_buf *out, unsigned field, const char *text)
{
    if (text[0] != '\0') {
        put_bytes(out, field, cor_view_of(text));
    }
}

static void put_bool(struct cor_buf *out, unsigned field, bool value)
{
    varint(out, (uint64_t)field << 3);
    varint(out, value ? 1 : 0);
}

/* Any: its YAML text; JSON is YAML. */
static void put_any(struct cor_buf *out, unsigned field, const struct cor_json *value)
{
    auto_(cor_freep) char *text = cor_json_text(value);
    auto_(cor_buf_free) struct cor_buf any = {0};
    put_str(&any, 2, text);
    put_bytes(out, field, cor_buf_as_view(&any));
}

static void put_extensions(struct cor_buf *out, unsigned field, const struct cor_json *object)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(object, &at, &key, &child)) {
        if (strncmp(key, "x-", 2) != 0) {
            continue;
        }
        auto_(cor_buf_free) struct cor_buf named = {0};
        put_str(&named, 1, key);
        put_any(&named, 2, child);
        put_bytes(out, field, cor_buf_as_view(&named));
    }
}

static void put_schema(struct cor_buf *out, unsigned field, const struct cor_json *schema);

static void put_named_schemas(struct cor_buf *out, unsigned field, const struct cor_json *map)
{
    auto_(cor_buf_free) struct cor_buf list = {0};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(map, &at, &key, &child)) {
        auto_(cor_buf_free) struct cor_buf named = {0};
        put_str(&named, 1, key);
        put_schema(&named, 2, child);
        put_bytes(&list, 1, cor_buf_as_view(&named));
    }
    put_bytes(out, field, cor_buf_as_view(&list));
}

static void put_wrapped(struct cor_buf *out, unsigned field, unsigned inner_field,
                        const struct cor_json *schema)
{
    auto_(cor_buf_free) struct cor_buf inner = {0};
    put_schema(&inner, inner_field, schema);
    put_bytes(out, field, cor_buf_as_view(&inner));
}

static void put_additional(struct cor_buf *out, const struct cor_json *more)
{
    if (cor_json_is_object(more)) {
        put_wrapped(out, 21, 1, more);
    } else if (more != NULL) {
        auto_(cor_buf_free) struct cor_buf inner = {0};
        put_bool(&inner, 2, cor_json_as_bool(more, false));
        put_bytes(out, 21, cor_buf_as_view(&inner));
    }
}

static void put_type(struct cor_buf *out, const char *type)
{
    if (type[0] != '\0') {
        auto_(cor_buf_free) struct cor_buf inner = {0};
        put_str(&inner, 1, type);
        put_bytes(out, 22, cor_buf_as_view(&inner));
    }
}

static void put_schema(struct cor_buf *out, unsigned field, const struct cor_json *schema)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    put_str(&body, 1, cor_json_as_str(cor_json_get(schema, "$ref"), ""));
    put_str(&body, 2, cor_json_str_at(schema, "format", ""));
    put_str(&body, 4, cor_json_str_at(schema, "description", ""));
    const struct cor_json *required = cor_json_get(schema, "required");
    for (size_t i = 0; i < cor_json_count(required); i++) {
        put_str(&body, 19, cor_json_as_str(cor_json_item(required, i), ""));
    }
    put_additional(&body, cor_json_get(schema, "additionalProperties"));
    put_type(&body, cor_json_str_at(schema, "type", ""));
    if (cor_json_is_object(cor_json_get(schema, "items"))) {
        put_wrapped(&body, 23, 1, cor_json_get(schema, "items"));
    }
    if (cor_json_get(schema, "properties") != NULL) {
        put_named_schemas(&body, 25, cor_json_get(schema, "properties"));
    }
    put_extensions(&body, 31, schema);
    put_bytes(out, field, cor_buf_as_view(&body));
}

/* Query parameters: ParametersItem > Parameter > NonBodyParameter > QueryParameterSubSchema. */
static void put_parameter(struct cor_buf *out, const struct cor_json *parameter)
{
    auto_(cor_buf_free) struct cor_buf query = {0};
    put_str(&query, 2, "query");
    put_str(&query, 4, cor_json_str_at(parameter, "name", ""));
    put_str(&query, 6, cor_json_str_at(parameter, "type", ""));
    static const unsigned wraps[] = {3, 2, 1, 8};
    for (size_t i = 0; i < COR_COUNT(wraps); i++) {
        struct cor_buf outer = {0};
        put_bytes(&outer, wraps[i], cor_buf_as_view(&query));
        cor_buf_free(&query);
        query = outer;
    }
    cor_buf_view(out, cor_buf_as_view(&query));
}

static void put_responses(struct cor_buf *out, const struct cor_json *responses)
{
    auto_(cor_buf_free) struct cor_buf list = {0};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(responses, &at, &key, &child)) {
        auto_(cor_buf_free) struct cor_buf response = {0};
        auto_(cor_buf_free) struct cor_buf value = {0};
        auto_(cor_buf_free) struct cor_buf named = {0};
        put_str(&response, 1, cor_json_str_at(child, "description", ""));
        put_bytes(&value, 1, cor_buf_as_view(&response));
        put_str(&named, 1, key);
        put_bytes(&named, 2, cor_buf_as_view(&value));
        put_bytes(&list, 1, cor_buf_as_view(&named));
    }
    put_bytes(out, 9, cor_buf_as_view(&list));
}

static void put_operation(struct cor_buf *out, unsigned field, const struct cor_json *operation)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    const struct cor_json *parameters = cor_json_get(operation, "parameters");
    for (size_t i = 0; i < cor_json_count(parameters); i++) {
        put_parameter(&body, cor_json_item(parameters, i));
    }
    put_responses(&body, cor_json_get(operation, "responses"));
    put_extensions(&body, 13, operation);
    put_bytes(out, field, cor_buf_as_view(&body));
}

static void put_paths(struct cor_buf *out, const struct cor_json *paths)
{
    auto_(cor_buf_free) struct cor_buf list = {0};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(paths, &at, &key, &child)) {
        auto_(cor_buf_free) struct cor_buf item = {0};
        auto_(cor_buf_free) struct cor_buf named = {0};
        put_operation(&item, 8, cor_json_get(child, "patch"));
        put_str(&named, 1, key);
        put_bytes(&named, 2, cor_buf_as_view(&item));
        put_bytes(&list, 2, cor_buf_as_view(&named));
    }
    put_bytes(out, 8, cor_buf_as_view(&list));
}

void kl_openapi_proto(const struct cor_json *document, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf info = {0};
    put_str(&info, 1, cor_json_str_at(document, "info.title", ""));
    put_str(&info, 2, cor_json_str_at(document, "info.version", ""));
    put_str(out, 1, cor_json_str_at(document, "swagger", ""));
    put_bytes(out, 2, cor_buf_as_view(&info));
    put_paths(out, cor_json_get(document, "paths"));
    put_named_schemas(out, 9, cor_json_get(document, "definitions"));
}
