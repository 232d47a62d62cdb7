// SPDX-License-Identifier: Apache-2.0
#include "same.h"

#include <string.h>

#include "common/base/attr.h"

static bool has(const struct cor_json *found, const struct cor_json *sent, int depth);

static bool is_of_the_api(const char *key, int depth)
{
    static const struct {
        int depth;
        const char *key;
    } ROWS[] = {
        {0, "status"},     {1, "uid"},           {1, "resourceVersion"}, {1, "creationTimestamp"},
        {1, "generation"}, {1, "managedFields"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].depth == depth && strcmp(ROWS[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_members(const struct cor_json *found, const struct cor_json *sent, int depth)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(sent, &at, &key, &value)) {
        bool empty =
            cor_json_is_null(value) ||
            ((cor_json_is_object(value) || cor_json_is_array(value)) && cor_json_count(value) == 0);
        if (empty || is_of_the_api(key, depth)) {
            continue;
        }
        if (!has(cor_json_get(found, key), value, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool has_items(const struct cor_json *found, const struct cor_json *sent, int depth)
{
    if (cor_json_count(found) != cor_json_count(sent)) {
        return false;
    }
    for (size_t i = 0; i < cor_json_count(sent); i++) {
        if (!has(cor_json_item(found, i), cor_json_item(sent, i), depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool has(const struct cor_json *found, const struct cor_json *sent, int depth)
{
    if (cor_json_is_object(sent)) {
        return cor_json_is_object(found) && has_members(found, sent, depth);
    }
    if (cor_json_is_array(sent)) {
        return cor_json_is_array(found) && has_items(found, sent, depth);
    }
    return cor_json_equal(found, sent);
}

bool ec_is_created_from(const struct cor_json *found, const struct cor_json *sent)
{
    return cor_json_is_object(found) && cor_json_is_object(sent) && has(found, sent, 0);
}
