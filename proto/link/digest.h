// SPDX-License-Identifier: Apache-2.0
// What a node has, in a few hundred bytes: each object falls into one of some buckets by its key; a
// bucket's sum is that of a hash of each of its objects. Both ends of a link count alike. Not made
// against who wants two sets to look the same: uids are the API server's. Pure. One thread at a
// time.
#ifndef PX_LINK_DIGEST_H
#define PX_LINK_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/proto.h"

enum { PX_DIGEST_MIN = 16, PX_DIGEST_MAX = 4096 };

struct px_digest {
    size_t buckets; /* a power of two */
    uint64_t *sums; /* owned */
};

/* So many buckets for so many objects: some eight in each. */
size_t px_digest_buckets(size_t objects);

/* An empty one. buckets: PX_DIGEST_MIN to PX_DIGEST_MAX, a power of two. px_digest_free. */
void px_digest_init(struct px_digest *digest, size_t buckets);

/* Frees what it has. For auto_(). */
void px_digest_free(struct px_digest *digest);

/* The bucket of a key. */
size_t px_digest_bucket(struct cor_view key, size_t buckets);

/* Counts an object in. */
void px_digest_add(struct px_digest *digest, const struct px_held_object *object);

/* Appends the sums as HELD has them. */
void px_digest_write(const struct px_digest *digest, struct cor_buf *out);

/* Reads a HELD with sums. COR_INVALID. px_digest_free. */
COR_NODISCARD enum cor_code px_digest_read(const struct px_held *held, struct px_digest *digest_r,
                                           struct cor_err *err);

/* Appends the bits of the buckets in which a and b, of equal size, differ. Returns how many. */
size_t px_digest_differ(const struct px_digest *a, const struct px_digest *b, struct cor_buf *bits);

/* Whether the bit of a key's bucket is set; bits that are not there are not. */
bool px_digest_is_wanted(struct cor_view bits, struct cor_view key, size_t buckets);

#endif
