// SPDX-License-Identifier: Apache-2.0
#include "cache.h"

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"

struct entry {
    struct cor_link link; /* the one used last at the end */
    struct kl_cache *cache;
    char *id;
    size_t id_len;
    int64_t rv;
    size_t size;
    struct cor_json *object;
};

struct kl_cache {
    struct cor_map *entries;
    struct cor_link used;
    size_t size;
    size_t max;
};

static void entry_free(void *value)
{
    struct entry *entry = value;
    entry->cache->size -= entry->size;
    cor_list_del(&entry->link);
    cor_json_free(&entry->object);
    cor_free(entry->id);
    cor_free(entry);
}

struct kl_cache *kl_cache_new(size_t max_bytes)
{
    struct kl_cache *cache = cor_alloc(sizeof(*cache));
    cache->entries = cor_map_new(entry_free);
    cache->max = max_bytes;
    cor_list_init(&cache->used);
    return cache;
}

void kl_cache_free(struct kl_cache **cache)
{
    if (*cache != NULL) {
        cor_map_free(&(*cache)->entries);
        cor_freep(cache);
    }
}

struct cor_json *kl_cache_get(struct kl_cache *cache, struct cor_view id, int64_t rv)
{
    struct entry *entry = cor_map_get(cache->entries, id);
    if (entry == NULL || (rv != 0 && entry->rv != rv)) {
        return NULL;
    }
    cor_list_del(&entry->link);
    cor_list_add(&cache->used, &entry->link);
    return cor_json_ref(entry->object);
}

static void make_room(struct kl_cache *cache)
{
    while (cache->size > cache->max) {
        const struct entry *oldest = COR_LIST_OBJECT(cache->used.next, struct entry, link);
        (void)cor_map_del(cache->entries, (struct cor_view){oldest->id, oldest->id_len});
    }
}

void kl_cache_put(struct kl_cache *cache, struct cor_view id, int64_t rv, struct cor_json *object,
                  size_t size)
{
    const struct entry *before = cor_map_get(cache->entries, id);
    if (before != NULL && before->rv > rv) {
        cor_json_free(&object);
        return;
    }
    struct entry *entry = cor_alloc(sizeof(*entry));
    *entry = (struct entry){.cache = cache,
                            .id = cor_view_dup(id),
                            .id_len = id.len,
                            .rv = rv,
                            .size = size,
                            .object = object};
    cor_list_init(&entry->link);
    cor_list_add(&cache->used, &entry->link);
    cache->size += size;
    cor_map_set(cache->entries, id, entry);
    make_room(cache);
}

void kl_cache_drop(struct kl_cache *cache, struct cor_view id)
{
    (void)cor_map_del(cache->entries, id);
}

size_t kl_cache_size(const struct kl_cache *cache)
{
    return cache->size;
}
