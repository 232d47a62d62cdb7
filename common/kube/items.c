// SPDX-License-Identifier: Apache-2.0
#include "common/kube/items.h"

#include <string.h>

enum { OUTER = 1, AMONG = 2 }; /* depth: within the list, between its items */

static bool between_items(const struct cor_items *items)
{
    return items->in_items && items->depth == AMONG;
}

/* Characters of a string, quotes included. A string at depth 1 may be the key "items". */
static void in_string(struct cor_items *items, char c)
{
    static const char KEY[] = "items";
    if (items->escaped) {
        items->escaped = false;
        items->is_items_key = false;
    } else if (c == '"') {
        items->in_string = false;
        items->is_items_key = items->is_items_key && items->key_len == sizeof(KEY) - 1;
    } else {
        items->escaped = c == '\\';
        items->is_items_key =
            items->is_items_key && items->key_len < sizeof(KEY) - 1 && c == KEY[items->key_len];
        items->key_len++;
    }
}

static void begin_string(struct cor_items *items)
{
    items->in_string = true;
    items->key_len = 0;
    items->is_items_key = items->depth == OUTER && items->is_key;
}

static void open(struct cor_items *items, char c)
{
    items->in_items = items->in_items ||
                      (items->depth == OUTER && c == '[' && !items->is_key && items->is_items_key);
    items->depth++;
    items->is_key = items->depth == OUTER && c == '{';
}

static void close(struct cor_items *items)
{
    items->in_items = items->in_items && items->depth != AMONG;
    items->depth -= items->depth > 0 ? 1 : 0;
}

/* Follows the structure by one character. */
static void follow(struct cor_items *items, char c)
{
    if (items->in_string) {
        in_string(items, c);
    } else if (c == '"') {
        begin_string(items);
    } else if (c == '{' || c == '[') {
        open(items, c);
    } else if (c == '}' || c == ']') {
        close(items);
    } else if (items->depth == OUTER && (c == ':' || c == ',')) {
        items->is_key = c == ',';
    }
}

static bool keep(struct cor_items *items, struct cor_buf *where, const char *from, const char *to)
{
    cor_buf_add(where, from, (size_t)(to - from));
    items->failed = where->len > items->max;
    return !items->failed;
}

static bool hand_over(struct cor_items *items, cor_items_fn fn, void *self)
{
    bool goes_on = fn(self, cor_buf_as_view(&items->item));
    cor_buf_clear(&items->item);
    return goes_on;
}

bool cor_items_add(struct cor_items *items, struct cor_view bytes, cor_items_fn fn, void *self)
{
    const char *end = bytes.ptr + bytes.len;
    const char *from = bytes.ptr; /* not kept yet */
    for (const char *at = bytes.ptr; at < end && !items->failed; at++) {
        bool was_between = between_items(items);
        bool was_inside = items->in_items && !was_between;
        follow(items, *at);
        bool is_between = between_items(items);
        if (was_inside && is_between) { /* the item's last bracket */
            if (!keep(items, &items->item, from, at + 1) || !hand_over(items, fn, self)) {
                return false;
            }
            from = at + 1;
        } else if (was_between && (is_between || items->depth > AMONG)) {
            from = is_between ? at + 1 : at; /* what stands between them; the first bracket */
        } else if (!was_between && !was_inside && is_between) { /* the list's first bracket */
            (void)keep(items, &items->rest, from, at + 1);
            from = at + 1;
        } else if (was_between) { /* and its last */
            from = at;
        }
    }
    bool is_between = between_items(items);
    return !items->failed &&
           (is_between || from == end ||
            keep(items, items->in_items ? &items->item : &items->rest, from, end));
}

void cor_items_free(struct cor_items *items)
{
    cor_buf_free(&items->rest);
    cor_buf_free(&items->item);
    *items = (struct cor_items){.max = items->max};
}
