// SPDX-License-Identifier: Apache-2.0
#include "common/base/map.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/must.h"

/* Open addressing over an index of slots into a dense, insertion-ordered array of entries. */
struct entry {
    char *key; /* owned; NULL: removed */
    size_t len;
    uint64_t hash;
    void *value;
};

struct cor_map {
    void (*free_value)(void *value);
    struct entry *entries;
    size_t used;     /* entries in the array, removed ones included */
    size_t count;    /* live ones */
    size_t cap;      /* of entries */
    uint32_t *index; /* 0 empty, else entry number + 1; size is a power of two */
    size_t index_size;
    uint64_t seed;
};

enum { FIRST_CAP = 8 };

struct cor_map *cor_map_new(void (*free_value)(void *value))
{
    struct cor_map *map = cor_alloc(sizeof(*map));
    map->free_value = free_value;
    if (getrandom(&map->seed, sizeof(map->seed), GRND_NONBLOCK) != (ssize_t)sizeof(map->seed)) {
        map->seed = (uint64_t)(uintptr_t)map; /* early in boot: better than nothing */
    }
    return map;
}

void cor_map_free(struct cor_map **map)
{
    if (*map == NULL) {
        return;
    }
    struct cor_map *self = *map;
    *map = NULL;
    for (size_t i = 0; i < self->used; i++) {
        if (self->entries[i].key != NULL) {
            cor_free(self->entries[i].key);
            if (self->free_value != NULL) {
                self->free_value(self->entries[i].value);
            }
        }
    }
    cor_free(self->entries);
    cor_free(self->index);
    cor_free(self);
}

/* Eight bytes at a time; it is nobody's but the map's. */
static uint64_t hash_of(const struct cor_map *map, struct cor_view key)
{
    uint64_t h = map->seed ^ (key.len * 0x9e3779b97f4a7c15U);
    uint64_t word = 0;
    size_t at = 0;
    for (; key.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, key.ptr + at, sizeof(word));
        h = cor_hash_mix(h ^ word);
    }
    if (at < key.len) {
        word = 0;
        memcpy(&word, key.ptr + at, key.len - at);
        h ^= word;
    }
    return cor_hash_mix(h);
}

static struct entry *find(const struct cor_map *map, uint64_t hash, struct cor_view key)
{
    if (map->index_size == 0) {
        return NULL;
    }
    size_t mask = map->index_size - 1;
    for (size_t i = hash & mask; map->index[i] != 0; i = (i + 1) & mask) {
        struct entry *e = &map->entries[map->index[i] - 1];
        if (e->key != NULL && e->hash == hash && e->len == key.len &&
            memcmp(e->key, key.ptr, key.len) == 0) {
            return e;
        }
    }
    return NULL;
}

static void rebuild(struct cor_map *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->used; i++) {
        if (map->entries[i].key != NULL) {
            map->entries[kept++] = map->entries[i];
        }
    }
    map->used = kept;
    size_t cap = kept < FIRST_CAP / 2 ? FIRST_CAP : kept * 2;
    map->entries = cor_realloc(map->entries, cap, sizeof(*map->entries));
    map->cap = cap;
    size_t size = FIRST_CAP * 2;
    while (size < cap * 2) {
        size *= 2;
    }
    cor_free(map->index);
    map->index = cor_calloc(size, sizeof(*map->index));
    map->index_size = size;
    for (size_t i = 0; i < kept; i++) {
        size_t at = map->entries[i].hash & (size - 1);
        while (map->index[at] != 0) {
            at = (at + 1) & (size - 1);
        }
        map->index[at] = (uint32_t)(i + 1);
    }
}

void *cor_map_get(const struct cor_map *map, struct cor_view key)
{
    const struct entry *e = find(map, hash_of(map, key), key);
    return e == NULL ? NULL : e->value;
}

void cor_map_set(struct cor_map *map, struct cor_view key, void *value)
{
    must(value != NULL && map->used < UINT32_MAX - 1);
    uint64_t hash = hash_of(map, key);
    struct entry *e = find(map, hash, key);
    if (e != NULL) {
        void *old = e->value;
        e->value = value;
        if (map->free_value != NULL && old != value) {
            map->free_value(old);
        }
        return;
    }
    if (map->used == map->cap) {
        rebuild(map);
    }
    map->entries[map->used] = (struct entry){cor_view_dup(key), key.len, hash, value};
    map->used++;
    map->count++;
    size_t mask = map->index_size - 1;
    size_t at = hash & mask;
    while (map->index[at] != 0) {
        at = (at + 1) & mask;
    }
    map->index[at] = (uint32_t)map->used;
}

void *cor_map_take(struct cor_map *map, struct cor_view key)
{
    struct entry *e = find(map, hash_of(map, key), key);
    if (e == NULL) {
        return NULL;
    }
    void *value = e->value;
    cor_freep(&e->key);
    e->value = NULL;
    map->count--;
    return value;
}

bool cor_map_del(struct cor_map *map, struct cor_view key)
{
    void *value = cor_map_take(map, key);
    if (value == NULL) {
        return false;
    }
    if (map->free_value != NULL) {
        map->free_value(value);
    }
    return true;
}

size_t cor_map_count(const struct cor_map *map)
{
    return map->count;
}

bool cor_map_next(const struct cor_map *map, size_t *at, struct cor_view *key_r, void **value_r)
{
    while (*at < map->used && map->entries[*at].key == NULL) {
        (*at)++;
    }
    if (*at >= map->used) {
        return false;
    }
    const struct entry *e = &map->entries[*at];
    (*at)++;
    if (key_r != NULL) {
        *key_r = (struct cor_view){e->key, e->len};
    }
    if (value_r != NULL) {
        *value_r = e->value;
    }
    return true;
}
