// SPDX-License-Identifier: Apache-2.0
// Mirrors one collection of the Kubernetes API: list, then watch from the list's resourceVersion,
// resume, list again when the version is gone (410). Objects are kept packed (pack.h), without
// metadata.managedFields. Pure: it is told what came and says what to ask next; it knows no socket
// and no clock. Kubernetes API concepts, "Efficient detection of changes". One thread at a time.
#ifndef COR_KUBE_REFLECTOR_H
#define COR_KUBE_REFLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/json/json.h"

enum cor_change { COR_ADDED, COR_CHANGED, COR_DELETED };

/* Who wants to know. Pointers are borrowed for the call; take a reference to keep an object. */
struct cor_reflector_sink {
    void *self;
    /* object is now so; for COR_DELETED its last known state. old is what was known before, or
     * NULL. */
    void (*changed)(void *self, enum cor_change change, struct cor_json *object,
                    struct cor_json *old);
    /* A list is complete: all that exists has been told. May be NULL. */
    void (*synced)(void *self);
};

/* What to ask the server next. */
struct cor_reflector_step {
    bool watch;       /* else list */
    int64_t delay_us; /* not before */
};

struct cor_reflector;

/* A mirror that knows nothing. kind and api_version, which items of lists lack, are set where they
 * are missing (copied; NULL: they are not). Returns owned. */
struct cor_reflector *cor_reflector_new(struct cor_reflector_sink sink, const char *api_version,
                                        const char *kind);

/* Frees, with its objects; *reflector becomes NULL. For auto_(). */
void cor_reflector_free(struct cor_reflector **reflector);

/* Appends the query ("limit=500&continue=...") of the next list or watch. A watch ends by itself
 * after COR_WATCH_SECONDS. */
void cor_reflector_query(const struct cor_reflector *reflector, bool watch, struct cor_buf *out);

enum { COR_WATCH_SECONDS = 290 };

/* An item of the list that is under way (its text). COR_INVALID: it is none and was skipped. */
COR_NODISCARD enum cor_code cor_reflector_item(struct cor_reflector *reflector,
                                               struct cor_view item);

/* The list was answered to its end with body (borrows), whose items have been told before. random
 * is in [0, 1). */
struct cor_reflector_step cor_reflector_listed(struct cor_reflector *reflector,
                                               const struct cor_json *body, double random);

/* The watch sent a line. COR_OK; COR_INVALID: it was no event and was skipped; COR_GONE: end the
 * watch and tell cor_reflector_failed 410; COR_RETRY: end the watch and tell it 500. */
COR_NODISCARD enum cor_code cor_reflector_line(struct cor_reflector *reflector,
                                               struct cor_view line);

/* How a list or watch has ended. */
struct cor_reflector_end {
    bool watch;             /* else list */
    int status;             /* HTTP; 0: no answer */
    int64_t retry_after_us; /* what the server asked to wait; 0 */
    int64_t lasted_us;
};

/* It has failed. A page of a list that can be asked again is; when pages are gone (410) twice
 * before a list is complete, the next one is asked for as a whole. Delays double until a watch has
 * lasted. */
struct cor_reflector_step cor_reflector_failed(struct cor_reflector *reflector,
                                               struct cor_reflector_end end, double random);

/* The watch ended without an error after lasted_us. */
struct cor_reflector_step cor_reflector_ended(struct cor_reflector *reflector, int64_t lasted_us,
                                              double random);

/* How long a watch may be silent: as the server sends bookmarks (about one a minute), one that does
 * not is dead. 0: it has not sent any yet. */
int64_t cor_reflector_silence_us(const struct cor_reflector *reflector);

/* Object by namespace (NULL or "" for cluster scope) and name; NULL when there is none. Returns
 * owned. */
struct cor_json *cor_reflector_get(const struct cor_reflector *reflector, const char *ns,
                                   const char *name);

/* Whether there is one. */
bool cor_reflector_has(const struct cor_reflector *reflector, const char *ns, const char *name);

/* Walks all objects: *at starts at 0, NULL at the end. Each is owned. */
struct cor_json *cor_reflector_next(const struct cor_reflector *reflector, size_t *at);

/* Walks their names: *at starts at 0, false at the end. Nothing is unpacked. Borrowed until the
 * next call that tells the reflector something. */
bool cor_reflector_next_name(const struct cor_reflector *reflector, size_t *at,
                             struct cor_view *ns_r, struct cor_view *name_r);

/* Number of objects, and of bytes that they are kept in. */
size_t cor_reflector_count(const struct cor_reflector *reflector);
size_t cor_reflector_bytes(const struct cor_reflector *reflector);

/* Whether a list has been complete since the start. */
bool cor_reflector_is_synced(const struct cor_reflector *reflector);

#endif
