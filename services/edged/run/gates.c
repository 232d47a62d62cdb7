// SPDX-License-Identifier: Apache-2.0
#include "gates.h"

#include <string.h>

#include "common/base/mem.h"

static struct cor_json *condition_of(const struct cor_json *list, const char *type)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "type", ""), type) == 0) {
            return cor_json_item(list, i);
        }
    }
    return NULL;
}

struct cor_json *gates_pick(const struct pod *pod, const struct cor_json *status)
{
    const struct cor_json *all = cor_json_get(status, "conditions");
    if (pod->gates.count == 0) {
        return NULL;
    }
    struct cor_json *out = cor_json_array();
    for (size_t i = 0; i < pod->gates.count; i++) {
        struct cor_json *condition = condition_of(all, pod->gates.item[i]);
        if (condition != NULL) {
            cor_json_add(out, cor_json_ref(condition));
        }
    }
    return out;
}

char *gates_closed(const struct pod *pod, const struct cor_json *conditions)
{
    struct cor_buf text = {0};
    cor_buf_str(&text, "");
    for (size_t i = 0; i < pod->gates.count; i++) {
        const char *type = pod->gates.item[i];
        const struct cor_json *condition = condition_of(conditions, type);
        const char *status = cor_json_str_at(condition, "status", "");
        const char *comma = text.len == 0 ? "" : ", ";
        if (condition == NULL) {
            cor_buf_fmt(&text,
                        "%scorresponding condition of pod readiness gate \"%s\" does not exist.",
                        comma, type);
        } else if (strcmp(status, "True") != 0) {
            cor_buf_fmt(&text, "%sthe status of pod readiness gate \"%s\" is not \"True\", but %s",
                        comma, type, status);
        }
    }
    char *out = cor_view_dup(cor_buf_as_view(&text));
    cor_buf_free(&text);
    return out;
}
