// SPDX-License-Identifier: Apache-2.0
#include "proto/link/digest.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/base/must.h"

enum { A_BUCKET = 8, SUM_BYTES = 8, BYTE = 8 };

size_t px_digest_buckets(size_t objects)
{
    size_t buckets = PX_DIGEST_MIN;
    while (buckets < PX_DIGEST_MAX && buckets * A_BUCKET < objects) {
        buckets *= 2;
    }
    return buckets;
}

void px_digest_init(struct px_digest *digest, size_t buckets)
{
    digest->buckets = buckets;
    digest->sums = cor_alloc(buckets * sizeof(*digest->sums));
}

void px_digest_free(struct px_digest *digest)
{
    cor_freep(&digest->sums);
    digest->buckets = 0;
}

size_t px_digest_bucket(struct cor_view key, size_t buckets)
{
    return cor_hash(0, key) & (buckets - 1);
}

void px_digest_add(struct px_digest *digest, const struct px_held_object *object)
{
    uint64_t sum = cor_hash(cor_hash(1, object->key), object->uid);
    digest->sums[px_digest_bucket(object->key, digest->buckets)] +=
        cor_hash_mix(sum ^ object->content);
}

void px_digest_write(const struct px_digest *digest, struct cor_buf *out)
{
    for (size_t i = 0; i < digest->buckets; i++) {
        char bytes[SUM_BYTES];
        for (unsigned n = 0; n < SUM_BYTES; n++) {
            bytes[n] = (char)(digest->sums[i] >> (BYTE * n) & 0xff);
        }
        cor_buf_view(out, (struct cor_view){bytes, SUM_BYTES});
    }
}

static bool is_size(uint64_t buckets)
{
    return buckets >= PX_DIGEST_MIN && buckets <= PX_DIGEST_MAX && (buckets & (buckets - 1)) == 0;
}

enum cor_code px_digest_read(const struct px_held *held, struct px_digest *digest_r,
                             struct cor_err *err)
{
    if (!is_size(held->buckets) || held->sums.len != held->buckets * SUM_BYTES) {
        return cor_err_set(err, COR_INVALID, "%zu bytes of sums of %llu buckets", held->sums.len,
                           (unsigned long long)held->buckets);
    }
    px_digest_init(digest_r, held->buckets);
    for (size_t i = 0; i < held->sums.len; i++) {
        uint64_t byte = (unsigned char)held->sums.ptr[i];
        digest_r->sums[i / SUM_BYTES] |= byte << (BYTE * (i % SUM_BYTES));
    }
    return COR_OK;
}

size_t px_digest_differ(const struct px_digest *a, const struct px_digest *b, struct cor_buf *bits)
{
    size_t count = 0;
    must(a->buckets == b->buckets);
    for (size_t i = 0; i < a->buckets; i += BYTE) {
        unsigned char byte = 0;
        for (size_t n = 0; n < BYTE; n++) {
            bool differs = a->sums[i + n] != b->sums[i + n];
            byte = (unsigned char)(byte | (differs ? 1U << n : 0));
            count += differs;
        }
        cor_buf_view(bits, (struct cor_view){(const char *)&byte, 1});
    }
    return count;
}

bool px_digest_is_wanted(struct cor_view bits, struct cor_view key, size_t buckets)
{
    size_t bucket = px_digest_bucket(key, buckets);
    return bucket / BYTE < bits.len &&
           ((unsigned char)bits.ptr[bucket / BYTE] >> (bucket % BYTE) & 1) != 0;
}
