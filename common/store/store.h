// SPDX-License-Identifier: Apache-2.0
// One SQLite file with one writer; the door to SQLite. WAL; a commit is on the disk (FULL) before
// anybody is told. Writes are queued on the loop thread and carried out by the store's commit
// thread: a batch is what arrived during the last fsync, in ONE transaction, so the loop never
// waits for a disk. Each write is atomic by itself (a savepoint): if it fails, only it is undone.
// Reads go through a second connection on the loop thread and see what is committed.
// A lock file beside the database keeps a second process out. Files are created with mode 0600.
// Loop thread only, unless said otherwise.
#ifndef COR_STORE_STORE_H
#define COR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"

struct cor_store;
struct cor_db;   /* one connection: the writer's or the reader's */
struct cor_stmt; /* one prepared statement of a connection */

enum cor_store_sync {
    COR_STORE_FULL,   /* survives power loss: fsync in each commit */
    COR_STORE_NORMAL, /* survives a crash of the process; power loss may take the last commits */
};

struct cor_store_spec {
    const char *path;
    enum cor_store_sync sync;
    bool check; /* PRAGMA quick_check at open: reads the whole file */
    const char *const
        *migrations; /* step i brings the schema from version i to i + 1; append only */
    size_t migration_count;
    /* Steps that programs without them can live with (a column with a default, a table): they open
     * the file as before. Counted in application_id; append only. */
    const char *const *additions;
    size_t addition_count;
    const char *each_time; /* SQL at every open, after these; NULL: none */
    /* SQL by number, for cor_db_use; must outlive the store. holds(TEXT, WORD) is 1 where the word
     * is in the text, else 0. */
    const char *const *statements;
    size_t statement_count;
    int cache_kib;      /* page cache per connection; 0: 128, enough for the edge (measured) */
    size_t max_pending; /* writes waiting or under way; 0: 16384 */
};

/* Opens or creates the file, runs the missing migrations in one transaction each. COR_BUSY: another
 * process has it. COR_UNSUPPORTED: written by a newer version. COR_IO: not readable, not writable
 * or damaged. Returns owned. Blocks on the disk. */
COR_NODISCARD enum cor_code cor_store_open(const struct cor_store_spec *spec,
                                           struct cor_store **store_r, struct cor_err *err);

/* Starts the commit thread; callbacks arrive on loop (borrows). Call once. */
void cor_store_start(struct cor_store *store, struct cor_loop *loop);

/* Commits what is queued, calls the callbacks that are due, ends the thread, closes. Blocks. *store
 * becomes NULL. Free it before the loop. For auto_(). */
void cor_store_close(struct cor_store **store);

/* The connection for reading. Borrowed from the store. */
struct cor_db *cor_store_reader(struct cor_store *store);

/* Carries out one write in an open transaction; any code but COR_OK undoes all of it. Must not use
 * what the loop thread may change. */
typedef enum cor_code (*cor_store_run_fn)(struct cor_db *db, void *self, struct cor_err *err);

/* Tells the end of one write, on the loop thread, in the order of the writes. COR_OK: committed. */
typedef void (*cor_store_done_fn)(void *self, enum cor_code code, const struct cor_err *err);

/* Queues a write: run on the commit thread, then done (may be NULL) on the loop. self is borrowed
 * until done returns. COR_BUSY: max_pending reached, nothing queued. */
COR_NODISCARD enum cor_code cor_store_write(struct cor_store *store, cor_store_run_fn run,
                                            cor_store_done_fn done, void *self,
                                            struct cor_err *err);

/* A value to bind. */
struct cor_arg {
    enum { COR_ARG_NULL, COR_ARG_INT, COR_ARG_REAL, COR_ARG_TEXT, COR_ARG_BLOB } type;
    int64_t i64;
    double real;
    struct cor_view bytes;
};
#define COR_INT(value) ((struct cor_arg){.type = COR_ARG_INT, .i64 = (value)})
#define COR_TEXT(view) ((struct cor_arg){.type = COR_ARG_TEXT, .bytes = (view)})
#define COR_BLOB(view) ((struct cor_arg){.type = COR_ARG_BLOB, .bytes = (view)})
#define COR_NIL ((struct cor_arg){.type = COR_ARG_NULL})

/* One statement of a write with its arguments, bound from 1. */
struct cor_op {
    size_t statement;
    const struct cor_arg *args;
    size_t arg_count;
};

/* Queues the ops as one write (copies everything). done may be NULL. COR_BUSY as above. */
COR_NODISCARD enum cor_code cor_store_ops(struct cor_store *store, const struct cor_op *ops,
                                          size_t count, cor_store_done_fn done, void *self,
                                          struct cor_err *err);

/* Runs one write on the calling thread and commits it before it returns. For start-up and tools:
 * blocks on the disk and on a batch under way. */
COR_NODISCARD enum cor_code cor_store_write_now(struct cor_store *store, cor_store_run_fn run,
                                                void *self, struct cor_err *err);

/* Whether the disk failed in a way after which nothing may be trusted to be written (an fsync or a
 * write failed, the file is damaged). All writes fail from then on; only a restart helps. */
bool cor_store_broken(const struct cor_store *store);

/* fn runs once, on the loop, after the store has broken and the write that found it was told: a
 * service that lives on its store ends then, to be started anew on what the disk has. Borrows. */
void cor_store_on_broken(struct cor_store *store, void (*fn)(void *self, const struct cor_err *err),
                         void *self);

/* Writes queued or under way. */
size_t cor_store_pending(const struct cor_store *store);

/* Statement of the store's table, reset and without bindings. Prepared once per connection. Errors
 * appear when it runs. A statement is used by one place at a time. Borrowed from the connection. */
struct cor_stmt *cor_db_use(struct cor_db *db, size_t number);

/* Pins what the reader sees until cor_db_end: several reads, one moment. Not nested. */
void cor_db_begin(struct cor_db *db);

/* Ends cor_db_begin. */
void cor_db_end(struct cor_db *db);

/* Rows changed by the last statement of this connection. */
int64_t cor_db_changes(struct cor_db *db);

/* Binds argument at (from 1). Text and blobs are borrowed until the statement ran. */
void cor_stmt_bind(struct cor_stmt *stmt, int at, struct cor_arg arg);

/* Runs a statement that gives no row (rows are passed over) and resets it. COR_EXISTS: a unique key
 * is taken. COR_INVALID: another constraint. COR_RETRY: the disk is full. COR_IO: it failed. */
COR_NODISCARD enum cor_code cor_stmt_run(struct cor_stmt *stmt, struct cor_err *err);

/* Steps to the next row; *row_r tells whether there is one. At the end and on error the statement
 * is reset. Codes as cor_stmt_run. */
COR_NODISCARD enum cor_code cor_stmt_next(struct cor_stmt *stmt, bool *row_r, struct cor_err *err);

/* Resets early, when the caller does not want the other rows. */
void cor_stmt_reset(struct cor_stmt *stmt);

/* Columns of the current row, from 0. Views are valid until the next step or reset. */
int64_t cor_stmt_i64(struct cor_stmt *stmt, int column);
double cor_stmt_real(struct cor_stmt *stmt, int column);
struct cor_view cor_stmt_bytes(struct cor_stmt *stmt,
                               int column); /* text or blob; absent for NULL */

#endif
