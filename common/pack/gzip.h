// SPDX-License-Identifier: Apache-2.0
// Whole files as gzip (RFC 1952). Blocks for as long as it takes: for child processes. Any thread.
#ifndef COR_PACK_GZIP_H
#define COR_PACK_GZIP_H

#include "common/base/attr.h"
#include "common/base/err.h"

/* Writes what is left to be read of from to to, compressed. Both are borrowed. Memory is bounded.
 * COR_IO. */
COR_NODISCARD enum cor_code cor_gzip(int from, int to, struct cor_err *err);

#endif
