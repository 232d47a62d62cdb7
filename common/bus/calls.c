// SPDX-License-Identifier: Apache-2.0
#include "calls.h"

#include "common/base/map.h"
#include "common/base/mem.h"

struct cor_calls {
    struct cor_map *by_id; /* 8 bytes of id -> struct cor_pending, owned */
    size_t max;
};

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

struct cor_calls *cor_calls_new(size_t max)
{
    struct cor_calls *calls = cor_alloc(sizeof(*calls));
    calls->by_id = cor_map_new(cor_free);
    calls->max = max;
    return calls;
}

void cor_calls_free(struct cor_calls **calls)
{
    if (*calls != NULL) {
        cor_map_free(&(*calls)->by_id);
        cor_freep(calls);
    }
}

bool cor_calls_add(struct cor_calls *calls, const struct cor_pending *pending)
{
    if (cor_map_count(calls->by_id) >= calls->max) {
        return false;
    }
    struct cor_pending *copy = cor_alloc(sizeof(*copy));
    *copy = *pending;
    cor_map_set(calls->by_id, key_of(&pending->id), copy);
    return true;
}

bool cor_calls_take(struct cor_calls *calls, uint64_t id, struct cor_pending *out_r)
{
    struct cor_pending *p = cor_map_take(calls->by_id, key_of(&id));
    if (p == NULL) {
        return false;
    }
    *out_r = *p;
    cor_free(p);
    return true;
}

bool cor_calls_expired(struct cor_calls *calls, struct cor_mono now, bool every,
                       struct cor_pending *out_r)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(calls->by_id, &at, NULL, &value)) {
        const struct cor_pending *p = value;
        if (every || p->deadline.us <= now.us) {
            return cor_calls_take(calls, p->id, out_r);
        }
    }
    return false;
}

void cor_calls_redirect(struct cor_calls *calls, const void *self, cor_reply_fn fn)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(calls->by_id, &at, NULL, &value)) {
        struct cor_pending *p = value;
        if (p->self == self) {
            p->fn = fn;
            p->self = NULL;
        }
    }
}

bool cor_calls_next(const struct cor_calls *calls, struct cor_mono *deadline_r)
{
    size_t at = 0;
    void *value = NULL;
    bool found = false;
    while (cor_map_next(calls->by_id, &at, NULL, &value)) {
        const struct cor_pending *p = value;
        if (!found || p->deadline.us < deadline_r->us) {
            *deadline_r = p->deadline;
            found = true;
        }
    }
    return found;
}

size_t cor_calls_count(const struct cor_calls *calls)
{
    return cor_map_count(calls->by_id);
}
