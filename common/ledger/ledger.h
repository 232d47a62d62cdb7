// SPDX-License-Identifier: Apache-2.0
// What a service has done with the messages of each stream, so that anybody can add up that nothing
// is lost: offered = accepted + refused, and accepted = delivered + stored + expired + dropped +
// superseded. A flow is the way of one kind of message from its origins to its sinks; what the
// origins of a flow call delivered, its sinks call accepted. Loop thread only.
//
// A service that keeps counters of its own tells them when asked (cor_ledger_source); one that does
// not takes an account (cor_ledger_account) and counts in it. Count a message as offered when its
// fate is decided, in the same step: then the books balance at every moment.
#ifndef COR_LEDGER_LEDGER_H
#define COR_LEDGER_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"
#include "common/bus/bus.h"
#include "common/json/json.h"

/* Columns. Beside the balance: duplicates, repeats (what a source said again by itself), and of a
 * hop what came in and what it has passed on. */
#define COR_LEDGER_COLUMNS(X)                                                                      \
    X(offered)                                                                                     \
    X(refused)                                                                                     \
    X(accepted)                                                                                    \
    X(delivered)                                                                                   \
    X(stored)                                                                                      \
    X(expired)                                                                                     \
    X(dropped)                                                                                     \
    X(superseded)                                                                                  \
    X(duplicates)                                                                                  \
    X(repeats)                                                                                     \
    X(received)                                                                                    \
    X(passed)

struct cor_ledger_counts {
#define X(name) uint64_t name;
    COR_LEDGER_COLUMNS(X)
#undef X
};

/* What the service is to the flow. */
enum cor_ledger_role {
    COR_LEDGER_ORIGIN, /* keeps its messages until the sink has committed them */
    COR_LEDGER_SINK,   /* commits them */
    COR_LEDGER_HOP,    /* passes them on and keeps nothing: accepted is what it has confirmed to the
                          one before it, delivered what the one behind it has confirmed to it */
};

/* How far a stream of sequences has come: all up to place is confirmed (to an origin or a hop by
 * the next one), or committed (at a sink). It outlives processes, so that all who know the stream
 * can be compared: none may be further than the one behind it. */
struct cor_ledger_place {
    uint64_t incarnation; /* identifies the stream; 0: no place is known */
    uint64_t place;
};

/* One line of the books. All borrowed. */
struct cor_ledger_row {
    const char *flow; /* "device-messages", "publications", "uploads", "reports", ... */
    enum cor_ledger_role role;
    bool durable; /* the counters outlive the process; others begin at 0 with it */
    struct cor_view stream;
    struct cor_ledger_counts n;
    struct cor_ledger_place at;
};

/* offered - accepted - refused; 0 when all is well. */
int64_t cor_ledger_offer_gap(const struct cor_ledger_counts *n);

/* accepted - delivered - stored - expired - dropped - superseded; 0 when all is well. */
int64_t cor_ledger_gap(const struct cor_ledger_counts *n);

/* sum += n, column by column. */
void cor_ledger_add(struct cor_ledger_counts *sum, const struct cor_ledger_counts *n);

struct cor_ledger;
struct cor_ledger_writer;

/* The books of a service, with the ctl verb "ledger" on bus (borrows; NULL: none). Its answer:
 * {"service","epoch","balance","rows":[{"flow","role","durable","stream",<columns that are not 0>,
 * "incarnation" and "place" if known,"balance"}]}; balance is the sum of the absolute gaps.
 * Counters that are not durable are of this epoch, one life of the process. Returns owned. */
struct cor_ledger *cor_ledger_new(struct cor_bus *bus, const char *service);

/* Frees, with all accounts. *ledger becomes NULL. For auto_(). */
void cor_ledger_free(struct cor_ledger **ledger);

/* An account to count in: found by flow, role and stream, or made. Not durable. Borrowed from the
 * ledger. At most 4,096; what is beyond shares one stream "others" of its flow. */
struct cor_ledger_counts *cor_ledger_account(struct cor_ledger *ledger, const char *flow,
                                             enum cor_ledger_role role, struct cor_view stream);

/* Says how far the stream of an account has come (at: copied); nothing for the account of
 * "others". */
void cor_ledger_put_place(struct cor_ledger_counts *account, const struct cor_ledger_place *at);

/* A message of an account whose fate is decided: offered and accepted, or offered and refused. */
void cor_ledger_accept(struct cor_ledger_counts *account, uint64_t count, uint64_t *column);
void cor_ledger_refuse(struct cor_ledger_counts *account, uint64_t count);

/* Asks fn for further rows (cor_ledger_row) whenever the ledger is read. Borrows self. */
void cor_ledger_source(struct cor_ledger *ledger,
                       void (*fn)(void *self, struct cor_ledger_writer *out), void *self);

/* Tells a row, from within a source. */
void cor_ledger_row(struct cor_ledger_writer *out, const struct cor_ledger_row *row);

/* All of it as the verb answers it. Returns owned. */
struct cor_json *cor_ledger_json(struct cor_ledger *ledger);

#endif
