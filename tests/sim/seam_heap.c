// SPDX-License-Identifier: Apache-2.0
// In place of the C library's heap (campaigns only: not with sanitizers): a world has one thread
// and ends with its process. A block comes from the list of its size, or from the end of what is
// used. What SQLite and JSON take for a service is in a heap of that service, which begins anew
// when it is killed; what else it had is abandoned.
#include <errno.h>
#include <malloc.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "seams.h"
#include "world.h"

/* In place of common/json/heap.c. */
void *cor_json_heap_get(size_t size);
void cor_json_heap_put(void *block);

/* jansson's, which only common/json includes. */
void json_set_alloc_funcs(void *(*malloc_fn)(size_t size), void (*free_fn)(void *block));

enum { STEP = 16, SMALL = 1024, SMALL_CLASSES = SMALL / STEP, CLASSES = SMALL_CLASSES + 4 * 40 };

#define SPACE ((size_t)8 << 30) /* of addresses; pages come when they are touched */

struct heap {
    char *at;
    char *end;
    void *freed[CLASSES];
};

/* Before each block. */
struct head {
    size_t room;
    uint32_t list;
    uint32_t heap;
};

/* One of each core, and last the one of all. */
static struct heap heaps[SIM_CORES + 1];

enum { COMMON = SIM_CORES };

/* Small sizes by 16 bytes, larger ones by a quarter of a power of two. */
static inline __attribute__((always_inline)) size_t class_of(size_t size, size_t *room_r)
{
    if (size <= SMALL) {
        size_t steps = size == 0 ? 1 : (size + STEP - 1) / STEP;
        *room_r = steps * STEP;
        return steps - 1;
    }
    unsigned log = 63 - (unsigned)__builtin_clzl(size - 1);
    size_t quarter = (size_t)1 << (log - 2);
    size_t quarters = (size + quarter - 1) / quarter; /* 5 to 8 */
    *room_r = quarters * quarter;
    return SMALL_CLASSES + (log - 10) * 4 + quarters - 5;
}

static struct head *head_of(void *block)
{
    return (struct head *)block - 1;
}

static __attribute__((noinline)) void *fresh(uint32_t owner, size_t room, size_t list, size_t align)
{
    struct heap *heap = &heaps[owner];
    if (heap->end == NULL) {
        heap->at = mmap(NULL, SPACE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (heap->at == MAP_FAILED) {
            abort();
        }
        heap->end = heap->at + SPACE;
        if (owner == COMMON) { /* fewer faults; a core has too little to fill such pages */
            (void)madvise(heap->at, SPACE, MADV_HUGEPAGE);
        }
    }
    size_t at = (size_t)heap->at + sizeof(struct head);
    at = (at + align - 1) / align * align;
    if (room > (size_t)heap->end - at) {
        errno = ENOMEM;
        return NULL;
    }
    heap->at = (char *)at + room;
    *head_of((void *)at) = (struct head){.room = room, .list = (uint32_t)list, .heap = owner};
    return (void *)at;
}

static inline __attribute__((always_inline)) void *take_block(uint32_t owner, size_t size,
                                                              bool *is_fresh_r)
{
    size_t room = 0;
    if (size > SPACE / 2) {
        errno = ENOMEM;
        return NULL;
    }
    size_t list = class_of(size, &room);
    void *block = heaps[owner].freed[list];
    *is_fresh_r = block == NULL;
    if (block == NULL) {
        return fresh(owner, room, list, STEP);
    }
    heaps[owner].freed[list] = *(void **)block;
    return block;
}

/* Libraries too are to find these. */
#pragma GCC visibility push(default)

void *malloc(size_t size)
{
    bool is_fresh = false;
    return take_block(COMMON, size, &is_fresh);
}

void free(void *block)
{
    if (block != NULL) {
        const struct head *head = head_of(block);
        struct heap *heap = &heaps[head->heap];
        *(void **)block = heap->freed[head->list];
        heap->freed[head->list] = block;
    }
}

void *calloc(size_t count, size_t size)
{
    size_t bytes = 0;
    bool is_fresh = false;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = take_block(COMMON, bytes, &is_fresh);
    return block == NULL || is_fresh ? block : memset(block, 0, bytes);
}

void *realloc(void *block, size_t size)
{
    if (block != NULL && size <= head_of(block)->room) {
        return block;
    }
    void *larger = malloc(size);
    if (block != NULL && larger != NULL) {
        memcpy(larger, block, head_of(block)->room);
        free(block);
    }
    return larger;
}

/* Rare: not from the lists, though freed into one. */
void *aligned_alloc(size_t align, size_t size)
{
    size_t room = 0;
    size_t list = class_of(size, &room);
    return fresh(COMMON, room, list, align < STEP ? STEP : align);
}

int posix_memalign(void **block_r, size_t align, size_t size)
{
    *block_r = aligned_alloc(align, size);
    return *block_r == NULL ? ENOMEM : 0;
}

void *memalign(size_t align, size_t size)
{
    return aligned_alloc(align, size);
}

size_t malloc_usable_size(void *block)
{
    return block == NULL ? 0 : head_of(block)->room;
}

#pragma GCC visibility pop

/* ---- heaps of cores ---- */

static void *own_malloc(size_t size)
{
    const struct sim_core *core = sim_self();
    bool is_fresh = false;
    return take_block(core == NULL ? COMMON : (uint32_t)core->id, size, &is_fresh);
}

void *cor_json_heap_get(size_t size)
{
    void *block = own_malloc(size);
    if (block == NULL) {
        abort();
    }
    return block;
}

void cor_json_heap_put(void *block)
{
    free(block);
}

static void *sql_malloc(int size)
{
    return own_malloc((size_t)size);
}

static void *sql_realloc(void *block, int size)
{
    if ((size_t)size <= head_of(block)->room) {
        return block;
    }
    void *larger = own_malloc((size_t)size);
    if (larger != NULL) {
        memcpy(larger, block, head_of(block)->room);
        free(block);
    }
    return larger;
}

static int sql_size(void *block)
{
    return (int)head_of(block)->room;
}

static int sql_roundup(int size)
{
    size_t room = 0;
    (void)class_of((size_t)size, &room);
    return (int)room;
}

static int sql_begin(void *self)
{
    (void)self;
    return SQLITE_OK;
}

static void sql_end(void *self)
{
    (void)self;
}

void sim_heaps_begin(void)
{
    static const sqlite3_mem_methods methods = {.xMalloc = sql_malloc,
                                                .xFree = free,
                                                .xRealloc = sql_realloc,
                                                .xSize = sql_size,
                                                .xRoundup = sql_roundup,
                                                .xInit = sql_begin,
                                                .xShutdown = sql_end};
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK) {
        abort();
    }
    json_set_alloc_funcs(own_malloc, free);
    sim_code_large();
}

void sim_heap_died(const struct sim_core *core)
{
    struct heap *heap = &heaps[core->id];
    if (heap->end != NULL) {
        heap->at = heap->end - SPACE;
        memset(heap->freed, 0, sizeof(heap->freed));
    }
}
