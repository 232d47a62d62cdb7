// SPDX-License-Identifier: Apache-2.0
// How a twin changes.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "twin.h"

enum { KEY_MAX = 128, VALUE_MAX = 512, BAD_REQUEST = 400 };

static const char KEY_TEXT[] =
    "The key of twin must only include upper or lowercase letters, number, english, and special "
    "letter - _ . , : / @ # and the length of key should be less than 128 bytes";
static const char VALUE_TEXT[] =
    "The value of twin must only include upper or lowercase letters, number, english, and special "
    "letter - _ . , : / @ # and the length of value should be less than 512 bytes";

static bool is_plain(struct cor_view text, size_t max)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-_.,:/@#";
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0' || strchr(ALLOWED, text.ptr[i]) == NULL) {
            return false;
        }
    }
    return text.len <= max;
}

static bool is_float(struct cor_view value)
{
    auto_(cor_freep) char *text = cor_view_dup(value);
    char *end = NULL;
    errno = 0;
    (void)strtod(text, &end);
    return value.len > 0 && *end == '\0' && text[0] != ' ' && errno != ERANGE;
}

bool dt_value_fits(struct cor_view value, const char *type, const char **why_r)
{
    int64_t number = 0;
    *why_r = NULL;
    if (type[0] == '\0' || strcmp(type, "string") == 0 || strcmp(type, "deleted") == 0) {
        return true;
    }
    if (strcmp(type, "int") == 0 || strcmp(type, "integer") == 0) {
        *why_r = cor_view_i64(value, &number) ? NULL : "the value is not int or integer";
    } else if (strcmp(type, "float") == 0) {
        *why_r = is_float(value) ? NULL : "the value is not float";
    } else if (strcmp(type, "boolean") == 0) {
        bool fits = cor_view_is(value, "true") || cor_view_is(value, "false");
        *why_r = fits ? NULL : "the bool value must be true or false";
    } else {
        *why_r = "the value type is not allowed";
    }
    return *why_r == NULL;
}

static void refuse(struct dt_change *change, const char *reason)
{
    change->code = BAD_REQUEST;
    cor_free(change->reason);
    change->reason = cor_strdup(reason);
}

static void note(struct dt_change *change, struct dt_twin *twin)
{
    if (change->changed == NULL) {
        change->changed = cor_map_new(dt_twin_drop);
    }
    twin->dirty++;
    cor_map_set(change->changed, cor_view_of(twin->name), twin);
}

static void set_side(struct dt_side *side, struct cor_view value, int64_t now_ms)
{
    cor_free(side->value);
    side->value = cor_view_dup(value);
    side->timestamp_ms = now_ms;
    side->versioned = true;
}

/* What a MsgTwin says about one side. False: it is wrong, the change says why. */
static bool read_side(const struct cor_json *msg, const char *side, const char *type,
                      struct cor_view *value_r, struct dt_change *change)
{
    const char *why = NULL;
    const struct cor_json *object = cor_json_get(msg, side);
    *value_r = (struct cor_view){0};
    if (cor_json_is_null(object)) {
        return true;
    }
    *value_r = cor_json_as_view(cor_json_get(object, "value"));
    if (value_r->ptr == NULL) {
        refuse(change, "Unmarshal update request body failed, please check the request");
        return false;
    }
    if (!is_plain(*value_r, VALUE_MAX)) {
        refuse(change, VALUE_TEXT);
        return false;
    }
    if (!dt_value_fits(*value_r, type, &why)) {
        refuse(change, why);
        return false;
    }
    return true;
}

/* Both sides of msg on twin (owned by the caller). */
static bool set_sides(struct dt_twin *twin, const struct cor_json *msg, const char *type,
                      int64_t now_ms, struct dt_change *change)
{
    struct cor_view expected;
    struct cor_view actual;
    if (!read_side(msg, "expected", type, &expected, change) ||
        !read_side(msg, "actual", type, &actual, change)) {
        return false;
    }
    if (expected.ptr != NULL) {
        set_side(&twin->expected, expected, now_ms);
        twin->expected.edge++;
    }
    if (actual.ptr != NULL) {
        set_side(&twin->actual, actual, now_ms);
        twin->actual.edge++;
    }
    return true;
}

static void mark_deleted(struct dt_twin *twin)
{
    cor_free(twin->type);
    twin->type = cor_strdup("deleted");
    struct dt_side *sides[] = {&twin->expected, &twin->actual};
    for (size_t i = 0; i < COR_COUNT(sides); i++) {
        cor_freep(&sides[i]->value);
        sides[i]->timestamp_ms = 0;
        sides[i]->edge += sides[i]->versioned ? 1 : 0;
    }
}

static void delete_key(const struct dt_twin *old, struct dt_change *change)
{
    if (old == NULL || !old->optional || dt_twin_is_deleted(old)) {
        return;
    }
    struct dt_twin *twin = dt_twin_copy(old);
    mark_deleted(twin);
    note(change, twin);
}

static struct dt_twin *fresh(struct cor_view name)
{
    struct dt_twin *twin = cor_alloc(sizeof(*twin));
    twin->name = cor_view_dup(name);
    twin->type = cor_strdup("string");
    twin->optional = true;
    return twin;
}

static bool update_key(const struct dt_device *device, struct cor_view name,
                       const struct cor_json *msg, int64_t now_ms, struct dt_change *change)
{
    const struct dt_twin *old = cor_map_get(device->twins, name);
    if (cor_json_is_null(msg)) {
        delete_key(old, change);
        return true;
    }
    if (!cor_json_is_object(msg)) {
        refuse(change, "Unmarshal update request body failed, please check the request");
        return false;
    }
    bool is_new = old == NULL || dt_twin_is_deleted(old);
    struct dt_twin *twin = old == NULL ? fresh(name) : dt_twin_copy(old);
    const char *type = cor_json_str_at(msg, "metadata.type", NULL);
    if (is_new) {
        cor_free(twin->type);
        twin->type = cor_strdup(type == NULL || type[0] == '\0' ? "string" : type);
    }
    if (!set_sides(twin, msg, twin->type, now_ms, change)) {
        dt_twin_drop(twin);
        return false;
    }
    bool optional = cor_json_bool_at(msg, "optional", twin->optional);
    twin->optional = is_new ? optional : twin->optional && optional; /* it only ever becomes firm */
    note(change, twin);
    return true;
}

void dt_update(const struct dt_device *device, const struct cor_json *twin, int64_t now_ms,
               struct dt_change *change)
{
    if (!cor_json_is_object(twin)) {
        refuse(change, "Update twin error, key:twin does not exist");
        return;
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *msg = NULL;
    while (cor_json_each(twin, &at, &key, &msg)) {
        struct cor_view name = cor_view_of(key);
        if (name.len == 0 || !is_plain(name, KEY_MAX)) {
            refuse(change, KEY_TEXT);
        } else {
            (void)update_key(device, name, msg, now_ms, change);
        }
        if (change->code != 0) {
            cor_map_free(&change->changed);
            return;
        }
    }
}

enum cor_code dt_desire(const struct dt_device *device, struct cor_view name, struct cor_view value,
                        const char *type, int64_t now_ms, struct dt_change *change,
                        struct cor_err *err)
{
    const struct dt_twin *old = cor_map_get(device->twins, name);
    const char *why = NULL;
    if (name.len == 0 || !is_plain(name, KEY_MAX)) {
        return cor_err_set(err, COR_INVALID, "property name: %s", KEY_TEXT);
    }
    if (value.len > VALUE_MAX || !dt_value_fits(value, type, &why)) {
        return cor_err_set(err, COR_INVALID, "desired value of %.*s: %s", COR_VIEW_ARG(name),
                           why == NULL ? "longer than 512 bytes" : why);
    }
    if (old != NULL && old->expected.value != NULL && cor_view_is(value, old->expected.value)) {
        return COR_OK;
    }
    struct dt_twin *twin = old == NULL ? fresh(name) : dt_twin_copy(old);
    if (old == NULL || dt_twin_is_deleted(old)) {
        cor_free(twin->type);
        twin->type = cor_strdup(type);
    }
    set_side(&twin->expected, value, now_ms);
    twin->expected.cloud++;
    note(change, twin);
    return COR_OK;
}
