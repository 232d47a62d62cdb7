// SPDX-License-Identifier: Apache-2.0
// bus.db: events on their way, subscriptions that the cloud asked for, and how far the streams of
// publications have come.
#include "common/base/mem.h"
#include "eventbus.h"

enum statement {
    ADD_TOPIC,
    DEL_TOPIC,
    TOPICS,
    RECENTS,
    ADD_RECENT,
    DEL_RECENT,
    HAS_KEY,
    ADD_KEY,
    DEL_KEYS,
    OUTBOX,
    INBOX = OUTBOX + COR_OUTBOX_STATEMENTS
};

enum { KEYS_MAX = 10000 };

static const char *const MIGRATIONS[] = {
    COR_OUTBOX_MIGRATION
    "CREATE TABLE place (peer INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,"
    " seq INTEGER NOT NULL);"
    "CREATE TABLE subscription (filter TEXT PRIMARY KEY) WITHOUT ROWID;",
    "CREATE TABLE recent (last INTEGER PRIMARY KEY, data BLOB NOT NULL);",
    COR_OUTBOX_MIGRATION_2 COR_INBOX_MIGRATION
    "INSERT INTO inbox SELECT peer, '#1', incarnation, seq, seq FROM place; DROP TABLE place;"
    "CREATE TABLE published (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);",
};

static const char *const SQL[] = {
    [ADD_TOPIC] = "INSERT OR REPLACE INTO subscription (filter) VALUES (?)",
    [DEL_TOPIC] = "DELETE FROM subscription WHERE filter = ?",
    [TOPICS] = "SELECT filter FROM subscription",
    [RECENTS] = "SELECT last, data FROM recent ORDER BY last",
    [ADD_RECENT] = "INSERT OR REPLACE INTO recent (last, data) VALUES (?, ?)",
    [DEL_RECENT] = "DELETE FROM recent WHERE last <= ?",
    [HAS_KEY] = "SELECT id FROM published WHERE key = ?",
    [ADD_KEY] = "INSERT OR IGNORE INTO published (key) VALUES (?)",
    [DEL_KEYS] = "DELETE FROM published WHERE id <= (SELECT max(id) FROM published) - ?",
    [OUTBOX] = COR_OUTBOX_SQL,
    [INBOX] = COR_INBOX_SQL,
};

void eb_store_describe(struct cor_store_spec *spec)
{
    spec->migrations = MIGRATIONS;
    spec->migration_count = COR_COUNT(MIGRATIONS);
    spec->statements = SQL;
    spec->statement_count = COR_COUNT(SQL);
}

size_t eb_store_outbox(void)
{
    return OUTBOX;
}

size_t eb_store_inbox(void)
{
    return INBOX;
}

static bool step(struct eb *eb, struct cor_stmt *stmt)
{
    struct cor_err err = COR_ERR_NONE;
    bool found = false;
    if (cor_stmt_next(stmt, &found, &err) != COR_OK) {
        LOGE(eb->service->log, "bus.read-failed", "error=%s", cor_log_esc(cor_view_of(err.text)));
        return false;
    }
    return found;
}

static void on_written(void *self, enum cor_code code, const struct cor_err *err)
{
    struct eb *eb = self;
    if (code != COR_OK) {
        LOGE(eb->service->log, "bus.write-failed", "error=%s", cor_log_esc(cor_view_of(err->text)));
    }
}

static void write(struct eb *eb, enum statement statement, const struct cor_arg *args, size_t count)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_op op = {statement, args, count};
    if (cor_store_ops(eb->store, &op, 1, on_written, eb, &err) != COR_OK) {
        on_written(eb, err.code, &err);
    }
}

bool eb_store_has_key(struct eb *eb, struct cor_view key)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(eb->store), HAS_KEY);
    cor_stmt_bind(stmt, 1, COR_TEXT(key));
    bool found = step(eb, stmt);
    cor_stmt_reset(stmt);
    return found;
}

void eb_store_key(struct eb *eb, struct cor_view key, cor_store_done_fn done, void *self)
{
    struct cor_arg add[] = {COR_TEXT(key)};
    struct cor_arg del[] = {COR_INT(KEYS_MAX)};
    struct cor_op ops[] = {{ADD_KEY, add, COR_COUNT(add)}, {DEL_KEYS, del, COR_COUNT(del)}};
    struct cor_err err = COR_ERR_NONE;
    if (cor_store_ops(eb->store, ops, COR_COUNT(ops), done, self, &err) != COR_OK) {
        done(self, err.code, &err);
    }
}

void eb_store_subscription(struct eb *eb, struct cor_view filter, bool off)
{
    struct cor_arg args[] = {COR_TEXT(filter)};
    write(eb, off ? DEL_TOPIC : ADD_TOPIC, args, COR_COUNT(args));
}

void eb_store_subscriptions(struct eb *eb,
                            void (*fn)(struct eb *eb, const char *filter, void *self), void *self)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(eb->store), TOPICS);
    while (step(eb, stmt)) {
        auto_(cor_freep) char *filter = cor_view_dup(cor_stmt_bytes(stmt, 0));
        fn(eb, filter, self);
    }
}

void eb_store_recents(struct eb *eb)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(eb->store), RECENTS);
    while (step(eb, stmt)) {
        if (!eb_recent_read(&eb->recent, cor_stmt_bytes(stmt, 1),
                            (uint64_t)cor_stmt_i64(stmt, 0))) {
            LOGE(eb->service->log, "bus.recent-unreadable", "last=%lld",
                 (long long)cor_stmt_i64(stmt, 0));
        }
    }
}

enum cor_code eb_store_recent(struct cor_db *db, struct cor_view data, uint64_t end,
                              uint64_t confirmed, struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(db, ADD_RECENT);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)end));
    cor_stmt_bind(stmt, 2, COR_BLOB(data));
    enum cor_code code = data.len == 0 ? COR_OK : cor_stmt_run(stmt, err);
    stmt = cor_db_use(db, DEL_RECENT);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)confirmed));
    return code == COR_OK ? cor_stmt_run(stmt, err) : code;
}
