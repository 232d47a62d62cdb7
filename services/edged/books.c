// SPDX-License-Identifier: Apache-2.0
#include "books.h"

void books_open(struct edged_books *books, struct cor_bus *bus)
{
    const struct {
        struct cor_ledger_counts **account;
        const char *flow;
        enum cor_ledger_role role;
        struct cor_view stream;
    } rows[] = {
        {&books->pods, "statuses", COR_LEDGER_ORIGIN, COR_VIEW("pods")},
        {&books->deletions, "statuses", COR_LEDGER_ORIGIN, COR_VIEW("deletions")},
        {&books->node, "statuses", COR_LEDGER_ORIGIN, COR_VIEW("node")},
        {&books->events, "events", COR_LEDGER_ORIGIN, COR_VIEW("events")},
        {&books->objects, "desired", COR_LEDGER_SINK, COR_VIEW("objects")},
    };
    books->ledger = cor_ledger_new(bus, "edged");
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        *rows[i].account =
            cor_ledger_account(books->ledger, rows[i].flow, rows[i].role, rows[i].stream);
    }
}

void books_close(struct edged_books *books)
{
    cor_ledger_free(&books->ledger);
}

void books_sent(struct cor_ledger_counts *account, struct books_state *state)
{
    if (state->waits) {
        account->stored--;
        account->superseded++;
    }
    state->waits = true;
    cor_ledger_accept(account, 1, &account->stored);
}

void books_ended(struct cor_ledger_counts *account, struct books_state *state, enum books_end end)
{
    if (!state->waits || end == BOOKS_AGAIN) {
        return;
    }
    state->waits = false;
    account->stored--;
    account->delivered += end == BOOKS_ARRIVED;
    account->dropped += end == BOOKS_REFUSED;
    account->superseded += end == BOOKS_OBSOLETE;
}

void books_event(struct cor_ledger_counts *account)
{
    cor_ledger_accept(account, 1, &account->stored);
}

void books_event_ended(struct cor_ledger_counts *account, bool arrived)
{
    account->stored--;
    account->delivered += arrived;
    account->dropped += !arrived;
}
