// SPDX-License-Identifier: Apache-2.0
// Frames of the link in the Coracle dialect: header and body of common/bus (wire.h), one binary
// WebSocket message each, with the numbers of proto/messages.def and of common/bus/bus.def (ACK,
// OPEN, REOPEN, CREDIT, ERROR). Pure, but for px_frame_show. Any thread.
#ifndef PX_LINK_FRAME_H
#define PX_LINK_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/bus.h"
#include "proto/proto.h"

/* Offered by the node as a WebSocket subprotocol (RFC 6455 section 1.9). Its number is the major
 * version of LINK_HELLO. */
#define PX_LINK_SUBPROTOCOL "coracle.1"

enum {
    PX_LINK_MAJOR = 1,
    PX_LINK_MINOR = 4, /* 1: COMPARE; 2: LINK_PART, LINK_PACKED; 3: STREAM_OPEN and its like;
                        * 4: LINK_TRUST */
    PX_LINK_MINOR_LANES = 2,
    PX_LINK_MINOR_STREAMS = 3,
    PX_LINK_MINOR_TRUST = 4,
    PX_LINK_MAX = 20 * 1024 * 1024,      /* bytes of a frame */
    PX_LINK_EVENT_MAX = 2 * 1024 * 1024, /* of one with an EVENT, as on hub-bus */
};

/* A frame that has come; all borrowed from its bytes. */
struct px_frame {
    struct cor_wire_header head;
    struct cor_view raw;               /* the body, unread */
    const struct cor_message *message; /* NULL: a newer peer's, to be ignored */
    struct cor_view whole;
};

/* Reads a frame. COR_INVALID: malformed; COR_TOOBIG. */
COR_NODISCARD enum cor_code px_frame_read(struct cor_view bytes, struct px_frame *frame_r,
                                          struct cor_err *err);

/* Decodes the body into body_r, a struct of the message's table; lists live in arena, which may be
 * NULL for a table without. COR_INVALID. frame->message must not be NULL. */
COR_NODISCARD enum cor_code px_frame_body(const struct px_frame *frame, struct cor_arena *arena,
                                          void *body_r, struct cor_err *err);

/* Whether a message needs credit: all but CONTROL and REPLY. One that is not known here (NULL)
 * counts as one that does. */
bool px_frame_is_counted(const struct cor_message *message);

/* The row of a number, of the bus's own messages too; NULL: none. */
const struct cor_message *px_frame_message(uint64_t number);

/* Appends a frame: body is a struct of the number's table, or NULL: raw is its encoded form. */
void px_frame_write(const struct cor_wire_header *head, const void *body, struct cor_view raw,
                    struct cor_buf *out);

/* Streams of a node are numbered on the link by the port they come from and their number there. */
enum px_frame_port { PX_FRAME_BUS = 3, PX_FRAME_PORT_BITS = 2 };

/* The number on the link of a stream of a port. */
uint64_t px_frame_stream(enum px_frame_port port, uint64_t stream);

/* The stream of that port; 0: it is of another one. */
uint64_t px_frame_stream_of(enum px_frame_port port, uint64_t link_stream);

/* Shows a frame (borrows) to who watches the service's traffic (zmqtap): sent by it, or received.
 */
void px_frame_show(struct cor_bus *bus, const char *from, const char *to, bool sent,
                   struct cor_view frame);

#endif
