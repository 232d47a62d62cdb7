// SPDX-License-Identifier: Apache-2.0
#include "common/bus/wire.h"

#define DEF_NAME(name) cor_wire_##name
#define DEF_TABLE(name) cor_wire_##name##_table
// clang-format off
#include "common/codec/def_table.h"
#include "common/bus/bus.def"
#include "common/codec/def_undef.h"
// clang-format on
#undef DEF_NAME
#undef DEF_TABLE

const struct cor_messages *cor_wire_messages(void)
{
    static const struct cor_message ROWS[] = {
#define MESSAGE(name_, number_, class_name, reply_, doc_)                                          \
    {.name = #name_,                                                                               \
     .body = &cor_wire_##name_##_table,                                                            \
     .doc = (doc_),                                                                                \
     .number = (number_),                                                                          \
     .class_ = COR_##class_name},
// clang-format off
#include "common/codec/def_messages.h"
#include "common/bus/bus.def"
#include "common/codec/def_undef.h"
        // clang-format on
    };
    static const struct cor_messages MESSAGES = {ROWS, COR_COUNT(ROWS)};
    return &MESSAGES;
}

void cor_frame_write(const struct cor_wire_header *header, const struct cor_table *table,
                     const void *body, struct cor_buf *out)
{
    cor_encode(&cor_wire_header_table, header, out);
    cor_encode(table, body, out);
}

enum cor_code cor_frame_read(struct cor_view frame, struct cor_wire_header *header_r,
                             struct cor_view *body_r, struct cor_err *err)
{
    struct cor_reader r = cor_reader_of(frame);
    enum cor_code code = cor_decode_at(&cor_wire_header_table, &r, NULL, header_r, err);
    if (code != COR_OK) {
        return code;
    }
    if (header_r->number == 0 || header_r->number > UINT16_MAX) {
        return cor_err_set(err, COR_INVALID, "header: number out of range");
    }
    *body_r = (struct cor_view){(const char *)r.at, (size_t)(r.end - r.at)};
    return COR_OK;
}
