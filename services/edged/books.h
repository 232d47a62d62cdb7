// SPDX-License-Identifier: Apache-2.0
// What became of what edged tells the API. A status is STATE: what is sent stands for how things
// are then; when it did not arrive it waits (stored) until the next one supersedes it. Pure.
#ifndef EDGED_BOOKS_H
#define EDGED_BOOKS_H

#include "common/ledger/ledger.h"

/* All are the ledger's. */
struct edged_books {
    struct cor_ledger *ledger; /* owned */
    struct cor_ledger_counts *pods, *deletions, *node;
    struct cor_ledger_counts *events;
    struct cor_ledger_counts *objects; /* that come down */
};

/* What is known to wait of one state; in whatever tells it. */
struct books_state {
    bool waits; /* one was sent and has not arrived */
};

enum books_end {
    BOOKS_ARRIVED,
    BOOKS_AGAIN,    /* it waits for the next one */
    BOOKS_REFUSED,  /* the API does not want it: by policy it is not sent again */
    BOOKS_OBSOLETE, /* what it is about is gone */
};

/* Opens the books, with the ctl verb on bus (NULL: none). */
void books_open(struct edged_books *books, struct cor_bus *bus);

/* Closes them. */
void books_close(struct edged_books *books);

/* A state is sent. */
void books_sent(struct cor_ledger_counts *account, struct books_state *state);

/* The one that was sent last has ended so; nothing if none waits. */
void books_ended(struct cor_ledger_counts *account, struct books_state *state, enum books_end end);

/* An event was made and waits; one that waited arrived, or was given up by policy. */
void books_event(struct cor_ledger_counts *account);
void books_event_ended(struct cor_ledger_counts *account, bool arrived);

#endif
