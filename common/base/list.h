// SPDX-License-Identifier: Apache-2.0
// Intrusive, circular, doubly linked list. A node embedded in an object; a head is a node too.
// Never blocks, never allocates. One thread at a time.
#ifndef COR_BASE_LIST_H
#define COR_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

struct cor_link {
    struct cor_link *next;
    struct cor_link *prev;
};

/* Makes head an empty list (or a node one that is in no list). */
static inline void cor_list_init(struct cor_link *head)
{
    head->next = head;
    head->prev = head;
}

/* Nothing linked. */
static inline bool cor_list_empty(const struct cor_link *head)
{
    return head->next == head;
}

/* Puts node before head, which is last place. node must be in no list. */
static inline void cor_list_add(struct cor_link *head, struct cor_link *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* Takes node out of its list; it is then in no list. Harmless when it was in none (but inited). */
static inline void cor_list_del(struct cor_link *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    cor_list_init(node);
}

/* Walks the nodes; the current one may be removed. */
#define COR_LIST_EACH(node, head)                                                                  \
    for (struct cor_link *node = (head)->next, *node##_next = node->next; node != (head);          \
         node = node##_next, node##_next = node->next)

/* The object of type that embeds the node as member. */
#define COR_LIST_OBJECT(node, type, member) COR_CONTAINER(node, type, member)

#endif
