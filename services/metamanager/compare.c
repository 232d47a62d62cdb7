// SPDX-License-Identifier: Apache-2.0
// What the node has, told to the cloud, which sends the difference (docs/coracle-dialect.md).
#include "common/base/mem.h"
#include "metamanager.h"
#include "proto/link/digest.h"

enum { OBJECTS_MAX = 65536, TEXT_MAX = 8 * 1024 * 1024 };

static void count_in(void *self, const struct px_held_object *object)
{
    px_digest_add(self, object);
}

static void reply_sums(struct meta *meta, struct cor_in *in)
{
    auto_(px_digest_free) struct px_digest digest = {0};
    auto_(cor_buf_free) struct cor_buf sums = {0};
    px_digest_init(&digest, px_digest_buckets(meta_held_count(meta)));
    meta_held_each(meta, count_in, &digest);
    px_digest_write(&digest, &sums);
    struct px_held held = {.buckets = digest.buckets, .sums = cor_buf_as_view(&sums)};
    cor_reply(in, &held);
}

/* Objects of the buckets that are wanted. */
struct wanted {
    const struct px_compare *compare;
    struct px_held_object *objects; /* owned, as their texts */
    size_t count, room, text;
};

static void list_in(void *self, const struct px_held_object *object)
{
    struct wanted *wanted = self;
    const struct px_compare *compare = wanted->compare;
    if (!px_digest_is_wanted(compare->wanted, object->key, compare->buckets)) {
        return;
    }
    wanted->text += object->key.len + object->uid.len;
    if (wanted->count == OBJECTS_MAX || wanted->text > TEXT_MAX) {
        wanted->text = TEXT_MAX + 1;
        return;
    }
    if (wanted->count == wanted->room) {
        wanted->room = wanted->room == 0 ? 16 : 2 * wanted->room;
        wanted->objects = cor_realloc(wanted->objects, wanted->room, sizeof(*wanted->objects));
    }
    wanted->objects[wanted->count++] =
        (struct px_held_object){{cor_view_dup(object->key), object->key.len},
                                {cor_view_dup(object->uid), object->uid.len},
                                object->content};
}

static void wanted_free(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->count; i++) {
        cor_free((void *)(uintptr_t)wanted->objects[i].key.ptr);
        cor_free((void *)(uintptr_t)wanted->objects[i].uid.ptr);
    }
    cor_free(wanted->objects);
}

static enum cor_code reply_objects(struct meta *meta, struct cor_in *in,
                                   const struct px_compare *compare, struct cor_err *err)
{
    auto_(wanted_free) struct wanted wanted = {.compare = compare};
    if (compare->buckets > PX_DIGEST_MAX || (compare->buckets & (compare->buckets - 1)) != 0) {
        return cor_err_set(err, COR_INVALID, "odd number of buckets");
    }
    meta_held_each(meta, list_in, &wanted);
    if (wanted.text > TEXT_MAX) {
        return cor_err_set(err, COR_TOOBIG, "more objects than a message holds");
    }
    struct px_held held = {.buckets = compare->buckets, .objects = {wanted.objects, wanted.count}};
    cor_reply(in, &held);
    return COR_OK;
}

enum cor_code meta_on_compare(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_compare *compare = body;
    if (compare->buckets != 0) {
        return reply_objects(self, in, compare, err);
    }
    reply_sums(self, in);
    return COR_OK;
}
