// SPDX-License-Identifier: Apache-2.0
#include "acks.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"

/* Bytes of frames that are kept. */
enum { TEXT_MAX = 4 * 1024 * 1024 };

struct waiting {
    struct cor_link link;
    struct ack ack; /* its texts are owned */
    char *version;
    char *text; /* owned; NULL: not kept */
    size_t text_len;
};

struct acks {
    struct cor_link list; /* oldest first; short: CloudHub has some tens on the way at most */
    size_t count;
    size_t max;
    size_t text_bytes;
};

struct acks *acks_new(size_t max)
{
    struct acks *acks = cor_alloc(sizeof(*acks));
    acks->max = max;
    cor_list_init(&acks->list);
    return acks;
}

static void drop(struct acks *acks, struct waiting *waiting)
{
    cor_list_del(&waiting->link);
    acks->count--;
    cor_free((char *)(uintptr_t)waiting->ack.id);
    cor_free((char *)(uintptr_t)waiting->ack.source);
    cor_free((char *)(uintptr_t)waiting->ack.key);
    cor_free(waiting->version);
    acks->text_bytes -= waiting->text_len;
    cor_free(waiting->text);
    cor_free(waiting);
}

void acks_clear(struct acks *acks)
{
    COR_LIST_EACH (node, &acks->list) {
        drop(acks, COR_LIST_OBJECT(node, struct waiting, link));
    }
}

void acks_free(struct acks **acks)
{
    if (*acks != NULL) {
        acks_clear(*acks);
        cor_freep(acks);
    }
}

/* The cloud repeats a message under its own id. */
static bool is_known(const struct acks *acks, const char *id)
{
    COR_LIST_EACH (node, &acks->list) {
        if (strcmp(COR_LIST_OBJECT(node, struct waiting, link)->ack.id, id) == 0) {
            return true;
        }
    }
    return false;
}

void acks_add(struct acks *acks, const struct ack *ack, struct cor_view version,
              struct cor_view text)
{
    if (is_known(acks, ack->id)) {
        return;
    }
    if (acks->count >= acks->max) {
        drop(acks, COR_LIST_OBJECT(acks->list.next, struct waiting, link));
    }
    struct waiting *waiting = cor_alloc(sizeof(*waiting));
    waiting->ack = (struct ack){cor_strdup(ack->id), cor_strdup(ack->source), cor_strdup(ack->key)};
    waiting->version = cor_view_dup(version);
    if (acks->text_bytes + text.len <= TEXT_MAX) {
        waiting->text = cor_view_dup(text);
        waiting->text_len = text.len;
        acks->text_bytes += text.len;
    }
    cor_list_add(&acks->list, &waiting->link);
    acks->count++;
}

static struct waiting *match(const struct acks *acks, struct cor_view key, struct cor_view version)
{
    COR_LIST_EACH (node, &acks->list) {
        struct waiting *waiting = COR_LIST_OBJECT(node, struct waiting, link);
        if (cor_view_is(key, waiting->ack.key) && cor_view_is(version, waiting->version)) {
            return waiting;
        }
    }
    return NULL;
}

size_t acks_take(struct acks *acks, struct cor_view key, struct cor_view version,
                 void (*fn)(void *self, const struct ack *ack), void *self)
{
    struct waiting *last = match(acks, key, version);
    size_t count = 0;
    if (last == NULL) {
        return 0;
    }
    COR_LIST_EACH (node, &acks->list) {
        struct waiting *waiting = COR_LIST_OBJECT(node, struct waiting, link);
        if (cor_view_is(key, waiting->ack.key)) {
            bool is_last = waiting == last;
            fn(self, &waiting->ack);
            drop(acks, waiting);
            count++;
            if (is_last) {
                break;
            }
        }
    }
    return count;
}

void acks_each(struct acks *acks, void (*fn)(void *self, struct cor_view text), void *self)
{
    COR_LIST_EACH (node, &acks->list) {
        const struct waiting *waiting = COR_LIST_OBJECT(node, struct waiting, link);
        if (waiting->text != NULL) {
            fn(self, (struct cor_view){waiting->text, waiting->text_len});
        }
    }
}

size_t acks_count(const struct acks *acks)
{
    return acks->count;
}
