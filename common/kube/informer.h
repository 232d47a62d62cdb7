// SPDX-License-Identifier: Apache-2.0
// A live mirror of one collection of the Kubernetes API: a reflector fed by a client. Reconnects
// and lists again by itself, for ever; a watch that has fallen silent is given up. Loop thread
// only.
#ifndef COR_KUBE_INFORMER_H
#define COR_KUBE_INFORMER_H

#include "common/kube/client.h"
#include "common/kube/reflector.h"
#include "common/log/log.h"

struct cor_informer;

/* Where and what. Strings are borrowed for the call only. */
struct cor_informer_spec {
    const char *path;        /* of the collection, without query; from cor_kube_path */
    const char *selector;    /* "labelSelector=...&fieldSelector=...", percent-encoded; NULL: all */
    const char *api_version; /* of the objects, and their kind: see cor_reflector_new */
    const char *kind;
    int64_t silence_us; /* instead of what cor_reflector_silence_us says; 0: not */
    bool held;          /* does not list before cor_informer_go */
    struct cor_reflector_sink sink;
    /* The server knows no such collection (404); the informer goes on asking. May be NULL. */
    void (*absent)(void *self);
};

/* Starts to list at once, unless it is held. kube, loop and log are borrowed and must outlive it.
 * Trouble is logged once a state, as kube.informer.*. Returns owned. */
struct cor_informer *cor_informer_new(struct cor_loop *loop, struct cor_kube *kube,
                                      const struct cor_log *log,
                                      const struct cor_informer_spec *spec);

/* Lets one that is held list; nothing for any other. */
void cor_informer_go(struct cor_informer *informer);

/* Stops and frees. *informer becomes NULL. Not from within the sink's functions. */
void cor_informer_free(struct cor_informer **informer);

/* The mirror, for cor_reflector_get, _next, _count and _is_synced. Borrowed, lives as long. */
const struct cor_reflector *cor_informer_mirror(const struct cor_informer *informer);

#endif
