// SPDX-License-Identifier: Apache-2.0
// Hashes of 64 bits, the same in every process and release: sums of them go over the link and are
// stored. Not made against who wants two inputs to look the same. Pure. Any thread.
#ifndef COR_BASE_HASH_H
#define COR_BASE_HASH_H

#include <stdint.h>

#include "common/base/view.h"

/* Spreads h over all bits: what differs in one differs in about half of them after. */
uint64_t cor_hash_mix(uint64_t h);

/* Of a text behind a seed, such as the hash of what comes before it. */
uint64_t cor_hash(uint64_t seed, struct cor_view text);

#endif
