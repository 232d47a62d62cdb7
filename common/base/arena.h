// SPDX-License-Identifier: Apache-2.0
// Memory that dies together: what one callback needs while it runs. Bounded: a request over the
// limit returns NULL, so that input from outside can be decoded into an arena. One thread at a
// time.
#ifndef COR_BASE_ARENA_H
#define COR_BASE_ARENA_H

#include <stddef.h>

#include "common/base/view.h"

struct cor_arena;

/* An arena that never holds more than limit bytes. Returns owned. */
struct cor_arena *cor_arena_new(size_t limit);

/* Frees everything; *arena becomes NULL. For auto_(). */
void cor_arena_free(struct cor_arena **arena);

/* size bytes, zeroed, aligned for any object; NULL when over the limit. Valid until reset or free.
 */
void *cor_arena_alloc(struct cor_arena *arena, size_t size);

/* NUL-terminated copy; NULL when over the limit. Valid until reset or free. */
char *cor_arena_dup(struct cor_arena *arena, struct cor_view view);

/* Forgets all that was allocated; keeps one block of memory for the next time. */
void cor_arena_reset(struct cor_arena *arena);

#endif
