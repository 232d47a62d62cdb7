// SPDX-License-Identifier: Apache-2.0
#include "common/base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "common/base/mem.h"

struct block {
    struct block *older;
    size_t size;
    size_t used;
    max_align_t data[];
};

struct cor_arena {
    struct block *newest;
    size_t limit;
    size_t total; /* bytes handed out since the last reset */
};

enum { BLOCK = 4000, ALIGN = alignof(max_align_t) };

struct cor_arena *cor_arena_new(size_t limit)
{
    struct cor_arena *arena = cor_alloc(sizeof(*arena));
    arena->limit = limit;
    return arena;
}

static void free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *older = block->older;
        cor_free(block);
        block = older;
    }
}

void cor_arena_free(struct cor_arena **arena)
{
    if (*arena != NULL) {
        free_blocks((*arena)->newest);
        cor_freep(arena);
    }
}

void *cor_arena_alloc(struct cor_arena *arena, size_t size)
{
    if (size > arena->limit || arena->total > arena->limit - size) {
        return NULL;
    }
    size_t rounded = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct block *block = arena->newest;
    if (block == NULL || block->size - block->used < rounded) {
        size_t room = rounded > BLOCK ? rounded : BLOCK;
        block = cor_alloc(sizeof(*block) + room);
        block->size = room;
        block->older = arena->newest;
        arena->newest = block;
    }
    void *at = (char *)block->data + block->used;
    block->used += rounded;
    arena->total += size;
    return at;
}

char *cor_arena_dup(struct cor_arena *arena, struct cor_view view)
{
    char *copy = cor_arena_alloc(arena, view.len + 1);
    if (copy != NULL && view.len > 0) {
        memcpy(copy, view.ptr, view.len);
    }
    return copy;
}

void cor_arena_reset(struct cor_arena *arena)
{
    struct block *kept = arena->newest;
    arena->total = 0;
    if (kept == NULL) {
        return;
    }
    free_blocks(kept->older);
    kept->older = NULL;
    if (kept->size > (size_t)16 * BLOCK) {
        cor_free(kept);
        arena->newest = NULL;
        return;
    }
    memset(kept->data, 0, kept->used);
    kept->used = 0;
}
