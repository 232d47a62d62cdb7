// SPDX-License-Identifier: Apache-2.0
// Open watches: what is committed goes out to those that asked for it; bookmarks; time-outs.
#ifndef KUBELITE_WATCH_H
#define KUBELITE_WATCH_H

#include "api.h"

struct kl_watches;

/* Listens to the storage of api. Returns owned. */
struct kl_watches *kl_watches_new(struct kl_api *api);

/* Ends all watches and frees; *watches becomes NULL. */
void kl_watches_free(struct kl_watches **watches);

struct kl_watch_spec {
    const struct kl_kind *kind;
    const char *ns;               /* NULL: all; copied */
    const char *name;             /* NULL: any; copied */
    struct kl_selector *selector; /* takes */
    enum kl_show show;
    enum kl_include include;
    int64_t from; /* resourceVersion; 0: all that is there, then what comes */
    bool bookmarks;
    int64_t timeout_us;
};

/* Answers the request of exchange with the watch. COR_GONE: from is too old (nothing was answered).
 */
COR_NODISCARD enum cor_code kl_watch_open(struct kl_watches *watches,
                                          const struct kl_watch_spec *spec,
                                          struct cor_exchange *exchange);

/* Ends the watches of a kind: it is served in another way from now on. */
void kl_watches_end(struct kl_watches *watches, const struct kl_kind *kind);

/* Open watches. */
size_t kl_watches_count(const struct kl_watches *watches);

#endif
