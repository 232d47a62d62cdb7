// SPDX-License-Identifier: Apache-2.0
// The client's end of a WebSocket (RFC 6455) in a buffer: the upgrade, frames out, frames in. Pure.
// What a hub says to a simulated node fits into one frame; others are taken for a fault.
#ifndef TESTS_SWARM_WIRE_H
#define TESTS_SWARM_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

enum wire_opcode { WIRE_TEXT = 1, WIRE_BINARY = 2, WIRE_CLOSE = 8, WIRE_PING = 9, WIRE_PONG = 10 };

/* Who asks for the upgrade, as edgehub and EdgeCore do. All borrowed. */
struct wire_ask {
    const char *host;
    const char *node;
    const char *offer; /* subprotocols; NULL: none */
};

/* Appends the request. */
void wire_request(const struct wire_ask *ask, struct cor_buf *out);

/* Reads the answer. Bytes of it, 0: not whole yet, -1: no upgrade. *agreed_r: it names protocol. */
int wire_answer(struct cor_view bytes, const char *protocol, bool *agreed_r);

/* Appends one masked frame with all of payload (borrows). */
void wire_frame(enum wire_opcode opcode, uint32_t mask, struct cor_view payload,
                struct cor_buf *out);

/* Reads a frame of the server (payload: borrows). Bytes of it, 0: not whole yet, -1: malformed, or
 * a part of a message. */
int wire_read(struct cor_view bytes, enum wire_opcode *opcode_r, struct cor_view *payload_r);

#endif
