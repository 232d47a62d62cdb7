// SPDX-License-Identifier: Apache-2.0
// Committed objects, parsed: what is asked for again and again (nodes, leases, what is patched) is
// not read from its text each time. Bounded; what was not used for longest goes first.
#ifndef KUBELITE_CACHE_H
#define KUBELITE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"
#include "common/json/json.h"

struct kl_cache;

/* Keeps at most max_bytes of text in parsed form. Returns owned. */
struct kl_cache *kl_cache_new(size_t max_bytes);

/* Frees; *cache becomes NULL. For auto_(). */
void kl_cache_free(struct kl_cache **cache);

/* The object of id, whose resourceVersion must be rv (0: whichever it is); NULL: not here. Returns
 * a reference to what others hold too: not to be changed. */
struct cor_json *kl_cache_get(struct kl_cache *cache, struct cor_view id, int64_t rv);

/* Keeps object (takes; not to be changed any more), whose text has size bytes. One that is newer
 * stays. */
void kl_cache_put(struct kl_cache *cache, struct cor_view id, int64_t rv, struct cor_json *object,
                  size_t size);

/* Forgets id; harmless when it is not here. */
void kl_cache_drop(struct kl_cache *cache, struct cor_view id);

/* Bytes of text of what is kept. */
size_t kl_cache_size(const struct kl_cache *cache);

#endif
