// SPDX-License-Identifier: Apache-2.0
// Whether a message about an object is news. resourceVersions are compared as numbers (KubeEdge and
// every Kubernetes since 1.x use etcd's counter); the uid of a deleted Pod never comes back; an
// object that was deleted and made again under its name has another uid and a higher version. Pure.
#ifndef META_DECIDE_H
#define META_DECIDE_H

#include <stdbool.h>

#include "common/base/view.h"

/* What is known about a key, or said about it. */
struct meta_state {
    bool exists; /* stored: there is a row */
    bool gone;   /* deleted */
    struct cor_view uid;
    struct cor_view version;
};

enum meta_news {
    META_NEWS,  /* store it, pass it on */
    META_SAME,  /* known already */
    META_OLDER, /* overtaken by what is stored */
};

/* What said means when stored is known. returns: such an object may come back under the uid that it
 * had, not older than it was, for it may be gone from this node alone (px_key_returns). */
enum meta_news meta_decide(const struct meta_state *stored, const struct meta_state *said,
                           bool returns);

/* Order of two resourceVersions as numbers: <0, 0, >0. An empty or odd one is newer than any, equal
 * only to itself. */
int meta_version_cmp(struct cor_view a, struct cor_view b);

#endif
