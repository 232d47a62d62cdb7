// SPDX-License-Identifier: Apache-2.0
// Saying the messages of streams (STREAM_OPEN and what follows) over something that may have no
// room now: what waits is kept in order, and bounded by the streams' credit. Pure but for what the
// owner's function does. One thread at a time.
#ifndef PX_STREAM_SAY_H
#define PX_STREAM_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/view.h"
#include "proto/stream/credit.h"

/* Sends a message with this body (encoded, borrows). COR_BUSY: no room now, it is kept. Any other
 * code: it is gone. */
typedef enum cor_code (*px_say_fn)(void *self, uint16_t number, struct cor_view raw);

/* Messages on their way to one peer. */
struct px_mouth {
    px_say_fn fn;
    void *self;
    struct cor_link waiting;
    size_t bytes; /* that wait */
};

/* Nothing waits. fn and self are borrowed. */
void px_mouth_init(struct px_mouth *mouth, px_say_fn fn, void *self);

/* Forgets what waits. */
void px_mouth_clear(struct px_mouth *mouth);

/* There is room: says what waits. True: all of it. */
bool px_mouth_go_on(struct px_mouth *mouth);

/* Whether something waits. */
bool px_mouth_is_full(const struct px_mouth *mouth);

/* Passes a message on (borrows). */
void px_say_raw(struct px_mouth *mouth, uint16_t number, struct cor_view raw);

/* A message, body is a struct of its table (borrows). */
void px_say(struct px_mouth *mouth, uint16_t number, const void *body);

/* Bytes of a stream, in pieces, all within credit->send; with last they are the last ones. */
void px_say_data(struct px_mouth *mouth, uint64_t id, struct px_credit *credit,
                 struct cor_view bytes, bool last);

/* So many bytes were consumed: says it when there is enough to say. */
void px_say_took(struct px_mouth *mouth, uint64_t id, struct px_credit *credit, size_t bytes);

/* The stream is over; error NULL: and complete. */
void px_say_end(struct px_mouth *mouth, uint64_t id, const char *error);

#endif
