// SPDX-License-Identifier: Apache-2.0
#include "waiting.h"

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"

struct item {
    struct cor_link link;
    struct cor_buf key;
    struct cor_buf frame;
};

struct cor_waiting {
    struct cor_map *by_key; /* borrows items */
    struct cor_link order;
    size_t max;
};

struct cor_waiting *cor_waiting_new(size_t max)
{
    struct cor_waiting *w = cor_alloc(sizeof(*w));
    w->by_key = cor_map_new(NULL);
    cor_list_init(&w->order);
    w->max = max;
    return w;
}

static void item_free(struct item *item)
{
    cor_list_del(&item->link);
    cor_buf_free(&item->key);
    cor_buf_free(&item->frame);
    cor_free(item);
}

size_t cor_waiting_clear(struct cor_waiting *w)
{
    size_t count = cor_map_count(w->by_key);
    COR_LIST_EACH (node, &w->order) {
        struct item *item = COR_LIST_OBJECT(node, struct item, link);
        (void)cor_map_take(w->by_key, cor_buf_as_view(&item->key));
        item_free(item);
    }
    return count;
}

void cor_waiting_free(struct cor_waiting **w)
{
    if (*w != NULL) {
        (void)cor_waiting_clear(*w);
        cor_map_free(&(*w)->by_key);
        cor_freep(w);
    }
}

bool cor_waiting_put(struct cor_waiting *w, unsigned number, struct cor_view key,
                     struct cor_buf *frame, bool *replaced_r)
{
    auto_(cor_buf_free) struct cor_buf name = {0};
    cor_buf_fmt(&name, "%u ", number);
    cor_buf_view(&name, key);
    struct item *item = cor_map_get(w->by_key, cor_buf_as_view(&name));
    *replaced_r = item != NULL;
    if (item == NULL && cor_map_count(w->by_key) >= w->max) {
        return false;
    }
    if (item == NULL) {
        item = cor_alloc(sizeof(*item));
        cor_list_init(&item->link);
        cor_list_add(&w->order, &item->link);
        cor_map_set(w->by_key, cor_buf_as_view(&name), item);
        cor_buf_fit(&name);
        item->key = name;
        name = (struct cor_buf){0};
    }
    cor_buf_free(&item->frame);
    cor_buf_fit(frame); /* thousands may wait */
    item->frame = *frame;
    *frame = (struct cor_buf){0};
    return true;
}

bool cor_waiting_take(struct cor_waiting *w, struct cor_buf *frame_r)
{
    if (cor_list_empty(&w->order)) {
        return false;
    }
    struct item *item = COR_LIST_OBJECT(w->order.next, struct item, link);
    *frame_r = item->frame;
    item->frame = (struct cor_buf){0};
    (void)cor_map_take(w->by_key, cor_buf_as_view(&item->key));
    item_free(item);
    return true;
}

size_t cor_waiting_count(const struct cor_waiting *w)
{
    return cor_map_count(w->by_key);
}
