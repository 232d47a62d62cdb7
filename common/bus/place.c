// SPDX-License-Identifier: Apache-2.0
#include "place.h"

void cor_place_origin_end(struct cor_place_origin *p)
{
    p->open = false;
}

enum cor_place_ack cor_place_origin_ack(struct cor_place_origin *p, uint64_t seq, bool resume,
                                        uint64_t high)
{
    if (seq > high) {
        return COR_PLACE_BAD;
    }
    bool is_new = seq > p->acked;
    if (is_new) {
        p->acked = seq;
    }
    if (!p->open || resume) {
        p->open = true;
        p->sent = p->acked;
        return COR_PLACE_RESUME;
    }
    return is_new ? COR_PLACE_NEW : COR_PLACE_OLD;
}

void cor_place_sink_open(struct cor_place_sink *p, uint64_t incarnation, uint64_t committed)
{
    /* What this process has handed over but not yet committed is still on its way to the store. */
    bool same = p->incarnation == incarnation && p->received > committed;
    p->incarnation = incarnation;
    p->received = same ? p->received : committed;
    p->committed = committed;
    p->told = committed;
    p->open = true;
    p->held = false; /* the sink says it again if it still has no room */
    p->asked = false;
}

enum cor_place_seq cor_place_sink_seq(struct cor_place_sink *p, uint64_t seq, uint64_t skip)
{
    if (p->open && seq <= p->received) {
        return COR_PLACE_DUPLICATE;
    }
    if (p->open && p->held) {
        return COR_PLACE_HELD;
    }
    if (!p->open || skip >= seq || seq - skip > p->received + 1) {
        bool again = p->asked;
        p->asked = p->open;
        return again ? COR_PLACE_ASKED : COR_PLACE_GAP;
    }
    p->asked = false;
    p->received = seq;
    return COR_PLACE_NEXT;
}

bool cor_place_sink_commit(struct cor_place_sink *p, uint64_t seq)
{
    if (seq <= p->committed || seq > p->received) {
        return false;
    }
    p->committed = seq;
    return true;
}
