// SPDX-License-Identifier: Apache-2.0
// Private to common/bus. Where a stream of EVENTs stands at its origin and at its sink: sequence,
// cumulative ack, resume, dedupe. Pure.
#ifndef COR_BUS_PLACE_H
#define COR_BUS_PLACE_H

#include <stdbool.h>
#include <stdint.h>

/* At the origin. */
struct cor_place_origin {
    uint64_t sent;  /* last sequence sent in this session */
    uint64_t acked; /* last sequence that the sink has committed */
    bool open;      /* the sink has said where to go on */
};

/* What an ACK means to the origin. */
enum cor_place_ack {
    COR_PLACE_BAD,    /* beyond what was ever sent */
    COR_PLACE_OLD,    /* nothing new */
    COR_PLACE_NEW,    /* acked moved on */
    COR_PLACE_RESUME, /* send what follows acked */
};

/* At the sink. */
struct cor_place_sink {
    uint64_t incarnation; /* of the origin's store */
    uint64_t received;    /* last sequence handed to the handler */
    uint64_t committed;   /* last sequence that the handler has committed */
    uint64_t told;        /* last ack sent */
    bool open;
    bool held;  /* takes nothing for now */
    bool asked; /* to resume, and nothing has come since */
};

/* What a numbered message is to the sink. */
enum cor_place_seq {
    COR_PLACE_NEXT,      /* deliver */
    COR_PLACE_DUPLICATE, /* drop, ack again */
    COR_PLACE_GAP,       /* drop, ask to resume */
    COR_PLACE_ASKED,     /* drop; it was asked to resume */
    COR_PLACE_HELD,      /* drop; resume is asked for when the hold ends */
};

/* The session has ended: nothing is open. */
void cor_place_origin_end(struct cor_place_origin *p);

/* An ACK has come; one that is older than acked says nothing new. high is the highest sequence the
 * origin has ever given out. */
enum cor_place_ack cor_place_origin_ack(struct cor_place_origin *p, uint64_t seq, bool resume,
                                        uint64_t high);

/* The origin opens the stream; committed is what the sink's store has of this incarnation, or what
 * the origin says is over, whichever is more. */
void cor_place_sink_open(struct cor_place_sink *p, uint64_t incarnation, uint64_t committed);

/* A message has come, with skip numbers before it that never will. */
enum cor_place_seq cor_place_sink_seq(struct cor_place_sink *p, uint64_t seq, uint64_t skip);

/* The handler has committed up to seq. True when there is something new to ack. */
bool cor_place_sink_commit(struct cor_place_sink *p, uint64_t seq);

#endif
