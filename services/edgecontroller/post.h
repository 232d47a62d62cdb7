// SPDX-License-Identifier: Apache-2.0
// The HTTP request that carries uploads to a target. Pure.
#ifndef EC_POST_H
#define EC_POST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "flow.h"

/* Who sends. Borrowed. */
struct ec_post_from {
    const char *node;
    const char *stream; /* name of the stream at the node: "topic/T" */
    uint64_t incarnation;
};

/* How. */
struct ec_post_format {
    bool batch;  /* the rule asks for batches, be it of one message */
    bool ndjson; /* lines instead of an array */
};

enum { EC_POST_HEADERS = 6 };

struct ec_post {
    char *headers[EC_POST_HEADERS]; /* owned lines, then NULL */
    struct cor_buf body;
};

/* Fills *post_r with the first count messages of queue (1 without batch). ec_post_clear frees it.
 *   Idempotency-Key: NODE/bus/INCARNATION/STREAM/SEQ (a batch: .../FIRST..LAST)
 *   X-Coracle-Node, X-Coracle-Topic, X-Coracle-Time; for a batch Content-Type.
 * INCARNATION in hexadecimal, NODE, STREAM and the topic percent-encoded. In a batch a message that
 * is JSON stands as it is, other UTF-8 as a string, other bytes as {"base64":"..."}. */
void ec_post_make(const struct ec_post_from *from, const struct ec_flow_queue *queue, size_t count,
                  const struct ec_post_format *format, struct ec_post *post_r);

/* Frees what it owns. */
void ec_post_clear(struct ec_post *post);

#endif
