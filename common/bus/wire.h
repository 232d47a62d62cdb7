// SPDX-License-Identifier: Apache-2.0
// The bus's own messages as structs and tables (bus.def), and the frame: header and body, one
// behind the other, in one ZeroMQ frame. Pure; any thread.
#ifndef COR_BUS_WIRE_H
#define COR_BUS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/bus/message.h"
#include "common/codec/codec.h"

/* Minor 1: any number of streams, with names; messages that were dropped by policy are skipped. */
enum { COR_BUS_MAJOR = 1, COR_BUS_MINOR = 1, COR_STREAM_MAX_0 = 15 };

#define DEF_NAME(name) cor_wire_##name
// clang-format off
#include "common/codec/def_struct.h"
#include "common/bus/bus.def"
#include "common/codec/def_undef.h"
// clang-format on
#undef DEF_NAME

#define DEF_TABLE(name) cor_wire_##name##_table
// clang-format off
#include "common/codec/def_decl.h"
#include "common/bus/bus.def"
#include "common/codec/def_undef.h"
// clang-format on
#undef DEF_TABLE

enum cor_wire {
    COR_WIRE_HELLO = 1,
    COR_WIRE_CREDIT = 2,
    COR_WIRE_OPEN = 3,
    COR_WIRE_ACK = 4,
    COR_WIRE_ERROR = 5,
    COR_WIRE_REOPEN = 6,
    COR_WIRE_TAP = 16,
    COR_WIRE_TAPPED = 17,
    COR_WIRE_CTL_CALL = 18,
    COR_WIRE_CTL_REPLY = 19,
    COR_WIRE_LAST = 31, /* services' numbers are higher */
};

/* The rows of bus.def. */
const struct cor_messages *cor_wire_messages(void);

/* Appends header and body (a struct of table). */
void cor_frame_write(const struct cor_wire_header *header, const struct cor_table *table,
                     const void *body, struct cor_buf *out);

/* Splits a frame (borrows): the header is decoded, *body_r is the rest. COR_INVALID. */
COR_NODISCARD enum cor_code cor_frame_read(struct cor_view frame, struct cor_wire_header *header_r,
                                           struct cor_view *body_r, struct cor_err *err);

#endif
