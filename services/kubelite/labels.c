// SPDX-License-Identifier: Apache-2.0
#include "labels.h"

#include <string.h>

#include "common/base/mem.h"

static bool among(const struct cor_json *values, const struct cor_json *value)
{
    for (size_t i = 0; i < cor_json_count(values); i++) {
        if (cor_json_equal(cor_json_item(values, i), value)) {
            return true;
        }
    }
    return false;
}

static bool requirement_met(const struct cor_json *requirement, const struct cor_json *labels)
{
    const char *op = cor_json_str_at(requirement, "operator", "");
    const struct cor_json *value = cor_json_get(labels, cor_json_str_at(requirement, "key", ""));
    bool in = value != NULL && among(cor_json_get(requirement, "values"), value);
    if (strcmp(op, "In") == 0) {
        return in;
    }
    if (strcmp(op, "NotIn") == 0) {
        return !in;
    }
    return (strcmp(op, "Exists") == 0) == (value != NULL);
}

static bool has_all(const struct cor_json *wanted, const struct cor_json *labels)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(wanted, &at, &key, &value)) {
        const struct cor_json *has = cor_json_get(labels, key);
        if (has == NULL || !cor_json_equal(has, value)) {
            return false;
        }
    }
    return true;
}

bool kl_labels_include(const struct cor_json *wanted, const struct cor_json *labels)
{
    return cor_json_count(wanted) > 0 && has_all(wanted, labels);
}

bool kl_labels_match(const struct cor_json *selector, const struct cor_json *labels)
{
    const struct cor_json *expressions = cor_json_get(selector, "matchExpressions");
    if (selector == NULL || !has_all(cor_json_get(selector, "matchLabels"), labels)) {
        return false;
    }
    for (size_t i = 0; i < cor_json_count(expressions); i++) {
        if (!requirement_met(cor_json_item(expressions, i), labels)) {
            return false;
        }
    }
    return true;
}

/* The member whose key comes next in order after last; NULL at the end. Borrowed. */
static const char *next_key(const struct cor_json *map, const char *last)
{
    const char *best = NULL;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(map, &at, &key, &value)) {
        bool later = last == NULL || strcmp(key, last) > 0;
        best = later && (best == NULL || strcmp(key, best) < 0) ? key : best;
    }
    return best;
}

void kl_labels_map_text(const struct cor_json *map, struct cor_buf *out)
{
    const char *key = NULL;
    while ((key = next_key(map, key)) != NULL) {
        cor_buf_fmt(out, "%s%s=%s", out->len == 0 ? "" : ",", key,
                    cor_json_as_str(cor_json_get(map, key), ""));
    }
}

static void requirement_text(const struct cor_json *requirement, struct cor_buf *out)
{
    const char *op = cor_json_str_at(requirement, "operator", "");
    const char *key = cor_json_str_at(requirement, "key", "");
    const struct cor_json *values = cor_json_get(requirement, "values");
    bool absent = strcmp(op, "DoesNotExist") == 0;
    cor_buf_fmt(out, "%s%s%s", out->len == 0 ? "" : ",", absent ? "!" : "", key);
    if (absent || strcmp(op, "Exists") == 0) {
        return;
    }
    cor_buf_str(out, strcmp(op, "In") == 0 ? " in (" : " notin (");
    for (size_t i = 0; i < cor_json_count(values); i++) {
        cor_buf_fmt(out, "%s%s", i == 0 ? "" : ",", cor_json_as_str(cor_json_item(values, i), ""));
    }
    cor_buf_str(out, ")");
}

void kl_labels_text(const struct cor_json *selector, struct cor_buf *out)
{
    const struct cor_json *expressions = cor_json_get(selector, "matchExpressions");
    kl_labels_map_text(cor_json_get(selector, "matchLabels"), out);
    for (size_t i = 0; i < cor_json_count(expressions); i++) {
        requirement_text(cor_json_item(expressions, i), out);
    }
}

void kl_labels_map_go(const struct cor_json *map, struct cor_buf *out)
{
    if (map == NULL) {
        cor_buf_str(out, "map[string]string(nil)");
        return;
    }
    const char *key = NULL;
    const char *separator = "";
    cor_buf_str(out, "map[string]string{");
    while ((key = next_key(map, key)) != NULL) {
        cor_buf_fmt(out, "%s\"%s\":\"%s\"", separator, key,
                    cor_json_as_str(cor_json_get(map, key), ""));
        separator = ", ";
    }
    cor_buf_str(out, "}");
}

static void requirement_go(const struct cor_json *requirement, struct cor_buf *out)
{
    const struct cor_json *values = cor_json_get(requirement, "values");
    cor_buf_fmt(out, "v1.LabelSelectorRequirement{Key:\"%s\", Operator:\"%s\", Values:[]string",
                cor_json_str_at(requirement, "key", ""),
                cor_json_str_at(requirement, "operator", ""));
    cor_buf_str(out, values == NULL ? "(nil)" : "{");
    for (size_t i = 0; i < cor_json_count(values); i++) {
        cor_buf_fmt(out, "%s\"%s\"", i == 0 ? "" : ", ",
                    cor_json_as_str(cor_json_item(values, i), ""));
    }
    cor_buf_str(out, values == NULL ? "}" : "}}");
}

void kl_labels_go(const struct cor_json *selector, struct cor_buf *out)
{
    const struct cor_json *expressions = cor_json_get(selector, "matchExpressions");
    cor_buf_str(out, "v1.LabelSelector{MatchLabels:");
    kl_labels_map_go(cor_json_get(selector, "matchLabels"), out);
    cor_buf_str(out, ", MatchExpressions:[]v1.LabelSelectorRequirement");
    cor_buf_str(out, expressions == NULL ? "(nil)" : "{");
    for (size_t i = 0; i < cor_json_count(expressions); i++) {
        cor_buf_str(out, i == 0 ? "" : ", ");
        requirement_go(cor_json_item(expressions, i), out);
    }
    cor_buf_str(out, expressions == NULL ? "}" : "}}");
}
