// SPDX-License-Identifier: Apache-2.0
// Which messages of the broker come again: those that were committed, but whose acknowledgement the
// broker may not have had when the last connection ended. The broker takes acknowledgements in
// order, so what it sends again is an end of what it has sent, in the same order and under the same
// packet ids, before anything new (MQTT 3.1.1 sections 4.4 and 4.6); the first message that is not
// among them ends it. libmosquitto does not show the DUP flag. Pure.
#ifndef EB_RECENT_H
#define EB_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

/* Zeroed is empty. */
struct eb_recent {
    struct eb_recent_entry *entries; /* owned; in the broker's order */
    size_t count, cap;
    uint64_t first; /* place of entries[0]; places count on over restarts */
    size_t at;      /* where the next one that comes again may be */
    bool comparing;
};

enum { EB_RECENT_MAX = 65535 }; /* there are no more packet ids */

/* What identifies a message's content. */
uint64_t eb_recent_hash(struct cor_view topic, struct cor_view payload);

/* A connection begins: what is here may come again. */
void eb_recent_begin(struct eb_recent *recent);

/* Whether a message is one that came before. */
bool eb_recent_is_again(struct eb_recent *recent, uint16_t number, uint64_t hash);

/* A new message, that will be acknowledged. */
void eb_recent_add(struct eb_recent *recent, uint16_t number, uint64_t hash);

/* Place behind the last entry. */
uint64_t eb_recent_end(const struct eb_recent *recent);

/* Place behind the last entry that has come, again or for the first time, in this connection: what
 * is before it is being acknowledged now, what is behind it may still come again. */
uint64_t eb_recent_reached(const struct eb_recent *recent);

/* The broker has had the acknowledgements of everything before this place. */
void eb_recent_confirmed(struct eb_recent *recent, uint64_t end);

/* Appends the entries from place on, to be stored; and reads them back, in order of their places,
 * into an empty or growing list that ends at place end. False: not what was written. */
void eb_recent_write(const struct eb_recent *recent, uint64_t from, struct cor_buf *out);
bool eb_recent_read(struct eb_recent *recent, struct cor_view data, uint64_t end);

/* Frees what it holds; empty after. */
void eb_recent_free(struct eb_recent *recent);

#endif
