// SPDX-License-Identifier: Apache-2.0
// Messages of the cloud that wait for the store: which ids to acknowledge when a version of an
// object is committed. Pure. One thread at a time.
#ifndef EDGEHUB_ACKS_H
#define EDGEHUB_ACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"

struct acks;

/* At most max ids wait; the oldest are forgotten first (the cloud sends those messages again).
 * Returns owned. */
struct acks *acks_new(size_t max);

/* Frees; *acks becomes NULL. For auto_(). */
void acks_free(struct acks **acks);

/* An ack: everything of it borrowed, valid during the call that gets it. */
struct ack {
    const char *id;     /* of the message */
    const char *source; /* as in the message */
    const char *key;
};

/* The message with this id (source, key: borrows) is on its way to the store as this version. text,
 * the whole frame, is kept for acks_each as long as all of them together are not too long. */
void acks_add(struct acks *acks, const struct ack *ack, struct cor_view version,
              struct cor_view text);

/* Calls fn with the text of everything that waits, oldest first: the store has forgotten what it
 * was given. fn may add what is there already, and must not take. */
void acks_each(struct acks *acks, void (*fn)(void *self, struct cor_view text), void *self);

/* The store has committed, or refused, a version of key: calls fn for the oldest id that waits for
 * it, and for what waits longer for the same key, which it replaced. Returns how many. */
size_t acks_take(struct acks *acks, struct cor_view key, struct cor_view version,
                 void (*fn)(void *self, const struct ack *ack), void *self);

/* Forgets all: the connection they came by is gone. */
void acks_clear(struct acks *acks);

/* Ids that wait. */
size_t acks_count(const struct acks *acks);

#endif
