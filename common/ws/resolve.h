// SPDX-License-Identifier: Apache-2.0
// Host names to addresses without blocking the loop: the C library's resolver, in a thread that
// lives as long as the question. Loop thread only.
#ifndef COR_WS_RESOLVE_H
#define COR_WS_RESOLVE_H

#include "common/loop/loop.h"

struct cor_resolve;

/* address: numeric, the first one of host; NULL: text says why there is none. Borrowed for the
 * call. */
typedef void (*cor_resolve_fn)(void *self, const char *address, const char *text);

/* Asks for host. fn runs once, later, on the loop; unless it is freed before. A numeric host is its
 * own answer. Returns owned. */
struct cor_resolve *cor_resolve_new(struct cor_loop *loop, const char *host, cor_resolve_fn fn,
                                    void *self);

/* Frees; a question under way is forgotten. *resolve becomes NULL. Also from within fn. */
void cor_resolve_free(struct cor_resolve **resolve);

#endif
