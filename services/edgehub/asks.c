// SPDX-License-Identifier: Apache-2.0
#include "asks.h"

#include "common/base/map.h"
#include "common/base/mem.h"

struct asks {
    struct cor_map *map; /* id to struct ask */
    size_t max;
};

static void free_value(void *value)
{
    struct ask *ask = value;
    ask_free(&ask);
}

struct asks *asks_new(size_t max)
{
    struct asks *asks = cor_alloc(sizeof(*asks));
    asks->map = cor_map_new(free_value);
    asks->max = max;
    return asks;
}

void asks_free(struct asks **asks)
{
    if (*asks != NULL) {
        cor_map_free(&(*asks)->map);
        cor_freep(asks);
    }
}

void ask_free(struct ask **ask)
{
    if (*ask != NULL) {
        cor_free((*ask)->key);
        cor_freep(ask);
    }
}

bool asks_add(struct asks *asks, const char *id, enum ask_kind kind, struct cor_view key,
              const struct cor_ticket *ticket)
{
    if (cor_map_count(asks->map) >= asks->max) {
        return false;
    }
    struct ask *ask = cor_alloc(sizeof(*ask));
    ask->kind = kind;
    ask->key = cor_view_dup(key);
    ask->ticket = *ticket;
    cor_map_set(asks->map, cor_view_of(id), ask);
    return true;
}

struct ask *asks_take(struct asks *asks, struct cor_view id)
{
    return cor_map_take(asks->map, id);
}

struct ask *asks_expired(struct asks *asks, struct cor_mono now, bool every)
{
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    while (cor_map_next(asks->map, &at, &id, &value)) {
        struct ask *ask = value;
        if (every || cor_mono_since(now, ask->ticket.deadline) >= 0) {
            return cor_map_take(asks->map, id);
        }
    }
    return NULL;
}

size_t asks_count(const struct asks *asks)
{
    return cor_map_count(asks->map);
}
