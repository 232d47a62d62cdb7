// SPDX-License-Identifier: Apache-2.0
// Values: made, counted, freed; members of objects. Most objects have few members, with short keys:
// they stand in one block and are looked through. From some number on there is an index.
#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

enum { FIRST = 4, LOOKED_THROUGH = 24 };

/* ---- made and freed ---- */

static struct cor_json *made(enum cor_json_type type, size_t size)
{
    struct cor_json *value = cor_json_heap_get(size);
    memset(value, 0, sizeof(*value) < size ? sizeof(*value) : size);
    atomic_init(&value->refs, 1);
    value->type = type;
    return value;
}

struct cor_json *cor_json_null(void)
{
    static struct cor_json it = {.type = COR_JSON_NULL};
    return &it;
}

struct cor_json *cor_json_bool(bool value)
{
    static struct cor_json no = {.type = COR_JSON_BOOL};
    static struct cor_json yes = {.type = COR_JSON_BOOL, .integer = 1};
    return value ? &yes : &no;
}

struct cor_json *cor_json_int(int64_t value)
{
    struct cor_json *it = made(COR_JSON_INT, sizeof(*it));
    it->integer = value;
    return it;
}

struct cor_json *cor_json_text_new(const char *bytes, size_t len)
{
    struct cor_json *it = cor_json_heap_get(offsetof(struct cor_json, text.bytes) + len + 1);
    atomic_init(&it->refs, 1);
    it->type = COR_JSON_STRING;
    it->text.len = len;
    memcpy(it->text.bytes, bytes, len);
    it->text.bytes[len] = '\0';
    return it;
}

struct cor_json *cor_json_object(void)
{
    return made(COR_JSON_OBJECT, sizeof(struct cor_json));
}

struct cor_json *cor_json_array(void)
{
    return made(COR_JSON_ARRAY, sizeof(struct cor_json));
}

struct cor_json *cor_json_ref(struct cor_json *value)
{
    if (value != NULL && atomic_load_explicit(&value->refs, memory_order_relaxed) != 0) {
        (void)atomic_fetch_add_explicit(&value->refs, 1, memory_order_relaxed);
    }
    return value;
}

static void key_free(struct cor_json_member *member)
{
    if (member->len >= COR_JSON_NEAR) {
        cor_json_heap_put((void *)(uintptr_t)cor_json_key(member));
    }
}

static void destroy(struct cor_json *value)
{
    if (value->type == COR_JSON_OBJECT) {
        for (uint32_t i = 0; i < value->object.used; i++) {
            struct cor_json_member *member = &value->object.members[i];
            if (member->value != NULL) {
                key_free(member);
                cor_json_free(&member->value);
            }
        }
        cor_json_heap_put(value->object.members);
        cor_map_free(&value->object.index);
    } else if (value->type == COR_JSON_ARRAY) {
        for (uint32_t i = 0; i < value->array.count; i++) {
            cor_json_free(&value->array.items[i]);
        }
        cor_json_heap_put(value->array.items);
    }
    cor_json_heap_put(value);
}

/* Only the last one to know a value frees it: it need not count. */
void cor_json_free(struct cor_json **value_p)
{
    struct cor_json *value = *value_p;
    *value_p = NULL;
    unsigned refs = value == NULL ? 0 : atomic_load_explicit(&value->refs, memory_order_acquire);
    if (refs > 1) {
        refs = atomic_fetch_sub_explicit(&value->refs, 1, memory_order_acq_rel);
    }
    if (refs == 1) {
        destroy(value);
    }
}

/* ---- members ---- */

static struct cor_view key_of(const struct cor_json_member *member)
{
    return (struct cor_view){cor_json_key(member), member->len};
}

static void note(struct cor_json *object, uint32_t number)
{
    cor_map_set(object->object.index, key_of(&object->object.members[number]),
                (void *)((uintptr_t)number + 1));
}

/* Anew, when there are many. */
static void make_index(struct cor_json *object)
{
    cor_map_free(&object->object.index);
    if (object->object.used < LOOKED_THROUGH) {
        return;
    }
    object->object.index = cor_map_new(NULL);
    for (uint32_t i = 0; i < object->object.used; i++) {
        if (object->object.members[i].value != NULL) {
            note(object, i);
        }
    }
}

struct cor_json_member *cor_json_find(const struct cor_json *object, struct cor_view key)
{
    struct cor_json_member *members = object->object.members;
    if (object->object.index != NULL) {
        uintptr_t number = (uintptr_t)cor_map_get(object->object.index, key);
        return number == 0 ? NULL : &members[number - 1];
    }
    char first = key.len == 0 ? '\0' : key.ptr[0];
    for (uint32_t i = 0; i < object->object.used; i++) {
        if (members[i].len != key.len || members[i].value == NULL) {
            continue;
        }
        const char *its = cor_json_key(&members[i]);
        if (its[0] == first && memcmp(its, key.ptr, key.len) == 0) {
            return &members[i];
        }
    }
    return NULL;
}

/* Without the places of removed ones. */
static void pack(struct cor_json *object)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < object->object.used; i++) {
        if (object->object.members[i].value != NULL) {
            object->object.members[kept++] = object->object.members[i];
        }
    }
    object->object.used = kept;
    make_index(object);
}

static void make_room(struct cor_json *object, uint32_t cap)
{
    struct cor_json_member *members = cor_json_heap_get(cap * sizeof(*members));
    if (object->object.used > 0) {
        memcpy(members, object->object.members, object->object.used * sizeof(*members));
    }
    cor_json_heap_put(object->object.members);
    object->object.members = members;
    object->object.cap = cap;
}

static void enlarge(struct cor_json *object)
{
    must(object->object.cap < UINT32_MAX / 2);
    make_room(object, object->object.cap == 0 ? FIRST : object->object.cap * 2);
}

static void set_key(struct cor_json_member *member, struct cor_view key)
{
    must(key.len < UINT32_MAX);
    member->len = (uint32_t)key.len;
    char *at = member->near;
    if (key.len >= COR_JSON_NEAR) {
        at = cor_json_heap_get(key.len + 1);
        memcpy(member->near, &at, sizeof(at));
    }
    if (key.len > 0) {
        memcpy(at, key.ptr, key.len);
    }
    at[key.len] = '\0';
}

/* There is none of that key (takes value). */
static struct cor_json_member *append(struct cor_json *object, struct cor_view key,
                                      struct cor_json *value)
{
    if (object->object.used == object->object.cap) {
        if (object->object.count < object->object.used / 2) {
            pack(object);
        } else {
            enlarge(object);
        }
    }
    uint32_t number = object->object.used++;
    struct cor_json_member *member = &object->object.members[number];
    set_key(member, key);
    member->value = value;
    object->object.count++;
    if (object->object.index != NULL) {
        note(object, number);
    } else if (object->object.used == LOOKED_THROUGH) {
        make_index(object);
    }
    return member;
}

struct cor_json_member *cor_json_place(struct cor_json *object, struct cor_view key)
{
    struct cor_json_member *member = cor_json_find(object, key);
    return member != NULL ? member : append(object, key, cor_json_null());
}

struct cor_json *cor_json_copy_object(const struct cor_json *object)
{
    struct cor_json *copy = cor_json_object();
    if (object->object.count > 0) {
        make_room(copy, object->object.count);
    }
    for (uint32_t i = 0; i < object->object.used; i++) {
        const struct cor_json_member *member = &object->object.members[i];
        if (member->value != NULL) {
            (void)append(copy, key_of(member), cor_json_copy(member->value));
        }
    }
    return copy;
}

void cor_json_fill(struct cor_json_member *member, struct cor_json *value)
{
    struct cor_json *before = member->value;
    member->value = value;
    cor_json_free(&before);
}

void cor_json_remove(struct cor_json *object, struct cor_json_member *member)
{
    if (object->object.index != NULL) {
        (void)cor_map_del(object->object.index, key_of(member));
    }
    key_free(member);
    cor_json_free(&member->value);
    object->object.count--;
    while (object->object.used > 0 &&
           object->object.members[object->object.used - 1].value == NULL) {
        object->object.used--;
    }
}
