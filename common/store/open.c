// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

/* WAL file that is kept between checkpoints: overwriting is 2.2 times as fast as appending
 * (measured). */
enum { WAL_KEPT = 4 << 20, CACHE_KIB = 128, MAX_PENDING = 16384, BUSY_MS = 5000 };

static enum cor_code lock_file(struct cor_store *store, struct cor_err *err)
{
    auto_(cor_freep) char *lock = cor_sprintf("%s.lock", store->path);
    store->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", lock);
    }
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return cor_err_sys(err, errno == EWOULDBLOCK ? COR_BUSY : COR_IO, errno,
                           "%s is in use by another process", store->path);
    }
    /* SQLite gives the files beside the database the mode of the database. */
    auto_(cor_fd_close) int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? cor_err_sys(err, COR_IO, errno, "%s", store->path) : COR_OK;
}

/* What a connection is told first. A reader need not know how to write. */
static char *pragmas_of(const struct cor_store_spec *spec, bool writes)
{
    int cache_kib = spec->cache_kib > 0 ? spec->cache_kib : CACHE_KIB;
    return writes
               ? cor_sprintf("%sPRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
                             "PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d;"
                             "PRAGMA temp_store=MEMORY;",
                             cor_store_way()->pragmas,
                             spec->sync == COR_STORE_FULL ? "FULL" : "NORMAL", cache_kib, WAL_KEPT)
               : cor_sprintf("PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY;"
                             "PRAGMA query_only=ON;",
                             cache_kib);
}

/* holds(TEXT, WORD) in SQL: as instr, with the C library's search. */
static void holds(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    const void *text = sqlite3_value_text(values[0]);
    const void *word = sqlite3_value_text(values[1]);
    bool found = text != NULL && word != NULL &&
                 memmem(text, (size_t)sqlite3_value_bytes(values[0]), word,
                        (size_t)sqlite3_value_bytes(values[1])) != NULL;
    sqlite3_result_int(context, found ? 1 : 0);
}

static enum cor_code open_db(const struct cor_store_spec *spec, bool writes, struct cor_db *db,
                             struct cor_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(spec->path, &db->raw, flags, NULL);
    if (rc != SQLITE_OK) {
        return cor_db_fail(db, rc, spec->path, err);
    }
    (void)sqlite3_db_config(db->raw, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
    (void)sqlite3_db_config(db->raw, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    (void)sqlite3_busy_timeout(db->raw, BUSY_MS);
    (void)sqlite3_create_function_v2(db->raw, "holds", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                     holds, NULL, NULL, NULL);
    db->stmts = cor_calloc(spec->statement_count, sizeof(*db->stmts));
    db->stmt_count = spec->statement_count;
    for (size_t i = 0; i < db->stmt_count; i++) {
        db->stmts[i] = (struct cor_stmt){.db = db, .sql = spec->statements[i]};
    }
    auto_(cor_freep) char *pragmas = pragmas_of(spec, writes);
    enum cor_code code = cor_db_exec(db, pragmas, err);
    if (code != COR_OK) {
        return cor_err_set(err, code == COR_RETRY ? COR_RETRY : COR_IO, "%s: %s", spec->path,
                           sqlite3_errmsg(db->raw));
    }
    return COR_OK;
}

static enum cor_code one_value(struct cor_db *db, const char *sql, struct cor_view want,
                               int64_t *number_r, struct cor_err *err)
{
    sqlite3_stmt *raw = NULL;
    int rc = sqlite3_prepare_v2(db->raw, sql, -1, &raw, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(raw);
    }
    struct cor_view text = COR_VIEW("");
    if (rc == SQLITE_ROW) {
        text = cor_view_of((const char *)sqlite3_column_text(raw, 0));
        *number_r = sqlite3_column_int64(raw, 0);
    }
    enum cor_code code = rc != SQLITE_ROW ? cor_db_fail(db, rc, sql, err) : COR_OK;
    if (code == COR_OK && want.len > 0 && !cor_view_eq(text, want)) {
        code = cor_err_set(err, COR_IO, "%s: %.*s", sql, COR_VIEW_ARG(text));
    }
    (void)sqlite3_finalize(raw);
    return code;
}

/* counter: where the number of steps is kept; NULL: nowhere. */
static enum cor_code migrate_step(struct cor_db *db, const char *sql, const char *counter,
                                  int64_t version, struct cor_err *err)
{
    auto_(cor_freep) char *number =
        counter == NULL ? NULL : cor_sprintf("PRAGMA %s=%lld", counter, (long long)version);
    enum cor_code code = cor_db_exec(db, "BEGIN IMMEDIATE", err);
    if (code == COR_OK) {
        code = cor_db_exec(db, sql, err);
    }
    if (code == COR_OK && number != NULL) {
        code = cor_db_exec(db, number, err);
    }
    if (code == COR_OK) {
        code = cor_db_exec(db, "COMMIT", err);
    }
    if (code != COR_OK && sqlite3_get_autocommit(db->raw) == 0) {
        (void)cor_db_exec(db, "ROLLBACK", NULL);
    }
    return code;
}

static enum cor_code migrate(const struct cor_store_spec *spec, struct cor_db *db,
                             struct cor_err *err)
{
    int64_t version = 0;
    enum cor_code code = one_value(db, "PRAGMA user_version", (struct cor_view){0}, &version, err);
    if (code != COR_OK) {
        return code;
    }
    if (version > (int64_t)spec->migration_count) {
        return cor_err_set(err, COR_UNSUPPORTED, "%s has schema version %lld, newest known is %zu",
                           spec->path, (long long)version, spec->migration_count);
    }
    for (; version < (int64_t)spec->migration_count; version++) {
        code = migrate_step(db, spec->migrations[version], "user_version", version + 1, err);
        if (code != COR_OK) {
            (void)cor_err_wrap(err, "%s: migration to version %lld", spec->path,
                               (long long)version + 1);
            return code;
        }
    }
    return COR_OK;
}

static enum cor_code add(const struct cor_store_spec *spec, struct cor_db *db, struct cor_err *err)
{
    int64_t done = 0;
    enum cor_code code = one_value(db, "PRAGMA application_id", (struct cor_view){0}, &done, err);
    for (; code == COR_OK && done < (int64_t)spec->addition_count; done++) {
        code = migrate_step(db, spec->additions[done], "application_id", done + 1, err);
    }
    if (code == COR_OK && spec->each_time != NULL) {
        code = migrate_step(db, spec->each_time, NULL, 0, err);
    }
    return code == COR_OK ? code : cor_err_wrap(err, "%s: additions", spec->path);
}

/* What a killed process had written and not yet synced is read as committed, and may be gone with a
 * power cut: a checkpoint syncs it (WAL first) before anybody is told that it is there. A full disk
 * only keeps it in the WAL. */
static enum cor_code make_durable(struct cor_db *db, struct cor_err *err)
{
    enum cor_code code = cor_db_exec(db, "PRAGMA wal_checkpoint(PASSIVE)", err);
    return code == COR_RETRY || code == COR_BUSY ? COR_OK : code;
}

static enum cor_code open_reader(const struct cor_store_spec *spec, struct cor_store *store,
                                 struct cor_err *err)
{
    if (!cor_store_way()->own_reader) {
        store->reader = &store->writer;
        return COR_OK;
    }
    store->reader = &store->own_reader;
    return open_db(spec, false, store->reader, err);
}

static enum cor_code open_all(const struct cor_store_spec *spec, struct cor_store *store,
                              struct cor_err *err)
{
    enum cor_code code = lock_file(store, err);
    if (code == COR_OK) {
        code = open_db(spec, true, &store->writer, err);
    }
    int64_t ignored = 0;
    if (code == COR_OK && spec->check) {
        code = one_value(&store->writer, "PRAGMA quick_check(1)", COR_VIEW("ok"), &ignored, err);
    }
    if (code == COR_OK) {
        code = migrate(spec, &store->writer, err);
    }
    if (code == COR_OK) {
        code = add(spec, &store->writer, err);
    }
    if (code == COR_OK && spec->sync == COR_STORE_FULL) {
        code = make_durable(&store->writer, err);
    }
    if (code == COR_OK) {
        code = open_reader(spec, store, err);
    }
    return code;
}

enum cor_code cor_store_open(const struct cor_store_spec *spec, struct cor_store **store_r,
                             struct cor_err *err)
{
    *store_r = NULL;
    auto_(cor_store_close) struct cor_store *store = cor_alloc(sizeof(*store));
    store->path = cor_strdup(spec->path);
    store->lock_fd = -1;
    store->max_pending = spec->max_pending > 0 ? spec->max_pending : MAX_PENDING;
    cor_list_init(&store->waiting);
    cor_list_init(&store->finished);
    must(pthread_mutex_init(&store->writer_lock, NULL) == 0);
    must(pthread_mutex_init(&store->queue_lock, NULL) == 0);
    must(pthread_cond_init(&store->queue_filled, NULL) == 0);
    enum cor_code code = open_all(spec, store, err);
    if (code == COR_OK) {
        *store_r = take(&store);
    }
    return code;
}

struct cor_db *cor_store_reader(struct cor_store *store)
{
    return store->reader;
}

bool cor_store_broken(const struct cor_store *store)
{
    return atomic_load(&store->broken);
}
