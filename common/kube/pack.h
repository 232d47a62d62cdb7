// SPDX-License-Identifier: Apache-2.0
// Kubernetes objects in little memory: a tree of a Pod takes 25 KiB, its text 4, packed it takes
// about 1. Words that every object has are numbers, and times, UUIDs and digests are binary. What
// is unpacked is equal to what was packed, key order included. For memory only: the form may change
// with each version. Pure. Any thread.
#ifndef COR_KUBE_PACK_H
#define COR_KUBE_PACK_H

#include "common/base/buf.h"
#include "common/base/view.h"
#include "common/json/json.h"

/* Appends value, packed. */
void cor_kube_pack(const struct cor_json *value, struct cor_buf *out);

/* The tree of what cor_kube_pack made. Returns owned; NULL when it is something else. */
struct cor_json *cor_kube_unpack(struct cor_view packed);

/* Number of a word that many objects have, -1 for others; and the word of a number, NULL beyond the
 * last. */
int cor_kube_word(struct cor_view text);
const char *cor_kube_word_at(size_t number);

#endif
