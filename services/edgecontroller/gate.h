// SPDX-License-Identifier: Apache-2.0
// When a target may be asked: how many at once, and whether it is away. A target that is away is
// tried by one message at a time, after delays that grow; the first success opens it for all. Pure.
#ifndef EC_GATE_H
#define EC_GATE_H

#include <stdbool.h>

#include "common/clock/backoff.h"
#include "common/clock/clock.h"

/* What an answer of a target means. */
enum ec_verdict {
    EC_DELIVERED, /* 2xx */
    EC_REFUSED,   /* the target is well, but not happy with this message */
    EC_AWAY,      /* the target is not there, or wants to be left alone */
};

struct ec_gate {
    unsigned running; /* requests under way */
    bool away;
    bool probing;               /* what is under way was begun while it was away */
    struct cor_mono not_before; /* while away */
    struct cor_backoff backoff;
};

/* Bounds of requests under way. A target with none under way may always begin one, so that others
 * that are slow cannot keep it from its turn. */
struct ec_gate_limit {
    unsigned target; /* to this target */
    unsigned all;    /* to all */
};

/* What HTTP status (0: no answer) means. */
enum ec_verdict ec_verdict(int status);

/* Whether a request may begin now, with running under way to all targets. */
bool ec_gate_may(const struct ec_gate *gate, struct ec_gate_limit limit, unsigned running,
                 struct cor_mono now);

/* A request begins. */
void ec_gate_begin(struct ec_gate *gate);

/* A request has ended; retry_after_us: what the target asked to wait, 0 if nothing. random is in
 * [0, 1). */
void ec_gate_end(struct ec_gate *gate, enum ec_verdict verdict, int64_t retry_after_us,
                 struct cor_mono now, double random);

/* A request was given up, its end says nothing. */
void ec_gate_give_up(struct ec_gate *gate);

#endif
