// SPDX-License-Identifier: Apache-2.0
// What storage.c (writing) and storage_read.c share. Private to them.
#ifndef KUBELITE_STORAGE_CORE_H
#define KUBELITE_STORAGE_CORE_H

#include "cache.h"
#include "common/base/map.h"
#include "common/store/store.h"
#include "storage.h"

enum {
    KL_HISTORY = 8192, /* changes kept for watches that resume */
    KL_LISTENERS_MAX = 8,
};

/* SQL statements by number. */
enum kl_sql {
    KL_SQL_INSERT,
    KL_SQL_UPDATE,
    KL_SQL_REMOVE,
    KL_SQL_LOG,
    KL_SQL_LOG_OLD,
    KL_SQL_TRIM,
    KL_SQL_GET,
    KL_SQL_LIST_ALL,
    KL_SQL_LIST_NS,
    KL_SQL_COUNT,
    KL_SQL_NAMES,
    KL_SQL_MAX_RV,
    KL_SQL_MIN_RV,
    KL_SQL_HIST,
    KL_SQL_PAGE,
    KL_SQL_PAST,
    KL_SQL_OWNED,
    KL_SQL_UNSETTLED,
    KL_SQL_DISOWN,
    KL_SQL_OWN,
};

/* The newest state of an object whose change is not committed yet. */
struct kl_pending {
    int64_t rv;
    struct cor_json *object; /* NULL: deleted */
};

struct kl_listener {
    kl_change_fn fn;
    void *self;
};

struct kl_storage {
    struct cor_store *store;
    struct cor_map *pending; /* identity -> struct kl_pending */
    struct kl_cache *cache;  /* of what is committed and not pending */
    struct kl_listener listeners[KL_LISTENERS_MAX];
    size_t listener_count;
    int64_t last_rv;
    int64_t told_rv;
    int64_t trimmed_at;
    void (*on_broken)(void *self, const struct cor_err *err);
    void *on_broken_self;
};

/* The object of JSON text; NULL when it is damaged. Returns owned. */
struct cor_json *kl_storage_parse(struct cor_view text);

/* One number of a statement without arguments. */
int64_t kl_storage_number(struct cor_db *db, enum kl_sql statement);

/* How an object is called in the map of pending ones and in the cache. Appended to out. */
void kl_storage_identity(const char *key, const char *ns, const char *name, struct cor_buf *out);

/* Frees what a change owns. */
void kl_change_clear(struct kl_change *change);

#endif
