// SPDX-License-Identifier: Apache-2.0
// Heap memory. Allocation never returns NULL: out of memory ends the process (exit 111).
// Sizes that come from outside are bounded by the caller before they get here. Any thread.
#ifndef COR_BASE_MEM_H
#define COR_BASE_MEM_H

#include <stddef.h>

#include "common/base/attr.h"

/* size bytes, zeroed. Returns owned (free with cor_free). size 0 gives 1 byte. */
void *cor_alloc(size_t size) COR_MALLOC;

/* count * size bytes, zeroed; dies when the product overflows. Returns owned. */
void *cor_calloc(size_t count, size_t size) COR_MALLOC;

/* Resizes ptr (takes it; may be NULL) to count * size bytes; new bytes are not zeroed. Returns
 * owned. */
void *cor_realloc(void *ptr, size_t count, size_t size) __attribute__((returns_nonnull));

/* Copy of text (borrows). Returns owned; NULL for NULL. */
char *cor_strdup(const char *text);

/* Copy of len bytes with a NUL after them. Returns owned. */
char *cor_memdup(const void *bytes, size_t len) COR_MALLOC;

/* printf into a new string. Returns owned. */
char *cor_sprintf(const char *fmt, ...) COR_PRINTF(1, 2) COR_MALLOC;

/* Frees ptr (takes; NULL is fine). */
void cor_free(void *ptr);

/* For auto_(): frees *(void **)pp and sets it to NULL. pp: address of any pointer variable. */
void cor_freep(void *pp);

/* Overwrites len bytes with zeros in a way that is not optimised away: for keys and tokens. */
void cor_wipe(void *bytes, size_t len);

#endif
