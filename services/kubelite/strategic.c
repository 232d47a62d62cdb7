// SPDX-License-Identifier: Apache-2.0
#include "strategic.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

enum { DEPTH_MAX = 64 };

static const char directive[] = "$patch";
static const char delete_from[] = "$deleteFromPrimitiveList/";
static const char order_of[] = "$setElementOrder/";
static const char retain_keys[] = "$retainKeys";

static void go_map_text(const struct cor_json *value, struct cor_buf *out);
static enum cor_code merge_object(const struct k8s_type *type, struct cor_json *target,
                                  const struct cor_json *patch, int depth, struct cor_err *err);

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Index of the element of list whose key equals that of like; -1 when there is none. */
static long find_element(const struct cor_json *list, const char *key, const struct cor_json *like)
{
    const struct cor_json *wanted = cor_json_get(like, key);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (cor_json_equal(cor_json_get(cor_json_item(list, i), key), wanted)) {
            return (long)i;
        }
    }
    return -1;
}

static bool contains(const struct cor_json *list, const struct cor_json *value)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (cor_json_equal(cor_json_item(list, i), value)) {
            return true;
        }
    }
    return false;
}

/* Without the $-members that only patches have, all levels. */
static void strip(struct cor_json *value)
{
    for (size_t i = 0; cor_json_is_array(value) && i < cor_json_count(value); i++) {
        strip(cor_json_item(value, i));
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    struct cor_json *doomed = cor_json_array();
    while (cor_json_each(value, &at, &key, &child)) {
        if (cor_json_is_null(child) || strcmp(key, directive) == 0 ||
            strcmp(key, retain_keys) == 0 || starts(key, delete_from) || starts(key, order_of)) {
            cor_json_add(doomed, cor_json_str(key));
        } else {
            strip(child);
        }
    }
    for (size_t i = 0; i < cor_json_count(doomed); i++) {
        cor_json_del(value, cor_json_as_str(cor_json_item(doomed, i), ""));
    }
    cor_json_free(&doomed);
}

static struct cor_json *stripped(const struct cor_json *value)
{
    struct cor_json *copy = cor_json_copy(value);
    strip(copy);
    return copy;
}

/* A value as Go's fmt prints it: map[a:1 b:[x y]]. Keys in order. */
static void go_text(const struct cor_json *value, struct cor_buf *out)
{
    if (cor_json_is_string(value)) {
        cor_buf_view(out, cor_json_as_view(value));
    } else if (cor_json_is_array(value)) {
        cor_buf_str(out, "[");
        for (size_t i = 0; i < cor_json_count(value); i++) {
            cor_buf_str(out, i == 0 ? "" : " ");
            go_text(cor_json_item(value, i), out);
        }
        cor_buf_str(out, "]");
    } else if (cor_json_is_object(value)) {
        go_map_text(value, out);
    } else {
        cor_json_write(value, out);
    }
}

static void go_map_text(const struct cor_json *value, struct cor_buf *out)
{
    const char *last = "";
    cor_buf_str(out, "map[");
    for (size_t i = 0; i < cor_json_count(value); i++) {
        const char *best = NULL;
        void *at = NULL;
        const char *key = NULL;
        struct cor_json *child = NULL;
        while (cor_json_each(value, &at, &key, &child)) {
            bool later = i == 0 || strcmp(key, last) > 0;
            best = later && (best == NULL || strcmp(key, best) < 0) ? key : best;
        }
        last = best == NULL ? "" : best;
        cor_buf_fmt(out, "%s%s:", i == 0 ? "" : " ", last);
        go_text(cor_json_get(value, last), out);
    }
    cor_buf_str(out, "]");
}

/* One element of a patch list against the list it changes. */
static enum cor_code merge_element(const struct k8s_field *field, struct cor_json *list,
                                   const struct cor_json *element, int depth, struct cor_err *err)
{
    if (cor_json_get(element, field->merge_key) == NULL) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        go_text(element, &text);
        return cor_err_set(err, COR_INTERNAL, "map: %s does not contain declared merge key: %s",
                           text.data, field->merge_key);
    }
    long at = find_element(list, field->merge_key, element);
    const char *how = cor_json_str_at(element, directive, "merge");
    if (strcmp(how, "delete") == 0) {
        while (at >= 0) {
            cor_json_put(list, (size_t)at, NULL);
            at = find_element(list, field->merge_key, element);
        }
        return COR_OK;
    }
    if (at < 0) {
        cor_json_add(list, stripped(element));
        return COR_OK;
    }
    if (strcmp(how, "replace") == 0) {
        cor_json_put(list, (size_t)at, stripped(element));
        return COR_OK;
    }
    return merge_object(field->type, cor_json_item(list, (size_t)at), element, depth + 1, err);
}

/* Whether the list begins a replacement: an element that is only {"$patch": "replace"}. */
static bool replaces(const struct cor_json *patch)
{
    for (size_t i = 0; i < cor_json_count(patch); i++) {
        const struct cor_json *item = cor_json_item(patch, i);
        if (cor_json_count(item) == 1 &&
            strcmp(cor_json_str_at(item, directive, ""), "replace") == 0) {
            return true;
        }
    }
    return false;
}

static struct cor_json *replacement(const struct cor_json *patch)
{
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < cor_json_count(patch); i++) {
        const struct cor_json *item = cor_json_item(patch, i);
        if (cor_json_get(item, directive) == NULL) {
            cor_json_add(list, stripped(item));
        }
    }
    return list;
}

static enum cor_code merge_list(const struct k8s_field *field, struct cor_json *target,
                                const struct cor_json *patch, int depth, struct cor_err *err)
{
    bool merge = (field->flags & K8S_MERGE) != 0;
    struct cor_json *list = cor_json_get(target, field->name);
    if (!cor_json_is_array(patch)) {
        return cor_err_set(err, COR_INVALID, "%s: expected a list in the patch", field->name);
    }
    if (!merge || !cor_json_is_array(list) || replaces(patch)) {
        struct cor_json *fresh = cor_json_array();
        if (!merge || replaces(patch) || field->merge_key == NULL) {
            cor_json_free(&fresh);
            fresh = replacement(patch);
            cor_json_set(target, field->name, fresh);
            return COR_OK;
        }
        cor_json_set(target, field->name, fresh);
        list = cor_json_get(target, field->name);
    }
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < cor_json_count(patch) && code == COR_OK; i++) {
        const struct cor_json *item = cor_json_item(patch, i);
        if (field->merge_key != NULL) {
            code = merge_element(field, list, item, depth, err);
        } else if (!contains(list, item)) {
            cor_json_add(list, cor_json_copy(item));
        }
    }
    return code;
}

static void delete_primitives(struct cor_json *target, const char *name,
                              const struct cor_json *values)
{
    struct cor_json *list = cor_json_get(target, name);
    for (size_t i = cor_json_is_array(list) ? cor_json_count(list) : 0; i > 0; i--) {
        if (contains(values, cor_json_item(list, i - 1))) {
            cor_json_put(list, i - 1, NULL);
        }
    }
}

/* Position that order gives to element; behind all when it names none. */
static size_t rank(const struct cor_json *order, const char *key, const struct cor_json *element)
{
    for (size_t i = 0; i < cor_json_count(order); i++) {
        const struct cor_json *wanted = cor_json_item(order, i);
        bool same = key == NULL
                        ? cor_json_equal(wanted, element)
                        : cor_json_equal(cor_json_get(wanted, key), cor_json_get(element, key));
        if (same) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Elements that order names come in its order, in the places that such elements had; the server's
 * own elements stay where they are. */
static void set_order(struct cor_json *target, const struct k8s_field *field,
                      const struct cor_json *order)
{
    struct cor_json *list = cor_json_get(target, field->name);
    size_t count = cor_json_is_array(list) ? cor_json_count(list) : 0;
    for (size_t i = 1; i < count; i++) {
        size_t mine = rank(order, field->merge_key, cor_json_item(list, i));
        size_t at = i;
        while (mine != SIZE_MAX && at > 0) {
            size_t other = rank(order, field->merge_key, cor_json_item(list, at - 1));
            if (other == SIZE_MAX || other <= mine) {
                break;
            }
            at--;
        }
        if (at != i) {
            struct cor_json *moved = cor_json_ref(cor_json_item(list, i));
            cor_json_put(list, i, NULL);
            cor_json_insert(list, at, moved);
        }
    }
}

static void apply_retain(struct cor_json *target, const struct cor_json *keys)
{
    struct cor_json *doomed = cor_json_array();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(target, &at, &key, &child)) {
        auto_(cor_json_free) struct cor_json *name = cor_json_str(key);
        if (!contains(keys, name)) {
            cor_json_add(doomed, cor_json_ref(name));
        }
    }
    for (size_t i = 0; i < cor_json_count(doomed); i++) {
        cor_json_del(target, cor_json_as_str(cor_json_item(doomed, i), ""));
    }
    cor_json_free(&doomed);
}

/* Members of a patch that are instructions. True when key was one. */
static bool instruction(const struct k8s_type *type, struct cor_json *target, const char *key,
                        const struct cor_json *child)
{
    (void)type;
    if (starts(key, delete_from)) {
        delete_primitives(target, key + sizeof(delete_from) - 1, child);
        return true;
    }
    if (strcmp(key, retain_keys) == 0) {
        apply_retain(target, child);
        return true;
    }
    return starts(key, order_of) || strcmp(key, directive) == 0;
}

static enum cor_code merge_field(const struct k8s_type *type, struct cor_json *target,
                                 const char *key, const struct cor_json *child, int depth,
                                 struct cor_err *err)
{
    const struct k8s_field *field = type == NULL ? NULL : k8s_field_of(type, cor_view_of(key));
    if (cor_json_is_null(child)) {
        cor_json_del(target, key);
        return COR_OK;
    }
    if (field != NULL && (field->flags & K8S_LIST) != 0) {
        return merge_list(field, target, child, depth, err);
    }
    struct cor_json *old = cor_json_get(target, key);
    if (!cor_json_is_object(child) || !cor_json_is_object(old)) {
        cor_json_set(target, key, stripped(child));
        return COR_OK;
    }
    bool map = field != NULL && (field->flags & K8S_MAP) != 0;
    return merge_object(field == NULL || map ? NULL : field->type, old, child, depth + 1, err);
}

static enum cor_code merge_object(const struct k8s_type *type, struct cor_json *target,
                                  const struct cor_json *patch, int depth, struct cor_err *err)
{
    if (depth > DEPTH_MAX) {
        return cor_err_set(err, COR_INVALID, "the patch is nested too deeply");
    }
    if (!cor_json_is_object(patch) || !cor_json_is_object(target)) {
        return cor_err_set(err, COR_INVALID, "the patch has another structure than the object");
    }
    const char *how = cor_json_str_at(patch, directive, "merge");
    if (strcmp(how, "replace") == 0 || strcmp(how, "delete") == 0) {
        auto_(cor_json_free) struct cor_json *none = cor_json_array();
        apply_retain(target, none);
    }
    enum cor_code code = COR_OK;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (code == COR_OK && cor_json_each(patch, &at, &key, &child)) {
        if (!instruction(type, target, key, child)) {
            code = merge_field(type, target, key, child, depth, err);
        }
    }
    at = NULL;
    while (code == COR_OK && type != NULL && cor_json_each(patch, &at, &key, &child)) {
        const struct k8s_field *field =
            starts(key, order_of) ? k8s_field_of(type, cor_view_of(key + sizeof(order_of) - 1))
                                  : NULL;
        if (field != NULL) {
            set_order(target, field, child);
        }
    }
    return code;
}

enum cor_code kl_strategic_apply(const struct k8s_type *type, struct cor_json *target,
                                 const struct cor_json *patch, struct cor_json **out_r,
                                 struct cor_err *err)
{
    enum cor_code code = merge_object(type, target, patch, 0, err);
    *out_r = NULL;
    if (code == COR_OK) {
        *out_r = take(&target);
    }
    cor_json_free(&target);
    return code;
}
