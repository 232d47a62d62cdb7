// SPDX-License-Identifier: Apache-2.0
// meta.db: what the edge knows of its desired state.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "decide.h"
#include "metamanager.h"

enum statement {
    GET_ANY,
    GET_LIVE,
    PUT,
    NEXT_EDGED,
    NEXT_TWIN,
    LIST_NS,
    LIST_ALL,
    COUNT_HELD,
    NEXT_HELD,
    SET_CONTENT,
    TOKEN_GET,
    TOKEN_PUT,
    STATEMENTS
};

static const char *const MIGRATIONS[] = {
    "CREATE TABLE object (key TEXT PRIMARY KEY, ns TEXT NOT NULL, type TEXT NOT NULL,"
    " uid TEXT NOT NULL, version TEXT NOT NULL, source TEXT NOT NULL, gone INTEGER NOT NULL,"
    " body BLOB) WITHOUT ROWID;"
    "CREATE INDEX object_type ON object (type, key) WHERE gone = 0;"
    "CREATE TABLE token (name TEXT PRIMARY KEY, issued INTEGER NOT NULL, body BLOB NOT NULL)"
    " WITHOUT ROWID;",
};

/* v0.1.0 writes rows without it: 0, not known. */
static const char *const ADDITIONS[] = {
    "ALTER TABLE object ADD COLUMN content INTEGER NOT NULL DEFAULT 0;",
};

#define COLUMNS "key, uid, version, source, body, gone, content"
#define HELD                                                                                       \
    " FROM object WHERE gone = 0 AND type IN ('pod', 'configmap', 'secret', 'node', 'device', "    \
    "'devicemodel')"

static const char *const SQL[STATEMENTS] = {
    [GET_ANY] = "SELECT " COLUMNS " FROM object WHERE key = ?",
    [GET_LIVE] = "SELECT " COLUMNS " FROM object WHERE key = ? AND gone = 0",
    [PUT] = "INSERT OR REPLACE INTO object (key, ns, type, uid, version, source, gone, body,"
            " content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [NEXT_EDGED] = "SELECT " COLUMNS " FROM object WHERE key > ? AND gone = 0"
                   " AND type IN ('pod', 'configmap', 'secret', 'node') ORDER BY key LIMIT 1",
    [NEXT_TWIN] = "SELECT " COLUMNS " FROM object WHERE key > ?"
                  " AND type IN ('device', 'devicemodel') ORDER BY key LIMIT 1",
    [LIST_NS] = "SELECT " COLUMNS " FROM object WHERE type = ? AND ns = ? AND gone = 0"
                " ORDER BY key",
    [LIST_ALL] = "SELECT " COLUMNS " FROM object WHERE type = ? AND gone = 0 ORDER BY key",
    [COUNT_HELD] = "SELECT count(*)" HELD,
    [NEXT_HELD] = "SELECT key, uid, content" HELD,
    [SET_CONTENT] = "UPDATE object SET content = ? WHERE key = ?",
    [TOKEN_GET] = "SELECT issued, body FROM token WHERE name = ?",
    [TOKEN_PUT] = "INSERT OR REPLACE INTO token (name, issued, body) VALUES (?, ?, ?)",
};

void meta_objects_describe(struct cor_store_spec *spec)
{
    spec->migrations = MIGRATIONS;
    spec->migration_count = COR_COUNT(MIGRATIONS);
    spec->additions = ADDITIONS;
    spec->addition_count = COR_COUNT(ADDITIONS);
    spec->statements = SQL;
    spec->statement_count = STATEMENTS;
}

static struct cor_view never_absent(struct cor_view v)
{
    return v.ptr == NULL ? COR_VIEW("") : v;
}

static void read_row(struct cor_stmt *stmt, struct meta_row *row)
{
    *row = (struct meta_row){
        .key = cor_stmt_bytes(stmt, 0),
        .uid = cor_stmt_bytes(stmt, 1),
        .version = cor_stmt_bytes(stmt, 2),
        .source = cor_stmt_bytes(stmt, 3),
        .body = cor_stmt_bytes(stmt, 4),
        .gone = cor_stmt_i64(stmt, 5) != 0,
        .content = (uint64_t)cor_stmt_i64(stmt, 6),
    };
}

/* Logs a failed read: the caller goes on as if there were no row. */
static bool step(struct meta *meta, struct cor_stmt *stmt)
{
    struct cor_err err = COR_ERR_NONE;
    bool found = false;
    if (cor_stmt_next(stmt, &found, &err) != COR_OK) {
        LOGE(meta->service->log, "meta.read-failed", "error=%s",
             cor_log_esc(cor_view_of(err.text)));
        return false;
    }
    return found;
}

static bool one_row(struct meta *meta, enum statement number, struct cor_view key,
                    struct meta_row *row_r)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(meta->store), number);
    cor_stmt_bind(stmt, 1, COR_TEXT(key));
    if (!step(meta, stmt)) {
        return false;
    }
    read_row(stmt, row_r);
    return true;
}

bool meta_row_get(struct meta *meta, struct cor_view key, struct meta_row *row_r)
{
    return one_row(meta, GET_LIVE, key, row_r);
}

bool meta_row_next(struct meta *meta, struct cor_view after, enum meta_reader reader,
                   struct meta_row *row_r)
{
    return one_row(meta, reader == META_EDGED ? NEXT_EDGED : NEXT_TWIN, after, row_r);
}

void meta_row_end(struct meta *meta)
{
    static const enum statement READS[] = {GET_LIVE, NEXT_EDGED, NEXT_TWIN, TOKEN_GET};
    for (size_t i = 0; i < COR_COUNT(READS); i++) {
        cor_stmt_reset(cor_db_use(cor_store_reader(meta->store), READS[i]));
    }
}

uint64_t meta_rows_list(struct meta *meta, struct cor_view ns, struct cor_view type,
                        struct cor_buf *out)
{
    struct cor_stmt *stmt =
        cor_db_use(cor_store_reader(meta->store), ns.len == 0 ? LIST_ALL : LIST_NS);
    cor_stmt_bind(stmt, 1, COR_TEXT(type));
    if (ns.len > 0) {
        cor_stmt_bind(stmt, 2, COR_TEXT(ns));
    }
    uint64_t count = 0;
    cor_buf_str(out, "{\"items\":[");
    while (step(meta, stmt)) {
        struct meta_row row;
        read_row(stmt, &row);
        cor_buf_str(out, count++ == 0 ? "" : ",");
        cor_buf_view(out, row.body);
    }
    cor_buf_str(out, "]}");
    return count;
}

uint64_t meta_held_count(struct meta *meta)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(meta->store), COUNT_HELD);
    uint64_t count = step(meta, stmt) ? (uint64_t)cor_stmt_i64(stmt, 0) : 0;
    cor_stmt_reset(stmt);
    return count;
}

void meta_held_each(struct meta *meta, void (*fn)(void *self, const struct px_held_object *object),
                    void *self)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(meta->store), NEXT_HELD);
    while (step(meta, stmt)) {
        struct px_held_object object = {.key = cor_stmt_bytes(stmt, 0),
                                        .uid = cor_stmt_bytes(stmt, 1),
                                        .content = (uint64_t)cor_stmt_i64(stmt, 2)};
        fn(self, &object);
    }
    cor_stmt_reset(stmt);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static void put_free(struct meta_put *put)
{
    cor_buf_free(&put->bytes);
    cor_free(put);
}

static enum cor_code put_row(struct cor_db *db, const struct meta_put *put, struct cor_err *err)
{
    const struct px_object *o = &put->object;
    struct px_key key;
    must(px_key_parse(o->key, &key));
    struct cor_stmt *stmt = cor_db_use(db, PUT);
    cor_stmt_bind(stmt, 1, COR_TEXT(o->key));
    cor_stmt_bind(stmt, 2, COR_TEXT(key.ns));
    cor_stmt_bind(stmt, 3, COR_TEXT(key.type));
    cor_stmt_bind(stmt, 4, COR_TEXT(never_absent(o->uid)));
    cor_stmt_bind(stmt, 5, COR_TEXT(never_absent(o->version)));
    cor_stmt_bind(stmt, 6, COR_TEXT(never_absent(o->source)));
    cor_stmt_bind(stmt, 7, COR_INT(o->gone ? 1 : 0));
    cor_stmt_bind(stmt, 8, o->gone ? COR_NIL : COR_BLOB(o->body));
    cor_stmt_bind(stmt, 9, COR_INT((int64_t)o->content));
    return cor_stmt_run(stmt, err);
}

/* The same version, of which it is known now what matters: it was asked for, or came from a cloud
 * that did not say. */
static enum cor_code put_content(struct cor_db *db, const struct meta_put *put, struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(db, SET_CONTENT);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)put->object.content));
    cor_stmt_bind(stmt, 2, COR_TEXT(put->object.key));
    return cor_stmt_run(stmt, err);
}

/* On the commit thread: looks, decides and writes in one transaction. A tombstone keeps the highest
 * version seen, so that an older put cannot bring the object back. */
static enum cor_code put_run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct meta_put *put = self;
    struct cor_stmt *stmt = cor_db_use(db, GET_ANY);
    cor_stmt_bind(stmt, 1, COR_TEXT(put->object.key));
    bool found = false;
    enum cor_code code = cor_stmt_next(stmt, &found, err);
    if (code != COR_OK) {
        return code;
    }
    struct meta_row row = {0};
    auto_(cor_freep) char *uid = NULL;
    auto_(cor_freep) char *version = NULL;
    if (found) {
        read_row(stmt, &row);
        uid = cor_view_dup(row.uid);
        version = cor_view_dup(row.version);
    }
    cor_stmt_reset(stmt);
    struct meta_state stored = {found, row.gone, cor_view_of(uid), cor_view_of(version)};
    struct px_object *o = &put->object;
    struct meta_state said = {true, o->gone, o->uid, o->version};
    put->news = (int)meta_decide(&stored, &said, px_key_returns(o->key));
    if (put->news != META_NEWS) {
        bool same = put->news == META_SAME && !o->gone && o->content != 0;
        return same && o->content != row.content ? put_content(db, put, err) : COR_OK;
    }
    struct px_object original = *o;
    if (o->gone && found) {
        o->uid = o->uid.len == 0 ? stored.uid : o->uid;
        bool lower = o->version.len == 0 || meta_version_cmp(stored.version, o->version) > 0;
        o->version = lower ? stored.version : o->version;
    }
    code = put_row(db, put, err);
    *o = original;
    return code;
}

static void put_done(void *self, enum cor_code code, const struct cor_err *err)
{
    struct meta_put *put = self;
    struct cor_bus *bus = put->meta->service->bus;
    cor_bus_set_cause(bus, put->id);
    put->done(put->meta, put, code, err);
    cor_bus_set_cause(bus, 0);
    put_free(put);
}

/* Copies the views of object into one buffer. */
static void copy_object(struct meta_put *put, const struct px_object *object)
{
    struct px_object *o = &put->object;
    *o = *object;
    struct cor_view *views[] = {&o->key, &o->uid, &o->version, &o->source, &o->body};
    for (size_t i = 0; i < COR_COUNT(views); i++) {
        cor_buf_view(&put->bytes, *views[i]);
    }
    const char *at = put->bytes.data;
    for (size_t i = 0; i < COR_COUNT(views); i++) {
        if (views[i]->ptr != NULL) {
            views[i]->ptr = at;
            at += views[i]->len;
        }
    }
}

enum cor_code meta_put(struct meta *meta, const struct px_object *object, uint64_t id,
                       const struct cor_ticket *ticket, meta_put_fn done, struct cor_err *err)
{
    struct meta_put *put = cor_alloc(sizeof(*put));
    put->meta = meta;
    put->done = done;
    put->id = id;
    if (ticket != NULL) {
        put->ticket = *ticket;
    }
    copy_object(put, object);
    enum cor_code code = cor_store_write(meta->store, put_run, put_done, put, err);
    if (code != COR_OK) {
        put_free(put);
    }
    return code;
}

/* ---- tokens -----------------------------------------------------------------------------------
 */

bool meta_token_get(struct meta *meta, struct cor_view name, struct cor_view *body_r,
                    struct cor_wall *issued_r)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(meta->store), TOKEN_GET);
    cor_stmt_bind(stmt, 1, COR_TEXT(name));
    if (!step(meta, stmt)) {
        return false;
    }
    issued_r->us = cor_stmt_i64(stmt, 0);
    *body_r = cor_stmt_bytes(stmt, 1);
    return true;
}

enum cor_code meta_token_put(struct meta *meta, struct cor_view name, struct cor_view body,
                             cor_store_done_fn done, void *self, struct cor_err *err)
{
    struct cor_arg args[] = {COR_TEXT(name), COR_INT(cor_wall_now().us), COR_BLOB(body)};
    struct cor_op op = {TOKEN_PUT, args, COR_COUNT(args)};
    return cor_store_ops(meta->store, &op, 1, done, self, err);
}
