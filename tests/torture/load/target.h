// SPDX-License-Identifier: Apache-2.0
// The HTTP target of a rule: takes messages, dedupes by key, and fails on purpose.
#ifndef TORTURE_TARGET_H
#define TORTURE_TARGET_H

#include "common/base/err.h"
#include "common/loop/loop.h"
#include "ledger.h"

struct target_spec {
    struct cor_loop *loop;
    struct ledger *ledger;
    int port;              /* on 127.0.0.1; 0: any */
    const char *address;   /* numeric; NULL: 127.0.0.1 */
    uint64_t refuse_every; /* every such request is answered 503 and not taken; 0: none */
    uint64_t forget_every; /* every such request is taken and answered 500; 0: none */
};

struct target;

/* Listens. COR_IO. Returns owned. */
COR_NODISCARD enum cor_code target_new(const struct target_spec *spec, struct target **target_r,
                                       struct cor_err *err);

/* Takes the messages in body, one or a batch, for ledger. */
void target_take(struct ledger *ledger, struct cor_view body, struct cor_view key);

/* Requests so far. */
uint64_t target_requests(const struct target *target);

/* Port that is listened on. */
int target_port(const struct target *target);

/* With on, all requests are answered 503. */
void target_away(struct target *target, bool on);

/* Frees; *target becomes NULL. */
void target_free(struct target **target);

#endif
