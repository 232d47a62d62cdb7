// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "storage_core.h"

enum {
    TRIM_EVERY = 512,      /* changes between two trims */
    TEXT_MAX = 8 << 20,    /* a stored object; requests are bounded by 3 MiB */
    CACHE_MAX = 512 << 10, /* bytes of text that are kept parsed: some 2 to 4 MiB */
};

static const char *const statements[] = {
    [KL_SQL_INSERT] = "INSERT INTO object(key, ns, name, rv, json) VALUES(?1, ?2, ?3, ?4, ?5)",
    [KL_SQL_UPDATE] =
        "UPDATE object SET rv = ?4, json = ?5 WHERE key = ?1 AND ns = ?2 AND name = ?3 "
        "AND rv = ?6",
    [KL_SQL_REMOVE] = "DELETE FROM object WHERE key = ?1 AND ns = ?2 AND name = ?3 AND rv = ?6",
    [KL_SQL_LOG] = "INSERT INTO log(rv, key, ns, name, type, json) VALUES(?4, ?1, ?2, ?3, ?7, ?5)",
    [KL_SQL_LOG_OLD] = "INSERT INTO log(rv, key, ns, name, type, json, old) SELECT ?4, key, ns, "
                       "name, ?7, ?5, json "
                       "FROM object WHERE key = ?1 AND ns = ?2 AND name = ?3 AND rv = ?6",
    [KL_SQL_TRIM] = "DELETE FROM log WHERE rv < ?1",
    [KL_SQL_GET] = "SELECT json, rv FROM object WHERE key = ?1 AND ns = ?2 AND name = ?3",
    [KL_SQL_LIST_ALL] = "SELECT json, rv, ns, name FROM object WHERE key = ?1 ORDER BY ns, name",
    [KL_SQL_LIST_NS] = "SELECT json, rv, ns, name FROM object WHERE key = ?1 AND ns = ?2 "
                       "ORDER BY name",
    [KL_SQL_COUNT] = "SELECT count(*) FROM object WHERE ns = ?1",
    [KL_SQL_NAMES] = "SELECT key, name FROM object WHERE ns = ?1",
    [KL_SQL_MAX_RV] = "SELECT max(rv) FROM log",
    [KL_SQL_MIN_RV] = "SELECT min(rv) FROM log",
    [KL_SQL_HIST] =
        "SELECT rv, type, ns, name, json, old FROM log WHERE rv > ?1 AND rv <= ?2 AND key = ?3 "
        "ORDER BY rv",
    [KL_SQL_PAGE] =
        "SELECT json, rv, ns, name FROM object WHERE key = ?1 AND (ns, name) > (?2, ?3) "
        "ORDER BY ns, name",
    [KL_SQL_PAST] = "SELECT old, min(rv), ns, name FROM log WHERE rv > ?4 AND key = ?1 "
                    "AND (ns, name) > (?2, ?3) GROUP BY ns, name ORDER BY ns, name",
    [KL_SQL_OWNED] = "SELECT key, ns, name FROM owner WHERE uid = ?1",
    [KL_SQL_UNSETTLED] = "SELECT DISTINCT key, ns, name FROM owner UNION SELECT key, ns, name FROM "
                         "object WHERE holds(json, '\"deletionTimestamp\"')",
    [KL_SQL_DISOWN] = "DELETE FROM owner WHERE key = ?1 AND ns = ?2 AND name = ?3",
    [KL_SQL_OWN] = "INSERT OR IGNORE INTO owner(key, ns, name, uid) VALUES(?1, ?2, ?3, ?4)",
};

static const char *const migrations[] = {
    "CREATE TABLE object(key TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    " rv INTEGER NOT NULL, json TEXT NOT NULL);"
    "CREATE UNIQUE INDEX object_name ON object(key, ns, name);"
    "CREATE INDEX object_ns ON object(ns);"
    "CREATE TABLE log(rv INTEGER PRIMARY KEY, key TEXT NOT NULL, ns TEXT NOT NULL,"
    " name TEXT NOT NULL, type INTEGER NOT NULL, json TEXT NOT NULL, old TEXT);"
    "INSERT INTO log VALUES(1, '', '', '', 0, '{}', NULL);",
};

/* Who owns what, for the garbage collector and the controllers; made anew at each start, for v0.1.0
 * knows nothing of it. */
static const char *const additions[] = {
    "CREATE TABLE owner(uid TEXT NOT NULL, key TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY(uid, key, ns, name)) WITHOUT ROWID;"
    "CREATE INDEX owner_of ON owner(key, ns, name);",
};
static const char owners_anew[] =
    "DELETE FROM owner;"
    "INSERT OR IGNORE INTO owner SELECT json_extract(o.value, '$.uid'), object.key, object.ns,"
    " object.name FROM object, json_each(object.json, '$.metadata.ownerReferences') o"
    " WHERE holds(object.json, '\"ownerReferences\"');";

/* A change on its way to the disk. */
struct job {
    struct kl_storage *storage;
    struct kl_change change;
    struct cor_json *owners; /* uids, when they change; NULL: as before */
    kl_done_fn done;
    void *self;
};

static void pending_free(void *value)
{
    struct kl_pending *pending = value;
    cor_json_free(&pending->object);
    cor_free(pending);
}

void kl_change_clear(struct kl_change *change)
{
    cor_freep(&change->key);
    cor_freep(&change->ns);
    cor_freep(&change->name);
    cor_freep(&change->text);
    cor_json_free(&change->object);
    cor_json_free(&change->old);
}

void kl_storage_identity(const char *key, const char *ns, const char *name, struct cor_buf *out)
{
    cor_buf_fmt(out, "%s/%s/%s", key, ns, name);
}

int64_t kl_storage_number(struct cor_db *db, enum kl_sql statement)
{
    struct cor_stmt *stmt = cor_db_use(db, statement);
    bool row = false;
    int64_t value = 0;
    if (cor_stmt_next(stmt, &row, NULL) == COR_OK && row) {
        value = cor_stmt_i64(stmt, 0);
    }
    cor_stmt_reset(stmt);
    return value;
}

enum cor_code kl_storage_open(const char *path, struct cor_loop *loop,
                              struct kl_storage **storage_r, struct cor_err *err)
{
    *storage_r = NULL;
    struct cor_store_spec spec = {.path = path,
                                  .sync = COR_STORE_FULL,
                                  .migrations = migrations,
                                  .migration_count = COR_COUNT(migrations),
                                  .additions = additions,
                                  .addition_count = COR_COUNT(additions),
                                  .each_time = owners_anew,
                                  .statements = statements,
                                  .statement_count = COR_COUNT(statements),
                                  .cache_kib = 1024};
    struct cor_store *store = NULL;
    enum cor_code code = cor_store_open(&spec, &store, err);
    if (code != COR_OK) {
        return code;
    }
    struct kl_storage *storage = cor_alloc(sizeof(*storage));
    storage->store = store;
    storage->pending = cor_map_new(pending_free);
    storage->cache = kl_cache_new(CACHE_MAX);
    storage->last_rv = kl_storage_number(cor_store_reader(store), KL_SQL_MAX_RV);
    storage->told_rv = storage->last_rv;
    storage->trimmed_at = storage->last_rv;
    cor_store_start(store, loop);
    *storage_r = storage;
    return COR_OK;
}

void kl_storage_close(struct kl_storage **storage)
{
    if (*storage != NULL) {
        cor_store_close(&(*storage)->store);
        cor_map_free(&(*storage)->pending);
        kl_cache_free(&(*storage)->cache);
        cor_freep(storage);
    }
}

void kl_storage_listen(struct kl_storage *storage, kl_change_fn fn, void *self)
{
    must(storage->listener_count < KL_LISTENERS_MAX);
    storage->listeners[storage->listener_count++] = (struct kl_listener){fn, self};
}

static void bind_name(struct cor_stmt *stmt, const char *key, const char *ns, const char *name)
{
    cor_stmt_bind(stmt, 1, COR_TEXT(cor_view_of(key)));
    cor_stmt_bind(stmt, 2, COR_TEXT(cor_view_of(ns)));
    cor_stmt_bind(stmt, 3, COR_TEXT(cor_view_of(name)));
}

bool kl_storage_read(struct kl_storage *storage, const struct kl_kind *kind, const char *ns,
                     const char *name, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    kl_kind_key(kind, &key);
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(storage->store), KL_SQL_GET);
    bind_name(stmt, key.data, ns == NULL ? "" : ns, name);
    bool row = false;
    if (cor_stmt_next(stmt, &row, NULL) != COR_OK || !row) {
        return false;
    }
    cor_buf_view(out, cor_stmt_bytes(stmt, 0));
    cor_stmt_reset(stmt);
    return true;
}

struct cor_json *kl_storage_parse(struct cor_view text)
{
    struct cor_json *value = NULL;
    enum cor_code code = cor_json_parse(text, TEXT_MAX, 0, &value, NULL);
    return code == COR_OK ? value : NULL;
}

/* The committed object, from the cache or the database. */
static struct cor_json *committed(struct kl_storage *storage, const char *key, const char *ns,
                                  const char *name, struct cor_view id)
{
    struct cor_json *object = kl_cache_get(storage->cache, id, 0);
    if (object != NULL) {
        return object;
    }
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(storage->store), KL_SQL_GET);
    bind_name(stmt, key, ns, name);
    bool row = false;
    if (cor_stmt_next(stmt, &row, NULL) != COR_OK || !row) {
        return NULL;
    }
    struct cor_view text = cor_stmt_bytes(stmt, 0);
    object = kl_storage_parse(text);
    if (object != NULL) {
        kl_cache_put(storage->cache, id, cor_stmt_i64(stmt, 1), cor_json_ref(object), text.len);
    }
    cor_stmt_reset(stmt);
    return object;
}

struct cor_json *kl_storage_look(struct kl_storage *storage, const struct kl_kind *kind,
                                 const char *ns, const char *name)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    auto_(cor_buf_free) struct cor_buf id = {0};
    const char *space = ns == NULL ? "" : ns;
    kl_kind_key(kind, &key);
    kl_storage_identity(key.data, space, name, &id);
    const struct kl_pending *pending = cor_map_get(storage->pending, cor_buf_as_view(&id));
    return pending != NULL ? cor_json_ref(pending->object)
                           : committed(storage, key.data, space, name, cor_buf_as_view(&id));
}

struct cor_json *kl_storage_get(struct kl_storage *storage, const struct kl_kind *kind,
                                const char *ns, const char *name)
{
    auto_(cor_json_free) struct cor_json *object = kl_storage_look(storage, kind, ns, name);
    return cor_json_copy(object);
}

int64_t kl_storage_rv(const struct kl_storage *storage)
{
    return storage->told_rv;
}

int64_t kl_storage_last_rv(const struct kl_storage *storage)
{
    return storage->last_rv;
}

void kl_storage_on_broken(struct kl_storage *storage,
                          void (*fn)(void *self, const struct cor_err *err), void *self)
{
    storage->on_broken = fn;
    storage->on_broken_self = self;
}

bool kl_storage_broken(const struct kl_storage *storage)
{
    return cor_store_broken(storage->store);
}

static void job_free(struct job *job)
{
    kl_change_clear(&job->change);
    cor_json_free(&job->owners);
    cor_free(job);
}

/* Commit thread. */
static enum cor_code write_owners(struct cor_db *db, const struct job *job, struct cor_err *err)
{
    const struct kl_change *change = &job->change;
    struct cor_stmt *stmt = cor_db_use(db, KL_SQL_DISOWN);
    bind_name(stmt, change->key, change->ns, change->name);
    enum cor_code code = cor_stmt_run(stmt, err);
    for (size_t i = 0; i < cor_json_count(job->owners) && code == COR_OK; i++) {
        stmt = cor_db_use(db, KL_SQL_OWN);
        bind_name(stmt, change->key, change->ns, change->name);
        cor_stmt_bind(stmt, 4, COR_TEXT(cor_json_as_view(cor_json_item(job->owners, i))));
        code = cor_stmt_run(stmt, err);
    }
    return code;
}

/* Commit thread: runs a statement that the change is bound to; one row must change. */
static enum cor_code run_row(struct cor_db *db, enum kl_sql statement,
                             const struct kl_change *change, struct cor_err *err)
{
    bool is_log = statement == KL_SQL_LOG || statement == KL_SQL_LOG_OLD;
    struct cor_stmt *stmt = cor_db_use(db, statement);
    bind_name(stmt, change->key, change->ns, change->name);
    if (statement != KL_SQL_REMOVE) {
        cor_stmt_bind(stmt, 4, COR_INT(change->rv));
        cor_stmt_bind(stmt, 5, COR_TEXT(cor_view_of(change->text)));
    }
    if (change->type != KL_ADDED) {
        cor_stmt_bind(stmt, 6, COR_INT(change->old_rv));
    }
    if (is_log) {
        cor_stmt_bind(stmt, 7, COR_INT((int64_t)change->type));
    }
    enum cor_code code = cor_stmt_run(stmt, err);
    return code != COR_OK || cor_db_changes(db) == 1
               ? code
               : cor_err_set(err, COR_CONFLICT, "an earlier change of %s was not written",
                             change->name);
}

/* Commit thread: the history with what the object's row is now, and the row, if it still is what
 * the change was based on. */
static enum cor_code run_change(struct cor_db *db, void *self, struct cor_err *err)
{
    static const enum kl_sql by_type[] = {
        [KL_ADDED] = KL_SQL_INSERT, [KL_MODIFIED] = KL_SQL_UPDATE, [KL_DELETED] = KL_SQL_REMOVE};
    const struct job *job = self;
    const struct kl_change *change = &job->change;
    enum kl_sql log = change->type == KL_ADDED ? KL_SQL_LOG : KL_SQL_LOG_OLD;
    enum cor_code code = run_row(db, log, change, err);
    if (code == COR_OK) {
        code = run_row(db, by_type[change->type], change, err);
    }
    return code == COR_OK && job->owners != NULL ? write_owners(db, job, err) : code;
}

/* The change has ended. Its object is the committed one now, unless it failed, or a newer one is on
 * its way: what is committed is read again then. */
static void end_pending(struct kl_storage *storage, const struct kl_change *change, bool is_done)
{
    auto_(cor_buf_free) struct cor_buf id = {0};
    kl_storage_identity(change->key, change->ns, change->name, &id);
    struct cor_view at = cor_buf_as_view(&id);
    struct kl_pending *pending = cor_map_get(storage->pending, at);
    bool is_newest = pending != NULL && pending->rv == change->rv;
    if (is_newest && is_done && pending->object != NULL) {
        kl_cache_put(storage->cache, at, change->rv, take(&pending->object), strlen(change->text));
    } else {
        kl_cache_drop(storage->cache, at);
    }
    if (is_newest) {
        (void)cor_map_del(storage->pending, at);
    }
}

static void trim(struct kl_storage *storage)
{
    if (storage->told_rv - storage->trimmed_at < TRIM_EVERY) {
        return;
    }
    storage->trimmed_at = storage->told_rv;
    struct cor_arg before = COR_INT(storage->told_rv - KL_HISTORY);
    struct cor_op op = {KL_SQL_TRIM, &before, 1};
    if (cor_store_ops(storage->store, &op, 1, NULL, NULL, NULL) != COR_OK) {
        storage->trimmed_at -= TRIM_EVERY; /* the queue is full: next time */
    }
}

static void done_change(void *self, enum cor_code code, const struct cor_err *err)
{
    struct job *job = self;
    struct kl_storage *storage = job->storage;
    end_pending(storage, &job->change, code == COR_OK);
    if (code == COR_OK) {
        storage->told_rv = job->change.rv;
    }
    if (job->done != NULL) {
        job->done(job->self, code, err, &job->change);
    }
    for (size_t i = 0; code == COR_OK && i < storage->listener_count; i++) {
        storage->listeners[i].fn(storage->listeners[i].self, &job->change);
    }
    if (storage->on_broken != NULL && cor_store_broken(storage->store)) {
        storage->on_broken(storage->on_broken_self, err);
        storage->on_broken = NULL;
    }
    job_free(job);
}

static struct cor_json *uids_of(const struct cor_json *owners)
{
    struct cor_json *uids = cor_json_array();
    for (size_t i = 0; i < cor_json_count(owners); i++) {
        cor_json_add(uids, cor_json_str(cor_json_str_at(cor_json_item(owners, i), "uid", "")));
    }
    return uids;
}

/* The uids to write down: those of the object, when the change changes them. */
static struct cor_json *new_owners(const struct kl_edit *edit)
{
    const struct cor_json *none = NULL;
    const struct cor_json *now =
        edit->type == KL_DELETED ? none : cor_json_at(edit->object, "metadata.ownerReferences");
    const struct cor_json *before = cor_json_at(edit->old, "metadata.ownerReferences");
    bool same = now == before || (cor_json_count(now) == 0 && cor_json_count(before) == 0) ||
                cor_json_equal(now, before);
    return same ? NULL : uids_of(now);
}

static struct job *job_new(struct kl_storage *storage, struct kl_edit edit)
{
    struct job *job = cor_alloc(sizeof(*job));
    auto_(cor_buf_free) struct cor_buf key = {0};
    kl_kind_key(edit.kind, &key);
    int64_t old_rv = 0;
    (void)cor_view_i64(cor_view_of(cor_json_str_at(edit.old, "metadata.resourceVersion", "")),
                       &old_rv);
    int64_t rv = storage->last_rv + 1;
    cor_json_set_at(edit.object, "metadata.resourceVersion", cor_json_fmt("%lld", (long long)rv));
    job->storage = storage;
    job->change =
        (struct kl_change){.type = edit.type,
                           .key = cor_strdup(key.data),
                           .ns = cor_strdup(cor_json_str_at(edit.object, "metadata.namespace", "")),
                           .name = cor_strdup(cor_json_str_at(edit.object, "metadata.name", "")),
                           .rv = rv,
                           .old_rv = old_rv,
                           .object = edit.object,
                           .old = edit.old,
                           .text = cor_json_text(edit.object)};
    job->owners = new_owners(&edit);
    return job;
}

enum cor_code kl_storage_commit(struct kl_storage *storage, struct kl_edit edit, kl_done_fn done,
                                void *self, struct cor_err *err)
{
    struct job *job = job_new(storage, edit);
    job->done = done;
    job->self = self;
    enum cor_code code = cor_store_write(storage->store, run_change, done_change, job, err);
    if (code != COR_OK) {
        job_free(job);
        return code;
    }
    storage->last_rv = job->change.rv;
    struct kl_pending *pending = cor_alloc(sizeof(*pending));
    pending->rv = job->change.rv;
    pending->object = edit.type == KL_DELETED ? NULL : cor_json_copy(job->change.object);
    auto_(cor_buf_free) struct cor_buf id = {0};
    kl_storage_identity(job->change.key, job->change.ns, job->change.name, &id);
    cor_map_set(storage->pending, cor_buf_as_view(&id), pending);
    trim(storage);
    return COR_OK;
}

/* Waits for the writes before it; writes nothing. */
struct settling {
    kl_done_fn fn;
    void *self;
};

static enum cor_code run_nothing(struct cor_db *db, void *self, struct cor_err *err)
{
    (void)db;
    (void)self;
    (void)err;
    return COR_OK;
}

static void done_settling(void *self, enum cor_code code, const struct cor_err *err)
{
    struct settling *settling = self;
    settling->fn(settling->self, code, err, NULL);
    cor_free(settling);
}

enum cor_code kl_storage_settle(struct kl_storage *storage, kl_done_fn fn, void *self,
                                struct cor_err *err)
{
    if (cor_store_pending(storage->store) == 0) {
        fn(self, COR_OK, NULL, NULL);
        return COR_OK;
    }
    struct settling *settling = cor_alloc(sizeof(*settling));
    *settling = (struct settling){fn, self};
    enum cor_code code = cor_store_write(storage->store, run_nothing, done_settling, settling, err);
    if (code != COR_OK) {
        cor_free(settling);
    }
    return code;
}
