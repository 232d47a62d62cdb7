// SPDX-License-Identifier: Apache-2.0
// What one node still has to get: the newest version of each object, at most one in flight per
// object and a window of them in all, sent again until acknowledged. Pure: time is a parameter.
#ifndef CLOUDHUB_OUTBOX_H
#define CLOUDHUB_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/base/view.h"
#include "common/clock/clock.h"
#include "common/ledger/ledger.h"

struct outbox;

struct outbox_limits {
    size_t window;     /* un-acknowledged at once; an EdgeCore loses messages beyond some 90 */
    int64_t resend_us; /* after this without an ack it is written again, with the same id */
    unsigned writes;   /* after so many the object steps back, so that others are not held up */
    int64_t rest_us;   /* for this long */
};

/* One version of one object. Texts are owned by the outbox. */
struct outbox_item {
    char *key;
    char *uid;
    char *version;
    char *source;
    char *body; /* JSON; NULL: none */
    size_t body_len;
    bool gone;
    uint64_t content; /* hash; 0: not known */
    bool fresh;       /* the node has acknowledged no version of it in this session; see
                       * outbox_forget_keys */
    char id[COR_UUID_LEN + 1];
};

/* What is put in; all borrowed. */
struct outbox_put {
    struct cor_view key;
    struct cor_view uid;
    struct cor_view version;
    struct cor_view source;
    struct cor_view body;
    uint64_t content;
    bool gone;
    const char *id; /* message id on the link */
};

/* An empty one. Returns owned. */
struct outbox *outbox_new(const struct outbox_limits *limits);

/* Frees; *outbox becomes NULL. For auto_(). */
void outbox_free(struct outbox **outbox);

/* From now on it does not keep what the node has acknowledged, for nobody asks whether an item is
 * fresh: all are. */
void outbox_forget_keys(struct outbox *outbox);

/* Takes a version in. It replaces a waiting one of the same object; an older one, or one that is
 * there already, is dropped: false. */
bool outbox_put(struct outbox *outbox, const struct outbox_put *put);

/* What is to be written now: something new as long as the window has room, or something whose ack
 * is overdue. NULL: nothing. Valid until the next call. */
const struct outbox_item *outbox_next(struct outbox *outbox, struct cor_mono now);

/* What is in flight with this id; NULL: nothing. Valid until the next call. */
const struct outbox_item *outbox_flying_with(const struct outbox *outbox, struct cor_view id);

/* What is in flight has not left yet: its time begins now. */
void outbox_delayed(struct outbox *outbox, struct cor_mono now);

/* The node has acknowledged the message with this id. False if none such is in flight. */
bool outbox_acked(struct outbox *outbox, struct cor_view id);

/* The node could not take the message with this id: the object steps back now. False as above. */
bool outbox_failed(struct outbox *outbox, struct cor_view id, struct cor_mono now);

/* Calls fn with the newest version of each object that is not gone. */
void outbox_each(const struct outbox *outbox,
                 void (*fn)(void *self, const struct outbox_item *item), void *self);

/* The node has the newest version of each object that is not gone and that is_had says so of: it
 * counts as delivered. Returns how many. */
size_t outbox_has(struct outbox *outbox, bool (*is_had)(void *self, const struct outbox_item *item),
                  void *self);

/* The same of one object: 0 or 1. */
size_t outbox_has_one(struct outbox *outbox, struct cor_view key,
                      bool (*is_had)(void *self, const struct outbox_item *item), void *self);

/* The newest version of an object that waits or is in flight; NULL: none. Borrowed. */
const struct outbox_item *outbox_find(const struct outbox *outbox, struct cor_view key);

/* Time from now until outbox_next may have something because of time alone; -1: never. */
int64_t outbox_wait(const struct outbox *outbox, struct cor_mono now);

/* sum += what became of the versions that were put in: accepted, and superseded, delivered or
 * stored (waiting or in flight). */
void outbox_books(const struct outbox *outbox, struct cor_ledger_counts *sum);

/* The same when the session ends: what is stored counts as superseded, for a node that comes back
 * is sent everything. */
void outbox_end_books(const struct outbox *outbox, struct cor_ledger_counts *sum);

/* Objects that wait or are in flight. */
size_t outbox_count(const struct outbox *outbox);

/* Objects in flight. */
size_t outbox_flying(const struct outbox *outbox);

#endif
