// SPDX-License-Identifier: Apache-2.0
// Hash map from byte strings to pointers. Keys are copied; values are borrowed unless a free
// function was given. Seeded hash, so that keys from outside cannot be chosen to collide.
// Iteration order is insertion order as long as nothing is removed. One thread at a time.
#ifndef COR_BASE_MAP_H
#define COR_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/view.h"

struct cor_map;

/* free_value (may be NULL) is called for each value that is replaced, removed or left at the end.
 * Returns owned. */
struct cor_map *cor_map_new(void (*free_value)(void *value));

/* Frees map and values; *map becomes NULL. For auto_(). */
void cor_map_free(struct cor_map **map);

/* Value of key, NULL when absent. Borrowed from the map. */
void *cor_map_get(const struct cor_map *map, struct cor_view key);

/* Sets key to value (takes it if there is a free function; not NULL). Replaces and frees an old
 * one. */
void cor_map_set(struct cor_map *map, struct cor_view key, void *value);

/* Removes key and frees its value. False when absent. */
bool cor_map_del(struct cor_map *map, struct cor_view key);

/* Removes key and hands its value over; NULL when absent. */
void *cor_map_take(struct cor_map *map, struct cor_view key);

/* Number of keys. */
size_t cor_map_count(const struct cor_map *map);

/* Walk: *at starts at 0; false at the end. The current key may be deleted while walking, none may
 * be added. key_r and value_r may be NULL. */
bool cor_map_next(const struct cor_map *map, size_t *at, struct cor_view *key_r, void **value_r);

#endif
