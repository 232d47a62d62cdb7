// SPDX-License-Identifier: Apache-2.0
// Private to common/bus. Calls that wait for their answer. Each ends exactly once: reply, error,
// timeout or peer gone. Pure: time is a parameter.
#ifndef COR_BUS_CALLS_H
#define COR_BUS_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock/clock.h"

struct cor_err;

/* Called once per call: body is the decoded reply when code is COR_OK, else NULL and err has text.
 */
typedef void (*cor_reply_fn)(void *self, const void *body, const struct cor_err *err);

struct cor_pending {
    uint64_t id;
    struct cor_mono deadline;
    cor_reply_fn fn;
    void *self;
    uint64_t cause; /* what was being handled when the call was made */
    uint16_t reply; /* message number that answers */
};

struct cor_calls;

/* At most max pending calls. Returns owned. */
struct cor_calls *cor_calls_new(size_t max);

/* Frees the table; pending calls must have been ended. *calls becomes NULL. */
void cor_calls_free(struct cor_calls **calls);

/* Adds (copies). False when full. */
bool cor_calls_add(struct cor_calls *calls, const struct cor_pending *pending);

/* Takes the call out. False when there is none with this id. */
bool cor_calls_take(struct cor_calls *calls, uint64_t id, struct cor_pending *out_r);

/* Takes out one call whose deadline is not after now; with every set, any call. False: none. */
bool cor_calls_expired(struct cor_calls *calls, struct cor_mono now, bool every,
                       struct cor_pending *out_r);

/* The answers of all calls made with self go to fn instead, with a NULL self. */
void cor_calls_redirect(struct cor_calls *calls, const void *self, cor_reply_fn fn);

/* Earliest deadline. False when nothing is pending. */
bool cor_calls_next(const struct cor_calls *calls, struct cor_mono *deadline_r);

/* Pending calls. */
size_t cor_calls_count(const struct cor_calls *calls);

#endif
