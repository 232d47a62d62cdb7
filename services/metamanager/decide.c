// SPDX-License-Identifier: Apache-2.0
#include "decide.h"

#include <stdint.h>

int meta_version_cmp(struct cor_view a, struct cor_view b)
{
    uint64_t x = UINT64_MAX;
    uint64_t y = UINT64_MAX;
    if (cor_view_eq(a, b)) {
        return 0;
    }
    bool a_odd = !cor_view_u64(a, &x);
    bool b_odd = !cor_view_u64(b, &y);
    if (a_odd || b_odd) {
        return a_odd ? 1 : -1;
    }
    return (x > y) - (x < y);
}

static bool same_uid(const struct meta_state *a, const struct meta_state *b)
{
    return a->uid.len == 0 || b->uid.len == 0 || cor_view_eq(a->uid, b->uid);
}

static enum meta_news deletion(const struct meta_state *stored, const struct meta_state *said)
{
    if (stored->gone) {
        return META_SAME;
    }
    return same_uid(stored, said) ? META_NEWS : META_OLDER;
}

enum meta_news meta_decide(const struct meta_state *stored, const struct meta_state *said,
                           bool returns)
{
    if (!stored->exists) {
        return META_NEWS;
    }
    if (said->gone) {
        return deletion(stored, said);
    }
    bool known_uid = stored->uid.len > 0 && cor_view_eq(stored->uid, said->uid);
    int order = meta_version_cmp(said->version, stored->version);
    if (stored->gone && known_uid) {
        return returns && order >= 0 ? META_NEWS : META_OLDER;
    }
    if (order == 0 && !stored->gone) {
        return META_SAME;
    }
    return order > 0 ? META_NEWS : META_OLDER;
}
