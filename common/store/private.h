// SPDX-License-Identifier: Apache-2.0
// What the files of this room share.
#ifndef COR_STORE_PRIVATE_H
#define COR_STORE_PRIVATE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "common/base/list.h"
#include "common/store/store.h"

struct cor_stmt {
    struct cor_db *db;
    const char *sql;
    sqlite3_stmt *raw; /* NULL until first used */
    int failed;        /* result of preparing or binding */
};

/* What is said for every batch and every write: prepared once. */
enum cor_db_word {
    COR_DB_BEGIN,
    COR_DB_BEGIN_WRITE,
    COR_DB_COMMIT,
    COR_DB_SAVE,
    COR_DB_RELEASE,
    COR_DB_UNDO,
    COR_DB_WORDS
};

struct cor_db {
    sqlite3 *raw;
    sqlite3_stmt *words[COR_DB_WORDS]; /* NULL until first used */
    struct cor_stmt *stmts;
    size_t stmt_count;
};

struct cor_store {
    char *path;
    int lock_fd;
    struct cor_db writer; /* under writer_lock */
    struct cor_db own_reader;
    struct cor_db *reader; /* loop thread; the writer where commits run there, too */
    pthread_mutex_t writer_lock;
    atomic_bool broken;

    struct cor_loop *loop;
    struct cor_wakeup *wakeup;
    pthread_t thread;
    bool started;
    pthread_mutex_t queue_lock; /* guards the next four */
    pthread_cond_t queue_filled;
    struct cor_link waiting; /* struct write, not yet taken by the thread */
    struct cor_link finished;
    bool stopping;
    size_t pending; /* loop thread */
    size_t max_pending;
    void (*on_broken)(void *self, const struct cor_err *err); /* NULL: told, or nobody to tell */
    void *on_broken_self;
};

/* Moves what waits to the end of batch. False: the batch is empty. Any thread. */
bool cor_store_take(struct cor_store *store, struct cor_link *batch);

/* Carries out the batch as one transaction; each write has its result after. Any one thread. */
void cor_store_commit(struct cor_store *store, struct cor_link *batch);

/* Moves the batch to what has ended; the loop is to be told. Any thread. */
void cor_store_finish(struct cor_store *store, struct cor_link *batch);

/* Loop thread: tells the ends of writes in order. */
void cor_store_report(struct cor_store *store);

/* thread.c: what depends on where commits run. */
struct cor_store_way {
    bool own_reader;     /* they run in another thread: the loop reads by a connection of its own */
    const char *pragmas; /* said to the writer before all others */
};
const struct cor_store_way *cor_store_way(void);

/* thread.c: something waits. Loop thread. */
void cor_store_wake_thread(struct cor_store *store);

/* thread.c: commits what waits, ends the thread, tells the ends of writes. Loop thread, blocks. */
void cor_store_end_thread(struct cor_store *store);

/* Class of an SQLite result, with its text in *err. */
enum cor_code cor_db_fail(struct cor_db *db, int rc, const char *what, struct cor_err *err);

/* Whether a result means that the disk or the file can no longer be trusted. */
bool cor_db_is_fatal(int rc);

/* Runs SQL without rows. */
enum cor_code cor_db_exec(struct cor_db *db, const char *sql, struct cor_err *err);

/* Runs a word of transactions. Returns SQLite's result. */
int cor_db_say(struct cor_db *db, enum cor_db_word word);

/* SQL of the word, for messages. */
const char *cor_db_text(enum cor_db_word word);

/* Finalizes the statements and closes. */
void cor_db_close(struct cor_db *db);

#endif
