// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: the mark by which a replica believes another one that a request was judged
// there: "NODE SECONDS HMAC", about that and the request. The secret is that of TLS tickets, which
// follows from the CA's key, so that all replicas have it and nobody else. Pure.
#ifndef CLOUDHUB_MARK_H
#define CLOUDHUB_MARK_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/view.h"
#include "common/clock/clock.h"

enum { MARK_LIFE_S = 60 }; /* the replicas' clocks may differ by so much */

/* A request, and what it is signed with. All borrowed. */
struct mark_of {
    struct cor_view secret;
    struct cor_wall now;
    struct cor_view method;
    struct cor_view target;
};

/* Appends the mark of a request about node. */
void mark_write(const struct mark_of *of, struct cor_view node, struct cor_buf *out);

/* Whether mark is one of this request, and fresh. *node_r: which node; borrowed from mark. */
bool mark_vouches(const struct mark_of *of, const char *mark, struct cor_view *node_r);

#endif
