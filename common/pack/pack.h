// SPDX-License-Identifier: Apache-2.0
// Compression of single messages; the door to zlib (RFC 1950). Keeps nothing between calls, so that
// a process with many connections has no state for each. Any thread.
#ifndef COR_PACK_PACK_H
#define COR_PACK_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

/* Appends in, compressed. False, with out as it was: it gets no smaller by an eighth. */
bool cor_pack(struct cor_view in, struct cor_buf *out);

/* Appends what in was before, which must be size bytes; memory is taken as they come. COR_INVALID:
 * malformed, or another size. */
COR_NODISCARD enum cor_code cor_unpack(struct cor_view in, size_t size, struct cor_buf *out,
                                       struct cor_err *err);

#endif
