// SPDX-License-Identifier: Apache-2.0
// A bounded cursor over msgpack bytes from outside. Never allocates, never reads past the end;
// counts are checked against the bytes that are left before anyone believes them. Any thread.
#ifndef COR_CODEC_READER_H
#define COR_CODEC_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"

struct cor_reader {
    const uint8_t *at;
    const uint8_t *end;
};

/* Cursor at the start of bytes (borrows). */
struct cor_reader cor_reader_of(struct cor_view bytes);

/* Each reads one value of its kind and moves on; false leaves the cursor where it was. Views point
 * into the bytes. */
bool cor_read_map(struct cor_reader *r, uint32_t *pairs_r);
bool cor_read_array(struct cor_reader *r, uint32_t *count_r);
bool cor_read_u64(struct cor_reader *r, uint64_t *value_r);
bool cor_read_i64(struct cor_reader *r, int64_t *value_r);
bool cor_read_bool(struct cor_reader *r, bool *value_r);
bool cor_read_str(struct cor_reader *r, struct cor_view *value_r);
bool cor_read_bin(struct cor_reader *r, struct cor_view *value_r);

/* Moves over one value of any kind, nested at most COR_DEPTH_MAX deep. */
bool cor_read_skip(struct cor_reader *r);

#endif
