// SPDX-License-Identifier: Apache-2.0
// The other end of an outbox: how far a sink has come in each stream, by the stream's name, kept in
// the sink's store and written together with what the message has led to. Loop thread only, except
// cor_inbox_run.
#ifndef COR_OUTBOX_INBOX_H
#define COR_OUTBOX_INBOX_H

#include "common/bus/bus.h"
#include "common/ledger/ledger.h"
#include "common/store/store.h"

#define COR_INBOX_MIGRATION                                                                        \
    "CREATE TABLE inbox (port INTEGER, name TEXT, incarnation INTEGER NOT NULL,"                   \
    " seq INTEGER NOT NULL, accepted INTEGER NOT NULL, PRIMARY KEY (port, name)) WITHOUT ROWID;"

/* Statements, in this order, at the index that cor_inbox_spec.statements names. */
#define COR_INBOX_SQL                                                                              \
    "SELECT name, incarnation, seq, accepted FROM inbox WHERE port = ?",                           \
        "INSERT INTO inbox (port, name, incarnation, seq, accepted) VALUES (?1, ?2, ?3, ?4, ?5)"   \
        " ON CONFLICT (port, name) DO UPDATE SET incarnation = ?3, seq = ?4,"                      \
        " accepted = accepted + ?5"

enum { COR_INBOX_STATEMENTS = 2 };

struct cor_inbox_spec {
    struct cor_store *store;
    size_t statements; /* index of COR_INBOX_SQL in the store's table */
    unsigned number;   /* unlike those of others in the store */
    const char *flow;  /* name in the ledger */
};

struct cor_inbox;

/* Reads the places. COR_IO. spec is copied. Returns owned. */
COR_NODISCARD enum cor_code cor_inbox_new(const struct cor_inbox_spec *spec,
                                          struct cor_inbox **inbox_r, struct cor_err *err);

/* Frees; after the store's last callback. *inbox becomes NULL. */
void cor_inbox_free(struct cor_inbox **inbox);

/* For committed() of the port: the place in a stream that is opened. */
uint64_t cor_inbox_open(struct cor_inbox *inbox, const struct cor_wire_open *open);

/* A place to be written. Copy freely; valid as long as the inbox. */
struct cor_inbox_place {
    struct inbox_source *source; /* NULL: none */
    uint64_t incarnation, seq;
    uint64_t count; /* messages up to here that were not counted yet */
};

/* Whether the message has been taken already, though its place may not be written yet: the session
 * in which it came has ended and the origin, not told, has sent it again. It counts as a duplicate
 * and is to be passed over: its commit is told when the place is written. */
bool cor_inbox_is_taken(struct cor_inbox *inbox, uint64_t stream, uint64_t seq);

/* The place of a message that is being handled; it is taken. */
struct cor_inbox_place cor_inbox_place(struct cor_inbox *inbox, uint64_t stream, uint64_t seq);

/* Commit thread: writes it. */
COR_NODISCARD enum cor_code cor_inbox_run(const struct cor_inbox *inbox,
                                          const struct cor_inbox_place *place, struct cor_db *db,
                                          struct cor_err *err);

/* It is written: the messages count as accepted. */
void cor_inbox_done(const struct cor_inbox_place *place);

/* Tells the ledger's rows, one a stream; port (may be NULL): by which the streams come, for what it
 * has dropped because it came again. */
void cor_inbox_books(struct cor_inbox *inbox, const struct cor_port *port,
                     struct cor_ledger_writer *out);

#endif
