// SPDX-License-Identifier: Apache-2.0
// What gRPC puts around HTTP/2: length-prefixed messages, status numbers, percent-encoded texts,
// timeouts. Pure. Source: gRPC over HTTP2 (grpc/grpc doc/PROTOCOL-HTTP2.md). Any thread.
#ifndef COR_GRPC_FRAME_H
#define COR_GRPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

enum { COR_GRPC_PREFIX = 5, COR_GRPC_TIMEOUT_SIZE = 16 };

/* Status numbers that this code names. */
enum {
    COR_GRPC_OK = 0,
    COR_GRPC_UNKNOWN = 2,
    COR_GRPC_UNIMPLEMENTED = 12,
    COR_GRPC_UNAVAILABLE = 14
};

/* Appends message (borrows, under 4 GiB) with its prefix: not compressed, length big-endian. */
void cor_grpc_frame(struct cor_buf *out, struct cor_view message);

/* Looks at the front of in for one whole message of at most max bytes. COR_OK: *message_r points
 * into in, and COR_GRPC_PREFIX + its length bytes are used. COR_RETRY: more bytes are needed.
 * COR_TOOBIG: longer than max (known from the prefix alone). COR_UNSUPPORTED: compressed. */
COR_NODISCARD enum cor_code cor_grpc_unframe(struct cor_view in, size_t max,
                                             struct cor_view *message_r);

/* The class of a grpc-status number; unknown numbers are COR_INTERNAL. */
enum cor_code cor_grpc_code(int64_t status);

/* The name of a grpc-status number, as Go writes it ("Unavailable"); others are "Unknown".
 * Constant.
 */
const char *cor_grpc_status_name(int status);

/* Writes the percent-decoded text of a grpc-message header into out (size bytes, cut, NUL at the
 * end). Control characters become blanks; a broken escape stays as it is. */
void cor_grpc_text(struct cor_view encoded, char *out, size_t size);

/* Appends text as a grpc-message header: what is not printable ASCII, and '%', as %XX. */
void cor_grpc_text_encode(const char *text, struct cor_buf *out);

/* Writes the value of the grpc-timeout header for us (> 0) microseconds: at most 8 digits and a
 * unit. */
void cor_grpc_timeout(int64_t us, char out[COR_GRPC_TIMEOUT_SIZE]);

#endif
