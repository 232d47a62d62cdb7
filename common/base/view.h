// SPDX-License-Identifier: Apache-2.0
// A view borrows bytes; it never owns them and need not end in NUL. Valid as long as what it points
// into. {NULL, 0} is the absent view. Any thread.
#ifndef COR_BASE_VIEW_H
#define COR_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"

struct cor_view {
    const char *ptr;
    size_t len;
};

/* A view of a string literal. */
#define COR_VIEW(literal) ((struct cor_view){(literal), sizeof(literal) - 1})

/* printf("%.*s", COR_VIEW_ARG(v)) */
#define COR_VIEW_ARG(v) (int)(v).len, (v).ptr

/* View of a C string; absent for NULL. */
struct cor_view cor_view_of(const char *text);

/* Same length and bytes. */
bool cor_view_eq(struct cor_view a, struct cor_view b);

/* Same bytes as the C string. */
bool cor_view_is(struct cor_view a, const char *text);

/* a begins with the C string prefix. */
bool cor_view_starts(struct cor_view a, const char *prefix);

/* a ends with the C string suffix. */
bool cor_view_ends(struct cor_view a, const char *suffix);

/* Byte-wise order, shorter first when one is a prefix: <0, 0, >0. */
int cor_view_cmp(struct cor_view a, struct cor_view b);

/* Without blanks, tabs and line ends on either side. */
struct cor_view cor_view_trim(struct cor_view a);

/* The part of *rest before the next sep, and moves *rest behind it. False when *rest is absent; the
 * last part leaves *rest absent. "a//b" gives "a", "", "b". */
bool cor_view_split(struct cor_view *rest, char sep, struct cor_view *part_r);

/* Owned, NUL-terminated copy (cor_free). */
char *cor_view_dup(struct cor_view a) COR_MALLOC;

/* Decimal, optional '-', nothing else, in range. False leaves *out_r alone. */
bool cor_view_i64(struct cor_view a, int64_t *out_r);

/* Decimal digits only, in range. False leaves *out_r alone. */
bool cor_view_u64(struct cor_view a, uint64_t *out_r);

/* Well-formed UTF-8 without NUL bytes. */
bool cor_view_is_utf8(struct cor_view a);

/* Length of the longest beginning of a for which cor_view_is_utf8. */
size_t cor_view_utf8_len(struct cor_view a);

#endif
