// SPDX-License-Identifier: Apache-2.0
// All objects, and the history that watches resume from, in one SQLite file. Every change gets the
// next resourceVersion (one counter) when it is decided, and is told to the listeners, in that
// order, once it is committed. Decisions are made on the newest state, committed or not; answers to
// clients come from what is committed. Loop thread only.
#ifndef KUBELITE_STORAGE_H
#define KUBELITE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/json/json.h"
#include "common/loop/loop.h"
#include "kind.h"

struct kl_storage;

enum kl_change_type { KL_ADDED, KL_MODIFIED, KL_DELETED };

/* One change of one object. */
struct kl_change {
    enum kl_change_type type;
    char *key; /* of the kind, as kl_kind_key writes it */
    char *ns;  /* "" for cluster scope */
    char *name;
    int64_t rv;
    int64_t old_rv;          /* 0 for ADDED */
    struct cor_json *object; /* after; for DELETED the last state, with the new resourceVersion */
    struct cor_json *old;    /* before; NULL for ADDED */
    char *text;              /* JSON of object */
};

typedef void (*kl_change_fn)(void *self, const struct kl_change *change);

/* Opens or creates the database; see cor_store_open for errors. Returns owned in *storage_r.
 * Blocks. */
COR_NODISCARD enum cor_code kl_storage_open(const char *path, struct cor_loop *loop,
                                            struct kl_storage **storage_r, struct cor_err *err);

/* Commits what waits, tells it, closes. Blocks. *storage becomes NULL. For auto_(). */
void kl_storage_close(struct kl_storage **storage);

/* fn is called for every committed change, in order. At most 8 listeners. */
void kl_storage_listen(struct kl_storage *storage, kl_change_fn fn, void *self);

/* The newest state of an object, committed or not; NULL when there is none. Returns a reference to
 * what others hold too: not to be changed. */
struct cor_json *kl_storage_look(struct kl_storage *storage, const struct kl_kind *kind,
                                 const char *ns, const char *name);

/* The same as a copy. Returns owned; NULL when there is none. */
struct cor_json *kl_storage_get(struct kl_storage *storage, const struct kl_kind *kind,
                                const char *ns, const char *name);

/* Appends the committed JSON text of an object. False when there is none. */
bool kl_storage_read(struct kl_storage *storage, const struct kl_kind *kind, const char *ns,
                     const char *name, struct cor_buf *out);

typedef void (*kl_row_fn)(void *self, struct cor_view text);

/* Calls fn for the committed objects of kind (ns NULL: of all namespaces) by namespace and name;
 * all of one moment, whose resourceVersion is returned. */
int64_t kl_storage_list(struct kl_storage *storage, const struct kl_kind *kind, const char *ns,
                        kl_row_fn fn, void *self);

/* The committed objects of kind in that order. Returns an owned array; the objects in it are not to
 * be changed. */
struct cor_json *kl_storage_objects(struct kl_storage *storage, const struct kl_kind *kind,
                                    const char *ns);

/* One page of a list as it was at a resourceVersion. Zeroed but for what is asked. */
struct kl_slice {
    const char *ns;         /* NULL: all */
    int64_t rv;             /* of that moment; 0: now, filled in */
    const char *after_ns;   /* begins behind this object; "" at the start */
    const char *after_name; /* likewise */
    size_t limit;           /* objects to take; 0: all */
    bool more;              /* there are further ones */
    int64_t remaining;      /* how many, selected or not */
    char *last_ns;          /* the last object that was looked at; owned by the caller */
    char *last_name;        /* likewise */
};

/* Whether the object counts as taken. */
typedef bool (*kl_take_fn)(void *self, struct cor_view text);

/* Calls fn for the objects of kind by namespace and name until limit are taken. COR_GONE: the
 * history does not reach back to page->rv; fn was not called. */
COR_NODISCARD enum cor_code kl_storage_page(struct kl_storage *storage, const struct kl_kind *kind,
                                            struct kl_slice *page, kl_take_fn fn, void *self);

/* The newest states, committed or not, of the objects of kind that have an owner with that uid.
 * Returns an owned array; the objects in it are not to be changed. */
struct cor_json *kl_storage_owned(struct kl_storage *storage, const struct kl_kind *kind,
                                  const char *uid);

/* Calls fn for every committed object, of any kind, that has an owner with that uid. */
typedef void (*kl_place_fn)(void *self, const char *key, const char *ns, const char *name);
void kl_storage_dependents(struct kl_storage *storage, const char *uid, kl_place_fn fn, void *self);

/* Calls fn for every committed object that has an owner, or whose deletion is under way. */
void kl_storage_unsettled(struct kl_storage *storage, kl_place_fn fn, void *self);

/* Number of committed objects in a namespace, of all kinds. */
int64_t kl_storage_count(struct kl_storage *storage, const char *ns);

/* One object of the namespace: its kind's key and its name, owned by the caller. False: empty. */
typedef void (*kl_name_fn)(void *self, const char *key, const char *name);

/* Calls fn for every committed object in a namespace. */
void kl_storage_names(struct kl_storage *storage, const char *ns, kl_name_fn fn, void *self);

/* Newest resourceVersion that was told to the listeners. */
int64_t kl_storage_rv(const struct kl_storage *storage);

/* Newest resourceVersion that was given out. */
int64_t kl_storage_last_rv(const struct kl_storage *storage);

/* Calls fn for the changes of kind after from up to kl_storage_rv. COR_GONE: from is older than the
 * history, or was never given out. */
COR_NODISCARD enum cor_code kl_storage_history(struct kl_storage *storage,
                                               const struct kl_kind *kind, int64_t from,
                                               kl_change_fn fn, void *self);

/* Told when a change is committed (COR_OK) or not. */
typedef void (*kl_done_fn)(void *self, enum cor_code code, const struct cor_err *err,
                           const struct kl_change *change);

/* What to change: object (takes; resourceVersion is set here) and what it was (takes; NULL: new).
 */
struct kl_edit {
    enum kl_change_type type;
    const struct kl_kind *kind;
    struct cor_json *object;
    struct cor_json *old;
};

/* Decides a change and queues it. COR_BUSY: too many wait for the disk; nothing happened, done is
 * not called. done may be NULL. */
COR_NODISCARD enum cor_code kl_storage_commit(struct kl_storage *storage, struct kl_edit edit,
                                              kl_done_fn done, void *self, struct cor_err *err);

/* Calls fn when everything that was decided so far is committed: at once when nothing waits.
 * COR_BUSY as kl_storage_commit. change is NULL. */
COR_NODISCARD enum cor_code kl_storage_settle(struct kl_storage *storage, kl_done_fn fn, void *self,
                                              struct cor_err *err);

/* fn is called once when the disk failed in a way that only a restart helps. */
void kl_storage_on_broken(struct kl_storage *storage,
                          void (*fn)(void *self, const struct cor_err *err), void *self);

/* The disk failed; the process must be restarted. */
bool kl_storage_broken(const struct kl_storage *storage);

#endif
