// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/codec/codec.h"

/* What one decode needs at every level. */
struct decoding {
    struct cor_reader *r;
    struct cor_arena *arena;
    struct cor_err *err;
    int depth;
};

static enum cor_code read_object(struct decoding *d, const struct cor_table *table, char *object);

static enum cor_code bad(struct decoding *d, const struct cor_table *table,
                         const struct cor_field *f, const char *what)
{
    return cor_err_set(d->err, COR_INVALID, "%s.%s: %s", table->name, f->name, what);
}

static enum cor_code read_strs(struct decoding *d, const struct cor_table *table,
                               const struct cor_field *f, struct cor_views *views_r)
{
    uint32_t count = 0;
    if (!cor_read_array(d->r, &count)) {
        return bad(d, table, f, "not an array");
    }
    if (count > f->max) {
        return bad(d, table, f, "too many elements");
    }
    struct cor_view *items = cor_arena_alloc(d->arena, count * sizeof(*items));
    if (items == NULL) {
        return cor_err_set(d->err, COR_TOOBIG, "%s.%s: no room", table->name, f->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!cor_read_str(d->r, &items[i]) || items[i].len > COR_STRS_LEN ||
            !cor_view_is_utf8(items[i])) {
            return bad(d, table, f, "not an array of short UTF-8 strings");
        }
    }
    *views_r = (struct cor_views){count == 0 ? NULL : items, count};
    return COR_OK;
}

static enum cor_code read_list(struct decoding *d, const struct cor_table *table,
                               const struct cor_field *f, struct cor_list *list_r)
{
    uint32_t count = 0;
    if (!cor_read_array(d->r, &count)) {
        return bad(d, table, f, "not an array");
    }
    if (count > f->max) {
        return bad(d, table, f, "too many elements");
    }
    char *items = cor_arena_alloc(d->arena, count * f->sub->size);
    if (items == NULL) {
        return cor_err_set(d->err, COR_TOOBIG, "%s.%s: no room", table->name, f->name);
    }
    for (uint32_t i = 0; i < count; i++) {
        enum cor_code code = read_object(d, f->sub, items + i * f->sub->size);
        if (code != COR_OK) {
            return code;
        }
    }
    *list_r = (struct cor_list){count == 0 ? NULL : items, count};
    return COR_OK;
}

static enum cor_code read_text(struct decoding *d, const struct cor_table *table,
                               const struct cor_field *f, struct cor_view *view_r)
{
    bool is_str = f->type == COR_T_STR;
    if (!(is_str ? cor_read_str(d->r, view_r) : cor_read_bin(d->r, view_r))) {
        return bad(d, table, f, is_str ? "not a string" : "not bytes");
    }
    if (view_r->len > f->max) {
        return bad(d, table, f, "too long");
    }
    if (is_str && !cor_view_is_utf8(*view_r)) {
        return bad(d, table, f, "not UTF-8");
    }
    return COR_OK;
}

static enum cor_code read_field(struct decoding *d, const struct cor_table *table,
                                const struct cor_field *f, void *at)
{
    switch ((enum cor_type)f->type) {
    case COR_T_BOOL:
        return cor_read_bool(d->r, at) ? COR_OK : bad(d, table, f, "not a boolean");
    case COR_T_U64:
        return cor_read_u64(d->r, at) ? COR_OK : bad(d, table, f, "not a number >= 0");
    case COR_T_I64:
        return cor_read_i64(d->r, at) ? COR_OK : bad(d, table, f, "not a number");
    case COR_T_STR:
    case COR_T_BIN:
        return read_text(d, table, f, at);
    case COR_T_STRS:
        return read_strs(d, table, f, at);
    case COR_T_LIST:
        return read_list(d, table, f, at);
    }
    return bad(d, table, f, "of unknown type");
}

static const struct cor_field *field_of(const struct cor_table *table, uint64_t key, size_t *i_r)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].key == key) {
            *i_r = i;
            return &table->fields[i];
        }
    }
    return NULL;
}

static enum cor_code read_pair(struct decoding *d, const struct cor_table *table, char *object,
                               uint32_t *seen)
{
    uint64_t key = 0;
    size_t i = 0;
    if (!cor_read_u64(d->r, &key)) {
        return cor_err_set(d->err, COR_INVALID, "%s: a key is not a number", table->name);
    }
    const struct cor_field *f = field_of(table, key, &i);
    if (f == NULL) {
        if (!cor_read_skip(d->r)) {
            return cor_err_set(d->err, COR_INVALID, "%s: unreadable value", table->name);
        }
        return COR_OK;
    }
    if ((*seen & (1u << i)) != 0) {
        return bad(d, table, f, "given twice");
    }
    *seen |= 1u << i;
    return read_field(d, table, f, object + f->offset);
}

static enum cor_code read_object(struct decoding *d, const struct cor_table *table, char *object)
{
    uint32_t pairs = 0;
    uint32_t seen = 0;
    if (d->depth >= COR_DEPTH_MAX) {
        return cor_err_set(d->err, COR_INVALID, "%s: nested too deep", table->name);
    }
    if (!cor_read_map(d->r, &pairs)) {
        return cor_err_set(d->err, COR_INVALID, "%s: not a map", table->name);
    }
    d->depth++;
    for (uint32_t n = 0; n < pairs; n++) {
        enum cor_code code = read_pair(d, table, object, &seen);
        if (code != COR_OK) {
            return code;
        }
    }
    d->depth--;
    for (size_t i = 0; i < table->count; i++) {
        if (table->fields[i].required && (seen & (1u << i)) == 0) {
            return bad(d, table, &table->fields[i], "missing");
        }
    }
    return COR_OK;
}

enum cor_code cor_decode_at(const struct cor_table *table, struct cor_reader *r,
                            struct cor_arena *arena, void *object_r, struct cor_err *err)
{
    struct decoding d = {r, arena, err, 0};
    memset(object_r, 0, table->size);
    return read_object(&d, table, object_r);
}

enum cor_code cor_decode(const struct cor_table *table, struct cor_view bytes,
                         struct cor_arena *arena, void *object_r, struct cor_err *err)
{
    struct cor_reader r = cor_reader_of(bytes);
    enum cor_code code = cor_decode_at(table, &r, arena, object_r, err);
    if (code == COR_OK && r.at != r.end) {
        return cor_err_set(err, COR_INVALID, "%s: bytes behind the end", table->name);
    }
    return code;
}
