// SPDX-License-Identifier: Apache-2.0
// Credit of a stream (STREAM_DATA and its like): how many bytes each end may still send. Who
// consumes bytes gives the other one as many again, in pieces of a quarter of the window. Pure. One
// thread at a time.
#ifndef PX_STREAM_CREDIT_H
#define PX_STREAM_CREDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PX_STREAM_WINDOW = 131072, /* bytes under way in each direction */
    PX_STREAM_PIECE = 16384,   /* bytes of one STREAM_DATA */
    PX_STREAMS_MAX = 64        /* streams of a node at once */
};

struct px_credit {
    uint64_t send;  /* bytes that may be sent */
    uint64_t hear;  /* bytes that the peer may send */
    uint64_t taken; /* of what came: consumed, the peer has not been told */
};

/* The peer's credit: so many more. What is beyond any sense is cut. */
void px_credit_gain(struct px_credit *credit, uint64_t bytes);

/* Bytes have come. False: more than the peer may send. */
bool px_credit_heard(struct px_credit *credit, size_t bytes);

/* Bytes that came were consumed. Returns what to tell the peer in STREAM_CREDIT; 0: nothing yet. */
uint64_t px_credit_took(struct px_credit *credit, size_t bytes);

#endif
