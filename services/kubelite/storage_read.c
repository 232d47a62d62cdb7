// SPDX-License-Identifier: Apache-2.0
// Reading: lists, pages, who owns what, history.
#include <string.h>

#include "common/base/mem.h"
#include "storage_core.h"

/* Calls fn for each row of a list; key is that of its kind. */
static int64_t list_rows(struct kl_storage *storage, struct cor_view key, const char *ns,
                         void (*fn)(void *self, struct cor_stmt *stmt), void *self)
{
    struct cor_db *db = cor_store_reader(storage->store);
    cor_db_begin(db);
    int64_t rv = kl_storage_number(db, KL_SQL_MAX_RV);
    struct cor_stmt *stmt = cor_db_use(db, ns == NULL ? KL_SQL_LIST_ALL : KL_SQL_LIST_NS);
    cor_stmt_bind(stmt, 1, COR_TEXT(key));
    if (ns != NULL) {
        cor_stmt_bind(stmt, 2, COR_TEXT(cor_view_of(ns)));
    }
    bool row = false;
    while (cor_stmt_next(stmt, &row, NULL) == COR_OK && row) {
        fn(self, stmt);
    }
    cor_db_end(db);
    return rv;
}

struct text_rows {
    kl_row_fn fn;
    void *self;
};

static void on_text_row(void *self, struct cor_stmt *stmt)
{
    const struct text_rows *rows = self;
    rows->fn(rows->self, cor_stmt_bytes(stmt, 0));
}

int64_t kl_storage_list(struct kl_storage *storage, const struct kl_kind *kind, const char *ns,
                        kl_row_fn fn, void *self)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    struct text_rows rows = {fn, self};
    kl_kind_key(kind, &key);
    return list_rows(storage, cor_buf_as_view(&key), ns, on_text_row, &rows);
}

struct object_rows {
    struct kl_storage *storage;
    const char *key;
    struct cor_json *list;
};

static void on_object_row(void *self, struct cor_stmt *stmt)
{
    const struct object_rows *rows = self;
    auto_(cor_buf_free) struct cor_buf id = {0};
    struct cor_view ns = cor_stmt_bytes(stmt, 2);
    struct cor_view name = cor_stmt_bytes(stmt, 3);
    cor_buf_fmt(&id, "%s/%.*s/%.*s", rows->key, COR_VIEW_ARG(ns), COR_VIEW_ARG(name));
    int64_t rv = cor_stmt_i64(stmt, 1);
    struct cor_json *object = kl_cache_get(rows->storage->cache, cor_buf_as_view(&id), rv);
    if (object == NULL) {
        struct cor_view text = cor_stmt_bytes(stmt, 0);
        object = kl_storage_parse(text);
        if (object == NULL) {
            return;
        }
        kl_cache_put(rows->storage->cache, cor_buf_as_view(&id), rv, cor_json_ref(object),
                     text.len);
    }
    cor_json_add(rows->list, object);
}

struct cor_json *kl_storage_objects(struct kl_storage *storage, const struct kl_kind *kind,
                                    const char *ns)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    kl_kind_key(kind, &key);
    struct object_rows rows = {storage, key.data, cor_json_array()};
    (void)list_rows(storage, cor_buf_as_view(&key), ns, on_object_row, &rows);
    return rows.list;
}

int64_t kl_storage_count(struct kl_storage *storage, const char *ns)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(storage->store), KL_SQL_COUNT);
    cor_stmt_bind(stmt, 1, COR_TEXT(cor_view_of(ns)));
    bool row = false;
    int64_t count = 0;
    if (cor_stmt_next(stmt, &row, NULL) == COR_OK && row) {
        count = cor_stmt_i64(stmt, 0);
    }
    cor_stmt_reset(stmt);
    return count;
}

void kl_storage_names(struct kl_storage *storage, const char *ns, kl_name_fn fn, void *self)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(storage->store), KL_SQL_NAMES);
    cor_stmt_bind(stmt, 1, COR_TEXT(cor_view_of(ns)));
    bool row = false;
    while (cor_stmt_next(stmt, &row, NULL) == COR_OK && row) {
        auto_(cor_freep) char *key = cor_view_dup(cor_stmt_bytes(stmt, 0));
        auto_(cor_freep) char *name = cor_view_dup(cor_stmt_bytes(stmt, 1));
        fn(self, key, name);
    }
}

static void history_row(struct cor_stmt *stmt, const char *key, kl_change_fn fn, void *self)
{
    struct cor_view old = cor_stmt_bytes(stmt, 5);
    struct kl_change change = {.type = (enum kl_change_type)cor_stmt_i64(stmt, 1),
                               .key = cor_strdup(key),
                               .ns = cor_view_dup(cor_stmt_bytes(stmt, 2)),
                               .name = cor_view_dup(cor_stmt_bytes(stmt, 3)),
                               .rv = cor_stmt_i64(stmt, 0),
                               .object = kl_storage_parse(cor_stmt_bytes(stmt, 4)),
                               .old = old.ptr == NULL ? NULL : kl_storage_parse(old),
                               .text = cor_view_dup(cor_stmt_bytes(stmt, 4))};
    if (change.object != NULL) {
        fn(self, &change);
    }
    kl_change_clear(&change);
}

enum cor_code kl_storage_history(struct kl_storage *storage, const struct kl_kind *kind,
                                 int64_t from, kl_change_fn fn, void *self)
{
    struct cor_db *db = cor_store_reader(storage->store);
    if (from > storage->last_rv || from + 1 < kl_storage_number(db, KL_SQL_MIN_RV)) {
        return COR_GONE;
    }
    auto_(cor_buf_free) struct cor_buf key = {0};
    kl_kind_key(kind, &key);
    struct cor_stmt *stmt = cor_db_use(db, KL_SQL_HIST);
    cor_stmt_bind(stmt, 1, COR_INT(from));
    cor_stmt_bind(stmt, 2, COR_INT(storage->told_rv));
    cor_stmt_bind(stmt, 3, COR_TEXT(cor_buf_as_view(&key)));
    bool row = false;
    while (cor_stmt_next(stmt, &row, NULL) == COR_OK && row) {
        history_row(stmt, key.data, fn, self);
    }
    return COR_OK;
}

/* One of the two ordered sources of a page: what is stored, what was before later changes. */
struct source {
    struct cor_stmt *stmt;
    bool row;
};

static void advance(struct source *source)
{
    if (cor_stmt_next(source->stmt, &source->row, NULL) != COR_OK) {
        source->row = false;
    }
}

static void open_source(struct source *source, struct cor_db *db, enum kl_sql statement,
                        const struct kl_slice *page, struct cor_view key)
{
    source->stmt = cor_db_use(db, statement);
    cor_stmt_bind(source->stmt, 1, COR_TEXT(key));
    cor_stmt_bind(source->stmt, 2, COR_TEXT(cor_view_of(page->after_ns)));
    cor_stmt_bind(source->stmt, 3, COR_TEXT(cor_view_of(page->after_name)));
    if (statement == KL_SQL_PAST) {
        cor_stmt_bind(source->stmt, 4, COR_INT(page->rv));
    }
    advance(source);
}

static int compare(const struct source *a, const struct source *b)
{
    int by_ns = cor_view_cmp(cor_stmt_bytes(a->stmt, 2), cor_stmt_bytes(b->stmt, 2));
    return by_ns != 0 ? by_ns
                      : cor_view_cmp(cor_stmt_bytes(a->stmt, 3), cor_stmt_bytes(b->stmt, 3));
}

/* The source whose row comes next at the page's moment; NULL at the end. Rows that were not there
 * then are passed over. */
static struct source *next_of(struct source *now, struct source *past, const struct kl_slice *page)
{
    while (now->row || past->row) {
        int order = !now->row ? 1 : !past->row ? -1 : compare(now, past);
        struct source *first = order < 0 ? now : past;
        if (order == 0) {
            advance(now); /* changed since: what was before counts */
        }
        bool there = first == now ? cor_stmt_i64(now->stmt, 1) <= page->rv
                                  : cor_stmt_bytes(past->stmt, 0).ptr != NULL;
        if (page->ns != NULL && !cor_view_is(cor_stmt_bytes(first->stmt, 2), page->ns)) {
            return NULL; /* they begin in the namespace: it is at its end */
        }
        if (there) {
            return first;
        }
        advance(first);
    }
    return NULL;
}

static void note_last(struct kl_slice *page, const struct source *source)
{
    cor_freep(&page->last_ns);
    cor_freep(&page->last_name);
    page->last_ns = cor_view_dup(cor_stmt_bytes(source->stmt, 2));
    page->last_name = cor_view_dup(cor_stmt_bytes(source->stmt, 3));
}

static void read_page(struct cor_db *db, struct kl_slice *page, struct cor_view key, kl_take_fn fn,
                      void *self)
{
    struct source now = {0};
    struct source past = {0};
    struct source *at = NULL;
    size_t taken = 0;
    if (page->ns != NULL && page->after_ns[0] == '\0') {
        page->after_ns = page->ns;
    }
    open_source(&now, db, KL_SQL_PAGE, page, key);
    open_source(&past, db, KL_SQL_PAST, page, key);
    while ((at = next_of(&now, &past, page)) != NULL) {
        if (page->limit > 0 && taken == page->limit) {
            page->more = true;
            page->remaining++;
        } else {
            taken += fn(self, cor_stmt_bytes(at->stmt, 0)) ? 1 : 0;
            if (page->limit > 0) {
                note_last(page, at);
            }
        }
        advance(at);
    }
    cor_stmt_reset(now.stmt);
    cor_stmt_reset(past.stmt);
}

enum cor_code kl_storage_page(struct kl_storage *storage, const struct kl_kind *kind,
                              struct kl_slice *page, kl_take_fn fn, void *self)
{
    struct cor_db *db = cor_store_reader(storage->store);
    auto_(cor_buf_free) struct cor_buf key = {0};
    kl_kind_key(kind, &key);
    cor_db_begin(db);
    int64_t newest = kl_storage_number(db, KL_SQL_MAX_RV);
    page->rv = page->rv == 0 ? newest : page->rv;
    bool gone = page->rv > newest || page->rv + 1 < kl_storage_number(db, KL_SQL_MIN_RV);
    if (!gone) {
        read_page(db, page, cor_buf_as_view(&key), fn, self);
    }
    cor_db_end(db);
    return gone ? COR_GONE : COR_OK;
}

static bool has_owner(const struct cor_json *object, const char *uid)
{
    const struct cor_json *owners = cor_json_at(object, "metadata.ownerReferences");
    for (size_t i = 0; i < cor_json_count(owners); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(owners, i), "uid", ""), uid) == 0) {
            return true;
        }
    }
    return false;
}

struct owned {
    struct kl_storage *storage;
    const struct kl_kind *kind;
    const char *key;
    const char *uid;
    struct cor_json *list;
    struct cor_json *seen; /* identities */
};

static void add_owned(struct owned *owned, struct cor_json *object, const char *id)
{
    if (object != NULL && has_owner(object, owned->uid) && cor_json_get(owned->seen, id) == NULL) {
        cor_json_set(owned->seen, id, cor_json_bool(true));
        cor_json_add(owned->list, cor_json_ref(object));
    }
}

static void on_owned(void *self, const char *key, const char *ns, const char *name)
{
    struct owned *owned = self;
    if (strcmp(key, owned->key) != 0) {
        return;
    }
    auto_(cor_buf_free) struct cor_buf id = {0};
    kl_storage_identity(key, ns, name, &id);
    auto_(cor_json_free) struct cor_json *object =
        kl_storage_look(owned->storage, owned->kind, ns, name);
    add_owned(owned, object, id.data);
}

struct cor_json *kl_storage_owned(struct kl_storage *storage, const struct kl_kind *kind,
                                  const char *uid)
{
    auto_(cor_buf_free) struct cor_buf key = {0};
    auto_(cor_json_free) struct cor_json *seen = cor_json_object();
    kl_kind_key(kind, &key);
    struct owned owned = {storage, kind, key.data, uid, cor_json_array(), seen};
    kl_storage_dependents(storage, uid, on_owned, &owned);
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    cor_buf_str(&key, "/");
    while (cor_map_next(storage->pending, &at, &id, &value)) {
        const struct kl_pending *pending = value;
        auto_(cor_freep) char *text = cor_view_dup(id);
        if (cor_view_starts(id, key.data)) {
            add_owned(&owned, pending->object, text);
        }
    }
    return owned.list;
}

/* Places are gathered first: fn may read, too. */
static void each_place(struct cor_stmt *stmt, kl_place_fn fn, void *self)
{
    auto_(cor_json_free) struct cor_json *found = cor_json_array();
    bool row = false;
    while (cor_stmt_next(stmt, &row, NULL) == COR_OK && row) {
        for (int column = 0; column < 3; column++) {
            cor_json_add(found, cor_json_view(cor_stmt_bytes(stmt, column)));
        }
    }
    for (size_t i = 0; i + 2 < cor_json_count(found); i += 3) {
        fn(self, cor_json_as_str(cor_json_item(found, i), ""),
           cor_json_as_str(cor_json_item(found, i + 1), ""),
           cor_json_as_str(cor_json_item(found, i + 2), ""));
    }
}

void kl_storage_dependents(struct kl_storage *storage, const char *uid, kl_place_fn fn, void *self)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(storage->store), KL_SQL_OWNED);
    cor_stmt_bind(stmt, 1, COR_TEXT(cor_view_of(uid)));
    each_place(stmt, fn, self);
}

void kl_storage_unsettled(struct kl_storage *storage, kl_place_fn fn, void *self)
{
    each_place(cor_db_use(cor_store_reader(storage->store), KL_SQL_UNSETTLED), fn, self);
}
