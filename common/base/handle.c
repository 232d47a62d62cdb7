// SPDX-License-Identifier: Apache-2.0
#include "common/base/handle.h"

#include "common/base/mem.h"
#include "common/base/must.h"

struct slot {
    void *object;        /* NULL: free */
    uint32_t generation; /* changes each time the slot is reused; starts at 1 */
    uint32_t next_free;  /* slot number + 1 */
};

struct cor_pool {
    struct slot *slots;
    size_t used;
    size_t cap;
    size_t max;
    size_t count;
    uint32_t free_head; /* slot number + 1; 0: none */
};

struct cor_pool *cor_pool_new(size_t max)
{
    must(max > 0 && max <= INT32_MAX);
    struct cor_pool *pool = cor_alloc(sizeof(*pool));
    pool->max = max;
    return pool;
}

void cor_pool_free(struct cor_pool **pool)
{
    if (*pool != NULL) {
        cor_free((*pool)->slots);
        cor_freep(pool);
    }
}

static uint32_t free_slot(struct cor_pool *pool)
{
    if (pool->free_head != 0) {
        uint32_t at = pool->free_head - 1;
        pool->free_head = pool->slots[at].next_free;
        return at;
    }
    if (pool->used == pool->cap) {
        pool->cap = pool->cap == 0 ? 16 : pool->cap * 2;
        pool->slots = cor_realloc(pool->slots, pool->cap, sizeof(*pool->slots));
    }
    pool->slots[pool->used] = (struct slot){.generation = 0};
    return (uint32_t)pool->used++;
}

cor_handle cor_pool_add(struct cor_pool *pool, void *object)
{
    must(object != NULL);
    if (pool->count == pool->max) {
        return 0;
    }
    uint32_t at = free_slot(pool);
    struct slot *slot = &pool->slots[at];
    slot->object = object;
    slot->generation++;
    pool->count++;
    return ((cor_handle)slot->generation << 32) | at;
}

static struct slot *slot_of(const struct cor_pool *pool, cor_handle handle)
{
    size_t at = (size_t)(handle & UINT32_MAX);
    if (at >= pool->used || pool->slots[at].object == NULL ||
        pool->slots[at].generation != (uint32_t)(handle >> 32)) {
        return NULL;
    }
    return &pool->slots[at];
}

void *cor_pool_get(const struct cor_pool *pool, cor_handle handle)
{
    const struct slot *slot = slot_of(pool, handle);
    return slot == NULL ? NULL : slot->object;
}

void *cor_pool_del(struct cor_pool *pool, cor_handle handle)
{
    struct slot *slot = slot_of(pool, handle);
    if (slot == NULL) {
        return NULL;
    }
    void *object = slot->object;
    slot->object = NULL;
    slot->next_free = pool->free_head;
    pool->free_head = (uint32_t)(slot - pool->slots) + 1;
    pool->count--;
    return object;
}

size_t cor_pool_count(const struct cor_pool *pool)
{
    return pool->count;
}

void *cor_pool_next(const struct cor_pool *pool, size_t *at)
{
    while (*at < pool->used) {
        void *object = pool->slots[(*at)++].object;
        if (object != NULL) {
            return object;
        }
    }
    return NULL;
}
