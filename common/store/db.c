// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

bool cor_db_is_fatal(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

static enum cor_code code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ||
                       rc == SQLITE_CONSTRAINT_ROWID
                   ? COR_EXISTS
                   : COR_INVALID;
    case SQLITE_FULL:
        return COR_RETRY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return COR_BUSY;
    case SQLITE_TOOBIG:
        return COR_TOOBIG;
    case SQLITE_MISMATCH:
        return COR_INVALID;
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return COR_INTERNAL;
    default:
        return COR_IO;
    }
}

enum cor_code cor_db_fail(struct cor_db *db, int rc, const char *what, struct cor_err *err)
{
    const char *why = db->raw != NULL && sqlite3_extended_errcode(db->raw) == rc
                          ? sqlite3_errmsg(db->raw)
                          : sqlite3_errstr(rc);
    enum cor_code code = code_of(rc);
    (void)cor_err_set(err, code, "%s: %s (SQLite %d)", what, why, rc);
    if (err != NULL) {
        err->sys = db->raw != NULL ? sqlite3_system_errno(db->raw) : 0;
    }
    return code;
}

enum cor_code cor_db_exec(struct cor_db *db, const char *sql, struct cor_err *err)
{
    int rc = sqlite3_exec(db->raw, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? COR_OK : cor_db_fail(db, rc, sql, err);
}

const char *cor_db_text(enum cor_db_word word)
{
    static const char *const texts[COR_DB_WORDS] = {
        [COR_DB_BEGIN] = "BEGIN",         [COR_DB_BEGIN_WRITE] = "BEGIN IMMEDIATE",
        [COR_DB_COMMIT] = "COMMIT",       [COR_DB_SAVE] = "SAVEPOINT one",
        [COR_DB_RELEASE] = "RELEASE one", [COR_DB_UNDO] = "ROLLBACK TO one",
    };
    return texts[word];
}

int cor_db_say(struct cor_db *db, enum cor_db_word word)
{
    sqlite3_stmt **stmt = &db->words[word];
    if (*stmt == NULL) {
        int rc = sqlite3_prepare_v3(db->raw, cor_db_text(word), -1, SQLITE_PREPARE_PERSISTENT, stmt,
                                    NULL);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    int rc = sqlite3_step(*stmt);
    (void)sqlite3_reset(*stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

void cor_db_close(struct cor_db *db)
{
    for (size_t i = 0; i < COR_DB_WORDS; i++) {
        (void)sqlite3_finalize(db->words[i]);
        db->words[i] = NULL;
    }
    for (size_t i = 0; i < db->stmt_count; i++) {
        (void)sqlite3_finalize(db->stmts[i].raw);
    }
    cor_freep(&db->stmts);
    must(sqlite3_close(db->raw) == SQLITE_OK);
    db->raw = NULL;
}

struct cor_stmt *cor_db_use(struct cor_db *db, size_t number)
{
    must(number < db->stmt_count);
    struct cor_stmt *stmt = &db->stmts[number];
    stmt->failed = SQLITE_OK;
    if (stmt->raw == NULL) {
        stmt->failed =
            sqlite3_prepare_v3(db->raw, stmt->sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->raw, NULL);
        return stmt;
    }
    (void)sqlite3_reset(stmt->raw);
    (void)sqlite3_clear_bindings(stmt->raw);
    return stmt;
}

void cor_db_begin(struct cor_db *db)
{
    must(cor_db_say(db, COR_DB_BEGIN) == SQLITE_OK);
}

void cor_db_end(struct cor_db *db)
{
    (void)cor_db_say(db, COR_DB_COMMIT);
}

int64_t cor_db_changes(struct cor_db *db)
{
    return sqlite3_changes(db->raw);
}

void cor_stmt_bind(struct cor_stmt *stmt, int at, struct cor_arg arg)
{
    if (stmt->failed != SQLITE_OK) {
        return;
    }
    const char *bytes = arg.bytes.ptr == NULL ? "" : arg.bytes.ptr;
    switch (arg.type) {
    case COR_ARG_NULL:
        stmt->failed = sqlite3_bind_null(stmt->raw, at);
        break;
    case COR_ARG_INT:
        stmt->failed = sqlite3_bind_int64(stmt->raw, at, arg.i64);
        break;
    case COR_ARG_REAL:
        stmt->failed = sqlite3_bind_double(stmt->raw, at, arg.real);
        break;
    case COR_ARG_TEXT:
        stmt->failed =
            sqlite3_bind_text64(stmt->raw, at, bytes, arg.bytes.len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case COR_ARG_BLOB:
        stmt->failed = sqlite3_bind_blob64(stmt->raw, at, bytes, arg.bytes.len, SQLITE_STATIC);
        break;
    }
}

static int step(struct cor_stmt *stmt)
{
    return stmt->failed != SQLITE_OK ? stmt->failed : sqlite3_step(stmt->raw);
}

enum cor_code cor_stmt_next(struct cor_stmt *stmt, bool *row_r, struct cor_err *err)
{
    int rc = step(stmt);
    *row_r = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        return COR_OK;
    }
    enum cor_code code = rc == SQLITE_DONE ? COR_OK : cor_db_fail(stmt->db, rc, stmt->sql, err);
    cor_stmt_reset(stmt);
    return code;
}

enum cor_code cor_stmt_run(struct cor_stmt *stmt, struct cor_err *err)
{
    bool row = true;
    enum cor_code code = COR_OK;
    while (row && code == COR_OK) {
        code = cor_stmt_next(stmt, &row, err);
    }
    return code;
}

void cor_stmt_reset(struct cor_stmt *stmt)
{
    if (stmt->raw != NULL) {
        (void)sqlite3_reset(stmt->raw);
        (void)sqlite3_clear_bindings(stmt->raw);
    }
}

int64_t cor_stmt_i64(struct cor_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->raw, column);
}

double cor_stmt_real(struct cor_stmt *stmt, int column)
{
    return sqlite3_column_double(stmt->raw, column);
}

struct cor_view cor_stmt_bytes(struct cor_stmt *stmt, int column)
{
    const char *bytes = sqlite3_column_type(stmt->raw, column) == SQLITE_BLOB
                            ? sqlite3_column_blob(stmt->raw, column)
                            : (const char *)sqlite3_column_text(stmt->raw, column);
    if (bytes == NULL && sqlite3_column_type(stmt->raw, column) != SQLITE_NULL) {
        bytes = ""; /* an empty blob has no address */
    }
    return (struct cor_view){bytes, (size_t)sqlite3_column_bytes(stmt->raw, column)};
}
