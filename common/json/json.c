// SPDX-License-Identifier: Apache-2.0
#include "common/json/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

enum { FIRST = 4 };

enum cor_code cor_json_parse(struct cor_view text, size_t max, int flags, struct cor_json **out_r,
                             struct cor_err *err)
{
    *out_r = NULL;
    text = text.ptr == NULL ? COR_VIEW("") : text; /* an absent one has no address to count from */
    if (text.len > max) {
        return cor_err_set(err, COR_TOOBIG, "JSON of %zu bytes, at most %zu", text.len, max);
    }
    if ((flags & COR_JSON_PREFIX) == 0) {
        *out_r = cor_json_read_plain(text, (flags & COR_JSON_STRICT) != 0);
    }
    return *out_r != NULL ? COR_OK : cor_json_read_odd(text, flags, out_r, err);
}

/* ---- scalars ---- */

struct cor_json *cor_json_real(double value)
{
    if (!isfinite(value)) {
        return cor_json_null(); /* NaN and infinities have no JSON */
    }
    struct cor_json *real = cor_json_int(0);
    real->type = COR_JSON_REAL;
    real->real = value;
    return real;
}

/* Where the UTF-8 ends; NUL counts as any other character. */
static size_t good_len(struct cor_view text)
{
    size_t at = cor_view_utf8_len(text);
    while (at < text.len && text.ptr[at] == '\0') {
        at++;
        at += cor_view_utf8_len((struct cor_view){text.ptr + at, text.len - at});
    }
    return at;
}

struct cor_json *cor_json_view(struct cor_view text)
{
    text = text.ptr == NULL ? COR_VIEW("") : text;
    struct cor_json *value = cor_json_text_new(text.ptr, text.len);
    if (good_len(text) < text.len) {
        for (size_t i = 0; i < text.len; i++) {
            char *c = &value->text.bytes[i];
            *c = (unsigned char)*c >= 0x80 || *c == '\0' ? '?' : *c;
        }
    }
    return value;
}

struct cor_json *cor_json_str(const char *text)
{
    return cor_json_view(cor_view_of(text));
}

struct cor_json *cor_json_fmt(const char *fmt, ...)
{
    auto_(cor_freep) char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int n = vasprintf(&text, fmt, args);
    va_end(args);
    if (n < 0) {
        cor_die("out of memory (formatting)");
    }
    struct cor_view view = {text, (size_t)n};
    return good_len(view) < view.len ? cor_json_str("") : cor_json_view(view);
}

enum cor_json_type cor_json_type(const struct cor_json *value)
{
    return value == NULL ? COR_JSON_NULL : value->type;
}

bool cor_json_is_object(const struct cor_json *value)
{
    return cor_json_type(value) == COR_JSON_OBJECT;
}

bool cor_json_is_array(const struct cor_json *value)
{
    return cor_json_type(value) == COR_JSON_ARRAY;
}

bool cor_json_is_string(const struct cor_json *value)
{
    return cor_json_type(value) == COR_JSON_STRING;
}

bool cor_json_is_null(const struct cor_json *value)
{
    return cor_json_type(value) == COR_JSON_NULL;
}

const char *cor_json_as_str(const struct cor_json *value, const char *otherwise)
{
    return cor_json_is_string(value) ? value->text.bytes : otherwise;
}

struct cor_view cor_json_as_view(const struct cor_json *value)
{
    return cor_json_is_string(value) ? (struct cor_view){value->text.bytes, value->text.len}
                                     : (struct cor_view){0};
}

int64_t cor_json_as_int(const struct cor_json *value, int64_t otherwise)
{
    return cor_json_type(value) == COR_JSON_INT ? value->integer : otherwise;
}

double cor_json_as_real(const struct cor_json *value, double otherwise)
{
    enum cor_json_type type = cor_json_type(value);
    return type == COR_JSON_REAL  ? value->real
           : type == COR_JSON_INT ? (double)value->integer
                                  : otherwise;
}

bool cor_json_as_bool(const struct cor_json *value, bool otherwise)
{
    return cor_json_type(value) == COR_JSON_BOOL ? value->integer != 0 : otherwise;
}

/* ---- members ---- */

struct cor_json *cor_json_get_view(const struct cor_json *value, struct cor_view key)
{
    const struct cor_json_member *member =
        cor_json_is_object(value) ? cor_json_find(value, key) : NULL;
    return member == NULL ? NULL : member->value;
}

struct cor_json *cor_json_at(const struct cor_json *value, const char *path)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    struct cor_json *at = (struct cor_json *)(uintptr_t)value;
    while (at != NULL && cor_view_split(&rest, '.', &part)) {
        at = cor_json_get_view(at, part);
    }
    return at;
}

const char *cor_json_str_at(const struct cor_json *value, const char *path, const char *otherwise)
{
    return cor_json_as_str(cor_json_at(value, path), otherwise);
}

int64_t cor_json_int_at(const struct cor_json *value, const char *path, int64_t otherwise)
{
    return cor_json_as_int(cor_json_at(value, path), otherwise);
}

bool cor_json_bool_at(const struct cor_json *value, const char *path, bool otherwise)
{
    return cor_json_as_bool(cor_json_at(value, path), otherwise);
}

void cor_json_set_view(struct cor_json *value, struct cor_view key, struct cor_json *child)
{
    must(cor_json_is_object(value));
    if (child == NULL) {
        struct cor_json_member *member = cor_json_find(value, key);
        if (member != NULL) {
            cor_json_remove(value, member);
        }
    } else if (cor_view_is_utf8(key)) {
        cor_json_fill(cor_json_place(value, key), child);
    } else {
        cor_json_free(&child);
    }
}

void cor_json_set_at(struct cor_json *value, const char *path, struct cor_json *child)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    struct cor_json *at = value;
    while (cor_view_split(&rest, '.', &part)) {
        if (rest.ptr == NULL) {
            cor_json_set_view(at, part, child);
            return;
        }
        if (!cor_json_is_object(cor_json_get_view(at, part))) {
            cor_json_set_view(at, part, cor_json_object());
        }
        at = cor_json_get_view(at, part);
    }
}

void cor_json_del(struct cor_json *value, const char *key)
{
    if (cor_json_is_object(value)) {
        cor_json_set_view(value, cor_view_of(key), NULL);
    }
}

void cor_json_drop_nulls(struct cor_json *value)
{
    for (uint32_t i = 0; cor_json_is_object(value) && i < value->object.used; i++) {
        struct cor_json_member *member = &value->object.members[i];
        if (member->value == NULL) {
            continue;
        }
        if (cor_json_is_null(member->value)) {
            cor_json_remove(value, member);
        } else {
            cor_json_drop_nulls(member->value);
        }
    }
    for (uint32_t i = 0; cor_json_is_array(value) && i < value->array.count; i++) {
        cor_json_drop_nulls(value->array.items[i]);
    }
}

bool cor_json_each(const struct cor_json *value, void **at, const char **key_r,
                   struct cor_json **child_r)
{
    uintptr_t number = (uintptr_t)*at; /* of the next one */
    *at = NULL;
    while (cor_json_is_object(value) && number < value->object.used) {
        const struct cor_json_member *member = &value->object.members[number++];
        if (member->value != NULL) {
            *at = (void *)number;
            *key_r = cor_json_key(member);
            *child_r = member->value;
            return true;
        }
    }
    return false;
}

/* ---- elements ---- */

size_t cor_json_count(const struct cor_json *value)
{
    return cor_json_is_object(value)  ? value->object.count
           : cor_json_is_array(value) ? value->array.count
                                      : 0;
}

struct cor_json *cor_json_item(const struct cor_json *value, size_t index)
{
    return cor_json_is_array(value) && index < value->array.count ? value->array.items[index]
                                                                  : NULL;
}

static void make_room(struct cor_json *array)
{
    if (array->array.count < array->array.cap) {
        return;
    }
    must(array->array.cap < UINT32_MAX / 2);
    uint32_t cap = array->array.cap == 0 ? FIRST : array->array.cap * 2;
    struct cor_json **items = cor_json_heap_get(cap * sizeof(struct cor_json *));
    if (array->array.count > 0) {
        memcpy(items, array->array.items, array->array.count * sizeof(struct cor_json *));
    }
    cor_json_heap_put(array->array.items);
    array->array.items = items;
    array->array.cap = cap;
}

void cor_json_add(struct cor_json *value, struct cor_json *child)
{
    must(cor_json_is_array(value) && child != NULL);
    make_room(value);
    value->array.items[value->array.count++] = child;
}

void cor_json_insert(struct cor_json *value, size_t index, struct cor_json *child)
{
    must(cor_json_is_array(value) && index <= value->array.count && child != NULL);
    make_room(value);
    struct cor_json **at = &value->array.items[index];
    memmove(at + 1, at, (value->array.count++ - index) * sizeof(struct cor_json *));
    *at = child;
}

void cor_json_put(struct cor_json *value, size_t index, struct cor_json *child)
{
    must(cor_json_is_array(value) && index < value->array.count);
    struct cor_json **at = &value->array.items[index];
    struct cor_json *before = *at;
    *at = child;
    if (child == NULL) {
        memmove(at, at + 1, (--value->array.count - index) * sizeof(struct cor_json *));
    }
    cor_json_free(&before);
}

/* ---- whole values ---- */

static bool same_members(const struct cor_json *a, const struct cor_json *b)
{
    bool same = a->object.count == b->object.count;
    for (uint32_t i = 0; same && i < a->object.used; i++) {
        const struct cor_json_member *member = &a->object.members[i];
        same = member->value == NULL ||
               cor_json_equal(
                   member->value,
                   cor_json_get_view(b, (struct cor_view){cor_json_key(member), member->len}));
    }
    return same;
}

static bool same_elements(const struct cor_json *a, const struct cor_json *b)
{
    bool same = a->array.count == b->array.count;
    for (uint32_t i = 0; same && i < a->array.count; i++) {
        same = cor_json_equal(a->array.items[i], b->array.items[i]);
    }
    return same;
}

bool cor_json_equal(const struct cor_json *a, const struct cor_json *b)
{
    if (a == b || a == NULL || b == NULL || a->type != b->type) {
        return a == b;
    }
    switch (a->type) {
    case COR_JSON_OBJECT:
        return same_members(a, b);
    case COR_JSON_ARRAY:
        return same_elements(a, b);
    case COR_JSON_STRING:
        return cor_view_eq(cor_json_as_view(a), cor_json_as_view(b));
    case COR_JSON_REAL:
        return a->real == b->real;
    default:
        return a->integer == b->integer;
    }
}

static struct cor_json *copy_array(const struct cor_json *value)
{
    struct cor_json *copy = cor_json_array();
    for (uint32_t i = 0; i < value->array.count; i++) {
        cor_json_add(copy, cor_json_copy(value->array.items[i]));
    }
    return copy;
}

/* Scalars never change: copies share them. */
struct cor_json *cor_json_copy(const struct cor_json *value)
{
    switch (cor_json_type(value)) {
    case COR_JSON_OBJECT:
        return cor_json_copy_object(value);
    case COR_JSON_ARRAY:
        return copy_array(value);
    default:
        return cor_json_ref((struct cor_json *)(uintptr_t)value);
    }
}

struct cor_json *cor_json_merge_patch(struct cor_json *target, const struct cor_json *patch)
{
    if (!cor_json_is_object(patch)) {
        cor_json_free(&target);
        return cor_json_copy(patch);
    }
    if (!cor_json_is_object(target)) {
        cor_json_free(&target);
        target = cor_json_object();
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(patch, &at, &key, &child)) {
        if (cor_json_is_null(child)) {
            cor_json_del(target, key);
            continue;
        }
        struct cor_json *old = cor_json_ref(cor_json_get(target, key));
        cor_json_set(target, key, cor_json_merge_patch(old, child));
    }
    return target;
}
