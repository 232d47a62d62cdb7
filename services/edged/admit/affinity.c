// SPDX-License-Identifier: Apache-2.0
#include "affinity.h"

#include <string.h>

#include "common/base/attr.h"

static bool among(const struct cor_json *values, const char *text)
{
    for (size_t i = 0; i < cor_json_count(values); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(values, i), ""), text) == 0) {
            return true;
        }
    }
    return false;
}

/* value NULL: the node has no such label. */
static bool is_in(const struct cor_json *values, const char *value)
{
    return value != NULL && among(values, value);
}

static bool is_not_in(const struct cor_json *values, const char *value)
{
    return value == NULL || !among(values, value);
}

static bool exists(const struct cor_json *values, const char *value)
{
    (void)values;
    return value != NULL;
}

static bool does_not_exist(const struct cor_json *values, const char *value)
{
    (void)values;
    return value == NULL;
}

/* < 0, 0, > 0 as the label's number to the one asked for; false: one of them is none. */
static bool compare(const struct cor_json *values, const char *value, int *order_r)
{
    int64_t have = 0;
    int64_t asked = 0;
    if (value == NULL || cor_json_count(values) != 1 || !cor_view_i64(cor_view_of(value), &have) ||
        !cor_view_i64(cor_json_as_view(cor_json_item(values, 0)), &asked)) {
        return false;
    }
    *order_r = (have > asked) - (have < asked);
    return true;
}

static bool is_greater(const struct cor_json *values, const char *value)
{
    int order = 0;
    return compare(values, value, &order) && order > 0;
}

static bool is_less(const struct cor_json *values, const char *value)
{
    int order = 0;
    return compare(values, value, &order) && order < 0;
}

static bool matches_one(const struct cor_json *requirement, const char *value)
{
    static const struct {
        const char *name;
        bool (*fn)(const struct cor_json *values, const char *value);
    } OPERATORS[] = {{"In", is_in},      {"NotIn", is_not_in},
                     {"Exists", exists}, {"DoesNotExist", does_not_exist},
                     {"Gt", is_greater}, {"Lt", is_less}};
    const char *name = cor_json_str_at(requirement, "operator", "");
    for (size_t i = 0; i < COR_COUNT(OPERATORS); i++) {
        if (strcmp(OPERATORS[i].name, name) == 0) {
            return OPERATORS[i].fn(cor_json_get(requirement, "values"), value);
        }
    }
    return false;
}

static const char *label_of(const struct cor_json *labels, const char *key)
{
    return cor_json_as_str(cor_json_get(labels, key), NULL);
}

/* A term without any requirement matches no node. */
static bool matches_term(const struct cor_json *term, const char *name,
                         const struct cor_json *labels)
{
    const struct cor_json *expressions = cor_json_get(term, "matchExpressions");
    const struct cor_json *fields = cor_json_get(term, "matchFields");
    bool matches = cor_json_count(expressions) + cor_json_count(fields) > 0;
    for (size_t i = 0; i < cor_json_count(expressions); i++) {
        const struct cor_json *one = cor_json_item(expressions, i);
        matches = matches && matches_one(one, label_of(labels, cor_json_str_at(one, "key", "")));
    }
    for (size_t i = 0; i < cor_json_count(fields); i++) {
        const struct cor_json *one = cor_json_item(fields, i);
        matches = matches && strcmp(cor_json_str_at(one, "key", ""), "metadata.name") == 0 &&
                  matches_one(one, name);
    }
    return matches;
}

bool affinity_matches(const struct cor_json *pod, const char *name, const struct cor_json *labels)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(cor_json_at(pod, "spec.nodeSelector"), &at, &key, &value)) {
        const char *have = label_of(labels, key);
        if (have == NULL || strcmp(have, cor_json_as_str(value, "")) != 0) {
            return false;
        }
    }
    const struct cor_json *required = cor_json_at(
        pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    const struct cor_json *terms = cor_json_get(required, "nodeSelectorTerms");
    bool any = !cor_json_is_object(required);
    for (size_t i = 0; i < cor_json_count(terms); i++) {
        any = any || matches_term(cor_json_item(terms, i), name, labels);
    }
    return any;
}

static bool tolerates(const struct cor_json *toleration, const struct cor_json *taint)
{
    const char *effect = cor_json_str_at(toleration, "effect", "");
    const char *key = cor_json_str_at(toleration, "key", "");
    const char *how = cor_json_str_at(toleration, "operator", "");
    if ((effect[0] != '\0' && strcmp(effect, cor_json_str_at(taint, "effect", "")) != 0) ||
        (key[0] != '\0' && strcmp(key, cor_json_str_at(taint, "key", "")) != 0)) {
        return false;
    }
    if (strcmp(how, "Exists") == 0) {
        return true;
    }
    return key[0] != '\0' && (how[0] == '\0' || strcmp(how, "Equal") == 0) &&
           strcmp(cor_json_str_at(toleration, "value", ""), cor_json_str_at(taint, "value", "")) ==
               0;
}

bool affinity_tolerates(const struct cor_json *pod, const struct cor_json *taints,
                        const char *effect)
{
    const struct cor_json *list = cor_json_at(pod, "spec.tolerations");
    for (size_t i = 0; i < cor_json_count(taints); i++) {
        const struct cor_json *taint = cor_json_item(taints, i);
        bool tolerated = strcmp(cor_json_str_at(taint, "effect", ""), effect) != 0;
        for (size_t k = 0; k < cor_json_count(list); k++) {
            tolerated = tolerated || tolerates(cor_json_item(list, k), taint);
        }
        if (!tolerated) {
            return false;
        }
    }
    return true;
}
