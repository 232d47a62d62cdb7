// SPDX-License-Identifier: Apache-2.0
// Structs to msgpack and back, driven by field tables: a map with integer keys. Unknown keys are
// skipped; duplicate, missing, over-long, ill-typed fields and trailing bytes are errors. Any
// thread.
#ifndef COR_CODEC_CODEC_H
#define COR_CODEC_CODEC_H

#include "common/base/arena.h"
#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/codec/reader.h"
#include "common/codec/table.h"

/* Appends object (a struct of table) to out. Fields that break the table's limits are a bug. */
void cor_encode(const struct cor_table *table, const void *object, struct cor_buf *out);

/* Reads one object at the cursor into object_r (zeroed first). Strings are views into the bytes;
 * lists live in arena. COR_INVALID, COR_TOOBIG (arena full): the cursor is then anywhere. */
COR_NODISCARD enum cor_code cor_decode_at(const struct cor_table *table, struct cor_reader *r,
                                          struct cor_arena *arena, void *object_r,
                                          struct cor_err *err);

/* Like cor_decode_at on all of bytes: anything behind the object is COR_INVALID. */
COR_NODISCARD enum cor_code cor_decode(const struct cor_table *table, struct cor_view bytes,
                                       struct cor_arena *arena, void *object_r,
                                       struct cor_err *err);

/* Appends object for people: key=value pairs, strings escaped, long ones cut at most bytes. */
void cor_print(const struct cor_table *table, const void *object, size_t most, struct cor_buf *out);

/* Fills object_r with a random valid instance; lists and strings live in arena. state is the random
 * state (changed), never 0. For tests and fuzz seeds. */
void cor_random_instance(const struct cor_table *table, struct cor_arena *arena, uint64_t *state,
                         void *object_r);

/* Same content, field by field. */
bool cor_same(const struct cor_table *table, const void *a, const void *b);

#endif
