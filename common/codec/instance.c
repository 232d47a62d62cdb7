// SPDX-License-Identifier: Apache-2.0
// What tools and tests do with an object of a table: print it, make a random one, compare two.
#include <inttypes.h>
#include <string.h>

#include "common/base/must.h"
#include "common/base/text.h"
#include "common/codec/codec.h"

static void print_bytes(struct cor_view v, size_t most, struct cor_buf *out)
{
    size_t shown = v.len < most ? v.len : most;
    cor_buf_str(out, "\"");
    cor_escape(out, (struct cor_view){v.ptr, shown});
    if (shown < v.len) {
        cor_buf_fmt(out, "...+%zu", v.len - shown);
    }
    cor_buf_str(out, "\"");
}

static void print_field(const struct cor_field *f, const void *at, size_t most, struct cor_buf *out)
{
    const struct cor_views *views = at;
    const struct cor_list *list = at;
    switch ((enum cor_type)f->type) {
    case COR_T_BOOL:
        cor_buf_str(out, *(const bool *)at ? "true" : "false");
        break;
    case COR_T_U64:
        cor_buf_fmt(out, "%" PRIu64, *(const uint64_t *)at);
        break;
    case COR_T_I64:
        cor_buf_fmt(out, "%" PRId64, *(const int64_t *)at);
        break;
    case COR_T_STR:
    case COR_T_BIN:
        print_bytes(*(const struct cor_view *)at, most, out);
        break;
    case COR_T_STRS:
        cor_buf_str(out, "[");
        for (size_t i = 0; i < views->count; i++) {
            cor_buf_str(out, i == 0 ? "" : ",");
            print_bytes(views->items[i], most, out);
        }
        cor_buf_str(out, "]");
        break;
    case COR_T_LIST:
        cor_buf_str(out, "[");
        for (size_t i = 0; i < list->count; i++) {
            cor_buf_str(out, i == 0 ? "{" : ",{");
            cor_print(f->sub, (const char *)list->items + i * f->sub->size, most, out);
            cor_buf_str(out, "}");
        }
        cor_buf_str(out, "]");
        break;
    }
}

static bool is_zero(const struct cor_field *f, const void *at)
{
    static const char zero[sizeof(struct cor_view)];
    size_t size = f->type == COR_T_BOOL                          ? sizeof(bool)
                  : f->type == COR_T_U64 || f->type == COR_T_I64 ? sizeof(uint64_t)
                                                                 : sizeof(zero);
    return memcmp(at, zero, size) == 0;
}

void cor_print(const struct cor_table *table, const void *object, size_t most, struct cor_buf *out)
{
    const char *gap = "";
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        const void *at = (const char *)object + f->offset;
        if (is_zero(f, at)) {
            continue;
        }
        cor_buf_fmt(out, "%s%s=", gap, f->name);
        print_field(f, at, most, out);
        gap = " ";
    }
}

/* xorshift64: repeatable from its seed. */
static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct cor_view random_text(struct cor_arena *arena, uint64_t *state, size_t max,
                                   bool is_str)
{
    size_t len = (size_t)(next(state) % (max < 40 ? max + 1 : 40));
    char *bytes = cor_arena_alloc(arena, len + 1);
    must(bytes != NULL);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(is_str ? 'a' + (char)(next(state) % 26) : (char)next(state));
    }
    return (struct cor_view){bytes, len};
}

static void random_field(const struct cor_field *f, struct cor_arena *arena, uint64_t *state,
                         void *at)
{
    size_t count = (size_t)(next(state) % (f->max < 4 ? f->max + 1 : 4));
    switch ((enum cor_type)f->type) {
    case COR_T_BOOL:
        *(bool *)at = next(state) % 2 == 0;
        break;
    case COR_T_U64:
    case COR_T_I64:
        *(uint64_t *)at = next(state) >> (next(state) % 64);
        break;
    case COR_T_STR:
    case COR_T_BIN:
        *(struct cor_view *)at = random_text(arena, state, f->max, f->type == COR_T_STR);
        break;
    case COR_T_STRS: {
        struct cor_view *items = cor_arena_alloc(arena, count * sizeof(*items));
        must(items != NULL);
        for (size_t i = 0; i < count; i++) {
            items[i] = random_text(arena, state, 40, true);
        }
        *(struct cor_views *)at = (struct cor_views){count == 0 ? NULL : items, count};
        break;
    }
    case COR_T_LIST: {
        char *items = cor_arena_alloc(arena, count * f->sub->size);
        must(items != NULL);
        for (size_t i = 0; i < count; i++) {
            cor_random_instance(f->sub, arena, state, items + i * f->sub->size);
        }
        *(struct cor_list *)at = (struct cor_list){count == 0 ? NULL : items, count};
        break;
    }
    }
}

void cor_random_instance(const struct cor_table *table, struct cor_arena *arena, uint64_t *state,
                         void *object_r)
{
    memset(object_r, 0, table->size);
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        if (f->required || next(state) % 4 != 0) {
            random_field(f, arena, state, (char *)object_r + f->offset);
        }
    }
}

static bool same_field(const struct cor_field *f, const void *a, const void *b)
{
    const struct cor_views *va = a;
    const struct cor_views *vb = b;
    const struct cor_list *la = a;
    const struct cor_list *lb = b;
    switch ((enum cor_type)f->type) {
    case COR_T_BOOL:
        return *(const bool *)a == *(const bool *)b;
    case COR_T_U64:
    case COR_T_I64:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case COR_T_STR:
    case COR_T_BIN:
        return cor_view_eq(*(const struct cor_view *)a, *(const struct cor_view *)b);
    case COR_T_STRS:
        for (size_t i = 0; va->count == vb->count && i < va->count; i++) {
            if (!cor_view_eq(va->items[i], vb->items[i])) {
                return false;
            }
        }
        return va->count == vb->count;
    case COR_T_LIST:
        for (size_t i = 0; la->count == lb->count && i < la->count; i++) {
            if (!cor_same(f->sub, (const char *)la->items + i * f->sub->size,
                          (const char *)lb->items + i * f->sub->size)) {
                return false;
            }
        }
        return la->count == lb->count;
    }
    return false;
}

bool cor_same(const struct cor_table *table, const void *a, const void *b)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        if (!same_field(f, (const char *)a + f->offset, (const char *)b + f->offset)) {
            return false;
        }
    }
    return true;
}
