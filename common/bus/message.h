// SPDX-License-Identifier: Apache-2.0
// What a message kind and an endpoint are. The rows of services come from proto/; those of the bus
// itself from bus.def. Constant data; any thread.
#ifndef COR_BUS_MESSAGE_H
#define COR_BUS_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/codec/table.h"

enum cor_class {
    COR_CONTROL, /* of the bus itself: no credit, no sequence */
    COR_STATE,   /* newest wins per key; coalesced while waiting; re-derivable from its owner */
    COR_EVENT,   /* each once, in stream order; the origin keeps it until the sink has committed */
    COR_CALL,    /* a question; ends in exactly one of reply, error, timeout, peer gone */
    COR_REPLY,   /* its answer */
    COR_STREAM,  /* bytes with credit, not durable */
};

/* One message kind. */
struct cor_message {
    const char *name;
    const struct cor_table *body;
    const char *doc;
    uint16_t number;
    uint16_t reply; /* CALL: number of the answer; else 0 */
    uint8_t class_;
};

/* The message kinds a bus knows. */
struct cor_messages {
    const struct cor_message *rows;
    size_t count;
};

/* What happens to a message that finds its queue full. */
enum cor_full {
    COR_FULL_REFUSE, /* the sender is told COR_BUSY */
};

/* One endpoint: a pair of services. */
struct cor_endpoint {
    const char *name;
    const char *binder;
    const char *connector;
    const char *doc;
    uint32_t window;    /* messages that may be under way in each direction */
    uint32_t queue;     /* STATE messages that may wait for credit, one a key */
    uint32_t max_bytes; /* of one message */
};

/* Name of a class: "state". */
const char *cor_class_name(enum cor_class class_);

/* The row with this number; NULL when there is none. */
const struct cor_message *cor_message_find(const struct cor_messages *messages, uint16_t number);

#endif
