// SPDX-License-Identifier: Apache-2.0
// The durable origin of a stream of EVENTs: a message is a row in the owner's store until the sink
// has committed it. So an event costs one commit, which it shares with whatever led to it.
//
// Use: the owner's store has COR_OUTBOX_MIGRATION among its migrations and the COR_OUTBOX_SQL
// statements at some index of its table. In a write, on the commit thread: cor_outbox_insert(),
// which gives the message its sequence, so that a write that fails leaves no hole; when it is
// committed, on the loop: cor_outbox_committed(). Loop thread only, except cor_outbox_insert.
#ifndef COR_OUTBOX_OUTBOX_H
#define COR_OUTBOX_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/log/log.h"
#include "common/store/store.h"

#define COR_OUTBOX_MIGRATION                                                                       \
    "CREATE TABLE outbox (stream INTEGER, seq INTEGER, cause INTEGER NOT NULL,"                    \
    " number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (stream, seq)) WITHOUT ROWID;"      \
    "CREATE TABLE outbox_stream (stream INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,"        \
    " acked INTEGER NOT NULL);"

/* Statements, in this order, at the index that cor_outbox_spec.statements names. */
#define COR_OUTBOX_SQL                                                                             \
    "INSERT INTO outbox (stream, seq, cause, number, body)"                                        \
    " SELECT stream, 1 + max(acked, coalesce((SELECT max(seq) FROM outbox WHERE stream = ?1), "    \
    "0)),"                                                                                         \
    " ?2, ?3, ?4 FROM outbox_stream WHERE stream = ?1 RETURNING seq",                              \
        "SELECT seq, cause, number, body FROM outbox WHERE stream = ? AND seq > ?"                 \
        " ORDER BY seq LIMIT 1",                                                                   \
        "DELETE FROM outbox WHERE stream = ? AND seq <= ?",                                        \
        "UPDATE outbox_stream SET acked = ? WHERE stream = ?",                                     \
        "SELECT incarnation, acked FROM outbox_stream WHERE stream = ?",                           \
        "INSERT INTO outbox_stream (stream, incarnation, acked) VALUES (?, ?, 0)",                 \
        "SELECT max(seq), count(*) FROM outbox WHERE stream = ?"

enum { COR_OUTBOX_STATEMENTS = 7 };

struct cor_outbox_spec {
    struct cor_store *store;
    size_t statements; /* index of COR_OUTBOX_SQL in the store's table */
    unsigned stream;   /* from 1 */
    uint64_t max;      /* messages kept; beyond it there is no room */
    const struct cor_messages *messages;
    struct cor_log *log;
};

struct cor_outbox;

/* Reads the stream's place from the store, making it on first use. COR_IO. Blocks on the disk.
 * Returns owned. */
COR_NODISCARD enum cor_code cor_outbox_new(const struct cor_outbox_spec *spec,
                                           struct cor_outbox **outbox_r, struct cor_err *err);

/* Frees; before the store and after the port's stream is not needed. *outbox becomes NULL. */
void cor_outbox_free(struct cor_outbox **outbox);

/* Makes port (borrows) the way out. */
void cor_outbox_attach(struct cor_outbox *outbox, struct cor_port *port);

/* Whether one more message may be inserted; if not, the source is to be refused. Counts messages
 * whose insertion was announced here and is not committed yet: call once for each. */
bool cor_outbox_room(struct cor_outbox *outbox);

/* Commit thread: inserts a message: body is a struct of the number's table, encoded. The sequence
 * is returned in *seq_r. */
COR_NODISCARD enum cor_code cor_outbox_insert(struct cor_db *db, const struct cor_outbox_spec *spec,
                                              uint64_t cause, uint16_t number, struct cor_view body,
                                              uint64_t *seq_r, struct cor_err *err);

/* The insertion of seq is committed: sends it if it is its turn. seq 0: it has failed or was not
 * needed. */
void cor_outbox_committed(struct cor_outbox *outbox, uint64_t seq);

/* Messages that the sink has not committed. */
uint64_t cor_outbox_count(const struct cor_outbox *outbox);

#endif
