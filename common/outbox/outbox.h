// SPDX-License-Identifier: Apache-2.0
// The durable origin of streams of EVENTs: a message is a row in the owner's store until the sink
// has committed it. So an event costs one commit, which it shares with whatever led to it. Streams
// are found or made by name; each has its place, its share of the room and its turn to send.
//
// Use: the owner's store has COR_OUTBOX_MIGRATION and COR_OUTBOX_MIGRATION_2 among its migrations
// and the COR_OUTBOX_SQL statements at some index of its table. On the loop a batch is gathered and
// sealed; in a write, on the commit thread, it is run; when the write has ended, on the loop, the
// batch is ended. Batches of an outbox must be written in the order in which they were sealed.
// Loop thread only, except cor_outbox_batch_run.
#ifndef COR_OUTBOX_OUTBOX_H
#define COR_OUTBOX_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/json/json.h"
#include "common/ledger/ledger.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/outbox/policy.h"
#include "common/store/store.h"

/* v0.1.0: one stream an outbox, its number that of the outbox. */
#define COR_OUTBOX_MIGRATION                                                                       \
    "CREATE TABLE outbox (stream INTEGER, seq INTEGER, cause INTEGER NOT NULL,"                    \
    " number INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (stream, seq)) WITHOUT ROWID;"      \
    "CREATE TABLE outbox_stream (stream INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,"        \
    " acked INTEGER NOT NULL);"

/* Named streams with counters. The old stream of an outbox is called "#NUMBER". born and seconds:
 * time that the processes have seen, in seconds. */
#define COR_OUTBOX_MIGRATION_2                                                                     \
    "ALTER TABLE outbox ADD COLUMN born INTEGER NOT NULL DEFAULT 0;"                               \
    "ALTER TABLE outbox_stream RENAME TO outbox_stream_1;"                                         \
    "CREATE TABLE outbox_stream (id INTEGER PRIMARY KEY, outbox INTEGER NOT NULL,"                 \
    " name TEXT NOT NULL, incarnation INTEGER NOT NULL, acked INTEGER NOT NULL,"                   \
    " high INTEGER NOT NULL, offered INTEGER NOT NULL, refused INTEGER NOT NULL,"                  \
    " accepted INTEGER NOT NULL, delivered INTEGER NOT NULL, expired INTEGER NOT NULL,"            \
    " dropped INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL);"                   \
    "INSERT INTO outbox_stream SELECT s.stream, s.stream, '#' || s.stream, s.incarnation, "        \
    "s.acked,"                                                                                     \
    " max(s.acked, coalesce(max(o.seq), 0)), s.acked + count(o.seq), 0, s.acked + count(o.seq),"   \
    " s.acked, 0, 0, count(o.seq), coalesce(sum(length(o.body)), 0)"                               \
    " FROM outbox_stream_1 s LEFT JOIN outbox o ON o.stream = s.stream GROUP BY s.stream;"         \
    "DROP TABLE outbox_stream_1;"                                                                  \
    "CREATE TABLE outbox_clock (id INTEGER PRIMARY KEY, seconds INTEGER NOT NULL);"

/* Statements, in this order, at the index that cor_outbox_spec.statements names. */
#define COR_OUTBOX_SQL                                                                             \
    "INSERT INTO outbox (stream, seq, cause, number, born, body) VALUES (?, ?, ?, ?, ?, ?)",       \
        "INSERT INTO outbox_stream (id, outbox, name, incarnation, acked, high, offered, refused," \
        " accepted, delivered, expired, dropped, rows, bytes)"                                     \
        " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, 0, 0, ?9, ?10, ?11)"                          \
        " ON CONFLICT (id) DO UPDATE SET high = max(high, ?5), offered = offered + ?6,"            \
        " refused = refused + ?7, accepted = accepted + ?8, dropped = dropped + ?9,"               \
        " rows = rows + ?10, bytes = bytes + ?11",                                                 \
        "SELECT seq, cause, number, body FROM outbox WHERE stream = ? AND seq > ?"                 \
        " ORDER BY seq LIMIT ?",                                                                   \
        "DELETE FROM outbox WHERE stream = ? AND seq <= ? RETURNING length(body)",                 \
        "UPDATE outbox_stream SET acked = max(acked, ?2), delivered = delivered + ?3,"             \
        " rows = rows - ?3, bytes = bytes - ?4 WHERE id = ?1",                                     \
        "SELECT seq, born, length(body) FROM outbox WHERE stream = ? AND seq > ? ORDER BY seq",    \
        "DELETE FROM outbox WHERE stream = ? AND seq > ? AND seq <= ?",                            \
        "UPDATE outbox_stream SET dropped = dropped + ?2, expired = expired + ?3,"                 \
        " rows = rows - ?2 - ?3, bytes = bytes - ?4 WHERE id = ?1",                                \
        "SELECT id, name, incarnation, acked, high, offered, refused, accepted, delivered,"        \
        " expired, dropped, rows, bytes FROM outbox_stream WHERE outbox = ? ORDER BY id",          \
        "INSERT INTO outbox_clock (id, seconds) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE"         \
        " SET seconds = max(seconds, ?1)",                                                         \
        "SELECT seconds FROM outbox_clock", "SELECT coalesce(max(id), 0) FROM outbox_stream",      \
        "SELECT count(*) FROM outbox WHERE stream = ?"

enum { COR_OUTBOX_STATEMENTS = 13 };

struct cor_outbox_spec {
    struct cor_store *store;
    struct cor_loop *loop;
    struct cor_log *log;
    const struct cor_messages *messages;
    const struct cor_policy *policy;
    size_t statements; /* index of COR_OUTBOX_SQL in the store's table */
    unsigned number;  /* from 1 to 15, unlike those of others in the store; for a peer of minor 0 it
                         is the stream's number */
    const char *flow; /* name in the ledger */
    const char *folder; /* where the store is, for the disk's free space; NULL: do not look */
    size_t streams_max; /* what is beyond shares one stream, "others" */
    /* There is room again after cor_outbox_is_full said no; may be NULL. */
    void (*room)(void *self);
    void *self;
};

struct cor_outbox;
struct cor_outbox_batch;

/* Reads the streams from the store, not their messages. spec is copied; what it names is borrowed.
 * COR_IO. Returns owned. */
COR_NODISCARD enum cor_code cor_outbox_new(const struct cor_outbox_spec *spec,
                                           struct cor_outbox **outbox_r, struct cor_err *err);

/* Frees; after the store's last callback and before the port. *outbox becomes NULL. */
void cor_outbox_free(struct cor_outbox **outbox);

/* A session of the port that is the way out has begun (borrows the port), has ended: to be called
 * from its up() and down(). */
void cor_outbox_up(struct cor_outbox *outbox, struct cor_port *port);
void cor_outbox_down(struct cor_outbox *outbox);

/* An empty batch. Returns owned: ends in cor_outbox_batch_end. */
struct cor_outbox_batch *cor_outbox_batch_new(struct cor_outbox *outbox);

/* Adds a message to the stream called name: body is a struct of the number's table, encoded (takes,
 * leaves it empty). COR_BUSY: refused by the policy. What is dropped by the policy is COR_OK. */
COR_NODISCARD enum cor_code cor_outbox_batch_add(struct cor_outbox_batch *batch,
                                                 struct cor_view name, uint64_t cause,
                                                 uint16_t number, struct cor_buf *body);

/* Spares the owner to make what would be dropped: when bytes of the stream called name, or more,
 * wait, count messages are taken and dropped by policy. False: there is room, nothing happened. */
bool cor_outbox_batch_spare(struct cor_outbox_batch *batch, struct cor_view name, uint64_t bytes,
                            unsigned count);

/* Whether there is nothing to write. */
bool cor_outbox_batch_is_empty(const struct cor_outbox_batch *batch);

/* Gives the messages their sequences; nothing can be added any more. */
void cor_outbox_batch_seal(struct cor_outbox_batch *batch);

/* Commit thread: writes it. May be run again when the write has failed. */
COR_NODISCARD enum cor_code cor_outbox_batch_run(struct cor_outbox_batch *batch, struct cor_db *db,
                                                 struct cor_err *err);

/* The write has ended: with committed, its messages are sent when it is their turn. *batch becomes
 * NULL. */
void cor_outbox_batch_end(struct cor_outbox_batch **batch, bool committed);

/* Messages that the sink has not committed, and their bytes. */
uint64_t cor_outbox_count(const struct cor_outbox *outbox);
uint64_t cor_outbox_bytes(const struct cor_outbox *outbox);

/* Whether all streams together have reached their bound: a source that can wait should. */
bool cor_outbox_is_full(struct cor_outbox *outbox);

/* Tells the ledger's rows, one a stream. */
void cor_outbox_books(struct cor_outbox *outbox, struct cor_ledger_writer *out);

/* What waits, for people: {"flow","bytes","maxBytes","messages","confirmed":{"count","p50Us",
 * "p99Us"} of the last messages that went out as they came,"streams":[{"stream","messages",
 * "bytes","maxBytes","oldestSeconds","priority","full","maxAgeSeconds","accepted","delivered",
 * "dropped","acceptedBytes"}]}. Reads the oldest row of each stream. Returns owned. */
struct cor_json *cor_outbox_queue(struct cor_outbox *outbox);

#endif
