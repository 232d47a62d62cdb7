// SPDX-License-Identifier: Apache-2.0
// How frames of the Coracle dialect travel: large ones compressed and in pieces, each in one of
// four lanes, so that a ConfigMap of a MiB holds up neither a heartbeat nor a call. Frames of a
// lane stay in order. Pure. One thread at a time.
#ifndef PX_LINK_LANE_H
#define PX_LINK_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "proto/link/frame.h"

enum px_lane {
    PX_LANE_CONTROL, /* heartbeats, credit, acknowledgements */
    PX_LANE_CALL,    /* questions and answers, publications */
    PX_LANE_STATE,   /* objects, memberships */
    PX_LANE_BULK,    /* uploads, and the OPEN of their streams */
    PX_LANES
};

/* The lane of a message. */
enum px_lane px_lane_of(uint64_t number);

/* Sends one WebSocket message (borrowed for the call). */
typedef void (*px_lane_fn)(void *self, struct cor_view message, enum px_lane lane);

/* Whether a frame with this header is worth compressing: not what devices send. */
bool px_lane_packs(const struct cor_wire_header *head, size_t bytes);

/* What a connection may be given in one message, if it takes so many bytes at once: 2 KiB, more
 * when the link is fast, so that more urgent frames wait for milliseconds at most. */
size_t px_lane_most(size_t at_once);

/* A peer, and how frames go to it. */
struct px_lane_way {
    uint64_t minor; /* the peer's */
    size_t most;    /* bytes of one message: px_lane_most */
    px_lane_fn fn;
    void *self;
};

/* Says a frame (borrows): the way's fn is called for each message. */
void px_lane_say(const struct cor_wire_header *head, struct cor_view frame,
                 const struct px_lane_way *way);

/* What has come of frames that are not whole. */
struct px_lanes {
    struct cor_buf parts[PX_LANES];
};

/* Forgets it. For auto_(). */
void px_lanes_free(struct px_lanes *lanes);

/* Bytes that wait for the rest of their frames. */
size_t px_lanes_waiting(const struct px_lanes *lanes);

/* A message that has come: frame_r is the frame that is whole with it, borrowed from bytes or from
 * *keep (cor_buf_free when it was dealt with). *whole_r false: it is a piece, and not the last one.
 * COR_INVALID, COR_TOOBIG. */
COR_NODISCARD enum cor_code px_lanes_hear(struct px_lanes *lanes, struct cor_view bytes,
                                          struct cor_buf *keep, struct px_frame *frame_r,
                                          bool *whole_r, struct cor_err *err);

#endif
