// SPDX-License-Identifier: Apache-2.0
// What this node has asked the cloud and not yet been answered, by message id. Pure: time is a
// parameter.
#ifndef EDGEHUB_ASKS_H
#define EDGEHUB_ASKS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/bus/bus.h"
#include "common/clock/clock.h"

struct asks;

enum ask_kind { ASK_CALL, ASK_REPORT };

/* One question. */
struct ask {
    enum ask_kind kind;
    char *key; /* owned; of a call */
    struct cor_ticket ticket;
};

/* At most max. Returns owned. */
struct asks *asks_new(size_t max);

/* Frees; *asks becomes NULL. For auto_(). */
void asks_free(struct asks **asks);

/* Adds a question (key: borrows) under id. False when there are too many. */
bool asks_add(struct asks *asks, const char *id, enum ask_kind kind, struct cor_view key,
              const struct cor_ticket *ticket);

/* Takes the question with this id out; NULL when there is none. Returns owned (ask_free). */
struct ask *asks_take(struct asks *asks, struct cor_view id);

/* Takes out one question: with every set any, else one whose deadline is past now. NULL: none. */
struct ask *asks_expired(struct asks *asks, struct cor_mono now, bool every);

/* Frees; *ask becomes NULL. For auto_(). */
void ask_free(struct ask **ask);

/* Questions that wait. */
size_t asks_count(const struct asks *asks);

#endif
