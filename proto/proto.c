// SPDX-License-Identifier: Apache-2.0
#include "proto/proto.h"

#include <string.h>

#include "common/base/attr.h"
#include "common/base/must.h"

#define DEF_NAME(name) px_##name
#define DEF_TABLE(name) px_##name##_table
// clang-format off
#include "common/codec/def_table.h"
#include "proto/messages.def"
#include "common/codec/def_undef.h"
// clang-format on
#undef DEF_NAME
#undef DEF_TABLE

const struct cor_messages *px_messages(void)
{
    static const struct cor_message ROWS[] = {
#define MESSAGE(name_, number_, class_name, reply_, doc_)                                          \
    {.name = #name_,                                                                               \
     .body = &px_##name_##_table,                                                                  \
     .doc = (doc_),                                                                                \
     .number = (number_),                                                                          \
     .reply = PX_##reply_,                                                                         \
     .class_ = COR_##class_name},
// clang-format off
#include "common/codec/def_messages.h"
#include "proto/messages.def"
#include "common/codec/def_undef.h"
        // clang-format on
    };
    static const struct cor_messages MESSAGES = {ROWS, COR_COUNT(ROWS)};
    return &MESSAGES;
}

const struct cor_endpoint *px_endpoint(enum px_endpoint which)
{
    static const struct cor_endpoint ROWS[] = {
#define ENDPOINT(id, name_, binder_, connector_, window_, queue_, max_bytes_, doc_)                \
    {.name = (name_),                                                                              \
     .binder = (binder_),                                                                          \
     .connector = (connector_),                                                                    \
     .doc = (doc_),                                                                                \
     .window = (window_),                                                                          \
     .queue = (queue_),                                                                            \
     .max_bytes = (max_bytes_)},
// clang-format off
#include "proto/endpoints.def"
// clang-format on
#undef ENDPOINT
    };
    must(which < PX_ENDPOINT_COUNT);
    return &ROWS[which];
}

bool px_key_parse(struct cor_view key, struct px_key *key_r)
{
    struct cor_view rest = key;
    *key_r = (struct px_key){0};
    if (!cor_view_split(&rest, '/', &key_r->ns) || !cor_view_split(&rest, '/', &key_r->type) ||
        key_r->type.len == 0) {
        return false;
    }
    key_r->name = rest;
    return true;
}

bool px_key_returns(struct cor_view key)
{
    struct px_key parts;
    return px_key_parse(key, &parts) && !cor_view_is(parts.type, "pod");
}
