// SPDX-License-Identifier: Apache-2.0
// One end of the link in the Coracle dialect: whether the peer has greeted, and the credit in each
// direction (as on the bus: messages in all since the connection began). Pure. One thread at a
// time.
#ifndef PX_LINK_END_H
#define PX_LINK_END_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "proto/proto.h"

/* Messages that may be under way in each direction. */
enum { PX_END_WINDOW = 1024 };

struct px_end {
    bool open;      /* the peer's LINK_HELLO has come */
    uint64_t minor; /* the peer's */
    uint64_t sent;
    uint64_t limit; /* the peer takes so many */
    uint64_t received;
    uint64_t granted; /* we have said so */
};

/* A connection begins. hello_r: what to say first, but for the times of a node. */
void px_end_begin(struct px_end *end, struct px_link_hello *hello_r);

/* The peer's LINK_HELLO. COR_UNSUPPORTED: it speaks another major version; COR_INVALID: it has said
 * hello before, or leaves no window. */
COR_NODISCARD enum cor_code px_end_hello(struct px_end *end, const struct px_link_hello *hello,
                                         struct cor_err *err);

/* Messages with credit that may be sent now. */
uint64_t px_end_room(const struct px_end *end);

/* One was sent. */
void px_end_sent(struct px_end *end);

/* One that came was dealt with. True: tell the peer *limit_r in a CREDIT. */
bool px_end_took(struct px_end *end, uint64_t *limit_r);

/* More than the window is under way: the peer does not keep to its credit. */
bool px_end_is_overrun(const struct px_end *end, uint64_t waiting);

/* The peer's CREDIT. One that says less than before says nothing. */
void px_end_credit(struct px_end *end, uint64_t limit);

#endif
