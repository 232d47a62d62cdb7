// SPDX-License-Identifier: Apache-2.0
// The messages between services (messages.def) as structs and tables, and the endpoints
// (endpoints.def). Constant data; any thread.
#ifndef PX_PROTO_H
#define PX_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/bus/message.h"

#define DEF_NAME(name) px_##name
// clang-format off
#include "common/codec/def_struct.h"
#include "proto/messages.def"
#include "common/codec/def_undef.h"
// clang-format on
#undef DEF_NAME

#define DEF_TABLE(name) px_##name##_table
// clang-format off
#include "common/codec/def_decl.h"
#include "proto/messages.def"
#include "common/codec/def_undef.h"
// clang-format on
#undef DEF_TABLE

/* Numbers of the messages: PX_object, ... */
enum px_message {
#define MESSAGE(name, number, class_, reply, doc) PX_##name = (number),
// clang-format off
#include "common/codec/def_messages.h"
#include "proto/messages.def"
#include "common/codec/def_undef.h"
    // clang-format on
    PX_none = 0
};

/* What an API_CALL asks. */
enum px_verb {
    PX_VERB_GET = 1,
    PX_VERB_LIST = 2,
    PX_VERB_CREATE = 3,
    PX_VERB_UPDATE = 4,
    PX_VERB_PATCH = 5,
    PX_VERB_DELETE = 6,
    PX_VERB_WATCH = 7, /* in NODE_ASK only */
};

/* Content type of a PATCH. */
enum px_patch {
    PX_PATCH_STRATEGIC = 1, /* application/strategic-merge-patch+json */
    PX_PATCH_MERGE = 2,     /* application/merge-patch+json */
};

/* What a DEVICE_REPORT reports. */
enum px_report {
    PX_REPORT_TWIN = 1,  /* device/<id>/twin/edge_updated */
    PX_REPORT_STATE = 2, /* device/<id>/state/update */
};

/* Every message between services. */
const struct cor_messages *px_messages(void);

enum px_endpoint {
#define ENDPOINT(id, name, binder, connector, window, queue, max_bytes, doc) PX_ENDPOINT_##id,
// clang-format off
#include "proto/endpoints.def"
// clang-format on
#undef ENDPOINT
    PX_ENDPOINT_COUNT
};

/* Row of an endpoint. */
const struct cor_endpoint *px_endpoint(enum px_endpoint which);

/* The parts of a key "<namespace>/<type>/<name>" or of a list "<namespace>/<type>" (borrow from
 * key). */
struct px_key {
    struct cor_view ns; /* "null": cluster scope */
    struct cor_view type;
    struct cor_view name; /* absent in a list; may hold '/' */
};

/* Splits key. False when it has less than two parts or an empty type. */
bool px_key_parse(struct cor_view key, struct px_key *key_r);

/* Whether an object that a node was told is gone may be needed there again under its uid: a Device
 * that moves to another node and back, a DeviceModel or ConfigMap that is named again. Not so a
 * Pod, which is bound for life. False for what is no key. */
bool px_key_returns(struct cor_view key);

#endif
