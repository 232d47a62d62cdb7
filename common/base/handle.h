// SPDX-License-Identifier: Apache-2.0
// Generational handles: a number that names an object in a pool. A handle whose object is gone is
// an error, never a use after free. 0 is never a handle. One thread at a time.
#ifndef COR_BASE_HANDLE_H
#define COR_BASE_HANDLE_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t cor_handle;

struct cor_pool;

/* Pool of at most max (1..2^31) objects. Returns owned. */
struct cor_pool *cor_pool_new(size_t max);

/* Frees the pool, not the objects; *pool becomes NULL. */
void cor_pool_free(struct cor_pool **pool);

/* Registers object (borrows, not NULL). Returns its handle, 0 when the pool is full. */
cor_handle cor_pool_add(struct cor_pool *pool, void *object);

/* Object of the handle; NULL when it was removed or never was. */
void *cor_pool_get(const struct cor_pool *pool, cor_handle handle);

/* Unregisters and returns the object; NULL when there is none. */
void *cor_pool_del(struct cor_pool *pool, cor_handle handle);

/* Number of registered objects. */
size_t cor_pool_count(const struct cor_pool *pool);

/* Walk: *at starts at 0; NULL at the end. The current object may be unregistered while walking. */
void *cor_pool_next(const struct cor_pool *pool, size_t *at);

#endif
