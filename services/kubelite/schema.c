// SPDX-License-Identifier: Apache-2.0
#include "schema.h"

#include <math.h>
#include <regex.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/clock/clock.h"

enum { PATTERN_MAX = 1024 };

/* "path.key"; built for each field that is looked at: not by printf. Returns owned. */
static char *child_path(const char *path, const char *key)
{
    struct cor_buf out = {0};
    cor_buf_str(&out, path);
    cor_buf_str(&out, path[0] == '\0' ? "" : ".");
    cor_buf_str(&out, key);
    return cor_buf_take(&out);
}

static const struct cor_json *property(const struct cor_json *schema, const char *key)
{
    const struct cor_json *found = cor_json_get(cor_json_get(schema, "properties"), key);
    if (found != NULL) {
        return found;
    }
    const struct cor_json *more = cor_json_get(schema, "additionalProperties");
    return cor_json_is_object(more) ? more : NULL;
}

static bool open_ended(const struct cor_json *schema)
{
    return schema == NULL ||
           cor_json_bool_at(schema, "x-kubernetes-preserve-unknown-fields", false) ||
           cor_json_as_bool(cor_json_get(schema, "additionalProperties"), false);
}

static void prune(const struct cor_json *schema, struct cor_json *value, bool top,
                  struct cor_json *unknown, const char *path);

static void prune_object(const struct cor_json *schema, struct cor_json *value, bool top,
                         struct cor_json *unknown, const char *path)
{
    auto_(cor_json_free) struct cor_json *doomed = cor_json_array();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        bool kept = top && (strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0 ||
                            strcmp(key, "metadata") == 0);
        if (kept) {
            continue;
        }
        auto_(cor_freep) char *here = child_path(path, key);
        const struct cor_json *inner = property(schema, key);
        if (inner != NULL) {
            prune(inner, child, cor_json_bool_at(inner, "x-kubernetes-embedded-resource", false),
                  unknown, here);
        } else if (!open_ended(schema)) {
            cor_json_add(doomed, cor_json_str(key));
            if (unknown != NULL) {
                cor_json_add(unknown, cor_json_fmt("unknown field \"%s\"", here));
            }
        }
    }
    for (size_t i = 0; i < cor_json_count(doomed); i++) {
        cor_json_del(value, cor_json_as_str(cor_json_item(doomed, i), ""));
    }
}

static void prune(const struct cor_json *schema, struct cor_json *value, bool top,
                  struct cor_json *unknown, const char *path)
{
    if (cor_json_is_object(value)) {
        prune_object(schema, value, top, unknown, path);
        return;
    }
    const struct cor_json *items = cor_json_get(schema, "items");
    for (size_t i = 0; cor_json_is_array(value) && items != NULL && i < cor_json_count(value);
         i++) {
        auto_(cor_freep) char *here = cor_sprintf("%s[%zu]", path, i);
        prune(items, cor_json_item(value, i), false, unknown, here);
    }
}

void kl_schema_prune(const struct cor_json *schema, struct cor_json *value,
                     struct cor_json *unknown)
{
    prune(schema, value, true, unknown, "");
}

void kl_schema_default(const struct cor_json *schema, struct cor_json *value)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *inner = NULL;
    if (cor_json_is_array(value)) {
        const struct cor_json *items = cor_json_get(schema, "items");
        for (size_t i = 0; items != NULL && i < cor_json_count(value); i++) {
            kl_schema_default(items, cor_json_item(value, i));
        }
        return;
    }
    if (!cor_json_is_object(value)) {
        return;
    }
    while (cor_json_each(cor_json_get(schema, "properties"), &at, &key, &inner)) {
        const struct cor_json *otherwise = cor_json_get(inner, "default");
        const struct cor_json *now = cor_json_get(value, key);
        bool null_dropped =
            now != NULL && cor_json_is_null(now) && !cor_json_bool_at(inner, "nullable", false);
        if (otherwise != NULL && (now == NULL || null_dropped)) {
            cor_json_set(value, key, cor_json_copy(otherwise));
        }
        kl_schema_default(inner, cor_json_get(value, key));
    }
    const struct cor_json *more = cor_json_get(schema, "additionalProperties");
    at = NULL;
    while (cor_json_is_object(more) && cor_json_each(value, &at, &key, &inner)) {
        if (cor_json_get(cor_json_get(schema, "properties"), key) == NULL) {
            kl_schema_default(more, inner);
        }
    }
}

static const char *type_of(const struct cor_json *value)
{
    static const char *const names[] = {
        [COR_JSON_NULL] = "null",     [COR_JSON_BOOL] = "boolean",  [COR_JSON_INT] = "integer",
        [COR_JSON_REAL] = "number",   [COR_JSON_STRING] = "string", [COR_JSON_ARRAY] = "array",
        [COR_JSON_OBJECT] = "object",
    };
    return names[cor_json_type(value)];
}

static bool type_fits(const struct cor_json *schema, const struct cor_json *value)
{
    const char *type = cor_json_str_at(schema, "type", "");
    enum cor_json_type is = cor_json_type(value);
    if (is == COR_JSON_NULL && cor_json_bool_at(schema, "nullable", false)) {
        return true;
    }
    if (cor_json_bool_at(schema, "x-kubernetes-int-or-string", false)) {
        return is == COR_JSON_INT || is == COR_JSON_STRING;
    }
    if (type[0] == '\0' || strcmp(type, type_of(value)) == 0) {
        return true;
    }
    if (strcmp(type, "number") == 0) {
        return is == COR_JSON_INT;
    }
    double real = cor_json_as_real(value, 0.5);
    return strcmp(type, "integer") == 0 && is == COR_JSON_REAL && real == floor(real);
}

/* "spec.x in body must be of type string: "integer"" (go-openapi/validate). */
static void wrong_type(const struct cor_json *schema, const struct cor_json *value,
                       const char *path, struct kl_causes *causes)
{
    const char *type = cor_json_str_at(schema, "type", "integer,string");
    auto_(cor_freep) char *text =
        cor_sprintf("%s in body must be of type %s: \"%s\"", path, type, type_of(value));
    kl_cause_invalid_str(causes, path, type_of(value), text);
}

static void check_number(const struct cor_json *schema, const struct cor_json *value,
                         const char *path, struct kl_causes *causes)
{
    const struct cor_json *low = cor_json_get(schema, "minimum");
    const struct cor_json *high = cor_json_get(schema, "maximum");
    double number = cor_json_as_real(value, 0);
    bool low_out = cor_json_bool_at(schema, "exclusiveMinimum", false);
    bool high_out = cor_json_bool_at(schema, "exclusiveMaximum", false);
    double least = cor_json_as_real(low, 0);
    double most = cor_json_as_real(high, 0);
    if (low != NULL && (number < least || (low_out && number <= least))) {
        auto_(cor_freep) char *text = cor_sprintf("%s in body should be greater than %s%.17g", path,
                                                  low_out ? "" : "or equal to ", least);
        kl_cause_invalid(causes, path, value, text);
    }
    if (high != NULL && (number > most || (high_out && number >= most))) {
        auto_(cor_freep) char *text = cor_sprintf("%s in body should be less than %s%.17g", path,
                                                  high_out ? "" : "or equal to ", most);
        kl_cause_invalid(causes, path, value, text);
    }
    const struct cor_json *step = cor_json_get(schema, "multipleOf");
    if (step != NULL && cor_json_as_real(step, 0) > 0 &&
        fmod(number, cor_json_as_real(step, 1)) != 0) {
        auto_(cor_freep) char *text = cor_sprintf("%s in body should be a multiple of %.17g", path,
                                                  cor_json_as_real(step, 1));
        kl_cause_invalid(causes, path, value, text);
    }
}

static void check_pattern(const char *pattern, const struct cor_json *value, const char *path,
                          struct kl_causes *causes)
{
    regex_t compiled;
    if (strlen(pattern) > PATTERN_MAX || regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB)) {
        return; /* a pattern that POSIX does not know was noted when the definition came */
    }
    if (regexec(&compiled, cor_json_as_str(value, ""), 0, NULL, 0) != 0) {
        auto_(cor_freep) char *text = cor_sprintf("%s in body should match '%s'", path, pattern);
        kl_cause_invalid(causes, path, value, text);
    }
    regfree(&compiled);
}

static size_t characters(struct cor_view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

static void check_size(const struct cor_json *schema, const char *low, const char *high,
                       size_t size, const struct cor_json *value, const char *path,
                       const char *word, struct kl_causes *causes)
{
    int64_t least = cor_json_int_at(schema, low, 0);
    int64_t most = cor_json_int_at(schema, high, INT64_MAX);
    if ((int64_t)size < least) {
        auto_(cor_freep) char *text =
            cor_sprintf("%s in body should %s at least %lld%s", path, word, (long long)least,
                        word[0] == 'b' ? " chars long" : " items");
        kl_cause_invalid(causes, path, value, text);
    }
    if ((int64_t)size > most) {
        auto_(cor_freep) char *text =
            cor_sprintf("%s in body should %s at most %lld%s", path, word, (long long)most,
                        word[0] == 'b' ? " chars long" : " items");
        kl_cause_invalid(causes, path, value, text);
    }
}

static void check_string(const struct cor_json *schema, const struct cor_json *value,
                         const char *path, struct kl_causes *causes)
{
    const char *pattern = cor_json_str_at(schema, "pattern", NULL);
    check_size(schema, "minLength", "maxLength", characters(cor_json_as_view(value)), value, path,
               "be", causes);
    if (pattern != NULL) {
        check_pattern(pattern, value, path, causes);
    }
    struct cor_wall time;
    if (strcmp(cor_json_str_at(schema, "format", ""), "date-time") == 0 &&
        !cor_wall_parse(cor_json_as_view(value), &time)) {
        auto_(cor_freep) char *text = cor_sprintf("%s in body must be of type date-time: %s", path,
                                                  cor_json_as_str(value, ""));
        kl_cause_invalid(causes, path, value, text);
    }
}

static void check_enum(const struct cor_json *schema, const struct cor_json *value,
                       const char *path, struct kl_causes *causes)
{
    const struct cor_json *known = cor_json_get(schema, "enum");
    const char *names[64] = {NULL};
    for (size_t i = 0; i < cor_json_count(known) && i < 63; i++) {
        if (cor_json_equal(cor_json_item(known, i), value)) {
            return;
        }
        names[i] = cor_json_as_str(cor_json_item(known, i), "");
    }
    if (known != NULL) {
        auto_(cor_freep) char *text = cor_json_is_string(value)
                                          ? cor_strdup(cor_json_as_str(value, ""))
                                          : cor_json_text(value);
        kl_cause_unsupported(causes, path, text, names);
    }
}

static void check_object(const struct cor_json *schema, const struct cor_json *value,
                         const char *path, struct kl_causes *causes)
{
    const struct cor_json *required = cor_json_get(schema, "required");
    for (size_t i = 0; i < cor_json_count(required); i++) {
        const char *name = cor_json_as_str(cor_json_item(required, i), "");
        if (cor_json_get(value, name) == NULL) {
            auto_(cor_freep) char *field = child_path(path, name);
            kl_cause_required(causes, field, NULL);
        }
    }
    check_size(schema, "minProperties", "maxProperties", cor_json_count(value), value, path, "have",
               causes);
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        const struct cor_json *inner = property(schema, key);
        if (inner != NULL) {
            auto_(cor_freep) char *field = child_path(path, key);
            kl_schema_check(inner, child, field, causes);
        }
    }
}

static void check_array(const struct cor_json *schema, const struct cor_json *value,
                        const char *path, struct kl_causes *causes)
{
    const struct cor_json *items = cor_json_get(schema, "items");
    check_size(schema, "minItems", "maxItems", cor_json_count(value), value, path, "have", causes);
    for (size_t i = 0; items != NULL && i < cor_json_count(value); i++) {
        auto_(cor_freep) char *field = cor_sprintf("%s[%zu]", path, i);
        kl_schema_check(items, cor_json_item(value, i), field, causes);
    }
}

/* allOf, anyOf, oneOf, not: how many of a list fit. */
static size_t fitting(const struct cor_json *list, const struct cor_json *value, const char *path)
{
    size_t count = 0;
    for (size_t i = 0; i < cor_json_count(list); i++) {
        auto_(kl_causes_free) struct kl_causes inner = {0};
        kl_schema_check(cor_json_item(list, i), value, path, &inner);
        count += inner.list == NULL ? 1 : 0;
    }
    return count;
}

static void check_junctors(const struct cor_json *schema, const struct cor_json *value,
                           const char *path, struct kl_causes *causes)
{
    const struct cor_json *all = cor_json_get(schema, "allOf");
    const struct cor_json *any = cor_json_get(schema, "anyOf");
    const struct cor_json *one = cor_json_get(schema, "oneOf");
    const struct cor_json *not = cor_json_get(schema, "not");
    for (size_t i = 0; i < cor_json_count(all); i++) {
        kl_schema_check(cor_json_item(all, i), value, path, causes);
    }
    const char *broken = NULL;
    if (any != NULL && fitting(any, value, path) == 0) {
        broken = "must validate at least one schema (anyOf)";
    } else if (one != NULL && fitting(one, value, path) != 1) {
        broken = "must validate one and only one schema (oneOf)";
    } else if (not != NULL) {
        auto_(kl_causes_free) struct kl_causes inner = {0};
        kl_schema_check(not, value, path, &inner);
        broken = inner.list == NULL ? "must not validate the schema (not)" : NULL;
    }
    if (broken != NULL) {
        auto_(cor_freep) char *text =
            cor_sprintf("%s in body %s", path[0] == '\0' ? "<nil>" : path, broken);
        kl_cause_invalid(causes, path, value, text);
    }
}

void kl_schema_check(const struct cor_json *schema, const struct cor_json *value, const char *path,
                     struct kl_causes *causes)
{
    if (!type_fits(schema, value)) {
        wrong_type(schema, value, path, causes);
        return;
    }
    switch (cor_json_type(value)) {
    case COR_JSON_OBJECT:
        check_object(schema, value, path, causes);
        break;
    case COR_JSON_ARRAY:
        check_array(schema, value, path, causes);
        break;
    case COR_JSON_STRING:
        check_string(schema, value, path, causes);
        break;
    case COR_JSON_INT:
    case COR_JSON_REAL:
        check_number(schema, value, path, causes);
        break;
    case COR_JSON_NULL:
    case COR_JSON_BOOL:
        break;
    }
    check_enum(schema, value, path, causes);
    check_junctors(schema, value, path, causes);
}
