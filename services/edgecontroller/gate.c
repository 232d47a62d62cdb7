// SPDX-License-Identifier: Apache-2.0
#include "gate.h"

enum ec_verdict ec_verdict(int status)
{
    static const int AWAY[] = {0, 408, 429, 502, 503, 504};
    if (status >= 200 && status < 300) {
        return EC_DELIVERED;
    }
    for (size_t i = 0; i < COR_COUNT(AWAY); i++) {
        if (AWAY[i] == status) {
            return EC_AWAY;
        }
    }
    return EC_REFUSED;
}

bool ec_gate_may(const struct ec_gate *gate, struct ec_gate_limit limit, unsigned running,
                 struct cor_mono now)
{
    if (gate->away) {
        return gate->running == 0 && cor_mono_since(now, gate->not_before) >= 0;
    }
    return gate->running == 0 || (gate->running < limit.target && running < limit.all);
}

void ec_gate_begin(struct ec_gate *gate)
{
    gate->running++;
    gate->probing = gate->away;
}

void ec_gate_end(struct ec_gate *gate, enum ec_verdict verdict, int64_t retry_after_us,
                 struct cor_mono now, double random)
{
    bool was_probe = gate->probing;
    gate->running--;
    gate->probing = false;
    if (verdict != EC_AWAY) {
        gate->away = false;
        cor_backoff_reset(&gate->backoff);
        return;
    }
    /* What ran beside the first failure fails too: it is one failure. */
    if (gate->away && !was_probe) {
        return;
    }
    int64_t delay = cor_backoff_next(&gate->backoff, random);
    gate->away = true;
    gate->not_before = cor_mono_add(now, delay < retry_after_us ? retry_after_us : delay);
}

void ec_gate_give_up(struct ec_gate *gate)
{
    gate->running--;
    gate->probing = false;
}
