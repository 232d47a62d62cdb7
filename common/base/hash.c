// SPDX-License-Identifier: Apache-2.0
#include "common/base/hash.h"

uint64_t cor_hash_mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9U;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebU;
    return h ^ (h >> 31);
}

uint64_t cor_hash(uint64_t seed, struct cor_view text)
{
    uint64_t h = seed ^ (text.len * 0x9e3779b97f4a7c15U);
    for (size_t i = 0; i < text.len; i++) {
        h = (h ^ (unsigned char)text.ptr[i]) * 0x100000001b3U;
        h ^= h >> 29;
    }
    return cor_hash_mix(h);
}
