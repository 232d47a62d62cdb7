// SPDX-License-Identifier: Apache-2.0
#include <msgpack/pack.h>
#include <string.h>

#include "common/base/must.h"
#include "common/codec/codec.h"

static int append(void *self, const char *bytes, size_t len)
{
    cor_buf_add(self, bytes, len);
    return 0;
}

static bool is_present(const struct cor_field *f, const void *at)
{
    switch ((enum cor_type)f->type) {
    case COR_T_BOOL:
        return *(const bool *)at;
    case COR_T_U64:
    case COR_T_I64:
        return *(const uint64_t *)at != 0;
    case COR_T_STR:
    case COR_T_BIN:
        return ((const struct cor_view *)at)->ptr != NULL;
    case COR_T_STRS:
        return ((const struct cor_views *)at)->count != 0;
    case COR_T_LIST:
        return ((const struct cor_list *)at)->count != 0;
    }
    return false;
}

static void pack_object(msgpack_packer *pk, const struct cor_table *table, const char *object);

static void pack_str(msgpack_packer *pk, const struct cor_view *v)
{
    msgpack_pack_str(pk, v->len);
    msgpack_pack_str_body(pk, v->ptr, v->len);
}

static void pack_field(msgpack_packer *pk, const struct cor_field *f, const void *at)
{
    const struct cor_view *v = at;
    const struct cor_views *views = at;
    const struct cor_list *list = at;
    switch ((enum cor_type)f->type) {
    case COR_T_BOOL:
        *(const bool *)at ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
        break;
    case COR_T_U64:
        msgpack_pack_uint64(pk, *(const uint64_t *)at);
        break;
    case COR_T_I64:
        msgpack_pack_int64(pk, *(const int64_t *)at);
        break;
    case COR_T_STR:
        must(v->len <= f->max);
        pack_str(pk, v);
        break;
    case COR_T_BIN:
        must(v->len <= f->max);
        msgpack_pack_bin(pk, v->len);
        msgpack_pack_bin_body(pk, v->ptr, v->len);
        break;
    case COR_T_STRS:
        must(views->count <= f->max);
        msgpack_pack_array(pk, views->count);
        for (size_t i = 0; i < views->count; i++) {
            must(views->items[i].len <= COR_STRS_LEN);
            pack_str(pk, &views->items[i]);
        }
        break;
    case COR_T_LIST:
        must(list->count <= f->max);
        msgpack_pack_array(pk, list->count);
        for (size_t i = 0; i < list->count; i++) {
            pack_object(pk, f->sub, (const char *)list->items + i * f->sub->size);
        }
        break;
    }
}

static void pack_object(msgpack_packer *pk, const struct cor_table *table, const char *object)
{
    size_t present = 0;
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        present += f->required || is_present(f, object + f->offset) ? 1 : 0;
    }
    msgpack_pack_map(pk, present);
    for (size_t i = 0; i < table->count; i++) {
        const struct cor_field *f = &table->fields[i];
        if (f->required || is_present(f, object + f->offset)) {
            msgpack_pack_uint8(pk, f->key);
            pack_field(pk, f, object + f->offset);
        }
    }
}

void cor_encode(const struct cor_table *table, const void *object, struct cor_buf *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, append);
    pack_object(&pk, table, object);
}
