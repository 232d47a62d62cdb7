// SPDX-License-Identifier: Apache-2.0
// Takes the text of a list of the Kubernetes API apart as it comes: each object of "items" is
// handed over by itself, so that a long list never is in memory as a whole. Pure. One thread at a
// time.
#ifndef COR_KUBE_ITEMS_H
#define COR_KUBE_ITEMS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/view.h"

/* Zeroed and with max set is ready. */
struct cor_items {
    size_t max;          /* longest item, and longest text around them */
    bool failed;         /* too long; nothing more is taken */
    struct cor_buf rest; /* the list with "items":[] */
    struct cor_buf item; /* of the one that has begun */
    unsigned depth;      /* of open brackets */
    bool in_items, in_string, escaped;
    bool is_key, is_items_key; /* of the string at depth 1 that is read or was read last */
    unsigned key_len;
};

/* Text of one item (borrowed), which is a JSON object if the whole text is JSON. False: no more. */
typedef bool (*cor_items_fn)(void *self, struct cor_view item);

/* Adds what arrived (borrows). fn runs for each item that has become whole, until it says false;
 * then the rest is not looked at. False: fn has said so, or failed. */
bool cor_items_add(struct cor_items *items, struct cor_view bytes, cor_items_fn fn, void *self);

/* Frees; empty and ready after. */
void cor_items_free(struct cor_items *items);

#endif
